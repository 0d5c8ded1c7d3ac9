/* kenter tlsa check: what is published for a server, beside what the server shows. */
#include "base/error.h"
#include "base/json.h"
#include "cli/peers.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/tlsa.h"
#include "dane/material.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 16
#define SOON        (14 * 86400)

struct check {
    struct cli_ask ask;
    struct cli_visit visit;
    const uint8_t *owner; /* of the TLSA records */
    char host[DANE_DOMAIN_MAX];
    const struct validate_result *published;
    struct dane_tlsa *records;
    size_t count;
    const char **matched; /* for each record: which addresses, and what; NULL: none */
    bool shown;           /* some address showed a certificate */
};

/* --- the service --- */

static int check_use(struct check *check)
{
    struct cli_call *call = check->ask.call;
    const char *text = call->operands[0];
    if (cli_visit_parse(&check->visit, text) != BASE_OK || check->visit.port == 0 ||
        dane_domain_to_ascii(check->visit.domain, check->host) != BASE_OK)
        return cli_usage_error(call->verb, "\"%s\" is not HOST:PORT", text);
    if (cli_tlsa_speaks(call, check->visit.port, &check->visit.service) != CLI_GOOD ||
        cli_peers_check(call) != CLI_GOOD)
        return CLI_USAGE;
    char name[DANE_DOMAIN_MAX + 32];
    snprintf(name, sizeof(name), "_%u._tcp.%s", check->visit.port, check->host);
    check->owner = cli_parse_name(call, name);
    return check->owner != NULL ? CLI_GOOD
                                : cli_usage_error(call->verb, "\"%s\" is too long a name", name);
}

/* --- the records --- */

/* Each is judged by itself, so that a weaker digest is compared, too. */
static int read_records(struct check *check)
{
    const struct validate_result *published = check->published;
    struct cli_call *call = check->ask.call;
    if (published->kind != VALIDATE_ANSWER_DATA || published->answer_count == 0)
        return BASE_OK;
    const struct validate_records *set = &published->answer[0];
    check->records = base_arena_alloc(&call->arena, set->count * sizeof(*check->records));
    check->matched = base_arena_zalloc(&call->arena, set->count * sizeof(*check->matched));
    if (check->records == NULL || check->matched == NULL)
        return BASE_ENOMEM;
    unsigned usages = dane_service_info(check->visit.service)->usages;
    for (size_t i = 0; i < set->count; i++) {
        struct dane_tlsa *record = &check->records[check->count];
        if (dane_tlsa_read(set->rdata[i].data, set->rdata[i].length, record) != BASE_OK)
            continue;
        dane_tlsa_judge(record, 1, usages);
        check->count++;
    }
    return BASE_OK;
}

/* Does the record alone let this contact in? Then its match is noted. */
static int try_record(struct check *check, size_t index, const struct cli_contact *contact)
{
    struct cli_call *call = check->ask.call;
    const struct auth_attempt *attempt = &contact->attempt;
    if (!cli_contact_matches(contact, &check->records[index], check->host, check->ask.now,
                             cli_text(call, "ca")))
        return BASE_OK;
    const char *before = check->matched[index];
    check->matched[index] = base_arena_printf(&call->arena, "%s%s%s", before == NULL ? "" : before,
                                              before == NULL ? "" : ", ", attempt->address);
    return check->matched[index] == NULL ? BASE_ENOMEM : BASE_OK;
}

static int compare(struct check *check)
{
    int error = BASE_OK;
    for (size_t i = 0; i < check->visit.contact_count; i++) {
        const struct cli_contact *contact = &check->visit.contacts[i];
        check->shown |= contact->attempt.chain_count > 0;
        for (size_t j = 0; error == BASE_OK && j < check->count; j++)
            error = try_record(check, j, contact);
    }
    return error;
}

/* --- findings --- */

static void find(struct check *check, enum base_finding_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct check *check, enum base_finding_code code, const char *format, ...)
{
    char owner[DNS_NAME_TEXT], message[1024];
    struct base_place place = {.owner = dns_name_text(owner, check->owner), .type = "TLSA"};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(&check->ask.call->findings, code, &place, "%s", message);
}

static void find_published(struct check *check)
{
    const struct validate_result *published = check->published;
    switch (published->status) {
    case VALIDATE_SECURE:
        if (published->kind != VALIDATE_ANSWER_DATA)
            find(check, AUTH_TLSA_ABSENT, "there is no TLSA record");
        break;
    case VALIDATE_INSECURE:
    case VALIDATE_INDETERMINATE:
        find(check, AUTH_HOST_UNSIGNED, "%s%s",
             published->kind == VALIDATE_ANSWER_DATA
                 ? "there are TLSA records, but nobody may use them: "
                 : "",
             published->sentence == NULL ? "they are not secure" : published->sentence);
        break;
    default:
        find(check, AUTH_HOST_SKIPPED, "the TLSA records cannot be had: %s",
             published->sentence == NULL ? "no answer" : published->sentence);
        break;
    }
}

