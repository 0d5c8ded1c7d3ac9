/* kenter tlsa next, kenter tlsa gate: the next certificate of a server under TLSA. What is to be
 * published, what every authoritative server gives, and when the certificate may be shown. */
#include "base/error.h"
#include "cli/made.h"
#include "cli/report.h"
#include "cli/tlsa.h"

#include <string.h>
#include <time.h>

#define GATE_WAIT  172800
#define KEPT_PAUSE 5 /* seconds between questions to kenterd, which looks by itself */

struct change {
    struct cli_call *call;
    struct cli_ask ask;
    struct cli_tlsa tlsa;
    struct cli_tlsa_state state;
    struct dane_material current, next;
    struct dane_tlsa current_record, next_record;
    struct dane_life_wanted wanted;
    struct dane_life_advice advice;
    bool kept;       /* by kenterd, which is asked instead of the servers */
    bool away;       /* it was not there when it was asked last */
    json_t *view;    /* what came of the last look, as --json has it */
    json_t *updates; /* what was printed for nsupdate */
};

/* --- certificates --- */

static int read_certificate(struct change *change, const char *path, struct dane_material *material,
                            struct dane_tlsa *record)
{
    struct cli_call *call = change->call;
    int error = cli_made_material(call, path, material);
    if (error != BASE_OK)
        return error;
    return cli_tlsa_make(&change->tlsa, path, material, (uint8_t)cli_count(call, "usage", DANE_EE),
                         (uint8_t)cli_count(call, "selector", DANE_PUBLIC_KEY),
                         (uint8_t)cli_count(call, "mtype", DANE_SHA256), record);
}

static int read_certificates(struct change *change)
{
    struct dane_life_wanted *wanted = &change->wanted;
    const char *current = cli_text(change->call, "current");
    int error = read_certificate(change, cli_text(change->call, "cert"), &change->next,
                                 &change->next_record);
    if (error != BASE_OK)
        return error;
    wanted->next = cli_tlsa_chain(&change->next);
    wanted->next_record = &change->next_record;
    if (current == NULL)
        return BASE_OK;
    error = read_certificate(change, current, &change->current, &change->current_record);
    wanted->current = cli_tlsa_chain(&change->current);
    wanted->current_record = &change->current_record;
    return error;
}

/* --- looking --- */

static int look_at_servers(struct change *change)
{
    struct dane_life_advice *advice = &change->advice;
    int error = cli_tlsa_look(&change->tlsa);
    if (error != BASE_OK)
        return error;
    dane_life_look(&change->wanted, change->tlsa.servers, change->tlsa.count, base_clock_now(),
                   &change->state.life, advice);
    json_decref(change->view);
    change->view =
        json_pack("{s:s,s:s,s:b,s:o,s:o,s:o}", "step", dane_life_step_name(advice->step), "reason",
                  advice->reason, "switch_safe", advice->switch_safe, "safe_at",
                  cli_tlsa_time(advice->safe_at), "next_look", cli_tlsa_time(advice->next_look),
                  "servers", cli_tlsa_servers(&change->tlsa));
    return change->view != NULL ? cli_tlsa_state_write(&change->tlsa, &change->state, advice)
                                : BASE_ENOMEM;
}

/* kenterd prepares another certificate. */
static int refuse(struct change *change, const json_t *service)
{
    const json_t *next = json_object_get(service, "next");
    struct base_place place = {.file = cli_text(change->call, "cert")};
    const char *why = cli_json_text(next, "error");
    if (!json_is_object(next))
        base_findings_add(&change->call->findings, AUTH_TLSA_NOT_NEXT, &place,
                          "kenterd keeps the records of %s, and has no next certificate for it",
                          change->tlsa.name);
    else
        base_findings_add(&change->call->findings, AUTH_TLSA_NOT_NEXT, &place,
                          "kenterd keeps the records of %s, and takes %s for its next "
                          "certificate%s%s",
                          change->tlsa.name, cli_json_text(next, "file"),
                          why[0] != '\0' ? ", which it cannot use: " : "", why);
    return BASE_EREFUSED;
}

