/* kenter tlsa status: services with TLSA records: the step that each is at, what is published
 * where, and what the addresses show. Services that kenterd keeps, and others, by looking. */
#include "base/error.h"
#include "cli/report.h"
#include "cli/tlsa.h"

#include <string.h>

#define DIGITS 16 /* of a record's data, for people */

struct status {
    struct cli_call *call;
    struct cli_ask ask;
    json_t *kept;     /* kenterd's; NULL: there is none */
    json_t *services; /* what is shown */
};

/* --- records --- */

/* All that some server gives, each once. */
static json_t *records_of(const json_t *service)
{
    size_t i, k, j;
    json_t *server, *text, *other, *all = json_array();
    json_array_foreach(json_object_get(service, "servers"), i, server)
    {
        json_array_foreach(json_object_get(server, "records"), k, text)
        {
            bool there = false;
            json_array_foreach(all, j, other) there |= json_equal(other, text);
            if (!there)
                json_array_append(all, text);
        }
    }
    return all;
}

/* Those that no address shows and nobody prepares; unknown, so none, while an address hides what it
 * shows. */
static json_t *leftovers(const json_t *service, const json_t *records)
{
    size_t i, k, j;
    json_t *text, *address, *match, *list = json_array();
    const json_t *addresses = json_object_get(service, "addresses");
    const char *next = cli_json_text(json_object_get(service, "next"), "record");
    const char *current = cli_json_text(json_object_get(service, "current"), "record");
    json_array_foreach((json_t *)records, i, text)
    {
        const char *record = json_string_value(text);
        bool used = strcmp(record, next) == 0 || strcmp(record, current) == 0;
        json_array_foreach(addresses, k, address)
        {
            used |= json_is_string(json_object_get(address, "error"));
            json_array_foreach(json_object_get(address, "matches"), j, match) used |=
                json_equal(match, text);
        }
        if (!used && json_array_size(addresses) > 0)
            json_array_append(list, text);
    }
    return list;
}

/* --- by looking --- */

static void take_step(json_t *service, const char *step, const char *reason, json_t *safe_at)
{
    json_object_set_new(service, "step", step != NULL ? json_string(step) : json_null());
    json_object_set_new(service, "reason", json_string(reason));
    json_object_set_new(service, "switch_safe",
                        json_boolean(step != NULL && strcmp(step, "switch") == 0));
    json_object_set(service, "safe_at", safe_at != NULL ? safe_at : json_null());
}

/* What is there is fit for what an address shows, or less so than what was found before. */
static void judge_contact(struct cli_tlsa *tlsa, const struct cli_contact *contact,
                          struct dane_life_advice *worst, bool *judged)
{
    static const int ranks[] = {[DANE_LIFE_DONE] = 0,
                                [DANE_LIFE_REMOVE] = 1,
                                [DANE_LIFE_SERVERS] = 2,
                                [DANE_LIFE_PUBLISH] = 3};
    struct dane_der key;
    struct dane_life_state life = {0};
    struct dane_life_advice advice;
    struct dane_life_wanted wanted = {.next = cli_tlsa_shown(contact, &key),
                                      .switched = true,
                                      .usages = tlsa->usages,
                                      .where = tlsa->end_text};
    if (wanted.next.count == 0)
        return;
    dane_life_look(&wanted, tlsa->servers, tlsa->count, tlsa->ask->now, &life, &advice);
    if (!*judged || ranks[advice.step] > ranks[worst->step])
        *worst = advice;
    *judged = true;
}

/* Is a change under way, to a certificate that no address shows yet? */
static bool is_under_way(const struct cli_tlsa_state *state, const struct cli_visit *visit)
{
    const char *step = cli_json_text(state->memory, "step");
    if (!state->has_next || strcmp(step, "done") == 0)
        return false;
    for (size_t i = 0; i < visit->contact_count; i++) {
        struct dane_der key;
        struct dane_life_chain chain = cli_tlsa_shown(&visit->contacts[i], &key);
        if (dane_life_leans(&state->next, &chain))
            return false;
    }
    return true;
}

