/* kenter key ds: what the parent needs. */
#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "cli/keys.h"
#include "cli/record.h"
#include "cli/report.h"

#include <stdlib.h>
#include <string.h>

#define DIGESTS_MAX 8
#define DS_MAX      (4 + CRYPTO_DIGEST_MAX)

struct ds_list {
    struct cli_call *call;
    uint16_t type; /* DS, CDS or CDNSKEY */
    uint8_t digests[DIGESTS_MAX];
    size_t digest_count;
    uint32_t ttl;
    size_t records;
};

/* "2" or "2,4"; SHA-1 (1) is not offered: parents must not use it any more (RFC 9905). */
static int read_digests(struct ds_list *list)
{
    const char *text = cli_text(list->call, "digest");
    if (text == NULL)
        text = "2";
    while (*text != '\0') {
        char *end;
        unsigned long number = strtoul(text, &end, 10);
        bool good = end != text && (number == 2 || number == 4) && (*end == ',' || *end == '\0');
        if (!good || list->digest_count == DIGESTS_MAX)
            return cli_usage_error(list->call->verb,
                                   "--digest takes 2 (SHA-256) or 4 (SHA-384), or both as 2,4");
        list->digests[list->digest_count++] = (uint8_t)number;
        text = *end == ',' ? end + 1 : end;
    }
    return CLI_GOOD;
}

static void add(struct ds_list *list, const uint8_t *owner, const uint8_t *rdata, size_t length)
{
    struct cli_call *call = list->call;
    struct base_buf text;
    base_buf_init(&text, (size_t)16 * 1024);
    cli_record_text(&text, owner, list->ttl, list->type, rdata, length);
    if (!call->json)
        printf("%s\n", base_buf_string(&text));
    base_buf_text(&call->members, list->records++ > 0 ? ",{" : "{");
    cli_record_json(&call->members, owner, list->ttl, list->type, rdata, length);
    base_buf_u8(&call->members, '}');
    base_buf_free(&text);
}

static int add_key(struct ds_list *list, const struct crypto_zone_key *key)
{
    if (list->type == DNS_TYPE_CDNSKEY) {
        add(list, key->zone, key->dnskey, key->dnskey_length);
        return BASE_OK;
    }
    for (size_t i = 0; i < list->digest_count; i++) {
        uint8_t rdata[DS_MAX];
        size_t length;
        int error = crypto_ds_digest(list->digests[i], key->zone, key->dnskey, key->dnskey_length,
                                     rdata + 4, &length);
        if (error != BASE_OK)
            return error;
        base_store_u16(rdata, key->tag);
        rdata[2] = key->algorithm;
        rdata[3] = list->digests[i];
        add(list, key->zone, rdata, length + 4);
    }
    return BASE_OK;
}

/* Keys that the parent is to know: secure entry points that are published and stay. */
static bool is_wanted(const struct ds_list *list, const struct crypto_zone_key *key)
{
    base_time now = list->call->now;
    if (key->role == CRYPTO_ZSK || (key->flags & CRYPTO_KEY_REVOKED) != 0)
        return false;
    if (cli_flag(list->call, "all"))
        return true;
    bool removed =
        (key->remove != 0 && key->remove <= now) || (key->ds_remove != 0 && key->ds_remove <= now);
    return !removed && key->publish != 0 && key->publish <= now;
}

static int list_keys(struct ds_list *list, const struct crypto_keydir *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        int error = is_wanted(list, &keys->keys[i]) ? add_key(list, &keys->keys[i]) : BASE_OK;
        if (error != BASE_OK)
            return error;
    }
    if (list->records > 0)
        return BASE_OK;
    struct base_place place = {.file = cli_text(list->call, "keys")};
    base_findings_add(&list->call->findings, KEY_UNKNOWN, &place,
                      "no key of %s is published that a parent could point at",
                      list->call->operands[0]);
    return BASE_EREFUSED;
}

static int run(struct cli_call *call)
{
    struct ds_list list = {.call = call, .type = DNS_TYPE_DS};
    if (cli_flag(call, "cds") && cli_flag(call, "cdnskey"))
        return cli_usage_error(call->verb, "give --cds or --cdnskey, not both");
    if (cli_flag(call, "cds"))
        list.type = DNS_TYPE_CDS;
    if (cli_flag(call, "cdnskey"))
        list.type = DNS_TYPE_CDNSKEY;
    list.ttl = (uint32_t)cli_duration(call, "ttl", 3600);
    int code = read_digests(&list);
    if (code != CLI_GOOD)
        return code;
    call->data_on_stdout = !call->json;
    const uint8_t *zone = cli_parse_name(call, call->operands[0]);
    if (zone == NULL)
        return cli_finish(call, BASE_ENOMEM);
    struct crypto_keydir keys;
    int error = cli_keys_open(call, zone, &keys);
    if (error != BASE_OK)
        return cli_finish(call, error);
    base_buf_text(&call->members, ",\"records\":[");
    error = list_keys(&list, &keys);
    base_buf_u8(&call->members, ']');
    crypto_keydir_free(&keys);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_key_ds = {
    .name = "key ds",
    .summary = "print the DS records for the parent",
    .description = "Prints DS records of the keys of a zone that the parent is to know: those that "
                   "are published and sign the keys (KSK and CSK). With --cds or --cdnskey, the "
                   "records by which a zone asks its parent for them (RFC 7344).",
    .operands =
        (const struct cli_operand[]){
            {.name = "ZONE", .kind = CLI_NAME, .help = "The zone that the keys are for."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            CLI_OPTION_KEYS,
            {.name = "digest",
             .kind = CLI_TEXT,
             .argument = "TYPES",
             .help = "Digest types: 2 (SHA-256, the default), 4 (SHA-384), or 2,4."},
            {.name = "cds", .kind = CLI_FLAG, .help = "CDS records instead."},
            {.name = "cdnskey", .kind = CLI_FLAG, .help = "CDNSKEY records instead."},
            {.name = "all",
             .letter = 'a',
             .kind = CLI_FLAG,
             .help = "Also of keys that are not published yet, or no more."},
            {.name = "ttl",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "TTL to print; 1h by default."},
            {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter key ds example.com --keys keys/",
                                              "What goes to the registrar."},
                                             {"kenter key ds example.com --keys keys/ > ds; "
                                              "kenter verify --ds @ds example.com.signed",
                                              "Does the chain from this DS work?"},
                                             {NULL, NULL}},
    .run = run,
};
