/* Which service is meant, and TLSA records as text: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/codec.h"
#include "base/error.h"
#include "cli/made.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20) /* of one look */

/* --- the service --- */

/* Takes the protocol away that stands behind the port. */
static int parse_operand(struct cli_tlsa *tlsa, const char *text, struct cli_visit *visit)
{
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    const char *service = base_arena_strndup(&tlsa->call->arena, text, length);
    if (slash != NULL && strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0)
        return BASE_EFORMAT;
    tlsa->udp = slash != NULL && strcmp(slash, "/udp") == 0;
    return service != NULL ? cli_visit_parse(visit, service) : BASE_ENOMEM;
}

static int parse_options(struct cli_tlsa *tlsa, struct cli_visit *visit)
{
    const struct cli_verb *verb = tlsa->call->verb;
    const char *host = cli_text(tlsa->call, "host");
    unsigned long port = cli_count(tlsa->call, "port", 25);
    if (host == NULL)
        return cli_usage_error(verb, "which service? Give HOST:PORT");
    if (port == 0 || port > UINT16_MAX)
        return cli_usage_error(verb, "%lu is no port", port);
    if (strlen(host) >= sizeof(visit->domain))
        return cli_usage_error(verb, "\"%.300s\" is no host", host);
    memcpy(visit->domain, host, strlen(host) + 1);
    visit->port = (uint16_t)port;
    return CLI_GOOD;
}

int cli_tlsa_init(struct cli_tlsa *tlsa, struct cli_ask *ask, const char *text)
{
    struct cli_visit visit = {0};
    struct cli_call *call = ask->call;
    memset(tlsa, 0, sizeof(*tlsa));
    tlsa->call = call;
    tlsa->ask = ask;
    base_arena_init(&tlsa->arena, ARENA_MAX);
    if (text != NULL && (parse_operand(tlsa, text, &visit) != BASE_OK || visit.port == 0))
        return cli_usage_error(call->verb, "\"%s\" is not HOST:PORT", text);
    if (text == NULL && parse_options(tlsa, &visit) != CLI_GOOD)
        return CLI_USAGE;
    if (dane_domain_to_ascii(visit.domain, tlsa->host) != BASE_OK)
        return cli_usage_error(call->verb, "\"%s\" is no host", visit.domain);
    tlsa->port = visit.port;
    tlsa->usages = tlsa->port == 25 ? DANE_USAGES_OPPORTUNISTIC : DANE_USAGES_ALL;
    tlsa->owner = cli_made_name(call, "a service", "_%u._%s.%s", tlsa->port,
                                tlsa->udp ? "udp" : "tcp", tlsa->host);
    tlsa->name =
        base_arena_printf(&call->arena, "%s:%u%s", tlsa->host, tlsa->port, tlsa->udp ? "/udp" : "");
    if (tlsa->owner == NULL || tlsa->name == NULL)
        return CLI_USAGE;
    dns_name_text(tlsa->where, tlsa->owner);
    dns_name_text(tlsa->end_text, tlsa->owner);
    return CLI_GOOD;
}

void cli_tlsa_free(struct cli_tlsa *tlsa)
{
    base_arena_free(&tlsa->arena);
}

json_t *cli_tlsa_time(base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0)
        return json_null();
    base_time_iso(time, text);
    return json_string(text);
}

/* --- records --- */

const char *cli_tlsa_text(struct base_arena *arena, const struct dane_tlsa *record)
{
    char *text = base_arena_alloc(arena, 3 * 4 + BASE_HEX_SIZE((size_t)record->length) + 1);
    if (text == NULL)
        return NULL;
    int at = sprintf(text, "%u %u %u ", record->usage, record->selector, record->matching);
    size_t hex = base_hex_encode(text + at, record->data, record->length);
    for (size_t i = 0; i < hex; i++)
        text[at + (int)i] = (char)tolower((unsigned char)text[at + (int)i]);
    text[at + (int)hex] = '\0';
    return text;
}

int cli_tlsa_parse(struct base_arena *arena, const char *text, struct dane_tlsa *out)
{
    uint8_t *data;
    size_t length;
    unsigned usage, selector, matching;
    int at = 0;
    if (sscanf(text, "%3u %3u %3u %n", &usage, &selector, &matching, &at) != 3 || at == 0 ||
        usage > UINT8_MAX || selector > UINT8_MAX || matching > UINT8_MAX)
        return BASE_EFORMAT;
    size_t left = strlen(text + at);
    if (left > (size_t)2 * UINT16_MAX)
        return BASE_EFORMAT;
    data = base_arena_alloc(arena, left / 2 + 1);
    if (data == NULL)
        return BASE_ENOMEM;
    int error = base_hex_decode(data, left / 2 + 1, &length, text + at, left);
    if (error != BASE_OK)
        return BASE_EFORMAT;
    *out = (struct dane_tlsa){.usage = (uint8_t)usage,
                              .selector = (uint8_t)selector,
                              .matching = (uint8_t)matching,
                              .length = (uint16_t)length,
                              .data = data};
    return BASE_OK;
}

bool cli_tlsa_equal(const struct dane_tlsa *one, const struct dane_tlsa *other)
{
    return one->usage == other->usage && one->selector == other->selector &&
           one->matching == other->matching && one->length == other->length &&
           memcmp(one->data, other->data, one->length) == 0;
}

struct dane_life_chain cli_tlsa_chain(const struct dane_material *material)
{
    if (material->count > 0)
        return (struct dane_life_chain){material->certificates, material->count};
    return (struct dane_life_chain){&material->key, 1};
}

int cli_tlsa_make(struct cli_tlsa *tlsa, const char *path, const struct dane_material *material,
                  uint8_t usage, uint8_t selector, uint8_t matching, struct dane_tlsa *out)
{
    uint8_t *data;
    size_t length;
    const struct dane_der *from = dane_material_certificate(material, usage);
    if (from == NULL && (usage == DANE_TA || selector == DANE_CERTIFICATE))
        return cli_made_bad(tlsa->call, path,
                            "a record of usage %u and selector %u needs a certificate, and the "
                            "file has only a key",
                            usage, selector);
    if (usage == DANE_TA && material->count == 1)
        return cli_made_bad(tlsa->call, path,
                            "a record of usage 2 needs the chain up to the authority, and the "
                            "file has only the server's certificate");
    if (from == NULL)
        from = &material->key;
    int error = dane_tlsa_make(selector, matching, from->data, from->length, &data, &length);
    if (error != BASE_OK)
        return error;
    const uint8_t *kept = base_arena_dup(&tlsa->call->arena, data, length);
    free(data);
    if (kept == NULL)
        return BASE_ENOMEM;
    *out = (struct dane_tlsa){.usage = usage,
                              .selector = selector,
                              .matching = matching,
                              .length = (uint16_t)length,
                              .data = kept};
    return BASE_OK;
}
