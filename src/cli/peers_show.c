/* What came of the servers of a domain, as text, JSON and findings: see peers.h. */
#include "base/error.h"
#include "base/json.h"
#include "cli/peers.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

/* What comes from elsewhere: control characters become "?". */
static void put_safely(struct base_buf *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        base_buf_u8(out, *c < 0x20 || *c == 0x7f ? '?' : *c);
}

/* --- text --- */

static enum cli_color result_color(const struct cli_contact *contact)
{
    switch (contact->attempt.verdict.result) {
    case DANE_AUTHENTICATED:
        return CLI_GREEN;
    case DANE_ENCRYPTED:
    case DANE_PLAIN:
        return CLI_YELLOW;
    default:
        return CLI_RED;
    }
}

static void put_head(struct base_buf *out, const struct dane_endpoint *endpoint, const char *word,
                     enum cli_color color, bool colored)
{
    char name[DANE_DOMAIN_MAX + 8];
    snprintf(name, sizeof(name), "%s:%u", endpoint->host, endpoint->port);
    base_buf_text(out, "  ");
    put_safely(out, name);
    for (size_t i = strlen(name); i < 28; i++)
        base_buf_u8(out, ' ');
    base_buf_printf(out, "  %s%-13s%s  ", cli_color(colored, color), word,
                    cli_color(colored, CLI_PLAIN));
}

static void put_until(struct base_buf *out, base_time until)
{
    char text[BASE_TIME_TEXT];
    if (until == 0)
        return;
    base_time_iso(until, text);
    base_buf_printf(out, "until %s", text);
}

static void contact_text(struct base_buf *out, const struct cli_contact *contact, bool colored)
{
    const struct auth_attempt *attempt = &contact->attempt;
    const struct dane_verdict *verdict = &attempt->verdict;
    const char *word = !contact->tried ? "not used" : dane_result_name(verdict->result);
    put_head(out, contact->endpoint, word, result_color(contact), colored);
    put_safely(out, verdict->reason);
    base_buf_u8(out, '\n');
    if (attempt->address[0] == '\0')
        return;
    base_buf_printf(out, "      %s%s", cli_color(colored, CLI_DIM), attempt->address);
    if (attempt->protocol[0] != '\0')
        base_buf_printf(out, ", %s", attempt->protocol);
    if (verdict->result == DANE_AUTHENTICATED && verdict->expiry != 0) {
        base_buf_text(out, ", ");
        put_until(out, verdict->expiry);
    }
    base_buf_printf(out, "%s\n", cli_color(colored, CLI_PLAIN));
}

/* What a demand is called where no connection is made. */
static const char *demand_word(const struct dane_endpoint *endpoint)
{
    switch (endpoint->demand) {
    case DANE_DEMAND_SKIP:
        return "not used";
    case DANE_DEMAND_NOTHING:
        return "may encrypt";
    case DANE_DEMAND_TLS:
        return "must encrypt";
    case DANE_DEMAND_DANE:
        return "DANE";
    case DANE_DEMAND_PKIX:
        return "certificate";
    }
    return "?";
}

static void endpoint_text(struct base_buf *out, const struct dane_endpoint *endpoint, bool colored)
{
    enum cli_color color =
        endpoint->demand == DANE_DEMAND_SKIP                                           ? CLI_RED
        : endpoint->demand == DANE_DEMAND_DANE || endpoint->demand == DANE_DEMAND_PKIX ? CLI_GREEN
                                                                                       : CLI_YELLOW;
    put_head(out, endpoint, demand_word(endpoint), color, colored);
    put_safely(out, endpoint->reason);
    base_buf_u8(out, '\n');
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        char text[DANE_TLSA_TEXT];
        const struct dane_tlsa *record = &endpoint->tlsa[i];
        base_buf_printf(out, "      %sTLSA %s", cli_color(colored, CLI_DIM),
                        dane_tlsa_text(record, text));
        if (record->unusable != DANE_USABLE)
            base_buf_printf(out, " (not used: %s)", dane_unusable_text(record->unusable));
        base_buf_printf(out, "%s\n", cli_color(colored, CLI_PLAIN));
    }
    if (endpoint->expiry != 0) {
        base_buf_printf(out, "      %s", cli_color(colored, CLI_DIM));
        put_until(out, endpoint->expiry);
        base_buf_printf(out, "%s\n", cli_color(colored, CLI_PLAIN));
    }
}