static int judge(struct cli_tlsa *tlsa, const struct cli_visit *visit, json_t *service)
{
    struct cli_tlsa_state state;
    struct dane_life_advice worst = {.step = DANE_LIFE_DONE};
    bool judged = false;
    int error = cli_tlsa_state_read(tlsa, &state);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < visit->contact_count; i++)
        judge_contact(tlsa, &visit->contacts[i], &worst, &judged);
    if (is_under_way(&state, visit)) {
        const char *text = cli_tlsa_text(&tlsa->arena, &state.next);
        json_object_set_new(
            service, "next",
            json_pack("{s:n,s:s?,s:n,s:n}", "file", "record", text, "not_after", "error"));
        json_object_set(service, "looked", json_object_get(state.memory, "looked"));
    }
    if (is_under_way(&state, visit) && worst.step != DANE_LIFE_PUBLISH)
        take_step(service, cli_json_text(state.memory, "step"),
                  cli_json_text(state.memory, "reason"), json_object_get(state.memory, "safe_at"));
    else if (judged)
        take_step(service, dane_life_step_name(worst.step), worst.reason, NULL);
    else
        take_step(service, NULL, "what the service shows is not known", NULL);
    cli_tlsa_state_free(&state);
    return BASE_OK;
}

static json_t *describe(struct cli_tlsa *tlsa)
{
    char zone[DNS_NAME_TEXT];
    const uint8_t *name = cli_tlsa_zone(tlsa);
    return json_pack("{s:s,s:i,s:s,s:s?,s:s,s:s,s:n,s:n,s:n,s:[],s:o}", "host", tlsa->host, "port",
                     tlsa->port, "protocol", tlsa->udp ? "udp" : "tcp", "zone",
                     name != NULL ? dns_name_text(zone, name) : NULL, "owner", tlsa->where,
                     "records_at", tlsa->end_text, "next_look", "current", "next", "old", "servers",
                     cli_tlsa_servers(tlsa));
}

/* --- findings --- */

static void find(struct cli_tlsa *tlsa, const json_t *service, const struct cli_visit *visit)
{
    size_t index;
    json_t *text;
    struct base_place place = {.owner = tlsa->where, .type = "TLSA"};
    cli_visit_findings(visit, tlsa->call);
    json_array_foreach(json_object_get(service, "leftovers"), index, text)
        base_findings_add(&tlsa->call->findings, AUTH_TLSA_UNMATCHED, &place,
                          "%s matches nothing that the service shows", json_string_value(text));
}

/* --- for people --- */

static void print_record(const char *text)
{
    size_t head = 0;
    for (int blanks = 0; text[head] != '\0' && blanks < 3; head++)
        blanks += text[head] == ' ';
    bool cut = strlen(text + head) > DIGITS;
    printf("%.*s%s", (int)(cut ? head + DIGITS : strlen(text)), text, cut ? "..." : "");
}

static void print_list(const char *before, const json_t *records, const char *none)
{
    size_t index;
    json_t *text;
    fputs(json_array_size(records) > 0 ? before : none, stdout);
    json_array_foreach((json_t *)records, index, text)
    {
        fputs(index > 0 ? ", " : "", stdout);
        print_record(json_string_value(text));
    }
    putchar('\n');
}

static void print_servers(const json_t *service)
{
    size_t index;
    json_t *server;
    json_array_foreach(json_object_get(service, "servers"), index, server)
    {
        const char *alias = cli_json_text(server, "alias");
        fputs("    ", stdout);
        cli_print_safely(stdout, cli_json_text(server, "name"));
        if (!json_is_true(json_object_get(server, "answered")))
            puts(": does not answer");
        else if (alias[0] != '\0')
            printf(": an alias to %s\n", alias);
        else
            print_list(": ", json_object_get(server, "records"), ": no records");
    }
}

static void print_addresses(const json_t *service)
{
    size_t index;
    json_t *address;
    json_array_foreach(json_object_get(service, "addresses"), index, address)
    {
        const char *error = cli_json_text(address, "error");
        const char *until = cli_json_text(address, "not_after");
        printf("    %s: ", cli_json_text(address, "address"));
        if (error[0] != '\0') {
            cli_print_safely(stdout, error);
            putchar('\n');
            continue;
        }
        cli_print_safely(stdout, json_is_string(json_object_get(address, "subject"))
                                     ? cli_json_text(address, "subject")
                                     : "a bare key");
        printf("%s%s; ", until[0] != '\0' ? " until " : "", until);
        print_list("matches ", json_object_get(address, "matches"), "matches no record");
    }
}

