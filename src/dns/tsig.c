/* Transaction signatures: see tsig.h. */
#include "dns/tsig.h"

#include "base/error.h"
#include "dns/rdata_table.h"

#include <string.h>
#include <strings.h>

/* Rdata without names and variable parts: time, fudge, MAC size, original ID, error, other size. */
#define RDATA_FIXED 16
/* Behind a record's owner: type, class, TTL, length of rdata. */
#define RECORD_FIXED 10

static const struct {
    const char *text;
    const uint8_t *name;
    size_t mac_size;
} algorithms[DNS_TSIG_ALGORITHMS] = {
    [DNS_TSIG_HMAC_SHA1] = {"hmac-sha1", (const uint8_t *)"\11hmac-sha1", 20},
    [DNS_TSIG_HMAC_SHA224] = {"hmac-sha224", (const uint8_t *)"\13hmac-sha224", 28},
    [DNS_TSIG_HMAC_SHA256] = {"hmac-sha256", (const uint8_t *)"\13hmac-sha256", 32},
    [DNS_TSIG_HMAC_SHA384] = {"hmac-sha384", (const uint8_t *)"\13hmac-sha384", 48},
    [DNS_TSIG_HMAC_SHA512] = {"hmac-sha512", (const uint8_t *)"\13hmac-sha512", 64},
};

size_t dns_tsig_mac_size(enum dns_tsig_algorithm algorithm)
{
    return algorithms[algorithm].mac_size;
}

int dns_tsig_algorithm_from_text(const char *text, enum dns_tsig_algorithm *algorithm)
{
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.')
        length--;
    for (unsigned i = 0; i < DNS_TSIG_ALGORITHMS; i++) {
        if (strlen(algorithms[i].text) == length &&
            strncasecmp(algorithms[i].text, text, length) == 0) {
            *algorithm = (enum dns_tsig_algorithm)i;
            return BASE_OK;
        }
    }
    return BASE_ENOENT;
}

static base_time get48(const uint8_t *at)
{
    return (base_time)((uint64_t)base_load_u16(at) << 32 | base_load_u32(at + 2));
}

static void put48(uint8_t *at, base_time time)
{
    base_store_u16(at, (uint16_t)((uint64_t)time >> 32));
    base_store_u32(at + 2, (uint32_t)time);
}

/* The place of the last record; BASE_ENOENT when there is none. */
static int last_record(const uint8_t *message, size_t length, struct dns_record_place *place)
{
    size_t at;
    int error = dns_questions_skip(message, length, &at);
    if (error != BASE_OK)
        return error;
    unsigned records = (unsigned)base_load_u16(message + 6) + base_load_u16(message + 8);
    unsigned additional = base_load_u16(message + 10);
    for (unsigned i = 0; i < records + additional; i++) {
        error = dns_record_skip(message, length, &at, place);
        if (error != BASE_OK)
            return error;
        if (place->type == DNS_TYPE_TSIG && i + 1 != records + additional)
            return BASE_EFORMAT;
    }
    if (at != length)
        return BASE_EFORMAT;
    if (additional == 0)
        return records > 0 && place->type == DNS_TYPE_TSIG ? BASE_EFORMAT : BASE_ENOENT;
    return place->type == DNS_TYPE_TSIG ? BASE_OK : BASE_ENOENT;
}

static int read_rdata(const uint8_t *rdata, size_t length, struct dns_tsig_record *record)
{
    size_t at;
    if (dns_rdata_check(DNS_TYPE_TSIG, rdata, length, NULL) != BASE_OK)
        return BASE_EFORMAT;
    at = dns_name_lower(record->algorithm, rdata);
    record->time = get48(rdata + at);
    record->fudge = base_load_u16(rdata + at + 6);
    record->mac_length = base_load_u16(rdata + at + 8);
    record->mac = rdata + at + 10;
    at += 10 + record->mac_length;
    record->original_id = base_load_u16(rdata + at);
    record->error = base_load_u16(rdata + at + 2);
    record->other_length = base_load_u16(rdata + at + 4);
    record->other = rdata + at + 6;
    return BASE_OK;
}

