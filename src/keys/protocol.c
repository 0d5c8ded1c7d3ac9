/* Writing and reading what client and key process say: see protocol.h. */
#include "keys/protocol.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX       1024 /* of a zone */
#define FINDINGS_SPACE (PROCESS_MESSAGE_MAX / 4)

static void put_u64(struct base_buf *buf, uint64_t value)
{
    base_buf_u32(buf, (uint32_t)(value >> 32));
    base_buf_u32(buf, (uint32_t)value);
}

static uint64_t get_u64(struct base_reader *reader)
{
    uint64_t high = base_reader_u32(reader);
    return high << 32 | base_reader_u32(reader);
}

static void put_name(struct base_buf *buf, const uint8_t *name)
{
    base_buf_append(buf, name, dns_name_length(name));
}

/* An uncompressed name, in lower case; `reader` fails on another. */
static void get_name(struct base_reader *reader, uint8_t out[DNS_NAME_MAX])
{
    size_t used = 0;
    out[0] = 0;
    if (reader->failed ||
        dns_name_check(reader->data + reader->at, base_reader_left(reader), &used) != BASE_OK) {
        reader->failed = true;
        return;
    }
    dns_name_lower(out, base_reader_bytes(reader, used));
}

static int all_read(const struct base_reader *reader)
{
    return reader->failed || base_reader_left(reader) != 0 ? BASE_EFORMAT : BASE_OK;
}

void keys_put_provide(struct base_buf *buf, const struct keys_provide *provide)
{
    put_name(buf, provide->zone);
    put_u64(buf, (uint64_t)provide->now);
    base_buf_u8(buf, (uint8_t)(provide->early | provide->csk << 1 | provide->exist << 2));
    base_buf_u8(buf, provide->algorithm);
    base_buf_u16(buf, provide->rsa_bits);
}

int keys_get_provide(const uint8_t *data, size_t length, struct keys_provide *out)
{
    struct base_reader reader = base_reader_make(data, length);
    struct keys_provide provide;
    get_name(&reader, provide.zone);
    provide.now = (base_time)get_u64(&reader);
    uint8_t flags = base_reader_u8(&reader);
    provide.early = (flags & 1) != 0;
    provide.csk = (flags & 2) != 0;
    provide.exist = (flags & 4) != 0;
    provide.algorithm = base_reader_u8(&reader);
    provide.rsa_bits = base_reader_u16(&reader);
    if (all_read(&reader) != BASE_OK || flags > 7)
        return BASE_EFORMAT;
    *out = provide;
    return BASE_OK;
}

void keys_put_sign(struct base_buf *buf, const uint8_t *zone, const uint8_t id[CRYPTO_KEY_ID],
                   bool parts, size_t count)
{
    put_name(buf, zone);
    base_buf_append(buf, id, CRYPTO_KEY_ID);
    base_buf_u8(buf, parts);
    base_buf_u16(buf, (uint16_t)count);
}

void keys_put_item(struct base_buf *buf, const uint8_t *input, size_t length)
{
    base_buf_u32(buf, (uint32_t)length);
    base_buf_append(buf, input, length);
}

int keys_get_sign(const uint8_t *data, size_t length, struct keys_sign *out)
{
    struct base_reader reader = base_reader_make(data, length);
    get_name(&reader, out->zone);
    out->id = base_reader_bytes(&reader, CRYPTO_KEY_ID);
    uint8_t parts = base_reader_u8(&reader);
    out->parts = parts != 0;
    out->count = base_reader_u16(&reader);
    if (reader.failed || parts > 1 || out->count == 0 || out->count > KEYS_ITEMS_MAX)
        return BASE_EFORMAT;
    if (out->parts && (out->count != 1 || base_reader_left(&reader) != 0))
        return BASE_EFORMAT;
    out->items = reader;
    return BASE_OK;
}

bool keys_get_item(struct keys_sign *sign, const uint8_t **input, size_t *length)
{
    size_t size = base_reader_u32(&sign->items);
    *input = base_reader_bytes(&sign->items, size);
    *length = size;
    return !sign->items.failed;
}

/*
 * Findings
 */

/* One more than the length, so that none is told from an empty one. */
static void put_text(struct base_buf *buf, const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, UINT16_MAX - 1);
    base_buf_u16(buf, text == NULL ? 0 : (uint16_t)(length + 1));
    if (text != NULL)
        base_buf_append(buf, text, length);
}

static size_t text_size(const char *text)
{
    return 2 + (text == NULL ? 0 : strlen(text));
}

/* NULL: none, or no memory, or malformed. */
static const char *get_text(struct base_reader *reader, struct base_arena *arena)
{
    size_t length = base_reader_u16(reader);
    if (length == 0)
        return NULL;
    const uint8_t *text = base_reader_bytes(reader, length - 1);
    return text == NULL ? NULL : base_arena_strndup(arena, (const char *)text, length - 1);
}

static size_t finding_size(const struct base_finding *finding)
{
    return 10 + text_size(finding->place.file) + text_size(finding->place.owner) +
           text_size(finding->place.type) + text_size(finding->message);
}