void cli_visit_text(const struct cli_visit *visit, bool color, struct base_buf *out)
{
    const struct dane_plan_result *result = visit->result;
    if (result == NULL)
        return;
    base_buf_printf(out, "%s", cli_color(color, CLI_BOLD));
    put_safely(out, result->domain);
    base_buf_printf(out, "%s %s: ", cli_color(color, CLI_PLAIN),
                    dane_service_info(visit->service)->name);
    put_safely(out, result->reason);
    base_buf_u8(out, '\n');
    if (visit->contacts != NULL) {
        for (size_t i = 0; i < visit->contact_count; i++)
            contact_text(out, &visit->contacts[i], color);
    } else {
        for (size_t i = 0; i < result->count; i++)
            endpoint_text(out, &result->endpoints[i], color);
    }
    if (result->sts_mode != NULL)
        base_buf_printf(out, "  MTA-STS policy %s, mode %s\n",
                        result->sts_id == NULL ? "-" : result->sts_id, result->sts_mode);
}

/* --- JSON --- */

void cli_json_time(struct base_buf *out, base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0) {
        base_buf_text(out, "null");
        return;
    }
    base_time_iso(time, text);
    base_buf_printf(out, "\"%s\"", text);
}

static void member(struct base_buf *out, const char *name, const char *text)
{
    base_buf_printf(out, ",\"%s\":", name);
    base_json_text(out, text);
}

static void member_time(struct base_buf *out, const char *name, base_time time)
{
    base_buf_printf(out, ",\"%s\":", name);
    cli_json_time(out, time);
}

static void tlsa_json(struct base_buf *out, const struct dane_tlsa *record)
{
    base_buf_printf(out, "{\"usage\":%u,\"selector\":%u,\"matching\":%u,\"data\":\"", record->usage,
                    record->selector, record->matching);
    for (size_t i = 0; i < record->length; i++)
        base_buf_printf(out, "%02x", record->data[i]);
    base_buf_printf(out, "\",\"usable\":%s", record->unusable == DANE_USABLE ? "true" : "false");
    member(out, "unusable_reason",
           record->unusable == DANE_USABLE ? NULL : dane_unusable_text(record->unusable));
    base_buf_u8(out, '}');
}

static void attempt_json(struct base_buf *out, const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    const struct dane_verdict *verdict = &attempt->verdict;
    base_buf_text(out, "{\"address\":");
    base_json_text(out, attempt->address[0] != '\0' ? attempt->address : NULL);
    member(out, "result", dane_result_name(verdict->result));
    member(out, "by",
           verdict->result != DANE_AUTHENTICATED ? NULL
           : verdict->by_dane                    ? "dane"
           : attempt->by_posh                    ? "posh"
                                                 : "pkix");
    if (verdict->tlsa != SIZE_MAX)
        base_buf_printf(out, ",\"tlsa\":%zu,\"depth\":%u", verdict->tlsa, verdict->depth);
    else
        base_buf_text(out, ",\"tlsa\":null,\"depth\":null");
    member(out, "identity", verdict->identity[0] != '\0' ? verdict->identity : NULL);
    member(out, "reason", verdict->reason);
    member(out, "tlsrpt", verdict->tlsrpt[0] != '\0' ? verdict->tlsrpt : NULL);
    member_time(out, "expiry", verdict->expiry);
    member(out, "protocol", attempt->protocol[0] != '\0' ? attempt->protocol : NULL);
    member(out, "cipher", attempt->cipher[0] != '\0' ? attempt->cipher : NULL);
    member(out, "weak", attempt->weak[0] != '\0' ? attempt->weak : NULL);
    base_buf_printf(out, ",\"connected\":%s,\"certificates\":%zu}",
                    attempt->connected ? "true" : "false", attempt->chain_count);
}

static void addresses_json(struct base_buf *out, const struct dane_endpoint *endpoint)
{
    char text[INET6_ADDRSTRLEN];
    base_buf_text(out, ",\"addresses\":[");
    for (size_t i = 0; i < endpoint->address_count; i++) {
        const struct dane_address *address = &endpoint->addresses[i];
        inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->octets, text, sizeof(text));
        base_buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
    base_buf_u8(out, ']');
}