/* A renewal with the key that is in use needs nothing new; where kenterd has no other certificate
 * in mind, what it says is about this one. */
static bool is_in_use(const json_t *service)
{
    const char *step = cli_json_text(service, "step");
    if (json_is_object(json_object_get(service, "next")))
        return strcmp(step, "publish") != 0 && strcmp(step, "refused") != 0;
    return strcmp(step, "done") == 0 || strcmp(step, "remove") == 0;
}

static int look_at_kenterd(struct change *change)
{
    json_t *service;
    bool first = change->view == NULL;
    int error =
        cli_tlsa_kept(&change->tlsa, first || change->away, first ? NULL : &change->away, &service);
    if (error == BASE_EREFUSED && change->away) {
        change->advice.next_look = base_clock_now() + KEPT_PAUSE;
        return BASE_OK;
    }
    if (error != BASE_OK)
        return error;
    bool next = cli_tlsa_kept_is(service, "next", &change->next);
    if (!next && !cli_tlsa_kept_is(service, "current", &change->next)) {
        error = refuse(change, service);
        json_decref(service);
        return error;
    }
    bool safe = next ? json_is_true(json_object_get(service, "switch_safe")) : is_in_use(service);
    json_object_set_new(service, "switch_safe", json_boolean(safe));
    json_decref(change->view);
    change->view = service;
    change->advice =
        (struct dane_life_advice){.switch_safe = safe, .next_look = base_clock_now() + KEPT_PAUSE};
    if (strcmp(cli_json_text(service, "step"), dane_life_step_name(DANE_LIFE_REFUSED)) != 0)
        change->advice.step = DANE_LIFE_SERVERS;
    snprintf(change->advice.reason, sizeof(change->advice.reason), "%s",
             cli_json_text(service, "reason"));
    return BASE_OK;
}

/* --- the course of it --- */

static int publish(struct change *change)
{
    struct dane_tlsa records[2];
    size_t count = 0;
    if (change->advice.add_current)
        records[count++] = change->current_record;
    if (change->advice.add_next)
        records[count++] = change->next_record;
    return cli_tlsa_publish(&change->tlsa, "add", records, count, change->updates);
}

static int override(struct change *change, const char *why)
{
    char at[BASE_TIME_TEXT];
    json_t *list = json_object_get(change->state.memory, "overrides");
    base_time_iso(base_clock_now(), at);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(change->state.memory, "overrides", list);
    }
    json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "at", at, "because", why, "breaks",
                                          change->advice.reason));
    cli_say(change->call, "Overridden (%s), and recorded in %s. What it breaks: %s.\n", why,
            change->state.path, change->advice.reason);
    change->advice.switch_safe = true;
    return cli_tlsa_state_write(&change->tlsa, &change->state, &change->advice);
}

static int look(struct change *change, bool *published)
{
    int error = change->kept ? look_at_kenterd(change) : look_at_servers(change);
    if (error == BASE_OK && (change->advice.add_current || change->advice.add_next) &&
        !*published) {
        error = publish(change);
        *published = true;
    }
    return error;
}

static int follow(struct change *change)
{
    struct cli_call *call = change->call;
    bool gate = strcmp(call->verb->name, "tlsa gate") == 0;
    base_time until =
        base_clock_now() + (base_time)cli_duration(call, "wait", gate ? GATE_WAIT : 0);
    bool published = gate && !cli_flag(call, "publish");
    char told[DANE_LIFE_TEXT] = "";
    while (true) {
        int error = look(change, &published);
        if (error != BASE_OK)
            return error;
        if (strcmp(told, change->advice.reason) != 0)
            cli_say(call, "%s: %s.\n", cli_json_text(change->view, "step"), change->advice.reason);
        memcpy(told, change->advice.reason, sizeof(told));
        fflush(stdout); /* a log of a hook shows it while it waits */
        base_time now = base_clock_now(), next = change->advice.next_look;
        if (change->advice.switch_safe || change->advice.step == DANE_LIFE_REFUSED || now >= until)
            break;
        next = next < until ? next : until;
        struct timespec pause = {.tv_sec = next > now ? next - now : 1};
        nanosleep(&pause, NULL);
    }
    const char *because = cli_text(call, "override");
    return !change->advice.switch_safe && because != NULL ? override(change, because) : BASE_OK;
}

