/* Validated questions for verbs: see ask.h. */
#include "cli/ask.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/report.h"
#include "validate/tracker.h"

#include <stdlib.h>
#include <string.h>

const struct cli_operand cli_ask_operands[] = {
    {.name = "NAME", .kind = CLI_TEXT, .optional = true, .help = "The name to ask for."},
    {.name = "TYPE",
     .kind = CLI_TEXT,
     .optional = true,
     .help = "The record type, A when there is none: AAAA, MX, TYPE65280.",
     .choices = "A|AAAA|CAA|CNAME|DNSKEY|DS|HTTPS|MX|NS|PTR|SOA|SRV|SSHFP|SVCB|TLSA|TXT"},
    {.name = "@SERVER",
     .kind = CLI_TEXT,
     .optional = true,
     .repeats = true,
     .help = "The same as --server SERVER; may stand anywhere."},
    {.name = NULL}};

static int take_name(struct cli_ask *ask, const char *text)
{
    ask->name = cli_parse_name(ask->call, text);
    if (ask->name == NULL)
        return cli_usage_error(ask->call->verb, "\"%s\" is no domain name", text);
    return CLI_GOOD;
}

static int take_type(struct cli_ask *ask, const char *text)
{
    if (dns_type_from_text(text, strlen(text), &ask->type) == BASE_OK)
        return CLI_GOOD;
    return cli_usage_error(ask->call->verb, "there is no record type \"%s\"", text);
}

static int check_options(const struct cli_ask *ask)
{
    if (cli_text(ask->call, "track") != NULL && cli_text(ask->call, "at") != NULL)
        return cli_usage_error(ask->call->verb,
                               "--track keeps when keys were seen, so --at does not fit to it");
    if (ask->server_count > 0 && cli_flag(ask->call, "recursive"))
        return cli_usage_error(ask->call->verb,
                               "--recursive asks no resolver, so no server fits to it");
    return CLI_GOOD;
}

static int take_servers(struct cli_ask *ask, struct cli_call *call)
{
    *ask = (struct cli_ask){.call = call, .type = DNS_TYPE_A, .now = call->now};
    size_t most = call->operand_count + call->value_count + 1;
    ask->servers = base_arena_alloc(&call->arena, most * sizeof(*ask->servers));
    if (ask->servers == NULL) {
        fprintf(stderr, "kenter: out of memory\n");
        return CLI_SYSTEM;
    }
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "server") == 0)
            ask->servers[ask->server_count++] = call->values[i].text;
    }
    return CLI_GOOD;
}

int cli_ask_parse_options(struct cli_ask *ask, struct cli_call *call)
{
    int code = take_servers(ask, call);
    return code == CLI_GOOD ? check_options(ask) : code;
}

int cli_ask_parse(struct cli_ask *ask, struct cli_call *call)
{
    size_t words = 0;
    int taken = take_servers(ask, call);
    if (taken != CLI_GOOD)
        return taken;
    for (size_t i = 0; i < call->operand_count; i++) {
        const char *word = call->operands[i];
        int code = CLI_GOOD;
        if (word[0] == '@' && word[1] != '\0')
            ask->servers[ask->server_count++] = word + 1;
        else if (words == 2)
            code = cli_usage_error(call->verb, "\"%s\" is one argument too many", word);
        else
            code = words++ == 0 ? take_name(ask, word) : take_type(ask, word);
        if (code != CLI_GOOD)
            return code;
    }
    return check_options(ask);
}

/* "example.com=now+1d" */
static int add_negative(struct cli_ask *ask, const char *text)
{
    struct cli_call *call = ask->call;
    const char *sign = strrchr(text, '=');
    base_time until;
    const uint8_t *name = NULL;
    if (sign != NULL) {
        const char *before = base_arena_strndup(&call->arena, text, (size_t)(sign - text));
        name = before == NULL ? NULL : cli_parse_name(call, before);
    }
    if (name == NULL || base_time_parse(sign + 1, call->now, &until) != BASE_OK || until == 0)
        return cli_usage_error(call->verb,
                               "--negative takes NAME=UNTIL, such as example.com=now+1d, not "
                               "\"%s\"",
                               text);
    if (validate_anchors_add_negative(ask->anchors, name, until, "--negative") == BASE_OK)
        return CLI_GOOD;
    fprintf(stderr, "kenter: out of memory\n");
    return CLI_SYSTEM;
}

static int make_anchors(struct cli_ask *ask, int *error)
{
    struct cli_call *call = ask->call;
    bool root = true;
    *error = validate_anchors_new(&ask->anchors);
    for (size_t i = 0; *error == BASE_OK && i < call->value_count; i++) {
        const char *option = call->values[i].option->name;
        if (strcmp(option, "anchor") == 0) {
            root = false;
            *error =
                validate_anchors_read_file(ask->anchors, call->values[i].text, &call->findings);
        } else if (strcmp(option, "negative") == 0) {
            int code = add_negative(ask, call->values[i].text);
            if (code != CLI_GOOD)
                return code;
        }
    }
    if (*error == BASE_OK && root)
        *error = validate_anchors_add_root(ask->anchors);
    return *error == BASE_OK ? CLI_GOOD : CLI_SYSTEM;
}

