/* The control process: start, loop, end. See control.h. */
#include "control/backend.h"

#include "base/error.h"
#include "base/thread.h"
#include "sign/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Readers of the image that are nobody's worker: the API, and other processes. */
#define SPARE_READERS 512

/* --- small things that several files use --- */

int control_empty_zone(const uint8_t *apex, struct zone **out)
{
    struct dns_zonefile none = {0};
    struct base_findings findings;
    memcpy(none.origin, apex, dns_name_length(apex));
    base_arena_init(&none.arena, 1u << 20);
    base_findings_init(&findings, 1);
    int error = zone_build(&none, 1, &findings, out);
    dns_zonefile_free(&none);
    base_findings_free(&findings);
    return error;
}

/* FNV-1a: tells states of a source apart, not enemies. */
static uint64_t mix(uint64_t hash, const void *data, size_t length)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

/* By its fields: what lies between them in memory is nobody's. */
static uint64_t mix_policy(uint64_t hash, const struct config_policy *policy)
{
    const struct sign_policy *sign = &policy->sign;
    const uint32_t values[] = {policy->signs,
                               sign->validity,
                               sign->refresh,
                               sign->inception,
                               sign->jitter,
                               sign->algorithm,
                               sign->rsa_bits,
                               sign->csk,
                               sign->dnskey_ttl,
                               sign->denial,
                               sign->opt_out,
                               sign->nsec3_iterations,
                               sign->nsec3_salt_length,
                               sign->serial,
                               sign->cds,
                               sign->cdnskey,
                               sign->zonemd};
    hash = mix(hash, values, sizeof(values));
    hash = mix(hash, sign->nsec3_salt, sign->nsec3_salt_length);
    return mix(hash, sign->cds_digests, sizeof(sign->cds_digests));
}

void control_zone_stamp(const struct control_zone *zone, char out[80])
{
    uint64_t hash = mix(0xcbf29ce484222325u, &zone->fingerprint, sizeof(zone->fingerprint));
    hash = mix_policy(hash, zone->as->policy);
    hash = control_kept_mix(zone, hash, mix);
    snprintf(out, 80, "1:%016llx", (unsigned long long)hash);
}

void control_zone_template(struct control_zone *zone, const struct config_template *as,
                           enum config_place place, const void *name)
{
    zone->as = as;
    zone->template = config_template_number(place, name);
}

/* --- what an earlier run has left --- */

struct retemplate {
    struct control_task task;
    struct control *control;
    uint64_t template;
    uint8_t name[DNS_NAME_MAX];
};

