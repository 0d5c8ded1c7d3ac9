/* Plans and connections for verbs: see peers.h. */
#include "cli/peers.h"

#include "base/error.h"
#include "base/thread.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_SECONDS 10

/* --- what is wanted --- */

static int parse_port(const char *text, uint16_t *out)
{
    unsigned long port = 0;
    if (*text == '\0' || strlen(text) > 5)
        return BASE_EFORMAT;
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text))
            return BASE_EFORMAT;
        port = 10 * port + (unsigned long)(*text - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return BASE_EFORMAT;
    *out = (uint16_t)port;
    return BASE_OK;
}

int cli_visit_parse(struct cli_visit *visit, const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    visit->port = 0;
    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        if (parse_port(colon + 1, &visit->port) != BASE_OK)
            return BASE_EFORMAT;
    } else {
        colon = text + strlen(text);
    }
    size_t length = (size_t)(colon - text);
    if (length == 0 || length >= sizeof(visit->domain))
        return BASE_EFORMAT;
    memcpy(visit->domain, text, length);
    visit->domain[length] = '\0';
    return BASE_OK;
}

int cli_peers_check(const struct cli_call *call)
{
    for (size_t i = 0; i < call->value_count; i++) {
        const struct cli_value *value = &call->values[i];
        union net_address address;
        if (strcmp(value->option->name, "connect") != 0)
            continue;
        const char *sign = strchr(value->text, '=');
        if (sign == NULL || sign == value->text ||
            net_address_parse(sign + 1, 1, &address) != BASE_OK)
            return cli_usage_error(call->verb,
                                   "--connect takes HOST=ADDRESS, such as "
                                   "mx.example.net=192.0.2.1@2525, not \"%s\"",
                                   value->text);
    }
    return CLI_GOOD;
}

/* The address that --connect of a call gives a host. NULL: none. */
static const char *connect_to(const void *context, const char *host)
{
    const struct cli_call *call = context;
    const char *address = NULL;
    for (size_t i = 0; i < call->value_count; i++) {
        const struct cli_value *value = &call->values[i];
        if (strcmp(value->option->name, "connect") != 0)
            continue;
        size_t length = (size_t)(strchr(value->text, '=') - value->text);
        size_t bare = length > 1 && value->text[length - 1] == '.' ? length - 1 : length;
        if (strlen(host) == bare && strncasecmp(host, value->text, bare) == 0)
            address = value->text + length + 1;
    }
    return address;
}

struct auth_web cli_web(const struct cli_call *call, struct resolve_context *context)
{
    return (struct auth_web){context, cli_text(call, "ca"), connect_to, call};
}

void cli_visit_plan(struct cli_visit *visit, struct cli_call *call, struct resolve_context *context)
{
    struct auth_web web = cli_web(call, context);
    visit->options.port = visit->port;
    visit->error = auth_plan(context, visit->service, visit->domain, &visit->options, &web,
                             &visit->plan, &visit->result);
}

/* --- connections --- */

struct crew {
    struct cli_visit *visit;
    struct auth_connect_options options;
};

static int contact_one(void *context, size_t index, unsigned worker)
{
    (void)worker;
    struct crew *crew = context;
    struct cli_contact *contact = &crew->visit->contacts[index];
    struct auth_connect_options options = crew->options;
    options.address = contact->to;
    contact->tried = contact->endpoint->demand != DANE_DEMAND_SKIP;
    return auth_connect(contact->endpoint, &options, &contact->attempt);
}

static char *address_text(struct cli_visit *visit, const struct dane_address *address,
                          uint16_t port)
{
    (void)visit;
    char text[INET6_ADDRSTRLEN], *out = NULL;
    int family = address->family == 4 ? AF_INET : AF_INET6;
    if (inet_ntop(family, address->octets, text, sizeof(text)) == NULL ||
        asprintf(&out, "%s@%u", text, port) < 0)
        return NULL;
    return out;
}

/* One contact for each endpoint, or for each of its addresses. */
static int list_contacts(struct cli_visit *visit, const struct cli_call *call, bool every_address)
{
    const struct dane_plan_result *result = visit->result;
    size_t most = result->count;
    for (size_t i = 0; i < result->count; i++)
        most += result->endpoints[i].address_count;
    visit->contacts = calloc(most > 0 ? most : 1, sizeof(*visit->contacts));
    if (visit->contacts == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < result->count; i++) {
        const struct dane_endpoint *endpoint = &result->endpoints[i];
        const char *given = connect_to(call, endpoint->host);
        bool each = every_address && given == NULL && endpoint->demand != DANE_DEMAND_SKIP &&
                    endpoint->address_count > 0;
        for (size_t j = 0; j < (each ? endpoint->address_count : 1); j++) {
            struct cli_contact *contact = &visit->contacts[visit->contact_count++];
            contact->endpoint = endpoint;
            contact->attempt.verdict =
                (struct dane_verdict){.result = DANE_FAILED, .tlsa = SIZE_MAX};
            char *to = each    ? address_text(visit, &endpoint->addresses[j], endpoint->port)
                       : given ? strdup(given)
                               : NULL;
            contact->to = to;
            if (to == NULL && (each || given))
                return BASE_ENOMEM;
        }
    }
    return BASE_OK;
}

/* How long one address, or one document, may take. */
static unsigned timeout_ms(const struct cli_call *call)
{
    unsigned long seconds = cli_duration(call, "connect-timeout", CONNECT_SECONDS);
    return seconds > 600 ? 600000 : seconds == 0 ? 1 : (unsigned)seconds * 1000;
}