static void find_records(struct check *check)
{
    char text[DANE_TLSA_TEXT];
    for (size_t i = 0; i < check->count; i++) {
        const struct dane_tlsa *record = &check->records[i];
        dane_tlsa_text(record, text);
        if (record->unusable != DANE_USABLE)
            find(check, AUTH_TLSA_UNUSABLE, "%s is not used: %s", text,
                 dane_unusable_text(record->unusable));
        else if (check->shown && check->matched[i] == NULL)
            find(check, AUTH_TLSA_UNMATCHED, "%s matches nothing that the server shows", text);
    }
}

/* What each address does with the records as clients use them. */
static void find_contacts(struct check *check)
{
    struct cli_call *call = check->ask.call;
    cli_visit_findings(&check->visit, call);
    for (size_t i = 0; i < check->visit.contact_count; i++) {
        const struct auth_attempt *attempt = &check->visit.contacts[i].attempt;
        const struct dane_verdict *verdict = &attempt->verdict;
        char until[BASE_TIME_TEXT];
        struct dane_certificate_info info;
        if (attempt->chain_count == 0 || verdict->tlsa == SIZE_MAX || !verdict->by_dane ||
            check->visit.contacts[i].endpoint->tlsa[verdict->tlsa].usage == DANE_EE ||
            dane_certificate_describe(attempt->chain[0].data, attempt->chain[0].length, &info) !=
                BASE_OK ||
            info.until - check->ask.now >= SOON)
            continue;
        base_time_iso(info.until, until);
        find(check, AUTH_CERTIFICATE_ENDS, "the certificate at %s (%s) ends on %s",
             attempt->address, info.subject, until);
    }
}

/* --- output --- */

/* The record that would fit what an address shows: 3 1 1. "" when it shows nothing. */
static void proposal(const struct cli_contact *contact, char out[80])
{
    const struct auth_attempt *attempt = &contact->attempt;
    uint8_t *data = NULL;
    size_t length = 0;
    out[0] = '\0';
    if (attempt->chain_count == 0 ||
        dane_tlsa_make(DANE_PUBLIC_KEY, DANE_SHA256, attempt->chain[0].data,
                       attempt->chain[0].length, &data, &length) != BASE_OK)
        return;
    int at = snprintf(out, 80, "3 1 1 ");
    for (size_t i = 0; i < length; i++)
        at += snprintf(out + at, 80 - (size_t)at, "%02x", data[i]);
    free(data);
}

static void print_certificate(struct cli_call *call, const struct auth_attempt *attempt)
{
    struct dane_certificate_info info;
    char until[BASE_TIME_TEXT];
    if (attempt->chain_count == 0 ||
        dane_certificate_describe(attempt->chain[0].data, attempt->chain[0].length, &info) !=
            BASE_OK)
        return;
    base_time_iso(info.until, until);
    cli_say(call, "      shows %s for %s, %s, until %s\n", info.subject,
            info.names[0] != '\0' ? info.names : "no DNS name", info.key, until);
}

static void print(struct check *check)
{
    struct cli_call *call = check->ask.call;
    char owner[DNS_NAME_TEXT], text[DANE_TLSA_TEXT], proposed[80];
    dns_name_text(owner, check->owner);
    cli_say(call, "%s: %zu TLSA record%s, %s\n", owner, check->count, check->count == 1 ? "" : "s",
            validate_status_name(check->published->status));
    for (size_t i = 0; i < check->count; i++) {
        const struct dane_tlsa *record = &check->records[i];
        cli_say(call, "  %-32s  %s%s\n", dane_tlsa_text(record, text),
                record->unusable != DANE_USABLE ? "cannot be used: "
                : check->matched[i] != NULL     ? "matches "
                : check->shown                  ? "matches nothing that is shown"
                                                : "could not be compared",
                record->unusable != DANE_USABLE ? dane_unusable_text(record->unusable)
                : check->matched[i] != NULL     ? check->matched[i]
                                                : "");
    }
    for (size_t i = 0; i < check->visit.contact_count; i++) {
        const struct cli_contact *contact = &check->visit.contacts[i];
        const struct auth_attempt *attempt = &contact->attempt;
        cli_say(call, "  %s: %s: ", attempt->address[0] != '\0' ? attempt->address : check->host,
                dane_result_name(attempt->verdict.result));
        if (!call->quiet)
            cli_print_safely(stdout, attempt->verdict.reason);
        cli_say(call, "\n");
        print_certificate(call, attempt);
        proposal(contact, proposed);
        if (proposed[0] != '\0' &&
            !(attempt->verdict.result == DANE_AUTHENTICATED && attempt->verdict.by_dane))
            cli_say(call, "      a record that fits: %s 3600 IN TLSA %s\n", owner, proposed);
    }
}