static int set_template(struct control_task *task)
{
    struct retemplate *work = (struct retemplate *)task;
    int error = image_set_template(work->control->image, work->name, work->template);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static void template_set(struct control_task *task)
{
    free(task);
}

/* The settings may have changed since the zone was published. */
static void note_template(struct control_zone *zone, uint64_t known)
{
    if (known == zone->template)
        return;
    struct retemplate *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return;
    work->task.store = set_template;
    work->task.done = template_set;
    work->control = zone->control;
    work->template = zone->template;
    memcpy(work->name, zone->name, dns_name_length(zone->name));
    control_pool_write(zone->control, &work->task);
}

static void take_image(struct control_zone *zone)
{
    struct control *control = zone->control;
    struct image_zone held;
    if (control->start_reader == NULL &&
        image_reader_open(control->image, &control->start_reader) != BASE_OK)
        return;
    if (image_reader_renew(control->start_reader) != BASE_OK ||
        image_zone_get(control->start_reader, zone->name, &held) != BASE_OK) {
        image_reader_release(control->start_reader);
        return;
    }
    zone->in_image = true;
    zone->published = true;
    zone->serial = held.serial;
    zone->names = held.nodes;
    zone->records = held.records;
    zone->published_at = held.published;
    zone->next_resign = zone->due = held.next_resign;
    zone->earliest_expiry = held.earliest_expiry;
    zone->is_signed = held.denial != IMAGE_UNSIGNED;
    note_template(zone, held.template);
    image_reader_release(control->start_reader);
}

/* The registry was written, and then the image was not: what is noted of the source was never
 * published. */
static void make_again(struct control_zone *zone)
{
    zone->stamp[0] = '\0';
    zone->stale = zone->source == CONFIG_EDITS;
    zone->source_known = false; /* a primary gives the whole zone again */
    zone->refresh_again = true;
}

/* A zone in the registry that the image does not have was published before: its serial counts. */
static void take_registry(struct control_zone *zone)
{
    struct base_arena arena;
    struct registry_zone known;
    base_arena_init(&arena, 1u << 24);
    if (registry_zone_get(zone->control->registry, zone->name, &arena, &known) == BASE_OK) {
        bool behind = zone->in_image && known.published &&
                      (known.serial != zone->serial || known.published_at != zone->published_at);
        if (known.published && !zone->in_image)
            zone->serial = known.serial;
        zone->serial_known = known.published;
        zone->source_serial = known.source_serial;
        zone->source_known = known.source_known && zone->in_image;
        zone->edition = known.edition;
        zone->published_edition = known.published_edition;
        zone->checked_at = known.checked_at;
        zone->expires_at = known.expires_at;
        snprintf(zone->stamp, sizeof(zone->stamp), "%s", known.stamp);
        if (behind)
            make_again(zone);
        if (known.problem != NULL)
            control_zone_known_problem(zone, known.problem);
    }
    base_arena_free(&arena);
}

/* Is its file not older than what is published? */
static bool is_exported(const struct control_zone *zone)
{
    if (zone->control->signed_directory == NULL)
        return true;
    char *path = control_zone_path(zone->control->signed_directory, zone->name, ".zone");
    struct stat status;
    bool good =
        path != NULL && stat(path, &status) == 0 && status.st_mtim.tv_sec >= zone->published_at;
    free(path);
    return good;
}

/* The settings may ask for other signatures than those that are published, or for none. */
static void follow_policy(struct control_zone *zone)
{
    char stamp[80];
    control_zone_stamp(zone, stamp);
    if (strcmp(stamp, zone->stamp) == 0)
        return;
    if (zone->source == CONFIG_PRIMARY && zone->origin != CONTROL_OF_PRODUCED &&
        !zone->as->policy->signs) {
        /* What came unsigned has our signatures now: it has to come again. */
        zone->whole_transfer = zone->refresh_again = true;
        zone->source_known = false;
    } else {
        zone->changed = true;
    }
}

void control_zone_as_published(struct control_zone *zone)
{
    take_image(zone);
    take_registry(zone);
    if (zone->source == CONFIG_EDITS && zone->edition != zone->published_edition)
        zone->stale = true;
    zone->exporting = zone->published && !is_exported(zone);
    if (zone->exporting)
        zone->due = control_now(zone->control);
    if (zone->source == CONFIG_EDITS && zone->stale)
        zone->changed = true;
    if (zone->source == CONFIG_EDITS && !zone->published)
        zone->changed = zone->file != NULL || zone->edition > 0;
    if (zone->source != CONFIG_FILE && zone->published)
        follow_policy(zone);
}

/* --- zones of the configuration and of the API --- */

static void add_config_zone(struct control *control, const struct config_zone *at)
{
    struct control_zone *zone = control_table_add(control, at->name);
    if (zone == NULL)
        return;
    zone->origin = CONTROL_OF_CONFIG;
    zone->source = (uint8_t)at->source;
    control_zone_template(zone, &at->as, CONFIG_ZONE, at->name);
    if (at->file != NULL)
        zone->file = strdup(at->file);
    if (at->source == CONFIG_PRIMARY)
        control_zone_servers(zone, at->primaries, at->primary_count);
    control_zone_as_published(zone);
}

/* The file of a zone that the configuration names alone. */
void control_look_at_file(struct control_zone *zone)
{
    struct source_fingerprint now;
    if (zone->source != CONFIG_FILE || zone->origin == CONTROL_OF_DIRECTORY || zone->file == NULL)
        return;
    control_file_fingerprint(zone->file, &now);
    if (!source_fingerprint_equal(&now, &zone->fingerprint)) {
        zone->fingerprint = now;
        control_zone_source_seen(zone);
    }
}

void control_look_at_files(struct control *control)
{
    for (size_t i = 0; i < control->table.count; i++)
        control_look_at_file(control->table.zones[i]);
}

/* The source is in a state that is new to us, unless it is the one that was published. */
void control_zone_source_seen(struct control_zone *zone)
{
    char stamp[80];
    control_zone_stamp(zone, stamp);
    bool same = zone->in_image && strcmp(stamp, zone->stamp) == 0;
    if (same)
        return;
    zone->changed = true;
    if (zone->control->first_look_over)
        control_zone_urgent(zone);
}

/* {"source":{"kind":"edits"|"primary","primaries":[…]},"policy":…} of a zone that the API made. */
static int add_api_zone(void *context, const struct registry_zone *known)
{
    struct control *control = context;
    if (known->published && known->published_at > control->newest)
        control->newest = known->published_at;
    if (!known->made)
        return BASE_OK;
    int error = control_zone_of_api(control, known);
    if (error == BASE_EEXIST) {
        char name[DNS_NAME_TEXT];
        CONTROL_LOG(
            control, WARNING,
            "%s: was made by the API, but the settings give it another source, which counts",
            dns_name_text(name, known->name));
        error = BASE_OK;
    }
    return error;
}

/* A zone of the API has the standard template, but may have a policy of its own. */
static void take_policy(struct control_zone *zone, const char *name)
{
    const struct config *config = zone->control->config;
    const struct config_policy *policy = name != NULL ? config_policy_find(config, name) : NULL;
    if (policy == NULL || policy == zone->as->policy)
        return;
    zone->own_template = *zone->as;
    zone->own_template.policy = policy;
    zone->as = &zone->own_template;
}

int control_zone_of_api(struct control *control, const struct registry_zone *known)
{
    const struct config *config = control->config;
    struct control_zone *zone = control_table_add(control, known->name);
    if (zone == NULL)
        return BASE_EEXIST;
    zone->origin = CONTROL_OF_API;
    zone->source = strcmp(known->source, "primary") == 0 ? CONFIG_PRIMARY
                   : strcmp(known->source, "file") == 0  ? CONFIG_FILE
                                                         : CONFIG_EDITS;
    control_zone_template(zone, &config->standard, CONFIG_STANDARD, NULL);
    json_t *detail = known->detail != NULL ? json_loads(known->detail, 0, NULL) : NULL;
    json_t *source = json_object_get(detail, "source");
    json_t *primaries = json_object_get(source, "primaries");
    const char *file = json_string_value(json_object_get(source, "file"));
    if (zone->source == CONFIG_FILE && file != NULL)
        zone->file = strdup(file);
    take_policy(zone, json_string_value(json_object_get(detail, "policy")));
    const struct config_remote *remotes[16];
    size_t count = 0, index;
    json_t *name;
    json_array_foreach(primaries, index, name)
    {
        const struct config_remote *remote =
            json_is_string(name) ? config_remote_find(config, json_string_value(name)) : NULL;
        if (remote != NULL && count < 16)
            remotes[count++] = remote;
        else
            CONTROL_LOG(control, ERROR,
                        "a zone made by the API names the remote %s, which is not "
                        "in the settings",
                        json_string_value(name));
    }
    if (zone->source == CONFIG_PRIMARY)
        control_zone_servers(zone, remotes, count);
    json_decref(detail);
    control_zone_as_published(zone);
    return BASE_OK;
}

/* --- start --- */

static bool make_directory(struct control *control, const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return true;
    CONTROL_LOG(control, ERROR, "cannot make the directory %s: %s", path, strerror(errno));
    return false;
}

static char *join(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static bool make_places(struct control *control)
{
    const char *data = control->config->data, *export = control->options->export_directory;
    control->keys_directory = join(data, "keys");
    control->image_directory = join(data, "image");
    control->removed_directory = join(data, "removed");
    if (export != NULL)
        control->signed_directory = strdup(export);
    return control->keys_directory != NULL && control->image_directory != NULL &&
           control->removed_directory != NULL &&
           (export == NULL || control->signed_directory != NULL) &&
           make_directory(control, data, 0755) &&
           (export == NULL || (make_directory(control, export, 0755) &&
                               make_directory(control, control->removed_directory, 0755)));
}

/* The file of the image: when it is another one, or gone, what we write is seen by nobody. */
static bool image_file(const struct control *control, dev_t *device, ino_t *inode)
{
    struct stat status;
    char *path = join(control->image_directory, "data.mdb");
    bool there = path != NULL && stat(path, &status) == 0;
    free(path);
    if (there) {
        *device = status.st_dev;
        *inode = status.st_ino;
    }
    return there;
}

/* Somebody removed the image while it was in use: it is made again by a process that begins anew.
 */
void control_look_at_image(struct control *control)
{
    dev_t device = 0;
    ino_t inode = 0;
    if (image_file(control, &device, &inode) && device == control->image_device &&
        inode == control->image_inode)
        return;
    /* Its file is there as long as we have it open. */
    bool saved = image_copy(control->image, control->image_directory) == BASE_OK;
    CONTROL_LOG(control, WARNING, "the image in %s is gone: it is %s", control->image_directory,
                saved ? "written again" : "made again from the zones");
    control->exit_code = PROCESS_EXIT_AGAIN;
    control_stop(control);
}

void control_image_damaged(struct control *control)
{
    if (control->stopping)
        return;
    CONTROL_LOG(control, ERROR, "the image in %s is damaged: it is made again from the zones",
                control->image_directory);
    image_discard(control->image_directory);
    control->exit_code = PROCESS_EXIT_AGAIN;
    control_stop(control);
}

static int open_image(struct control *control)
{
    control->image_is_new = !image_file(control, &control->image_device, &control->image_inode);
    struct image_options options = {.writer = true,
                                    .readers = control->options->readers + SPARE_READERS};
    int error = control_doubt_hopeless(control)
                    ? BASE_EFORMAT
                    : image_open(control->image_directory, &options, &control->image);
    if (error == BASE_OK)
        error = control_doubt_start(control);
    if (error == BASE_EFORMAT) {
        image_close(control->image);
        control->image = NULL;
        control_doubt_well(control);
        CONTROL_LOG(control, WARNING,
                    "the image in %s is damaged or of another format; it is made again from the "
                    "zones",
                    control->image_directory);
        error = image_discard(control->image_directory);
        control->image_is_new = true;
        if (error == BASE_OK)
            error = image_open(control->image_directory, &options, &control->image);
    }
    image_file(control, &control->image_device, &control->image_inode);
    if (error != BASE_OK)
        CONTROL_LOG(control, ERROR, "the image in %s cannot be opened: %s",
                    control->image_directory, base_strerror(error));
    return error;
}

static int open_registry(struct control *control)
{
    struct base_findings *findings = &control->damage;
    char *path = join(control->config->data, "registry.db");
    int error = path != NULL ? registry_open(path, findings, &control->registry) : BASE_ENOMEM;
    for (size_t i = 0; i < findings->count; i++)
        base_log_finding(control->log, base_clock_now(), &findings->items[i]);
    if (error != BASE_OK && findings->count == 0)
        CONTROL_LOG(control, ERROR, "the registry registry.db in %s cannot be opened: %s",
                    control->config->data, base_strerror(error));
    free(path);
    return error;
}

static int make_remotes(struct control *control)
{
    const struct config *config = control->config;
    control->remotes = calloc(config->remote_count + 1, sizeof(*control->remotes));
    if (control->remotes == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < config->remote_count; i++) {
        const struct config_remote *remote = &config->remotes[i];
        control->remotes[i] = (struct source_server){.addresses = remote->addresses,
                                                     .address_count = remote->address_count,
                                                     .key = remote->key,
                                                     .tls = remote->tls,
                                                     .tls_name = remote->tls_name,
                                                     .tls_ca = remote->tls_ca,
                                                     .name = remote->name};
    }
    return BASE_OK;
}

static int load_zones(struct control *control)
{
    const struct config *config = control->config;
    for (size_t i = 0; i < config->zone_count; i++)
        add_config_zone(control, &config->zones[i]);
    int error = control_catalogs_start(control);
    if (error == BASE_OK)
        error = registry_zones(control->registry, add_api_zone, control);
    control_clock_start(control, control->newest);
    return error;
}

static void on_signal(uv_signal_t *handle, int number)
{
    control_stop(handle->data);
}

void control_stop(struct control *control)
{
    if (control->stopping)
        return;
    CONTROL_LOG(control, INFO, "ending after the zones that are being signed");
    control->stopping = true;
    control_schedule(control, 0);
}

/* The settings are this process's for life: it ends, and is started again with the new ones. */
void control_reload(struct control *control)
{
    control->exit_code = PROCESS_EXIT_AGAIN;
    control_stop(control);
}

/* --- the API --- */

static void run_api(struct control *control)
{
    int timeout = -1;
    api_run(control->api, &timeout);
    if (timeout >= 0)
        uv_timer_start(&control->api_timer, control->on_api_timer, (uint64_t)timeout, 0);
}

static void on_api(uv_poll_t *poll, int status, int events)
{
    run_api(poll->data);
}

static void on_api_timer(uv_timer_t *timer)
{
    run_api(timer->data);
}

static int open_api(struct control *control)
{
    const struct control_options *options = control->options;
    uv_timer_init(&control->loop, &control->api_timer);
    control->api_timer.data = control;
    control->on_api_timer = on_api_timer;
    if (options->api < 0)
        return BASE_OK;
    struct api_options api = {.socket = options->api,
                              .metrics = options->metrics,
                              .backend = {control_backend_serve, control},
                              .log = *control->log};
    int error = api_new(&api, &control->api);
    if (error != BASE_OK) {
        CONTROL_LOG(control, ERROR, "the API cannot start: %s", base_strerror(error));
        return error;
    }
    if (uv_poll_init(&control->loop, &control->api_poll, api_descriptor(control->api)) != 0)
        return BASE_EIO;
    control->api_poll.data = control;
    uv_poll_start(&control->api_poll, UV_READABLE, on_api);
    run_api(control);
    return BASE_OK;
}

/* Answers were given outside of api_run: it has something to do. */
void control_api_kick(struct control *control)
{
    if (control->api != NULL)
        uv_timer_start(&control->api_timer, on_api_timer, 0, 0);
}

/* --- the loop --- */

static int open_loop(struct control *control)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    if (uv_loop_init(&control->loop) != 0)
        return BASE_EIO;
    control->loop_open = true;
    uv_timer_init(&control->loop, &control->timer);
    control->timer.data = control;
    for (size_t i = 0; i < 2 && (control->options->child == NULL || i == 0); i++) {
        uv_signal_init(&control->loop, &control->signals[i]);
        control->signals[i].data = control;
        uv_signal_start(&control->signals[i], on_signal, numbers[i]);
    }
    return BASE_OK;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct control *control)
{
    if (!control->loop_open)
        return;
    uv_walk(&control->loop, close_handle, NULL);
    uv_run(&control->loop, UV_RUN_DEFAULT);
    uv_loop_close(&control->loop);
}

void control_first_look_done(struct control *control)
{
    if (control->first_look_over)
        return;
    control->first_look_over = true;
    control_look_at_files(control);
    if (!control->told_ready && control->options->ready != NULL)
        control->options->ready(control->options->context);
    control->told_ready = true;
    control_clear_strangers(control);
    control_tlsa_tick(control);
}

static int seal(struct control *control)
{
    const struct control_options *options = control->options;
    struct control_places places;
    if (options->seal == NULL)
        return BASE_OK;
    int error = BASE_OK;
    if (control->registry != NULL)
        error = control_places_of_api(control, &places);
    else
        places = (struct control_places){0};
    if (error == BASE_OK)
        error = options->seal(options->context, &places);
    control_places_free(&places);
    return error;
}

/* What is left to do over a damaged registry: to say so, in the log, by the API and to systemd.
 * Sources, keys and image are not touched. The serve process goes on answering from the image,
 * which the gate has passed; without the registry nobody knows what was promised beyond that. */
static int start_to_stand_still(struct control *control)
{
    int error = control_peers_start(control);
    if (error == BASE_OK)
        error = seal(control);
    if (error == BASE_OK)
        error = open_api(control);
    if (error != BASE_OK)
        return error;
    CONTROL_LOG(control, ERROR,
                "what is published goes on being served, but no zone is changed or signed again "
                "before the registry is repaired: see `kenter status`");
    process_child_status(control->options->child,
                         "the registry is damaged: no zone is changed or signed again");
    return BASE_OK;
}

static int start(struct control *control)
{
    const struct config *config = control->config;
    struct source_fetcher_options fetcher = {.zone_bytes_max = config->transfer_size,
                                             .log = *control->log};
    unsigned workers = base_thread_count(config->threads);
    if (!make_places(control))
        return BASE_EIO;
    int error = open_loop(control);
    if (error == BASE_OK)
        error = open_registry(control);
    if (error == BASE_EFORMAT && control->options->child != NULL)
        return start_to_stand_still(control);
    if (error == BASE_OK)
        error = open_image(control);
    if (error == BASE_OK)
        error = make_remotes(control);
    if (error == BASE_OK)
        error = control_peers_start(control);
    if (error == BASE_OK)
        control_doubt_watch(control);
    if (error == BASE_OK)
        error = control_directories_note(control);
    if (error == BASE_OK)
        error = control_tlsa_start(control);
    if (error == BASE_OK)
        error = seal(control);
    if (error == BASE_OK)
        error = source_fetcher_new(&fetcher, &control->fetcher);
    if (error == BASE_OK)
        error = control_pool_start(control, workers);
    if (error == BASE_OK)
        error = control_outside_start(control);
    if (error == BASE_OK)
        error = load_zones(control);
    if (error == BASE_OK)
        error = control_directories_start(control);
    if (error == BASE_OK) {
        control_files_watch(control);
        control_tlsa_watch(control);
    }
    if (error == BASE_OK)
        error = open_api(control);
    return error;
}

static int run(struct control *control)
{
    const struct control_options *options = control->options;
    for (size_t i = 0; i < control->config->directory_count; i++)
        CONTROL_LOG(control, INFO, "keeping the zones of %s signed in %s",
                    control->config->directories[i].path,
                    control->signed_directory != NULL ? control->signed_directory
                                                      : control->image_directory);
    if (control->config->directory_count == 0)
        control_first_look_done(control);
    control_schedule(control, 0);
    uv_run(&control->loop, UV_RUN_DEFAULT);
    if (options->once && control->unlisted)
        return 3;
    if (options->once && control->refused > 0)
        return 1;
    return control->exit_code;
}

/* Until told to end, or to try again. */
static int stand_still(struct control *control)
{
    if (control->options->ready != NULL)
        control->options->ready(control->options->context);
    uv_run(&control->loop, UV_RUN_DEFAULT);
    return control->exit_code;
}

static void end(struct control *control)
{
    source_fetcher_free(control->fetcher); /* what comes of it is still taken */
    control_outside_stop(control);
    control_pool_stop(control);
    api_free(control->api);
    control_scrapes_drop(control);
    image_reader_close(control->start_reader);
    control_peers_stop(control);
    close_loop(control);
    control_tlsa_free(control);
    image_close(control->image);
    registry_close(control->registry);
    control_table_free(control);
    control_doubt_well(control);
    base_findings_free(&control->damage);
    free((void *)control->due);
    free(control->watches);
    control_files_free(control);
    free(control->looking);
    free(control->look_again);
    free(control->listed);
    free(control->members_known);
    free(control->places);
    free(control->remotes);
    free(control->message);
    free(control->keys_directory);
    free(control->image_directory);
    free(control->signed_directory);
    free(control->removed_directory);
}

int control_run(const struct control_options *options)
{
    struct control control = {.options = options,
                              .config = options->config,
                              .log = &options->config->log,
                              .keys = options->keys,
                              .serve = -1,
                              .started = base_clock_now()};
    control.urgent_last = &control.urgent;
    pthread_mutex_init(&control.keys_lock, NULL);
    control.message = malloc(PROCESS_MESSAGE_MAX);
    control.run = base_clock_monotonic() ^ (uint64_t)base_clock_now() << 32;
    int code;
    base_findings_init(&control.damage, 20);
    if (control.message != NULL && start(&control) == BASE_OK)
        code = control.registry != NULL ? run(&control) : stand_still(&control);
    else
        code = control.exit_code != 0 ? control.exit_code : 3;
    end(&control);
    pthread_mutex_destroy(&control.keys_lock);
    return code;
}