void cli_visit_connect(struct cli_visit *visit, struct cli_call *call, base_time now,
                       bool every_address, unsigned threads)
{
    struct crew crew = {
        .visit = visit,
        .options =
            {
                .ca_file = cli_text(call, "ca"),
                .from = cli_text(call, "own-name"),
                .now = now,
                .timeout_ms = timeout_ms(call),
            },
    };
    if (visit->error != BASE_OK || visit->result == NULL)
        return;
    visit->error = list_contacts(visit, call, every_address);
    if (visit->error == BASE_OK)
        visit->error = base_parallel(threads, visit->contact_count, contact_one, &crew);
}

void cli_visit_posh(struct cli_visit *visit, struct cli_call *call, base_time now,
                    struct resolve_context *context)
{
    struct auth_web web = cli_web(call, context);
    struct auth_posh posh = {.web = &web, .now = now, .timeout_ms = timeout_ms(call)};
    /* A host that the user names is nobody's server but its own. */
    for (size_t i = 0; visit->port == 0 && i < visit->contact_count; i++) {
        struct cli_contact *contact = &visit->contacts[i];
        if (visit->error == BASE_OK)
            visit->error = auth_posh_try(&posh, contact->endpoint, &contact->attempt);
    }
    auth_posh_end(&posh);
}

void cli_visit_free(struct cli_visit *visit)
{
    for (size_t i = 0; i < visit->contact_count; i++) {
        auth_attempt_free(&visit->contacts[i].attempt);
        free((char *)visit->contacts[i].to);
    }
    free(visit->contacts);
    dane_plan_free(visit->plan);
    visit->contacts = NULL;
    visit->contact_count = 0;
    visit->plan = NULL;
    visit->result = NULL;
}

/* --- grades --- */

static enum cli_visit_grade grade_contact(const struct cli_contact *contact)
{
    const struct dane_verdict *verdict = &contact->attempt.verdict;
    switch (verdict->result) {
    case DANE_AUTHENTICATED:
        return contact->endpoint->delegation == DANE_DELEGATION_SECURE || !verdict->by_dane
                   ? CLI_VISIT_GOOD
                   : CLI_VISIT_OPEN;
    case DANE_ENCRYPTED:
    case DANE_PLAIN:
        return CLI_VISIT_OPEN;
    default:
        return CLI_VISIT_BAD;
    }
}

static enum cli_visit_grade grade_demand(const struct dane_endpoint *endpoint)
{
    switch (endpoint->demand) {
    case DANE_DEMAND_DANE:
        return endpoint->delegation == DANE_DELEGATION_SECURE ? CLI_VISIT_GOOD : CLI_VISIT_OPEN;
    case DANE_DEMAND_PKIX:
        return CLI_VISIT_GOOD;
    case DANE_DEMAND_SKIP:
        return CLI_VISIT_BAD;
    default:
        return CLI_VISIT_OPEN;
    }
}

enum cli_visit_grade cli_visit_grade(const struct cli_visit *visit)
{
    if (visit->error != BASE_OK || visit->result == NULL ||
        visit->result->outcome == DANE_OUTCOME_DEFER)
        return CLI_VISIT_BAD;
    if (visit->result->outcome != DANE_OUTCOME_GO)
        return CLI_VISIT_NOTHING;
    enum cli_visit_grade worst = CLI_VISIT_GOOD;
    size_t count = visit->contacts != NULL ? visit->contact_count : visit->result->count;
    for (size_t i = 0; i < count; i++) {
        enum cli_visit_grade grade = visit->contacts != NULL
                                         ? grade_contact(&visit->contacts[i])
                                         : grade_demand(&visit->result->endpoints[i]);
        if (grade > worst)
            worst = grade;
    }
    return worst;
}

int cli_visit_code(enum cli_visit_grade grade)
{
    switch (grade) {
    case CLI_VISIT_GOOD:
        return CLI_GOOD;
    case CLI_VISIT_OPEN:
        return CLI_INSECURE;
    case CLI_VISIT_NOTHING:
        return CLI_UNJUDGED;
    case CLI_VISIT_BAD:
        break;
    }
    return CLI_FINDINGS;
}

bool cli_contact_matches(const struct cli_contact *contact, const struct dane_tlsa *record,
                         const char *host, base_time now, const char *ca_file)
{
    const struct auth_attempt *attempt = &contact->attempt;
    struct dane_reference reference = {DANE_REFERENCE_DNS, host};
    struct dane_endpoint endpoint = *contact->endpoint;
    endpoint.demand = DANE_DEMAND_DANE;
    endpoint.delegation = DANE_DELEGATION_SECURE;
    endpoint.tlsa = record;
    endpoint.tlsa_count = 1;
    if (endpoint.reference_count == 0) {
        endpoint.references = &reference;
        endpoint.reference_count = 1;
    }
    struct dane_peer peer = {.chain = attempt->chain, .count = attempt->chain_count, .tls = true};
    struct dane_verify_options options = {.now = now, .ca_file = ca_file};
    struct dane_verdict verdict;
    if (attempt->chain_count == 0 || record->unusable != DANE_USABLE)
        return false;
    dane_verify(&endpoint, &peer, &options, &verdict);
    return verdict.result == DANE_AUTHENTICATED;
}