int dns_tsig_find(const uint8_t *message, size_t length, struct dns_tsig_record *record)
{
    struct dns_record_place place = {0};
    int error = last_record(message, length, &place);
    if (error != BASE_OK)
        return error;
    if (place.class != DNS_CLASS_ANY || place.ttl != 0)
        return BASE_EFORMAT;
    struct dns_tsig_record result = {.start = place.start};
    size_t at = place.start, name_length;
    uint8_t name[DNS_NAME_MAX];
    error = dns_name_from_wire(message, length, &at, name, &name_length);
    if (error == BASE_OK)
        error = read_rdata(message + place.rdata, place.length, &result);
    if (error != BASE_OK)
        return error;
    dns_name_lower(result.key_name, name);
    *record = result;
    return BASE_OK;
}

void dns_tsig_init(struct dns_tsig *tsig, const struct dns_tsig_key *key,
                   const struct dns_tsig_hmac *hmac)
{
    memset(tsig, 0, sizeof(*tsig));
    tsig->key = key;
    tsig->hmac = hmac;
}

void dns_tsig_free(struct dns_tsig *tsig)
{
    if (tsig->state != NULL)
        tsig->hmac->abandon(tsig->state);
    dns_tsig_init(tsig, tsig->key, tsig->hmac);
}

size_t dns_tsig_room(const struct dns_tsig_key *key)
{
    const uint8_t *algorithm = algorithms[key->algorithm].name;
    return dns_name_length(key->name) + RECORD_FIXED + dns_name_length(algorithm) + RDATA_FIXED +
           algorithms[key->algorithm].mac_size + 6;
}

/* --- what the MAC is computed over (RFC 8945 section 4.3) --- */

/* Starts with the MAC of the message before, if there is one. */
static int start_digest(struct dns_tsig *tsig)
{
    if (tsig->state != NULL)
        return BASE_OK; /* unsigned messages have started it */
    const struct dns_tsig_key *key = tsig->key;
    void *state = NULL;
    int error = tsig->hmac->start(tsig->hmac->context, key->algorithm, key->secret,
                                  key->secret_length, &state);
    if (error != BASE_OK)
        return error;
    tsig->state = state;
    if (tsig->mac_length == 0)
        return BASE_OK;
    uint8_t size[2];
    base_store_u16(size, (uint16_t)tsig->mac_length);
    error = tsig->hmac->update(state, size, sizeof(size));
    return error != BASE_OK ? error : tsig->hmac->update(state, tsig->mac, tsig->mac_length);
}

/* The variables of the record; only the times when an answer goes on. */
static int digest_variables(struct dns_tsig *tsig, const struct dns_tsig_record *record)
{
    uint8_t variables[2 * DNS_NAME_MAX + 24];
    size_t at = 0;
    if (!tsig->further) {
        at = dns_name_lower(variables, tsig->key->name);
        base_store_u16(variables + at, DNS_CLASS_ANY);
        base_store_u32(variables + at + 2, 0);
        at += 6;
        at += dns_name_lower(variables + at, algorithms[tsig->key->algorithm].name);
    }
    put48(variables + at, record->time);
    base_store_u16(variables + at + 6, record->fudge);
    at += 8;
    if (!tsig->further) {
        base_store_u16(variables + at, record->error);
        base_store_u16(variables + at + 2, (uint16_t)record->other_length);
        at += 4;
    }
    int error = tsig->hmac->update(tsig->state, variables, at);
    if (error == BASE_OK && !tsig->further && record->other_length > 0)
        error = tsig->hmac->update(tsig->state, record->other, record->other_length);
    return error;
}

static int finish_digest(struct dns_tsig *tsig, uint8_t mac[DNS_TSIG_MAC_MAX])
{
    void *state = tsig->state;
    tsig->state = NULL;
    return tsig->hmac->finish(state, mac);
}

