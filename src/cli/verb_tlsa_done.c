/* kenter tlsa done: the last step of a change of certificate under TLSA. The new one is shown by
 * every address; what is there for the former one goes. */
#include "base/error.h"
#include "cli/made.h"
#include "cli/report.h"
#include "cli/tlsa.h"

#include <stdarg.h>
#include <string.h>

#define SERVICES_MAX 16
#define OLD_MAX      DANE_LIFE_RECORDS

struct ending {
    struct cli_call *call;
    struct cli_ask ask;
    struct cli_tlsa tlsa;
    struct cli_tlsa_state state;
    struct dane_tlsa new; /* record of the new certificate */
    struct cli_tlsa others[SERVICES_MAX];
    struct cli_visit visits[1 + SERVICES_MAX]; /* of the service, then of the others */
    size_t visit_count;
    struct dane_tlsa old[OLD_MAX];
    size_t old_count;
    struct dane_life_advice advice; /* step and reason of the outcome */
    json_t *view, *updates;
};

static int decide(struct ending *ending, enum dane_life_step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int decide(struct ending *ending, enum dane_life_step step, const char *format, ...)
{
    va_list args;
    ending->advice.step = step;
    va_start(args, format);
    vsnprintf(ending->advice.reason, sizeof(ending->advice.reason), format, args);
    va_end(args);
    return BASE_OK;
}

/* --- what is shown --- */

static int visit_all(struct ending *ending)
{
    size_t others = ending->call->operand_count > 1 ? ending->call->operand_count - 1 : 0;
    for (size_t i = 0; i <= others; i++) {
        struct cli_tlsa *tlsa = i == 0 ? &ending->tlsa : &ending->others[i - 1];
        struct cli_visit *visit = &ending->visits[ending->visit_count++];
        int error = cli_tlsa_visit(tlsa, visit);
        if (error != BASE_OK)
            return error;
        for (size_t k = 0; k < visit->contact_count; k++) {
            const struct cli_contact *contact = &visit->contacts[k];
            struct dane_der key;
            if (cli_tlsa_shown(contact, &key).count == 0)
                return decide(ending, DANE_LIFE_SERVERS,
                              "it is not known what %s shows at %s, and it may be the former "
                              "certificate: %s",
                              tlsa->name,
                              contact->to != NULL ? contact->to : contact->attempt.address,
                              cli_tlsa_hidden(contact));
        }
        if (visit->contact_count == 0)
            return decide(ending, DANE_LIFE_SERVERS, "%s has no address", tlsa->name);
    }
    return BASE_OK;
}

/* Every address of the service shows the new certificate. */
static bool shows_new(struct ending *ending, const struct dane_tlsa *new)
{
    const struct cli_visit *visit = &ending->visits[0];
    for (size_t i = 0; i < visit->contact_count; i++) {
        struct dane_der key;
        struct dane_life_chain chain = cli_tlsa_shown(&visit->contacts[i], &key);
        if (!dane_life_leans(new, &chain)) {
            decide(ending, DANE_LIFE_SWITCH, "%s does not show the new certificate",
                   visit->contacts[i].attempt.address);
            return false;
        }
    }
    return true;
}

/* Does anything that is shown, by the service or by the others, lean on it? */
static bool leaned_on(const struct ending *ending, const struct dane_tlsa *record)
{
    for (size_t i = 0; i < ending->visit_count; i++) {
        const struct cli_visit *visit = &ending->visits[i];
        for (size_t k = 0; k < visit->contact_count; k++) {
            struct dane_der key;
            struct dane_life_chain chain = cli_tlsa_shown(&visit->contacts[k], &key);
            if (dane_life_leans(record, &chain))
                return true;
        }
    }
    return false;
}

/* --- what is published --- */

/* For what each address shows. */
static void judge(struct ending *ending)
{
    const struct cli_visit *visit = &ending->visits[0];
    for (size_t i = 0; i < visit->contact_count; i++) {
        struct dane_der key;
        struct dane_life_state life = ending->state.life;
        struct dane_life_wanted wanted = {.next = cli_tlsa_shown(&visit->contacts[i], &key),
                                          .switched = true,
                                          .usages = ending->tlsa.usages,
                                          .where = ending->tlsa.end_text};
        dane_life_look(&wanted, ending->tlsa.servers, ending->tlsa.count, base_clock_now(), &life,
                       &ending->advice);
        if (ending->advice.step != DANE_LIFE_REMOVE && ending->advice.step != DANE_LIFE_DONE)
            return;
    }
}

static void add_old(struct ending *ending, const struct dane_tlsa *record)
{
    for (size_t i = 0; i < ending->old_count; i++) {
        if (cli_tlsa_equal(&ending->old[i], record))
            return;
    }
    if (ending->old_count < OLD_MAX && !leaned_on(ending, record))
        ending->old[ending->old_count++] = *record;
}

static int take_out(struct ending *ending)
{
    struct cli_tlsa *tlsa = &ending->tlsa;
    for (size_t i = 0; i < tlsa->count; i++) {
        for (size_t k = 0; k < tlsa->servers[i].count; k++)
            add_old(ending, &tlsa->servers[i].records[k]);
    }
    if (ending->old_count == 0)
        return decide(ending, DANE_LIFE_DONE,
                      "every server has the record of the certificate that is shown, and none that "
                      "nobody leans on");
    if (tlsa->end > 0 && ending->visit_count == 1)
        cli_say(ending->call,
                "The records are those of %s, to which other services may lead, too: name these as "
                "well, so that what they show is kept.\n",
                tlsa->end_text);
    int error = cli_tlsa_publish(tlsa, "delete", ending->old, ending->old_count, ending->updates);
    if (error != BASE_OK)
        return error;
    if (cli_flag(ending->call, "publish"))
        return decide(ending, DANE_LIFE_DONE, "%zu record%s of former certificates taken out",
                      ending->old_count, ending->old_count == 1 ? "" : "s");
    return decide(ending, DANE_LIFE_REMOVE, "%zu record%s of former certificates to be taken out",
                  ending->old_count, ending->old_count == 1 ? "" : "s");
}

/* --- the course of it --- */

static int know_new(struct ending *ending)
{
    struct cli_call *call = ending->call;
    const char *path = cli_text(call, "cert");
    struct dane_material material = {0};
    int error = path != NULL ? cli_made_material(call, path, &material) : BASE_OK;
    if (error == BASE_OK && path != NULL)
        error = cli_tlsa_make(&ending->tlsa, path, &material, DANE_EE, DANE_PUBLIC_KEY, DANE_SHA256,
                              &ending->new);
    else if (error == BASE_OK && ending->state.has_next)
        ending->new = ending->state.next;
    else if (error == BASE_OK)
        error = cli_made_bad(call, ending->state.path,
                             "it is not known which certificate is the new one of %s, since no "
                             "change of it is remembered here: give --cert",
                             ending->tlsa.name);
    dane_material_free(&material);
    return error;
}

static int end_looking(struct ending *ending)
{
    int error = know_new(ending);
    if (error == BASE_OK)
        error = cli_tlsa_look(&ending->tlsa);
    if (error == BASE_OK)
        error = visit_all(ending);
    if (error != BASE_OK || ending->advice.reason[0] != '\0' || !shows_new(ending, &ending->new))
        return error;
    judge(ending);
    if (ending->advice.step == DANE_LIFE_REMOVE || ending->advice.step == DANE_LIFE_DONE)
        error = take_out(ending);
    return error == BASE_OK ? cli_tlsa_state_write(&ending->tlsa, &ending->state, &ending->advice)
                            : error;
}

/* kenterd takes records out by itself; whether it may is seen from its certificate file. */
static int end_kept(struct ending *ending)
{
    const char *path = cli_text(ending->call, "cert");
    int error = cli_tlsa_kept(&ending->tlsa, true, NULL, &ending->view);
    if (error == BASE_OK)
        error = visit_all(ending);
    if (error != BASE_OK || ending->advice.reason[0] != '\0')
        return error;
    struct dane_material material = {0};
    if (path != NULL && (error = cli_made_material(ending->call, path, &material)) != BASE_OK)
        return error;
    bool current = path == NULL || cli_tlsa_kept_is(ending->view, "current", &material);
    dane_material_free(&material);
    const json_t *file = json_object_get(ending->view, "current");
    if (!current || cli_tlsa_parse(&ending->call->arena, cli_json_text(file, "record"),
                                   &ending->new) != BASE_OK)
        return decide(ending, DANE_LIFE_SWITCH,
                      "kenterd does not have it as the present certificate, which is %s to it",
                      json_is_object(file) ? cli_json_text(file, "file") : "none");
    if (!shows_new(ending, &ending->new))
        return BASE_OK;
    const char *step = cli_json_text(ending->view, "step");
    bool good = strcmp(step, "done") == 0 || strcmp(step, "remove") == 0;
    return decide(ending, good ? DANE_LIFE_DONE : DANE_LIFE_SERVERS, "kenterd: %s",
                  cli_json_text(ending->view, "reason"));
}

static void report(struct ending *ending)
{
    struct cli_call *call = ending->call;
    json_t *records = json_array(), *removed = json_array();
    if (ending->advice.step != DANE_LIFE_DONE)
        call->outcome = CLI_NOT_YET;
    cli_say(call, "%s: %s.\n", dane_life_step_name(ending->advice.step), ending->advice.reason);
    for (size_t i = 0; i < ending->old_count; i++) {
        const char *text = cli_tlsa_text(&call->arena, &ending->old[i]);
        json_array_append_new(removed, text != NULL ? json_string(text) : NULL);
    }
    json_t *servers = ending->view != NULL ? json_incref(json_object_get(ending->view, "servers"))
                                           : cli_tlsa_servers(&ending->tlsa);
    const char *new = cli_tlsa_text(&call->arena, &ending->new);
    json_array_append_new(records, new != NULL ? json_string(new) : NULL);
    json_t *view =
        json_pack("{s:s,s:b,s:s,s:s,s:o,s:o,s:o,s:O}", "service", ending->tlsa.name, "kept",
                  ending->view != NULL, "step", dane_life_step_name(ending->advice.step), "reason",
                  ending->advice.reason, "servers", servers, "addresses",
                  cli_tlsa_addresses(&ending->visits[0], records), "old", removed, "updates",
                  ending->updates);
    const char *name;
    json_t *value;
    if (call->json)
        json_object_foreach(view, name, value) cli_member(call, name, value);
    json_decref(view);
    json_decref(records);
}

static int work(struct ending *ending)
{
    json_t *list = NULL;
    ending->updates = json_array();
    int error = ending->updates != NULL ? cli_tlsa_kept_list(ending->call, &list) : BASE_ENOMEM;
    bool kept = cli_tlsa_kept_find(&ending->tlsa, list) != NULL;
    json_decref(list);
    if (error == BASE_OK)
        error = cli_tlsa_state_read(&ending->tlsa, &ending->state);
    if (error == BASE_OK)
        error = kept ? end_kept(ending) : end_looking(ending);
    if (error == BASE_OK)
        report(ending);
    return error;
}

static int begin(struct ending *ending)
{
    struct cli_call *call = ending->call;
    enum dane_service service;
    int code = cli_ask_parse_options(&ending->ask, call);
    if (code == CLI_GOOD)
        code = cli_peers_check(call);
    if (code == CLI_GOOD && call->operand_count > 1 + SERVICES_MAX)
        code = cli_usage_error(call->verb, "at most %d services at once", 1 + SERVICES_MAX);
    if (code == CLI_GOOD)
        code = cli_tlsa_init(&ending->tlsa, &ending->ask,
                             call->operand_count > 0 ? call->operands[0] : NULL);
    for (size_t i = 1; code == CLI_GOOD && i < call->operand_count; i++)
        code = cli_tlsa_init(&ending->others[i - 1], &ending->ask, call->operands[i]);
    if (code == CLI_GOOD && ending->tlsa.udp)
        code = cli_usage_error(call->verb, "a service over UDP cannot be connected to");
    if (code == CLI_GOOD)
        code = cli_tlsa_speaks(call, ending->tlsa.port, &service);
    ending->ask.live = true;
    return code;
}

static int run(struct cli_call *call)
{
    struct ending *ending = base_arena_zalloc(&call->arena, sizeof(*ending));
    if (ending == NULL)
        return cli_finish(call, BASE_ENOMEM);
    ending->call = call;
    int error = BASE_OK, code = begin(ending);
    if (code == CLI_GOOD)
        code = cli_ask_open(&ending->ask, false, &error);
    if (code == CLI_GOOD)
        error = work(ending);
    for (size_t i = 0; i < ending->visit_count; i++)
        cli_visit_free(&ending->visits[i]);
    for (size_t i = 0; i < SERVICES_MAX; i++)
        cli_tlsa_free(&ending->others[i]);
    cli_tlsa_free(&ending->tlsa);
    cli_tlsa_state_free(&ending->state);
    cli_ask_close(&ending->ask);
    json_decref(ending->view);
    json_decref(ending->updates);
    return code == CLI_GOOD || error != BASE_OK ? cli_finish(call, error) : code;
}

const struct cli_verb cli_verb_tlsa_done = {
    .name = "tlsa done",
    .summary = "take the records of former certificates out, when they are of no use any more",
    .description =
        "The step after the switch: connects to every address of the service, and when all show "
        "the new certificate, and every authoritative server has its record, takes out the records "
        "that nothing that is shown leans on: with --publish in a zone of edits of kenterd, "
        "otherwise it prints lines for nsupdate.\n\n"
        "Other services may have aliases to the same records: name them behind the first, and what "
        "they show is kept.\n\n"
        "Where kenterd keeps the records it takes them out by itself; then this tells whether the "
        "service shows what kenterd has as its certificate.\n\n"
        "The exit code is 0 when nothing is left to do, 7 when something is, or may not be done "
        "yet; it is said what, and why.",
    .operands =
        (const struct cli_operand[]){
            {.name = "HOST:PORT",
             .kind = CLI_TEXT,
             .optional = true,
             .repeats = true,
             .help =
                 "The service, as MX or SRV name it; --host and --port say the same. Then those "
                 "that share its records."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "cert",
             .letter = 'c',
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "The new certificate, or its key. The default is the one of the last kenter "
                     "tlsa next or gate."},
            {.name = "publish",
             .kind = CLI_FLAG,
             .help = "Take the records out of kenterd's zone (one of edits). Otherwise lines for "
                     "nsupdate are printed."},
            CLI_OPTIONS_TLSA_SERVICE,
            CLI_OPTIONS_TLSA_LOOK,
            CLI_OPTION_TLSA_STARTTLS,
            CLI_OPTION_SOCKET,
            CLI_OPTIONS_PEERS,
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa done mx.example.net:25", "What may be taken out?"},
            {"kenter tlsa done --publish mx.example.net:25 mx.example.net:465",
             "Take it out, but for what port 465 shows."},
            {NULL, NULL}},
    .run = run,
};
