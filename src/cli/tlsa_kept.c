/* Services whose TLSA records kenterd keeps: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/error.h"
#include "cli/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- findings of one request, apart from those of the call --- */

static void set_apart(struct cli_call *call, struct base_findings *before)
{
    *before = call->findings;
    base_findings_init(&call->findings, before->per_code);
}

/* `known`: they are of no interest. */
static void bring_back(struct cli_call *call, const struct base_findings *before, bool known)
{
    struct base_findings own = call->findings;
    call->findings = *before;
    if (!known)
        base_findings_absorb(&call->findings, &own);
    base_findings_free(&own);
}

/* --- which --- */

static int ask_list(struct cli_call *call, json_t **out)
{
    struct cli_client client;
    json_t *reply = NULL;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = cli_client_ask(&client, "GET", "/v1/tlsa", NULL, &reply);
    cli_client_close(&client);
    if (error == BASE_OK)
        *out = json_incref(json_object_get(reply, "services"));
    json_decref(reply);
    return error;
}

/* A machine without kenterd is as good as one whose kenterd keeps nothing, or cannot. */
static bool is_fine(const struct cli_call *call, const struct base_findings *findings)
{
    const char *variable = getenv(CLI_SOCKET_VARIABLE);
    bool told = cli_text(call, "socket") != NULL || (variable != NULL && variable[0] != '\0');
    return findings->by_code[API_PATH_UNKNOWN] > 0 ||
           (!told && findings->by_code[API_REPLY_BAD] == 0);
}

int cli_tlsa_kept_list(struct cli_call *call, json_t **out)
{
    struct base_findings before;
    json_t *list = NULL;
    set_apart(call, &before);
    int error = ask_list(call, &list);
    bool fine = error == BASE_EREFUSED && is_fine(call, &call->findings);
    if (fine && call->findings.by_code[API_FORBIDDEN] > 0)
        cli_say(call, "kenterd runs here, and you may not ask it whether it keeps records.\n");
    bring_back(call, &before, fine);
    if (fine || error == BASE_OK)
        *out = list;
    return fine ? BASE_OK : error;
}

static bool same_host(const char *one, const char *other)
{
    size_t length = strlen(one);
    if (length > 0 && one[length - 1] == '.')
        length--;
    return strlen(other) == length && strncasecmp(one, other, length) == 0;
}

json_t *cli_tlsa_kept_find(const struct cli_tlsa *tlsa, const json_t *list)
{
    size_t index;
    json_t *service;
    json_array_foreach((json_t *)list, index, service)
    {
        if (same_host(cli_json_text(service, "host"), tlsa->host) &&
            cli_json_number(service, "port") == tlsa->port &&
            strcmp(cli_json_text(service, "protocol"), tlsa->udp ? "udp" : "tcp") == 0)
            return service;
    }
    return NULL;
}

/* --- one --- */

static int ask_one(struct cli_tlsa *tlsa, bool look, json_t **out)
{
    struct cli_client client;
    struct cli_call *call = tlsa->call;
    const char *service = base_arena_printf(&call->arena, "%s:%u", tlsa->host, tlsa->port);
    const char *encoded = service != NULL ? cli_encode(call, service) : NULL;
    const char *target = encoded != NULL
                             ? base_arena_printf(&call->arena, "/v1/tlsa/%s%s%s", encoded,
                                                 tlsa->udp ? "/udp" : "", look ? "/look" : "")
                             : NULL;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = cli_client_ask(&client, look ? "POST" : "GET", target, NULL, out);
    cli_client_close(&client);
    return error;
}

int cli_tlsa_kept(struct cli_tlsa *tlsa, bool look, bool *away, json_t **out)
{
    struct cli_call *call = tlsa->call;
    struct base_findings before;
    set_apart(call, &before);
    int error = ask_one(tlsa, look, out);
    const uint32_t *count = call->findings.by_code;
    bool gone = error == BASE_EREFUSED && away != NULL &&
                count[API_ABSENT] + count[API_BUSY] + count[API_REPLY_BAD] > 0;
    bring_back(call, &before, gone);
    if (away != NULL)
        *away = gone;
    return error;
}

bool cli_tlsa_kept_is(const json_t *service, const char *which,
                      const struct dane_material *material)
{
    struct base_arena arena;
    struct dane_tlsa record;
    const char *text = cli_json_text(json_object_get(service, which), "record");
    base_arena_init(&arena, 0);
    struct dane_life_chain chain = cli_tlsa_chain(material);
    bool same =
        cli_tlsa_parse(&arena, text, &record) == BASE_OK && dane_life_leans(&record, &chain);
    base_arena_free(&arena);
    return same;
}