static int compute_mac(struct dns_tsig *tsig, const uint8_t *message, size_t length,
                       const struct dns_tsig_record *record, uint8_t mac[DNS_TSIG_MAC_MAX])
{
    int error = start_digest(tsig);
    if (error == BASE_OK)
        error = tsig->hmac->update(tsig->state, message, length);
    if (error == BASE_OK)
        error = digest_variables(tsig, record);
    if (error == BASE_OK)
        return finish_digest(tsig, mac);
    if (tsig->state != NULL)
        tsig->hmac->abandon(tsig->state);
    tsig->state = NULL;
    return error;
}

/* Remembers the MAC for the next message. */
static void keep_mac(struct dns_tsig *tsig, const uint8_t *mac, size_t length)
{
    /* After a request comes the first answer, after that the further ones. */
    tsig->further = tsig->mac_length > 0;
    memcpy(tsig->mac, mac, length);
    tsig->mac_length = length;
    tsig->unsigned_count = 0;
}

/* --- signing --- */

/* Appends the record; its MAC may be empty. */
static int append_record(uint8_t *message, size_t *length, size_t capacity, const uint8_t *key_name,
                         const uint8_t *algorithm, const struct dns_tsig_record *record)
{
    size_t name = dns_name_length(key_name), algorithm_length = dns_name_length(algorithm);
    size_t rdata = algorithm_length + RDATA_FIXED + record->mac_length + record->other_length;
    size_t need = name + RECORD_FIXED + rdata;
    if (capacity < *length || need > capacity - *length || *length + need > DNS_MESSAGE_MAX)
        return BASE_ESPACE;
    uint8_t *put = message + *length;
    memcpy(put, key_name, name);
    put += name;
    base_store_u16(put, DNS_TYPE_TSIG);
    base_store_u16(put + 2, DNS_CLASS_ANY);
    base_store_u32(put + 4, 0);
    base_store_u16(put + 8, (uint16_t)rdata);
    put += RECORD_FIXED;
    memcpy(put, algorithm, algorithm_length);
    put += algorithm_length;
    put48(put, record->time);
    base_store_u16(put + 6, record->fudge);
    base_store_u16(put + 8, (uint16_t)record->mac_length);
    put += 10;
    if (record->mac_length > 0)
        memcpy(put, record->mac, record->mac_length);
    put += record->mac_length;
    base_store_u16(put, record->original_id);
    base_store_u16(put + 2, record->error);
    base_store_u16(put + 4, (uint16_t)record->other_length);
    if (record->other_length > 0)
        memcpy(put + 6, record->other, record->other_length);
    base_store_u16(message + 10, base_load_u16(message + 10) + 1u);
    *length += need;
    return BASE_OK;
}

/* True when the message's records end where it ends, and another one can be counted. */
static bool may_be_signed(const uint8_t *message, size_t length)
{
    struct dns_record_place place = {0};
    return length >= DNS_MESSAGE_HEADER && base_load_u16(message + 10) < UINT16_MAX &&
           last_record(message, length, &place) == BASE_ENOENT;
}

int dns_tsig_sign(struct dns_tsig *tsig, uint8_t *message, size_t *length, size_t capacity,
                  base_time now, uint16_t error)
{
    if (!may_be_signed(message, *length))
        return BASE_EFORMAT;
    uint8_t other[6];
    put48(other, now);
    struct dns_tsig_record record = {
        .time = error == DNS_RCODE_BADTIME ? tsig->peer_time : now,
        .fudge = DNS_TSIG_FUDGE,
        .original_id = base_load_u16(message),
        .error = error,
        .other = other,
        .other_length = error == DNS_RCODE_BADTIME ? sizeof(other) : 0,
    };
    if (capacity < *length || capacity - *length < dns_tsig_room(tsig->key))
        return BASE_ESPACE;
    uint8_t mac[DNS_TSIG_MAC_MAX];
    int failed = compute_mac(tsig, message, *length, &record, mac);
    if (failed != BASE_OK)
        return failed;
    record.mac = mac;
    record.mac_length = algorithms[tsig->key->algorithm].mac_size;
    failed = append_record(message, length, capacity, tsig->key->name,
                           algorithms[tsig->key->algorithm].name, &record);
    if (failed == BASE_OK)
        keep_mac(tsig, mac, record.mac_length);
    return failed;
}

