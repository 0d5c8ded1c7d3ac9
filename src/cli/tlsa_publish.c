/* Changing the TLSA records of a service: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/error.h"
#include "cli/report.h"

#define TTL 3600 /* where no records are there yet */

/* An RRset has one TTL. */
static unsigned long ttl_of(const struct cli_tlsa *tlsa)
{
    for (size_t i = 0; i < tlsa->count; i++) {
        if (tlsa->servers[i].count > 0)
            return tlsa->servers[i].ttl;
    }
    return cli_duration(tlsa->call, "ttl", TTL);
}

/* --- lines for nsupdate --- */

static int print(struct cli_tlsa *tlsa, const char *action, const char *data, json_t *updates)
{
    const char *line =
        action[0] == 'a'
            ? base_arena_printf(&tlsa->arena, "update add %s %lu TLSA %s", tlsa->end_text,
                                ttl_of(tlsa), data)
            : base_arena_printf(&tlsa->arena, "update delete %s TLSA %s", tlsa->end_text, data);
    if (line == NULL || json_array_append_new(updates, json_string(line)) != 0)
        return BASE_ENOMEM;
    cli_say(tlsa->call, "%s\n", line);
    return BASE_OK;
}

/* --- kenterd's zones --- */

static json_t *change(struct cli_tlsa *tlsa, const char *action, const char *data)
{
    json_t *one = json_pack("{s:s,s:s,s:s,s:s}", "action", action, "name", tlsa->end_text, "type",
                            "TLSA", "data", data);
    if (action[0] == 'a')
        json_object_set_new(one, "ttl", json_integer((json_int_t)ttl_of(tlsa)));
    return one;
}

static int send_changes(struct cli_tlsa *tlsa, json_t *changes)
{
    struct cli_client client;
    char zone[DNS_NAME_TEXT];
    json_t *reply = NULL, *body = json_pack("{s:O}", "changes", changes);
    int error = cli_client_open(&client, tlsa->call);
    if (error == BASE_OK && body == NULL)
        error = BASE_ENOMEM;
    if (error == BASE_OK)
        error = cli_client_ask(
            &client, "POST",
            cli_zone_target(tlsa->call, dns_name_text(zone, cli_tlsa_zone(tlsa)), "/changes"), body,
            &reply);
    cli_client_close(&client);
    json_decref(body);
    json_decref(reply);
    return error;
}

int cli_tlsa_publish(struct cli_tlsa *tlsa, const char *action, const struct dane_tlsa *records,
                     size_t count, json_t *updates)
{
    bool by_api = cli_flag(tlsa->call, "publish");
    json_t *changes = json_array();
    int error = changes != NULL ? BASE_OK : BASE_ENOMEM;
    if (!by_api && count > 0)
        cli_say(tlsa->call, "For nsupdate, or the zone file:\n");
    for (size_t i = 0; i < count && error == BASE_OK; i++) {
        const char *data = cli_tlsa_text(&tlsa->arena, &records[i]);
        if (data == NULL)
            error = BASE_ENOMEM;
        else if (!by_api)
            error = print(tlsa, action, data, updates);
        else if (json_array_append_new(changes, change(tlsa, action, data)) != 0)
            error = BASE_ENOMEM;
    }
    if (by_api && error == BASE_OK && count > 0)
        error = send_changes(tlsa, changes);
    json_decref(changes);
    return error;
}