static void print_json(struct check *check)
{
    struct base_buf *out = &check->ask.call->members;
    char owner[DNS_NAME_TEXT], proposed[80];
    base_buf_text(out, ",\"tlsa\":{\"name\":");
    base_json_text(out, dns_name_text(owner, check->owner));
    base_buf_printf(out, ",\"status\":\"%s\",\"records\":[",
                    validate_status_name(check->published->status));
    for (size_t i = 0; i < check->count; i++) {
        const struct dane_tlsa *record = &check->records[i];
        base_buf_printf(out, "%s{\"usage\":%u,\"selector\":%u,\"matching\":%u,\"usable\":%s",
                        i > 0 ? "," : "", record->usage, record->selector, record->matching,
                        record->unusable == DANE_USABLE ? "true" : "false");
        base_buf_text(out, ",\"matches\":");
        base_json_text(out, check->matched[i]);
        base_buf_u8(out, '}');
    }
    base_buf_text(out, "],\"proposed\":[");
    size_t count = 0;
    for (size_t i = 0; i < check->visit.contact_count; i++) {
        proposal(&check->visit.contacts[i], proposed);
        if (proposed[0] == '\0')
            continue;
        base_buf_text(out, count++ > 0 ? "," : "");
        base_json_text(out, proposed);
    }
    base_buf_text(out, "]},\"domains\":[");
    cli_visit_json(&check->visit, out);
    base_buf_text(out, "]");
}

/* --- the verb --- */

static int compare_all(struct check *check)
{
    struct cli_call *call = check->ask.call;
    int error = resolve_lookup(check->ask.context, check->owner, DNS_TYPE_TLSA, &check->published);
    if (error != BASE_OK)
        return error;
    error = read_records(check);
    if (error != BASE_OK)
        return error;
    check->visit.options.no_sts = true;
    cli_visit_plan(&check->visit, call, check->ask.context);
    cli_visit_connect(&check->visit, call, check->ask.now, true, CONNECTIONS);
    error = check->visit.error;
    if (error == BASE_OK)
        error = compare(check);
    if (error != BASE_OK)
        return error;
    find_published(check);
    find_records(check);
    find_contacts(check);
    call->outcome = cli_visit_code(cli_visit_grade(&check->visit));
    call->tolerated = call->findings.totals[BASE_ERROR];
    if (call->json)
        print_json(check);
    else
        print(check);
    return BASE_OK;
}

static int run(struct cli_call *call)
{
    struct check check = {0};
    int error = BASE_OK;
    int code = cli_ask_parse_options(&check.ask, call);
    if (code == CLI_GOOD)
        code = check_use(&check);
    if (code != CLI_GOOD)
        return code;
    code = cli_ask_open(&check.ask, false, &error);
    if (code == CLI_GOOD)
        error = compare_all(&check);
    if (code != CLI_USAGE)
        code = cli_finish(call, error);
    cli_visit_free(&check.visit);
    validate_result_unref(check.published);
    cli_ask_close(&check.ask);
    return code;
}

const struct cli_verb cli_verb_tlsa_check = {
    .name = "tlsa check",
    .summary = "compare the TLSA records of a server with what the server shows",
    .description =
        "Looks up the TLSA records of a host and port, validated, connects to every address of the "
        "host, and says for each record whether the server shows what it speaks of, for each "
        "address whether clients would accept it, and, where they would not, which record would "
        "fit. A record that matches nothing may be that of the next key.\n\n"
        "At ports of mail, IMAP, POP3, ManageSieve and XMPP, TLS begins as these protocols have "
        "it; --starttls says otherwise.",
    .operands =
        (const struct cli_operand[]){
            {.name = "HOST:PORT", .kind = CLI_TEXT, .help = "The server, as MX or SRV name it."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            CLI_OPTION_TLSA_STARTTLS, CLI_OPTIONS_PEERS, CLI_OPTIONS_ASK, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa check mx.example.net:25", "A mail server."},
            {"kenter tlsa check www.example.org:443", "A web server."},
            {"kenter tlsa check --starttls smtp mx.example.net:2525", "Mail at another port."},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){
            {0, "Every address is authenticated by the records."},
            {1, "An address is refused or does not answer, or the records cannot be had."},
            {4, "No record can be used: there is none, or the zone is not signed."},
            {6, "The host does not exist."},
            {-1, NULL}},
    .run = run,
};