/* The clock of a call stands still, so that a recorded case is judged as it was. */
static base_time standing_clock(void *context)
{
    const struct cli_ask *ask = context;
    return ask->now;
}

static int make_context(struct cli_ask *ask, struct resolve_options *options, int *error)
{
    char why[RESOLVE_WHY] = "";
    struct cli_call *call = ask->call;
    options->clock = ask->live ? NULL : standing_clock;
    options->clock_context = ask;
    options->root_hints = cli_text(call, "root-hints");
    options->tls_ca = cli_text(call, "tls-ca");
    options->track = cli_text(call, "track");
    if (ask->cache_octets != 0)
        options->cache_octets = ask->cache_octets;
    /* A resolver keeps the letters of who asked first for all others (targets of aliases are
     * compressed against the question), and names are shown; what is spoofed does not validate. */
    options->random_case = false;
    unsigned long seconds = cli_duration(call, "timeout", 10);
    options->timeout_ms = seconds > 3600 ? 3600 * 1000 : (unsigned)seconds * 1000;
    ask->resolve = *options;
    *error = resolve_context_new(options, why, &ask->context);
    if (*error == BASE_EFORMAT)
        return cli_usage_error(call->verb, "%s", why);
    if (*error != BASE_OK)
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL, "no question can be asked: %s",
                          why[0] != '\0' ? why : base_strerror(*error));
    return *error == BASE_OK ? CLI_GOOD : CLI_SYSTEM;
}

int cli_ask_open(struct cli_ask *ask, bool record, int *error)
{
    struct cli_call *call = ask->call;
    int code = make_anchors(ask, error);
    if (code != CLI_GOOD)
        return code;
    if (record)
        *error = resolve_recording_new(&ask->recording);
    if (*error != BASE_OK)
        return CLI_SYSTEM;
    ask->validate = (struct validate_options){
        .anchors = ask->anchors,
        .legacy = cli_flag(call, "legacy"),
        .skew = (uint32_t)cli_duration(call, "skew", 0),
    };
    struct resolve_options options = {
        .from = cli_flag(call, "recursive") ? RESOLVE_RECURSION
                : ask->server_count > 0     ? RESOLVE_SERVERS
                                            : RESOLVE_SYSTEM,
        .servers = ask->servers,
        .server_count = ask->server_count,
        .validate = ask->validate,
        .recording = ask->recording,
    };
    code = make_context(ask, &options, error);
    if (code == CLI_GOOD && options.track != NULL) {
        resolve_track(ask->context);
        resolve_track_findings(ask->context, &call->findings);
        ask->validate.anchors = resolve_anchors(ask->context);
    }
    return code;
}

bool cli_ask_wants_state(const struct cli_ask *ask)
{
    return ask->name == NULL && cli_text(ask->call, "track") != NULL;
}

static void print_tracked(const struct validate_tracked *key)
{
    char since[BASE_TIME_TEXT], due[BASE_TIME_TEXT];
    base_time_iso(key->since, since);
    printf("%5u  algorithm %-3u %-8s since %s", validate_tracked_tag(key),
           validate_tracked_algorithm(key), validate_tracked_state_name(key->state), since);
    if (key->due != 0) {
        base_time_iso(key->due, due);
        printf(", until %s at least", due);
    }
    printf("\n");
}

static void write_tracked(struct base_buf *out, const struct validate_tracked *key)
{
    char time[BASE_TIME_TEXT];
    base_time_iso(key->since, time);
    base_buf_printf(out, "{\"tag\":%u,\"algorithm\":%u,\"state\":\"%s\",\"since\":\"%s\"",
                    validate_tracked_tag(key), validate_tracked_algorithm(key),
                    validate_tracked_state_name(key->state), time);
    if (key->due != 0) {
        base_time_iso(key->due, time);
        base_buf_printf(out, ",\"due\":\"%s\"", time);
    }
    base_buf_text(out, "}");
}

int cli_ask_show_state(struct cli_ask *ask)
{
    struct cli_call *call = ask->call;
    const struct validate_tracker *tracker = resolve_tracker(ask->context);
    char zone[DNS_NAME_TEXT], next[BASE_TIME_TEXT];
    dns_name_text(zone, tracker->zone);
    base_time_iso(tracker->next, next);
    if (call->json) {
        base_buf_text(&call->members, ",\"tracked\":{\"zone\":");
        base_json_text(&call->members, zone);
        base_buf_printf(&call->members, ",\"next\":\"%s\",\"keys\":[", next);
    } else if (!call->quiet) {
        printf("trust anchor of %s, to be looked at again at %s\n", zone, next);
    }
    for (size_t i = 0; i < tracker->count; i++) {
        if (call->json) {
            base_buf_text(&call->members, i > 0 ? "," : "");
            write_tracked(&call->members, &tracker->keys[i]);
        } else if (!call->quiet) {
            print_tracked(&tracker->keys[i]);
        }
    }
    if (call->json)
        base_buf_text(&call->members, "]}");
    cli_summary_count(call, "keys", tracker->count);
    return BASE_OK;
}

