/* What the addresses of a service show: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/error.h"

#include <string.h>

#define CONNECTIONS 16

/* What is spoken at well-known ports. */
static enum dane_service service_of_port(uint16_t port)
{
    for (int service = DANE_SMTP; service < DANE_TLS; service++) {
        if (dane_service_info((enum dane_service)service)->port == port)
            return (enum dane_service)service;
    }
    return DANE_TLS;
}

int cli_tlsa_speaks(struct cli_call *call, uint16_t port, enum dane_service *out)
{
    const char *start = cli_text(call, "starttls");
    if (start == NULL)
        *out = service_of_port(port);
    else if (strcmp(start, "none") == 0)
        *out = DANE_TLS;
    else if (dane_service_by_name(start, out) != BASE_OK)
        return cli_usage_error(call->verb, "there is no STARTTLS of \"%s\"", start);
    return CLI_GOOD;
}

int cli_tlsa_visit(struct cli_tlsa *tlsa, struct cli_visit *visit)
{
    struct cli_call *call = tlsa->call;
    *visit = (struct cli_visit){.port = tlsa->port, .options = {.no_sts = true}};
    memcpy(visit->domain, tlsa->host, strlen(tlsa->host) + 1);
    if (cli_tlsa_speaks(call, tlsa->port, &visit->service) != CLI_GOOD)
        return BASE_EINVAL;
    cli_visit_plan(visit, call, tlsa->ask->context);
    cli_visit_connect(visit, call, base_clock_now(), true, CONNECTIONS);
    return visit->error;
}

struct dane_life_chain cli_tlsa_shown(const struct cli_contact *contact, struct dane_der *key)
{
    const struct auth_attempt *attempt = &contact->attempt;
    *key = (struct dane_der){attempt->raw_public_key, attempt->raw_length};
    if (attempt->chain_count == 0 && attempt->raw_length > 0)
        return (struct dane_life_chain){key, 1};
    return (struct dane_life_chain){attempt->chain, attempt->chain_count};
}

const char *cli_tlsa_hidden(const struct cli_contact *contact)
{
    const char *reason = contact->attempt.verdict.reason;
    return reason[0] != '\0' ? reason : contact->endpoint->reason;
}

static json_t *matches(const struct dane_life_chain *chain, const json_t *records)
{
    size_t index;
    json_t *text, *list = json_array();
    struct base_arena arena;
    base_arena_init(&arena, 0);
    json_array_foreach((json_t *)records, index, text)
    {
        struct dane_tlsa record;
        if (cli_tlsa_parse(&arena, json_string_value(text), &record) == BASE_OK &&
            dane_life_leans(&record, chain))
            json_array_append(list, text);
    }
    base_arena_free(&arena);
    return list;
}

json_t *cli_tlsa_addresses(const struct cli_visit *visit, const json_t *records)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < visit->contact_count; i++) {
        struct dane_der key;
        const struct cli_contact *contact = &visit->contacts[i];
        struct dane_life_chain chain = cli_tlsa_shown(contact, &key);
        struct dane_certificate_info info = {.subject = ""};
        const struct auth_attempt *attempt = &contact->attempt;
        const char *address = attempt->address[0] != '\0' ? attempt->address
                              : contact->to != NULL       ? contact->to
                                                          : contact->endpoint->host;
        if (attempt->chain_count > 0)
            dane_certificate_describe(chain.certificates[0].data, chain.certificates[0].length,
                                      &info);
        json_array_append_new(
            list, json_pack("{s:s,s:s?,s:s?,s:o,s:o}", "address", address, "error",
                            chain.count > 0 ? NULL : cli_tlsa_hidden(contact), "subject",
                            info.subject[0] != '\0' ? info.subject : NULL, "not_after",
                            cli_tlsa_time(info.until), "matches", matches(&chain, records)));
    }
    return list;
}