/* The certificate that ends first, of those that are shown. */
static const json_t *first_end(const json_t *service)
{
    size_t index;
    json_t *address;
    const json_t *first = json_object_get(json_object_get(service, "current"), "not_after");
    json_array_foreach(json_object_get(service, "addresses"), index, address)
    {
        const json_t *end = json_object_get(address, "not_after");
        if (json_is_string(end) && (!json_is_string(first) ||
                                    strcmp(json_string_value(end), json_string_value(first)) < 0))
            first = end;
    }
    return first;
}

static void print_service(const struct cli_call *call, const json_t *service)
{
    char safe[CLI_WHEN_TEXT], ends[CLI_WHEN_TEXT], name[DANE_DOMAIN_MAX + 16];
    const char *step = cli_json_text(service, "step"), *looked = cli_json_text(service, "looked");
    bool udp = strcmp(cli_json_text(service, "protocol"), "udp") == 0;
    snprintf(name, sizeof(name), "%s:%lld%s", cli_json_text(service, "host"),
             (long long)cli_json_number(service, "port"), udp ? "/udp" : "");
    bool now = json_is_true(json_object_get(service, "switch_safe"));
    printf("%s%-32s%s  %-8s  %-10s  %-10s  %s\n", cli_color(call->color, CLI_BOLD), name,
           cli_color(call->color, CLI_PLAIN), step[0] != '\0' ? step : "-",
           now ? "now" : cli_when(safe, json_object_get(service, "safe_at"), call->now),
           cli_when(ends, first_end(service), call->now),
           json_is_true(json_object_get(service, "kept")) ? "kenterd" : "-");
    fputs("    ", stdout);
    cli_print_safely(stdout, cli_json_text(service, "reason"));
    printf("%s%s%s\n", looked[0] != '\0' ? " (seen " : "", looked, looked[0] != '\0' ? ")" : "");
    print_servers(service);
    print_addresses(service);
    if (json_array_size(json_object_get(service, "leftovers")) > 0)
        print_list("    left over: ", json_object_get(service, "leftovers"), "");
}

static void print(const struct status *status)
{
    size_t index;
    json_t *service;
    if (status->call->json || status->call->quiet)
        return;
    if (json_array_size(status->services) == 0)
        puts("kenterd keeps no TLSA records: there is no tlsa: in its settings.");
    else
        printf("%-32s  %-8s  %-10s  %-10s  %s\n", "SERVICE", "STEP", "SWITCH", "EXPIRES",
               "KEPT BY");
    json_array_foreach(status->services, index, service) print_service(status->call, service);
}

/* --- the verb --- */

static int show(struct status *status, struct cli_tlsa *tlsa)
{
    struct cli_visit visit = {0};
    bool connects = !tlsa->udp && !cli_flag(status->call, "no-connect");
    json_t *service = json_deep_copy(cli_tlsa_kept_find(tlsa, status->kept));
    bool kept = service != NULL;
    int error = BASE_OK;
    if (!kept) {
        error = cli_tlsa_look(tlsa);
        if (error == BASE_OK && (service = describe(tlsa)) == NULL)
            error = BASE_ENOMEM;
    }
    if (error == BASE_OK && connects)
        error = cli_tlsa_visit(tlsa, &visit);
    if (error == BASE_OK && !kept)
        error = judge(tlsa, &visit, service);
    if (error == BASE_OK) {
        json_t *records = records_of(service);
        json_object_set_new(service, "kept", json_boolean(kept));
        json_object_set_new(service, "addresses", cli_tlsa_addresses(&visit, records));
        json_object_set_new(service, "leftovers", leftovers(service, records));
        cli_take_findings(status->call, json_object_get(service, "findings"));
        json_object_del(service, "findings");
        find(tlsa, service, &visit);
        json_array_append(status->services, service);
        json_decref(records);
    }
    json_decref(service);
    cli_visit_free(&visit);
    return error;
}