int cli_ask_context(struct cli_ask *ask, struct resolve_context **out)
{
    char why[RESOLVE_WHY];
    struct resolve_options options = ask->resolve;
    /* One of them keeps the state of tracked anchors; the others lean on what it says. */
    options.track = NULL;
    options.validate.anchors = resolve_anchors(ask->context);
    return resolve_context_new(&options, why, out);
}

int cli_ask_replay(struct cli_ask *ask, const char *path, int *error)
{
    struct cli_call *call = ask->call;
    uint8_t *text;
    size_t length;
    *error = base_file_read(path, RESOLVE_RECORDING_OCTETS, &text, &length);
    if (*error == BASE_ELIMIT) {
        struct base_place place = {.file = path};
        base_findings_add(&call->findings, REPLAY_TOO_LARGE, &place,
                          "the file has more than %u octets", RESOLVE_RECORDING_OCTETS);
        *error = BASE_EREFUSED;
    } else if (*error == BASE_EIO) {
        cli_file_finding(call, FILE_UNREADABLE, path, "the case cannot be read");
    }
    if (*error != BASE_OK)
        return CLI_SYSTEM;
    *error = resolve_recording_from_json(path, (const char *)text, length, &call->findings,
                                         &ask->recording);
    free(text);
    if (*error != BASE_OK)
        return CLI_SYSTEM;
    ask->name = resolve_recording_name(ask->recording, &ask->type);
    ask->now = call->now = resolve_recording_now(ask->recording);
    ask->transport = resolve_recording_transport(ask->recording);
    ask->validate = *resolve_recording_options(ask->recording);
    struct resolve_options options = {
        .from = RESOLVE_TRANSPORT,
        .transport = &ask->transport,
        .validate = ask->validate,
        .cache_octets = SIZE_MAX,
    };
    int code = make_context(ask, &options, error);
    if (code == CLI_GOOD)
        resolve_recording_repeat_notes(ask->recording, ask->context);
    return code;
}

int cli_ask_lookup(struct cli_ask *ask, const struct validate_result **out)
{
    char type[DNS_TYPE_TEXT];
    int error = resolve_lookup(ask->context, ask->name, ask->type, out);
    if (error == BASE_EINVAL) {
        base_findings_add(&ask->call->findings, SYSTEM_FAILED, NULL,
                          "the type %s cannot be asked for", dns_type_text(type, ask->type));
        return BASE_EREFUSED;
    }
    return error;
}

void cli_ask_close(struct cli_ask *ask)
{
    if (ask->context != NULL)
        resolve_context_free(ask->context);
    resolve_recording_free(ask->recording);
    validate_anchors_free(ask->anchors);
}

const struct validate_records *cli_ask_records(const struct validate_result *result, uint16_t type)
{
    for (size_t i = 0; result->answer != NULL && i < result->answer_count; i++) {
        if (result->answer[i].type == type)
            return &result->answer[i];
    }
    for (size_t i = 0; i < result->node_count; i++) {
        const struct validate_node *node = &result->nodes[i];
        for (size_t j = 0; node->kind == VALIDATE_NODE_RRSET && j < node->set_count; j++) {
            if (node->sets[j].type == type)
                return &node->sets[j];
        }
    }
    return NULL;
}

int cli_ask_code(const struct validate_result *result)
{
    switch (result->status) {
    case VALIDATE_SECURE:
        return CLI_GOOD;
    case VALIDATE_INSECURE:
        return CLI_INSECURE;
    case VALIDATE_BOGUS:
        return CLI_FINDINGS;
    case VALIDATE_INDETERMINATE:
        return CLI_INDETERMINATE;
    case VALIDATE_ERROR:
        break;
    }
    return CLI_UNJUDGED;
}

/* The list adds only what the catalogue's severity says; a result may judge otherwise. */
static void add_finding(struct base_findings *findings, const struct validate_finding *finding,
                        const char *format, ...)
{
    struct base_place place = {.owner = finding->owner, .type = finding->type};
    va_list args;
    va_start(args, format);
    base_findings_addv(findings, finding->code, finding->severity, &place, format, args);
    va_end(args);
}

void cli_ask_findings(struct cli_call *call, const struct validate_result *result)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        const struct validate_finding *finding = &result->findings[i];
        add_finding(
            &call->findings, finding, "%s%s%s", finding->server == NULL ? "" : finding->server,
            finding->server == NULL ? "" : ": ",
            finding->message == NULL ? base_finding_info(finding->code)->title : finding->message);
        if (result->status == VALIDATE_SECURE && finding->severity == BASE_ERROR)
            call->tolerated++;
    }
}