static void report(struct change *change)
{
    const char *name;
    json_t *value;
    struct cli_call *call = change->call;
    if (!call->json || change->view == NULL)
        return;
    json_object_set_new(change->view, "service", json_string(change->tlsa.name));
    json_object_set_new(change->view, "kept", json_boolean(change->kept));
    json_object_set_new(change->view, "switch_safe", json_boolean(change->advice.switch_safe));
    json_object_set(change->view, "updates", change->updates);
    json_object_del(change->view, "findings"); /* of kenterd; the document has its own */
    json_object_foreach(change->view, name, value) cli_member(call, name, value);
}

/* --- the verbs --- */

static int begin(struct change *change)
{
    struct cli_call *call = change->call;
    if (cli_count(call, "mtype", 1) < 1 || cli_count(call, "mtype", 1) > 2)
        return cli_usage_error(call->verb, "the matching type is 1 or 2");
    if (cli_count(call, "usage", 3) < 2 || cli_count(call, "usage", 3) > 3 ||
        cli_count(call, "selector", 1) > 1)
        return cli_usage_error(call->verb, "usages are 2 and 3, selectors 0 and 1");
    int code = cli_ask_parse_options(&change->ask, call);
    if (code == CLI_GOOD)
        code = cli_tlsa_init(&change->tlsa, &change->ask,
                             call->operand_count > 0 ? call->operands[0] : NULL);
    change->wanted = (struct dane_life_wanted){.usages = change->tlsa.usages,
                                               .ttl = (uint32_t)cli_duration(call, "former-ttl", 0),
                                               .where = change->tlsa.end_text};
    change->ask.live = true;
    return code;
}

static int work(struct change *change)
{
    json_t *list = NULL;
    change->updates = json_array();
    int error = change->updates != NULL ? read_certificates(change) : BASE_ENOMEM;
    if (error == BASE_OK)
        error = cli_tlsa_kept_list(change->call, &list);
    change->kept = cli_tlsa_kept_find(&change->tlsa, list) != NULL;
    json_decref(list);
    if (error == BASE_OK)
        error = cli_tlsa_state_read(&change->tlsa, &change->state);
    if (error != BASE_OK)
        return error;
    if (!change->kept)
        cli_tlsa_state_change(&change->state, &change->next_record);
    error = follow(change);
    if (error == BASE_OK && !change->advice.switch_safe)
        change->call->outcome = CLI_NOT_YET;
    report(change);
    return error;
}

static int run(struct cli_call *call)
{
    struct change *change = base_arena_zalloc(&call->arena, sizeof(*change));
    if (change == NULL)
        return cli_finish(call, BASE_ENOMEM);
    change->call = call;
    int error = BASE_OK, code = begin(change);
    if (code == CLI_GOOD)
        code = cli_ask_open(&change->ask, false, &error);
    if (code == CLI_GOOD)
        error = work(change);
    cli_ask_close(&change->ask);
    cli_tlsa_free(&change->tlsa);
    cli_tlsa_state_free(&change->state);
    dane_material_free(&change->current);
    dane_material_free(&change->next);
    json_decref(change->view);
    json_decref(change->updates);
    return code == CLI_GOOD || error != BASE_OK ? cli_finish(call, error) : code;
}