void keys_put_findings(struct base_buf *buf, const struct base_findings *findings)
{
    size_t count = 0, space = FINDINGS_SPACE;
    while (count < findings->count && finding_size(&findings->items[count]) <= space)
        space -= finding_size(&findings->items[count++]);
    base_buf_u16(buf, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct base_finding *finding = &findings->items[i];
        base_buf_u16(buf, (uint16_t)finding->code);
        base_buf_u32(buf, finding->place.line);
        base_buf_u32(buf, finding->place.column);
        put_text(buf, finding->place.file);
        put_text(buf, finding->place.owner);
        put_text(buf, finding->place.type);
        put_text(buf, finding->message);
    }
}

int keys_get_findings(struct base_reader *reader, struct base_findings *findings)
{
    size_t count = base_reader_u16(reader);
    struct base_arena arena;
    base_arena_init(&arena, 0);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        unsigned code = base_reader_u16(reader);
        struct base_place place = {.line = base_reader_u32(reader)};
        place.column = base_reader_u32(reader);
        place.file = get_text(reader, &arena);
        place.owner = get_text(reader, &arena);
        place.type = get_text(reader, &arena);
        const char *message = get_text(reader, &arena);
        if (code >= BASE_FINDING_COUNT)
            reader->failed = true;
        if (!reader->failed)
            base_findings_add(findings, (enum base_finding_code)code, &place, "%s",
                              message == NULL ? "" : message);
    }
    base_arena_free(&arena);
    return reader->failed ? BASE_EFORMAT : BASE_OK;
}

/*
 * Keys
 */

static void put_key(struct base_buf *buf, const struct crypto_zone_key *key)
{
    base_buf_append(buf, key->id, sizeof(key->id));
    base_buf_u8(buf, (uint8_t)key->role);
    base_buf_u8(buf, key->key != NULL);
    const base_time times[] = {key->created, key->publish,    key->activate, key->inactive,
                               key->remove,  key->ds_publish, key->ds_remove};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        put_u64(buf, (uint64_t)times[i]);
    base_buf_u16(buf, (uint16_t)key->dnskey_length);
    base_buf_append(buf, key->dnskey, key->dnskey_length);
    put_text(buf, key->path);
}

void keys_put_keys(struct base_buf *buf, const struct keys_provided *provided)
{
    const struct crypto_keydir *keys = &provided->keys;
    base_buf_u32(buf, (uint32_t)provided->created);
    base_buf_u8(buf, provided->settled);
    base_buf_u16(buf, (uint16_t)keys->count);
    for (size_t i = 0; i < keys->count; i++)
        put_key(buf, &keys->keys[i]);
}

static void get_times(struct base_reader *reader, struct crypto_zone_key *key)
{
    key->created = (base_time)get_u64(reader);
    key->publish = (base_time)get_u64(reader);
    key->activate = (base_time)get_u64(reader);
    key->inactive = (base_time)get_u64(reader);
    key->remove = (base_time)get_u64(reader);
    key->ds_publish = (base_time)get_u64(reader);
    key->ds_remove = (base_time)get_u64(reader);
}

static void get_key(struct base_reader *reader, struct base_arena *arena, const uint8_t *zone,
                    struct crypto_zone_key *key, bool *has_private)
{
    const uint8_t *id = base_reader_bytes(reader, sizeof(key->id));
    unsigned role = base_reader_u8(reader), private = base_reader_u8(reader);
    get_times(reader, key);
    size_t length = base_reader_u16(reader);
    const uint8_t *dnskey = base_reader_bytes(reader, length);
    key->path = get_text(reader, arena);
    if (reader->failed || role < CRYPTO_KSK || role > CRYPTO_CSK || private > 1 || length <= 4 ||
        length > sizeof(key->dnskey)) {
        reader->failed = true;
        return;
    }
    memcpy(key->id, id, sizeof(key->id));
    memcpy(key->zone, zone, dns_name_length(zone));
    memcpy(key->dnskey, dnskey, length);
    key->dnskey_length = length;
    key->role = (enum crypto_key_role)role;
    key->flags = base_load_u16(dnskey);
    key->algorithm = dnskey[3];
    key->tag = crypto_key_tag(dnskey, length);
    *has_private = private != 0;
}

int keys_get_keys(struct base_reader *reader, const uint8_t *zone, struct keys_provided *out,
                  bool **has_private)
{
    size_t created = base_reader_u32(reader);
    unsigned settled = base_reader_u8(reader);
    size_t count = base_reader_u16(reader);
    if (reader->failed || settled > 1 || count > KEYS_MAX)
        return BASE_EFORMAT;
    struct crypto_keydir dir = {.keys = calloc(count + 1, sizeof(*dir.keys)), .count = count};
    bool *private = calloc(count + 1, sizeof(*private));
    base_arena_init(&dir.arena, 0);
    if (dir.keys == NULL || private == NULL) {
        dir.count = 0;
        crypto_keydir_free(&dir);
        free(private);
        return BASE_ENOMEM;
    }
    for (size_t i = 0; i < count && !reader->failed; i++)
        get_key(reader, &dir.arena, zone, &dir.keys[i], &private[i]);
    int error = all_read(reader);
    if (error != BASE_OK) {
        crypto_keydir_free(&dir);
        free(private);
        return error;
    }
    *out = (struct keys_provided){.keys = dir, .created = created, .settled = settled != 0};
    *has_private = private;
    return BASE_OK;
}