static void references_json(struct base_buf *out, const struct dane_endpoint *endpoint)
{
    static const char *const kinds[] = {"dns", "srv", "xmpp", "address"};
    base_buf_text(out, ",\"references\":[");
    for (size_t i = 0; i < endpoint->reference_count; i++) {
        base_buf_printf(out, "%s{\"kind\":\"%s\"", i > 0 ? "," : "",
                        kinds[endpoint->references[i].kind]);
        member(out, "name", endpoint->references[i].name);
        base_buf_u8(out, '}');
    }
    base_buf_u8(out, ']');
}

static void endpoint_json(struct base_buf *out, const struct dane_endpoint *endpoint)
{
    base_buf_text(out, "{\"host\":");
    base_json_text(out, endpoint->host);
    base_buf_printf(out, ",\"port\":%u,\"priority\":%u,\"weight\":%u", endpoint->port,
                    endpoint->priority, endpoint->weight);
    member(out, "start", endpoint->start == DANE_START_TLS_AT_ONCE ? "tls" : "starttls");
    member(out, "demand", dane_demand_name(endpoint->demand));
    member(out, "delegation",
           endpoint->delegation == DANE_DELEGATION_SECURE ? "secure" : "insecure");
    member(out, "base", endpoint->base);
    member(out, "sni", endpoint->sni);
    addresses_json(out, endpoint);
    base_buf_text(out, ",\"tlsa\":[");
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        tlsa_json(out, &endpoint->tlsa[i]);
    }
    base_buf_u8(out, ']');
    references_json(out, endpoint);
    member_time(out, "expiry", endpoint->expiry);
    member(out, "reason", endpoint->reason);
}

void cli_visit_json(const struct cli_visit *visit, struct base_buf *out)
{
    const struct dane_plan_result *result = visit->result;
    base_buf_text(out, "{\"domain\":");
    base_json_text(out, result == NULL ? visit->domain : result->domain);
    member(out, "service", dane_service_info(visit->service)->name);
    member(out, "outcome", result == NULL ? NULL : dane_outcome_name(result->outcome));
    member(out, "reason", result == NULL ? NULL : result->reason);
    member_time(out, "expiry", result == NULL ? 0 : result->expiry);
    if (result != NULL && (result->sts_id != NULL || result->sts_problem != NULL)) {
        base_buf_text(out, ",\"sts\":{\"id\":");
        base_json_text(out, result->sts_id);
        member(out, "mode", result->sts_mode);
        member(out, "problem", result->sts_problem);
        base_buf_u8(out, '}');
    } else {
        base_buf_text(out, ",\"sts\":null");
    }
    base_buf_text(out, ",\"endpoints\":[");
    for (size_t i = 0, at = 0; result != NULL && i < result->count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        endpoint_json(out, &result->endpoints[i]);
        base_buf_text(out, ",\"attempts\":[");
        for (size_t n = 0; at < visit->contact_count; at++, n++) {
            if (visit->contacts[at].endpoint != &result->endpoints[i])
                break;
            base_buf_text(out, n > 0 ? "," : "");
            attempt_json(out, &visit->contacts[at]);
        }
        base_buf_text(out, "]}");
    }
    base_buf_text(out, "]}");
}

/* --- findings --- */

