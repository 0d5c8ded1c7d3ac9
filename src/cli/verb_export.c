/* kenter export: a directory of signed zone files, kept current. */
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/export_state.h"
#include "cli/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE     "1000"
#define TEXT_MAX 250 /* characters of a file's name */

struct export
{
    struct cli_call *call;
    struct cli_client *client;
    const char *directory;
    struct cli_export_state state;
    uint64_t zones, written, removed;
    bool failed;              /* something of this round is to be done again */
    bool complete;            /* this round sees all zones */
    char since[64], mark[64]; /* what kenterd calls the moment of the last round, and of this one */
};

/* "DIR/example.com.zone": what a path cannot hold is percent-encoded; the root is "@". */
static const char *file_path(const struct export *export, struct base_arena *arena,
                             const char *zone)
{
    char name[TEXT_MAX + 8];
    size_t at = 0, length = strlen(zone);
    if (length > 1 && zone[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length && at < TEXT_MAX; i++) {
        if (length == 1 && zone[0] == '.')
            name[at++] = '@';
        else if (zone[i] == '/' || zone[i] == '%')
            at += (size_t)sprintf(name + at, "%%%02X", (unsigned char)zone[i]);
        else
            name[at++] = zone[i];
    }
    if (at + strlen(".zone") > TEXT_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(name + at, ".zone", sizeof(".zone"));
    return base_arena_printf(arena, "%s/%s", export->directory, name);
}

static int take(void *context, const char *text, size_t length)
{
    return base_file_write(context, text, length);
}

/* Replaces the file of one zone. */
static int write_zone(struct export *export, struct base_arena *arena, const char *zone)
{
    struct cli_call *call = export->call;
    struct base_file_writer *writer = NULL;
    const char *path = file_path(export, arena, zone);
    const char *target = cli_zone_target(call, zone, "/file?signed=true");
    int error = path != NULL && target != NULL ? base_file_create(path, 0644, &writer) : BASE_EIO;
    if (error == BASE_OK) {
        error = cli_client_read(export->client, target, take, writer);
        if (error == BASE_OK)
            error = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, path != NULL ? path : zone,
                         "the zone could not be written");
    return error;
}

/* Is the zone there to be written, in another serial than last time? */
static bool is_due(struct cli_export_state *state, const json_t *zone)
{
    const json_t *serial = json_object_get(zone, "serial");
    struct cli_exported *item = cli_export_find(state, cli_json_text(zone, "zone"));
    if (item != NULL)
        item->seen = true;
    if (!json_is_integer(serial))
        return false;
    return item == NULL || !item->written || item->serial != (uint32_t)json_integer_value(serial);
}

/* Puts down which files will be made, before they are. */
static int announce(struct export *export, const json_t *zones)
{
    size_t index, before = export->state.count;
    json_t *zone;
    json_array_foreach((json_t *)zones, index, zone)
    {
        const char *name = cli_json_text(zone, "zone");
        struct cli_export_state known = export->state;
        known.count = before; /* those are in order */
        if (!is_due(&known, zone) || cli_export_find(&known, name) != NULL)
            continue;
        int error = cli_export_add(&export->state, name);
        if (error != BASE_OK)
            return error;
    }
    if (export->state.count == before)
        return BASE_OK;
    cli_export_sort(&export->state);
    int error = cli_export_save(export->directory, &export->state);
    if (error == BASE_EIO)
        cli_file_finding(export->call, FILE_UNWRITABLE, export->directory,
                         "what is exported could not be put down");
    return error;
}

static int write_page(struct export *export, const json_t *zones)
{
    size_t index;
    json_t *zone;
    struct base_arena arena;
    base_arena_init(&arena, 0);
    int error = announce(export, zones);
    json_array_foreach((json_t *)zones, index, zone)
    {
        const char *name = cli_json_text(zone, "zone");
        export->zones++;
        if (error != BASE_OK || !is_due(&export->state, zone))
            continue;
        int failure = write_zone(export, &arena, name);
        if (failure == BASE_OK) {
            struct cli_exported *item = cli_export_find(&export->state, name);
            item->serial = (uint32_t)cli_json_number(zone, "serial");
            item->written = item->seen = true;
            export->written++;
        } else if (failure == BASE_EREFUSED) {
            /* It has gone in between, or kenterd has; the next round shows which. */
            export->failed = true;
        } else {
            error = failure;
        }
    }
    base_arena_free(&arena);
    return error;
}

/* Takes note of what a page says of the round: its moment, and whether all zones are seen. */
static void note_page(struct export *export, const json_t *page, bool first)
{
    const char *mark = json_string_value(json_object_get(page, "mark"));
    bool complete = !json_is_false(json_object_get(page, "complete"));
    if (first) {
        snprintf(export->mark, sizeof(export->mark), "%s", mark != NULL ? mark : "");
        export->complete = complete;
    }
    export->complete &= complete;
}

static int write_pages(struct export *export)
{
    struct cli_call *call = export->call;
    const char *after = NULL;
    for (;;) {
        const char *target =
            base_arena_printf(&call->arena, "/v1/zones?limit=" PAGE "%s%s%s%s",
                              export->since[0] != 0 ? "&since=" : "", export->since,
                              after != NULL ? "&after=" : "", after != NULL ? after : "");
        json_t *page = NULL;
        int error = cli_client_ask(export->client, "GET", target, NULL, &page);
        if (error != BASE_OK)
            return error;
        const json_t *zones = json_object_get(page, "zones");
        note_page(export, page, after == NULL);
        error = write_page(export, zones);
        const char *next = json_string_value(json_object_get(page, "next"));
        after = next != NULL ? cli_encode(call, next) : NULL;
        bool stop = next == NULL || json_array_size(zones) == 0;
        json_decref(page);
        if (error != BASE_OK || stop)
            return error;
        if (after == NULL)
            return BASE_ENOMEM;
    }
}

/* Removes the files of zones that kenterd has no more. */
static int remove_gone(struct export *export)
{
    struct base_arena arena;
    size_t kept = 0;
    int error = BASE_OK;
    base_arena_init(&arena, 0);
    for (size_t i = 0; i < export->state.count; i++) {
        struct cli_exported *item = &export->state.items[i];
        const char *path = item->seen ? NULL : file_path(export, &arena, item->zone);
        if (path != NULL && (unlink(path) == 0 || errno == ENOENT)) {
            export->removed++;
            continue;
        }
        if (path != NULL) {
            cli_file_finding(export->call, FILE_UNWRITABLE, path, "it could not be removed");
            error = BASE_EREFUSED;
        }
        export->state.items[kept++] = *item;
    }
    export->state.count = kept;
    base_arena_free(&arena);
    return error;
}

/* One look at all zones. */
static int round_of(struct export *export)
{
    json_t *status = NULL;
    size_t before = export->state.count;
    export->zones = export->written = export->removed = 0;
    export->failed = false;
    for (size_t i = 0; i < export->state.count; i++)
        export->state.items[i].seen = false;
    int error = cli_client_ask(export->client, "GET", "/v1/status", NULL, &status);
    /* A kenterd that is still starting does not know all of its zones. */
    bool ready = json_is_true(json_object_get(status, "ready"));
    json_decref(status);
    if (error == BASE_OK)
        error = write_pages(export);
    if (!export->complete)
        export->zones = export->state.count;
    int first = error;
    if (error == BASE_OK && ready && export->complete)
        first = remove_gone(export);
    /* The next round asks for what has changed since; after a failure for everything. */
    bool whole = first == BASE_OK && ready && !export->failed;
    snprintf(export->since, sizeof(export->since), "%s", whole ? export->mark : "");
    if (export->written + export->removed > 0 || export->state.count != before) {
        error = cli_export_save(export->directory, &export->state);
        if (error == BASE_EIO)
            cli_file_finding(export->call, FILE_UNWRITABLE, export->directory,
                             "what is exported could not be put down");
    }
    if (first == BASE_OK && error == BASE_OK && export->failed)
        return BASE_EREFUSED;
    return first != BASE_OK ? first : error;
}

/* Rounds until the process is ended. Whatever goes wrong is said once, and tried again. */
static int follow(struct export *export, unsigned interval)
{
    struct cli_call *call = export->call;
    int last = BASE_OK;
    for (;;) {
        /* What a round takes is given back after it; the arguments stay. */
        struct base_arena arguments = call->arena;
        base_arena_init(&call->arena, 0);
        int error = round_of(export);
        base_arena_free(&call->arena);
        call->arena = arguments;
        if (error == BASE_ENOMEM)
            return error;
        if (export->written + export->removed > 0)
            cli_say(call, "%llu written, %llu removed, of %llu zones\n",
                    (unsigned long long)export->written, (unsigned long long)export->removed,
                    (unsigned long long)export->zones);
        if (error != BASE_OK && last == BASE_OK) {
            for (size_t i = 0; i < call->findings.count; i++)
                fprintf(stderr, "kenter export: %s; trying again\n",
                        call->findings.items[i].message);
        }
        fflush(stdout);
        last = error;
        base_findings_free(&call->findings);
        sleep(interval);
    }
}

static int run_export(struct cli_call *call, struct export *export)
{
    int error = cli_export_load(export->directory, &export->state);
    struct base_place place = {.file = export->directory};
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNREADABLE, export->directory,
                         "what was exported cannot be read");
    else if (error == BASE_EFORMAT)
        base_findings_add(&call->findings, FILE_UNREADABLE, &place,
                          ".kenter-export in it is not what kenter export writes");
    if (error != BASE_OK)
        return error == BASE_ENOMEM ? error : BASE_EREFUSED;
    error = cli_flag(call, "follow") ? follow(export, (unsigned)cli_duration(call, "interval", 10))
                                     : round_of(export);
    cli_export_free(&export->state);
    return error;
}

static int run(struct cli_call *call)
{
    struct cli_client client;
    struct export export = {.call = call, .client = &client, .directory = cli_text(call, "to")};
    struct stat status;
    if (cli_duration(call, "interval", 10) == 0)
        return cli_usage_error(call->verb, "--interval must be at least a second");
    int error = cli_client_open(&client, call);
    int there = stat(export.directory, &status);
    if (error == BASE_OK && (there != 0 || !S_ISDIR(status.st_mode))) {
        errno = there != 0 ? errno : ENOTDIR;
        cli_file_finding(call, FILE_UNREADABLE, export.directory, "it must be a directory");
        error = BASE_EREFUSED;
    }
    if (error == BASE_OK)
        error = run_export(call, &export);
    cli_client_close(&client);
    cli_summary_count(call, "zones", export.zones);
    cli_summary_count(call, "written", export.written);
    cli_summary_count(call, "removed", export.removed);
    if (error == BASE_OK)
        cli_summary_words(call, "%llu zones: %llu written, %llu removed",
                          (unsigned long long)export.zones, (unsigned long long)export.written,
                          (unsigned long long)export.removed);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_export = {
    .name = "export",
    .summary = "keep a directory of signed zone files current",
    .description =
        "Writes every zone of kenterd, as it is served, into a directory: NAME.zone, for servers "
        "that get their zones by copying files. Each file is written aside, synced and renamed, so "
        "that nobody ever reads half of one. Only zones whose serial has changed are written "
        "again, and files of zones that have gone are removed if they were made here; other files "
        "are left alone. .kenter-export in the directory says what was made.",
    .options =
        (const struct cli_option[]){
            {.name = "to",
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .required = true,
             .help = "Where the files go; it must be there."},
            {.name = "follow",
             .letter = 'f',
             .kind = CLI_FLAG,
             .help = "Go on for ever, and try again when kenterd does not answer."},
            {.name = "interval",
             .kind = CLI_DURATION,
             .argument = "TIME",
             .help = "With --follow: how long to wait between two looks; 10s otherwise."},
            CLI_OPTION_SOCKET,
            {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter export --to /srv/zones && rsync -a "
                                              "--delete /srv/zones/ ns2:/srv/zones/",
                                              "Bring all zones to another server."},
                                             {NULL, NULL}},
    .run = run,
};