int dns_tsig_refuse(const struct dns_tsig_record *request, uint8_t *message, size_t *length,
                    size_t capacity, uint16_t error)
{
    if (!may_be_signed(message, *length))
        return BASE_EFORMAT;
    struct dns_tsig_record record = {
        .time = request->time,
        .fudge = request->fudge,
        .original_id = base_load_u16(message),
        .error = error,
    };
    return append_record(message, length, capacity, request->key_name, request->algorithm, &record);
}

/* --- verifying --- */

/* An unsigned message of a transfer goes into the digest of the next signed one. */
static int gather_unsigned(struct dns_tsig *tsig, const uint8_t *message, size_t length,
                           uint16_t *error)
{
    if (!tsig->further || ++tsig->unsigned_count > DNS_TSIG_UNSIGNED_MAX) {
        *error = DNS_RCODE_BADSIG;
        return BASE_EMISMATCH;
    }
    int failed = start_digest(tsig);
    return failed != BASE_OK ? failed : tsig->hmac->update(tsig->state, message, length);
}

/* Without an early end, so that the time tells nothing. */
static bool equal_macs(const uint8_t *a, const uint8_t *b, size_t length)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < length; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

/* What can be said before the MAC is computed. */
static int check_record(const struct dns_tsig *tsig, const struct dns_tsig_record *record,
                        uint16_t *error)
{
    size_t full = algorithms[tsig->key->algorithm].mac_size;
    if (!dns_name_equal(record->key_name, tsig->key->name) ||
        !dns_name_equal(record->algorithm, algorithms[tsig->key->algorithm].name)) {
        *error = DNS_RCODE_BADKEY;
        return BASE_EMISMATCH;
    }
    if (record->mac_length == 0 && record->error != 0) {
        *error = record->error; /* the peer's refusal, which it cannot sign */
        return BASE_EMISMATCH;
    }
    /* RFC 8945 section 5.2.2.1 */
    size_t least = full / 2 > 10 ? full / 2 : 10;
    return record->mac_length > full || record->mac_length < least ? BASE_EFORMAT : BASE_OK;
}

int dns_tsig_verify(struct dns_tsig *tsig, uint8_t *message, size_t *length, base_time now,
                    uint16_t *error)
{
    struct dns_tsig_record record;
    int failed = dns_tsig_find(message, *length, &record);
    if (failed == BASE_ENOENT)
        return gather_unsigned(tsig, message, *length, error);
    if (failed == BASE_OK)
        failed = check_record(tsig, &record, error);
    if (failed != BASE_OK)
        return failed;
    /* The message as it was before it was signed. */
    base_store_u16(message + 10, base_load_u16(message + 10) - 1u);
    base_store_u16(message, record.original_id);
    *length = record.start;
    uint8_t mac[DNS_TSIG_MAC_MAX];
    failed = compute_mac(tsig, message, *length, &record, mac);
    if (failed != BASE_OK)
        return failed;
    if (!equal_macs(mac, record.mac, record.mac_length)) {
        *error = DNS_RCODE_BADSIG;
        return BASE_EMISMATCH;
    }
    keep_mac(tsig, mac, record.mac_length);
    tsig->peer_time = record.time;
    base_time distance = now > record.time ? now - record.time : record.time - now;
    if (distance > record.fudge) {
        *error = DNS_RCODE_BADTIME;
        return BASE_EMISMATCH;
    }
    /* We take no cut MACs; said only to who has the key (RFC 8945 section 5.2.4). */
    if (record.mac_length < algorithms[tsig->key->algorithm].mac_size) {
        *error = DNS_RCODE_BADTRUNC;
        return BASE_EMISMATCH;
    }
    *error = record.error;
    return record.error == 0 ? BASE_OK : BASE_EMISMATCH;
}

bool dns_tsig_complete(const struct dns_tsig *tsig)
{
    return tsig->mac_length > 0 && tsig->unsigned_count == 0;
}