static void find(struct cli_call *call, enum base_finding_code code,
                 const struct dane_endpoint *endpoint, const char *address, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void find(struct cli_call *call, enum base_finding_code code,
                 const struct dane_endpoint *endpoint, const char *address, const char *format, ...)
{
    char owner[DANE_DOMAIN_MAX + 100], message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    snprintf(owner, sizeof(owner), "%s:%u%s%s", endpoint->host, endpoint->port,
             address != NULL && address[0] != '\0' ? " " : "", address == NULL ? "" : address);
    struct base_place place = {.owner = owner};
    base_findings_add(&call->findings, code, &place, "%s", message);
}

/* What a refusal is called. */
static enum base_finding_code refusal(const struct cli_contact *contact)
{
    const struct auth_attempt *attempt = &contact->attempt;
    if (contact->endpoint->demand == DANE_DEMAND_SKIP)
        return contact->endpoint->sts ? AUTH_STS_UNCOVERED : AUTH_HOST_SKIPPED;
    if (!attempt->connected)
        return AUTH_UNREACHABLE;
    if (strcmp(attempt->verdict.tlsrpt, "starttls-not-supported") == 0)
        return AUTH_TLS_MISSING;
    if (attempt->protocol[0] == '\0')
        return AUTH_TLS_FAILED;
    return contact->endpoint->demand == DANE_DEMAND_DANE ? AUTH_TLSA_MISMATCH : AUTH_CERTIFICATE;
}

static void contact_findings(const struct cli_contact *contact, struct cli_call *call)
{
    const struct dane_verdict *verdict = &contact->attempt.verdict;
    const char *address = contact->attempt.address;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as many as counted */
    if (contact->attempt.weak[0] != '\0')
        find(call, AUTH_TLS_WEAK, contact->endpoint, address, "%s", contact->attempt.weak);
    switch (verdict->result) {
    case DANE_AUTHENTICATED:
        if (contact->endpoint->delegation != DANE_DELEGATION_SECURE && verdict->by_dane)
            find(call, AUTH_DELEGATION, contact->endpoint, NULL,
                 "the records of %s that name it are not secure", contact->endpoint->domain);
        break;
    case DANE_ENCRYPTED:
    case DANE_PLAIN:
        find(call, AUTH_OPEN, contact->endpoint, address, "%s", verdict->reason);
        break;
    default:
        find(call, refusal(contact), contact->endpoint, address, "%s", verdict->reason);
        break;
    }
}

static void endpoint_findings(const struct dane_endpoint *endpoint, bool connected,
                              struct cli_call *call)
{
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        char text[DANE_TLSA_TEXT];
        const struct dane_tlsa *record = &endpoint->tlsa[i];
        if (record->unusable != DANE_USABLE && record->unusable != DANE_UNUSABLE_WEAKER)
            find(call, AUTH_TLSA_UNUSABLE, endpoint, NULL, "%s is not used: %s",
                 dane_tlsa_text(record, text), dane_unusable_text(record->unusable));
    }
    if (connected)
        return;
    if (endpoint->demand == DANE_DEMAND_SKIP)
        find(call, endpoint->sts ? AUTH_STS_UNCOVERED : AUTH_HOST_SKIPPED, endpoint, NULL, "%s",
             endpoint->reason);
    else if (endpoint->demand == DANE_DEMAND_NOTHING || endpoint->demand == DANE_DEMAND_TLS)
        find(call, AUTH_OPEN, endpoint, NULL, "%s", endpoint->reason);
    else if (endpoint->demand == DANE_DEMAND_DANE && endpoint->delegation != DANE_DELEGATION_SECURE)
        find(call, AUTH_DELEGATION, endpoint, NULL, "the records of %s that name it are not secure",
             endpoint->domain);
}

static void outcome_findings(const struct cli_visit *visit, struct cli_call *call)
{
    static const enum base_finding_code codes[] = {
        [DANE_OUTCOME_DEFER] = AUTH_DEFERRED,
        [DANE_OUTCOME_NONE] = AUTH_NO_SERVICE,
        [DANE_OUTCOME_UNKNOWN] = AUTH_DOMAIN_ABSENT,
    };
    const struct dane_plan_result *result = visit->result;
    struct base_place place = {.owner = result->domain};
    if (result->outcome != DANE_OUTCOME_GO)
        base_findings_add(&call->findings, codes[result->outcome], &place, "%s", result->reason);
    if (result->sts_problem != NULL)
        base_findings_add(&call->findings, AUTH_STS_BROKEN, &place, "%s", result->sts_problem);
}

void cli_visit_findings(const struct cli_visit *visit, struct cli_call *call)
{
    const struct dane_plan_result *result = visit->result;
    if (result == NULL)
        return;
    outcome_findings(visit, call);
    for (size_t i = 0; i < result->count; i++)
        endpoint_findings(&result->endpoints[i], visit->contacts != NULL, call);
    for (size_t i = 0; i < visit->contact_count; i++)
        contact_findings(&visit->contacts[i], call);
}