#define OPTIONS                                                                                    \
    (const struct cli_option[])                                                                    \
    {                                                                                              \
        {.name = "cert",                                                                           \
         .letter = 'c',                                                                            \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .required = true,                                                                         \
         .help = "The next certificate, or its key."},                                             \
            {.name = "current",                                                                    \
             .kind = CLI_FILE,                                                                     \
             .argument = "FILE",                                                                   \
             .help = "The certificate that is shown now. Needed when nothing is published yet; "   \
                     "with it, a set that does not match it is noticed."},                         \
            {.name = "publish",                                                                    \
             .kind = CLI_FLAG,                                                                     \
             .help = "Publish the records by kenterd, which has the zone (one of edits). "         \
                     "Otherwise they are printed."},                                               \
            {.name = "wait",                                                                       \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "Wait so long for it to be safe. The default is 0; of gate, 2 days."},        \
            {.name = "usage",                                                                      \
             .kind = CLI_COUNT,                                                                    \
             .argument = "N",                                                                      \
             .help = "Usage of the record; 3, the default: the server's own; 2: the authority "    \
                     "that stands last in the file."},                                             \
            {.name = "selector",                                                                   \
             .kind = CLI_COUNT,                                                                    \
             .argument = "N",                                                                      \
             .help = "0: the whole certificate; 1, the default: its public key."},                 \
            {.name = "mtype",                                                                      \
             .kind = CLI_COUNT,                                                                    \
             .argument = "N",                                                                      \
             .help = "Matching type of the record; 1, the default: SHA-256; 2: SHA-512."},         \
            {.name = "ttl",                                                                        \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "TTL of the records where none are there yet; the default is 1h."},           \
            {.name = "former-ttl",                                                                 \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "The largest TTL of former sets, where it was lowered just before, or was "   \
                     "never seen."},                                                               \
            {.name = "override",                                                                   \
             .kind = CLI_TEXT,                                                                     \
             .argument = "REASON",                                                                 \
             .help = "Go on though it is not safe. The reason, and what it breaks, are recorded "  \
                     "in the state file."},                                                        \
            CLI_OPTIONS_TLSA_SERVICE, CLI_OPTIONS_TLSA_LOOK, CLI_OPTION_SOCKET, CLI_OPTIONS_ASK,   \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define OPERANDS                                                                                   \
    (const struct cli_operand[])                                                                   \
    {                                                                                              \
        CLI_OPERAND_TLSA,                                                                          \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }

#define ALIASES                                                                                    \
    "Where the TLSA name is an alias (CNAME), the servers of the name that it leads to are asked " \
    "as well, records belong there, and the alias' TTL is waited for, too.\n\n"
#define KEPT                                                                                       \
    "When kenterd keeps the records of the service (tlsa: of kenter.yaml), it is asked instead "   \
    "of "                                                                                          \
    "the servers; the certificate must be the one that it has as the next.\n\n"
#define EXITS                                                                                      \
    "The exit code is 0 when the next certificate may be shown, 7 when it may not yet; what is "   \
    "waited for, and until when, is said."

const struct cli_verb cli_verb_tlsa_next = {
    .name = "tlsa next",
    .summary = "prepare the next certificate of a server under TLSA",
    .description =
        "Publishes, or prints, a TLSA record for the next certificate beside those that are there, "
        "looks what every authoritative server gives, and tells when the certificate may be shown: "
        "when every server has been seen with the record, and the TTL of the former set has passed "
        "since then.\n\n" ALIASES KEPT EXITS,
    .operands = OPERANDS,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa next --cert new.pem mx.example.net:25",
             "Publish nothing, and tell what is to be published and when it is safe."},
            {NULL, NULL}},
    .run = run,
};

const struct cli_verb cli_verb_tlsa_gate = {
    .name = "tlsa gate",
    .summary = "wait until a certificate may be shown under TLSA",
    .description = "The same as kenter tlsa next, for the hooks of ACME clients: waits, and prints "
                   "no records. With --publish it publishes what is missing.\n\n" KEPT EXITS,
    .operands = OPERANDS,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){{"kenter tlsa gate --cert c.pem --wait 1d mx.example.net:25",
                                      "Block until it is safe, for a day at most."},
                                     {NULL, NULL}},
    .run = run,
};