static int show_named(struct status *status, const char *name, int *code)
{
    struct cli_tlsa *tlsa = base_arena_alloc(&status->call->arena, sizeof(*tlsa));
    if (tlsa == NULL)
        return BASE_ENOMEM;
    *code = cli_tlsa_init(tlsa, &status->ask, name);
    int error = *code == CLI_GOOD ? show(status, tlsa) : BASE_OK;
    cli_tlsa_free(tlsa);
    return error;
}

static int show_kept(struct status *status, int *code)
{
    size_t index;
    json_t *service;
    int error = BASE_OK;
    json_array_foreach(status->kept, index, service)
    {
        const char *host = cli_json_text(service, "host");
        size_t length = strlen(host);
        const char *name =
            base_arena_printf(&status->call->arena, "%.*s:%lld%s",
                              (int)(length > 0 && host[length - 1] == '.' ? length - 1 : length),
                              host, (long long)cli_json_number(service, "port"),
                              strcmp(cli_json_text(service, "protocol"), "udp") == 0 ? "/udp" : "");
        error = name != NULL ? show_named(status, name, code) : BASE_ENOMEM;
        if (error != BASE_OK || *code != CLI_GOOD)
            break;
    }
    return error;
}

static int work(struct status *status, int *code)
{
    struct cli_call *call = status->call;
    status->services = json_array();
    int error = status->services != NULL ? cli_tlsa_kept_list(call, &status->kept) : BASE_ENOMEM;
    if (error == BASE_OK && call->operand_count == 0 && status->kept == NULL)
        *code = cli_usage_error(call->verb, "no kenterd can be asked here: give HOST:PORT");
    else if (error == BASE_OK && call->operand_count == 0)
        error = show_kept(status, code);
    for (size_t i = 0; error == BASE_OK && *code == CLI_GOOD && i < call->operand_count; i++)
        error = show_named(status, call->operands[i], code);
    if (error == BASE_OK && *code == CLI_GOOD)
        print(status);
    if (call->json && status->services != NULL)
        cli_member(call, "services", status->services);
    return error;
}

static int begin(struct status *status)
{
    struct cli_call *call = status->call;
    enum dane_service service;
    int code = cli_ask_parse_options(&status->ask, call);
    if (code == CLI_GOOD)
        code = cli_peers_check(call);
    if (code == CLI_GOOD && cli_text(call, "state") != NULL && call->operand_count != 1)
        code = cli_usage_error(call->verb, "--state is for one service");
    return code == CLI_GOOD ? cli_tlsa_speaks(call, 0, &service) : code;
}

static int run(struct cli_call *call)
{
    struct status status = {.call = call};
    int error = BASE_OK, code = begin(&status);
    if (code == CLI_GOOD)
        code = cli_ask_open(&status.ask, false, &error);
    if (code == CLI_GOOD)
        error = work(&status, &code);
    cli_ask_close(&status.ask);
    json_decref(status.kept);
    json_decref(status.services);
    return code == CLI_GOOD || error != BASE_OK ? cli_finish(call, error) : code;
}

const struct cli_verb cli_verb_tlsa_status = {
    .name = "tlsa status",
    .summary = "show services with TLSA records, and the step that each is at",
    .description =
        "For each service: the step of its change of certificate and the reason; when the switch "
        "is safe; the records at each authoritative server; which of them match what each address "
        "shows, until when its certificate holds, and which records are left over.\n\n"
        "Without operands these are the services that kenterd keeps (tlsa: of kenter.yaml). Of "
        "others the servers are asked, and what kenter tlsa next and gate remember tells whether "
        "a change is under way.",
    .operands =
        (const struct cli_operand[]){
            {.name = "HOST:PORT",
             .kind = CLI_TEXT,
             .optional = true,
             .repeats = true,
             .help = "The services, as MX or SRV name them; \"/udp\" behind those over UDP."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "no-connect",
             .kind = CLI_FLAG,
             .help = "Do not connect to the services: only what is published."},
            CLI_OPTIONS_TLSA_LOOK,
            CLI_OPTION_TLSA_STARTTLS,
            CLI_OPTION_SOCKET,
            CLI_OPTIONS_PEERS,
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter tlsa status", "All that kenterd keeps."},
                                     {"kenter tlsa status mx.example.net:25 www.example.net:443",
                                      "These, whoever keeps them."},
                                     {NULL, NULL}},
    .run = run,
};
