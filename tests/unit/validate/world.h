/*
 * A world of signed zones in memory, and a resolver over it that answers with packets: for tests
 * and fuzzing of look-ups. Signatures are made with `crypto` while answering; whatever can be wrong
 * with a zone or on the way is a knob or is done by `edit`.
 */
#ifndef TEST_VALIDATE_WORLD_H
#define TEST_VALIDATE_WORLD_H

#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "dns/message.h"
#include "validate/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_ZONES   12
#define WORLD_RECORDS 64
#define WORLD_RDATA   600
#define REPLY_RECORDS 300

#define NOW ((base_time)1790000000)
#define DAY ((base_time)86400)

/* Not every test uses all of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct world_record {
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    uint32_t ttl;
    uint16_t length;
    uint8_t rdata[WORLD_RDATA];
    enum dns_section section; /* in replies */
};

enum world_denial { DENIAL_NSEC, DENIAL_NSEC3, DENIAL_OPT_OUT, DENIAL_COMPACT, DENIAL_NONE };

struct world_key {
    struct crypto_key *key;
    struct crypto_signer *signer;
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    size_t length;
};

struct world_zone {
    uint8_t apex[DNS_NAME_MAX];
    struct world_record records[WORLD_RECORDS];
    size_t count;
    struct world_key ksk, zsk;
    /* Knobs, all off at first. */
    bool is_unsigned;
    enum world_denial denial;
    bool minimal; /* NSEC and NSEC3 of their own for each name denied (RFC 4470, RFC 7129) */
    unsigned iterations;
    base_time inception, expiration;
    bool corrupt;           /* data signatures do not verify */
    bool corrupt_keys;      /* the signature over DNSKEY does not */
    bool unpublished;       /* the ZSK is not in the DNSKEY set */
    bool no_dnskey;         /* no DNSKEY records at all */
    bool keys_by_zsk;       /* the DNSKEY set is signed by the ZSK, for which there is no DS */
    bool revoked;           /* the KSK has the flag, the DS is of it as it was */
    bool no_ds;             /* the parent has no DS */
    unsigned digest;        /* type of the DS */
    unsigned second_digest; /* one more DS; 0: none */
    bool wrong_digest;      /* the DS has the right tag */
    unsigned ds_algorithm;  /* in place of the right one; 0 */
    const char *signer;     /* in place of the apex; NULL */
};

struct world_reply {
    struct world_record records[REPLY_RECORDS];
    size_t count;
    unsigned rcode;
    unsigned flags;
    uint8_t question[DNS_NAME_MAX];
    uint16_t type;
};

struct world {
    struct world_zone *zones[WORLD_ZONES];
    size_t count;
    /* Knobs of the resolver. */
    bool strip;            /* no RRSIG, NSEC, NSEC3 */
    bool no_chase;         /* aliases are not followed */
    bool child_ds;         /* DS are asked of the child */
    bool no_dnssec;        /* no DNSKEY, DS either */
    const char *fail_name; /* SERVFAIL for it */
    uint16_t fail_type;
    int fail_rcode;
    bool silent; /* in place of SERVFAIL nobody answers */
    void (*edit)(struct world *world, struct world_reply *reply);
    void *context;
    unsigned algorithm;
    char log[8192]; /* queries in order: "name TYPE\n" */
    unsigned queries;
};

static const uint8_t *wire(const char *text)
{
    static uint8_t names[16][DNS_NAME_MAX];
    static unsigned turn;
    uint8_t *out = names[turn++ % 16];
    size_t length;
    static const uint8_t root[] = {0};
    MUST(dns_name_from_text(out, &length, text, strlen(text), root) == BASE_OK);
    return out;
}

static void name_copy(uint8_t *out, const uint8_t *name)
{
    memmove(out, name, dns_name_length(name));
}

static void world_make_key(struct world_key *key, unsigned algorithm, uint16_t flags)
{
    MUST(crypto_key_generate(algorithm, 0, &key->key) == BASE_OK);
    MUST(crypto_signer_new(key->key, &key->signer) == BASE_OK);
    key->length = crypto_key_dnskey(key->key, flags, key->dnskey);
}

static void world_free_key(struct world_key *key)
{
    crypto_signer_free(key->signer);
    crypto_key_free(key->key);
}

/* "owner ttl? TYPE rdata…", owner relative to the apex, "@" for it. */
static struct world_record *world_add(struct world_zone *zone, const char *text)
{
    char copy[1024];
    struct dns_token tokens[40];
    size_t count = 0;
    snprintf(copy, sizeof(copy), "%s", text);
    char *save = NULL, *owner = strtok_r(copy, " ", &save), *type = strtok_r(NULL, " ", &save);
    MUST(zone->count < WORLD_RECORDS);
    struct world_record *record = &zone->records[zone->count++];
    memset(record, 0, sizeof(*record));
    size_t length;
    MUST(dns_name_from_text(record->name, &length, owner, strlen(owner), zone->apex) == BASE_OK);
    MUST(dns_type_from_text(type, strlen(type), &record->type) == BASE_OK);
    for (char *word; (word = strtok_r(NULL, " ", &save)) != NULL;)
        tokens[count++] = (struct dns_token){.text = word, .length = (uint32_t)strlen(word)};
    uint8_t rdata[DNS_RDATA_MAX];
    bool canonical;
    MUST(dns_rdata_from_text(record->type, tokens, count, zone->apex, rdata, &length, &canonical,
                             NULL) == BASE_OK);
    MUST(length <= WORLD_RDATA);
    memcpy(record->rdata, rdata, length);
    record->length = (uint16_t)length;
    record->ttl = 3600;
    return record;
}

static struct world_zone *world_zone(struct world *world, const char *apex)
{
    struct world_zone *zone = calloc(1, sizeof(*zone));
    MUST(zone != NULL && world->count < WORLD_ZONES);
    world->zones[world->count++] = zone;
    name_copy(zone->apex, wire(apex));
    zone->inception = NOW - DAY;
    zone->expiration = NOW + 10 * DAY;
    zone->digest = 2;
    world_make_key(&zone->ksk, world->algorithm, 257);
    world_make_key(&zone->zsk, world->algorithm, 256);
    world_add(zone, "@ SOA ns.invalid. root.invalid. 1 3600 600 86400 900");
    world_add(zone, "@ NS ns.invalid.");
    return zone;
}

static void world_free(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        world_free_key(&world->zones[i]->ksk);
        world_free_key(&world->zones[i]->zsk);
        free(world->zones[i]);
    }
    free(world);
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof(*world));
    MUST(world != NULL);
    world->algorithm = CRYPTO_ED25519;
    return world;
}

/* The deepest zone over a name; with `above` not the one whose apex it is. */
static struct world_zone *zone_of(struct world *world, const uint8_t *name, bool above)
{
    struct world_zone *found = NULL;
    for (size_t i = 0; i < world->count; i++) {
        struct world_zone *zone = world->zones[i];
        if (!dns_name_within(name, zone->apex) ||
            (above && name[0] != 0 && dns_name_equal(name, zone->apex)))
            continue;
        if (found == NULL || dns_name_labels(zone->apex) > dns_name_labels(found->apex))
            found = zone;
    }
    return found;
}

static struct world_zone *zone_at(struct world *world, const char *apex)
{
    struct world_zone *zone = zone_of(world, wire(apex), false);
    MUST(zone != NULL && dns_name_equal(zone->apex, wire(apex)));
    return zone;
}

/*
 * Replies.
 */
static struct world_record *reply_add(struct world_reply *reply, enum dns_section section,
                                      const uint8_t *name, uint16_t type, uint32_t ttl,
                                      const uint8_t *rdata, size_t length)
{
    MUST(reply->count < REPLY_RECORDS && length <= WORLD_RDATA);
    struct world_record *record = &reply->records[reply->count++];
    memset(record, 0, sizeof(*record));
    name_copy(record->name, name);
    record->section = section;
    record->type = type;
    record->ttl = ttl;
    record->length = (uint16_t)length;
    memcpy(record->rdata, rdata, length);
    return record;
}

static int compare_rdata(const void *a, const void *b)
{
    const struct world_record *x = *(const struct world_record *const *)a,
                              *y = *(const struct world_record *const *)b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->rdata, y->rdata, shorter);
    return order != 0 ? order : (int)x->length - (int)y->length;
}

/* Signs the RRset of `name` and `type` in a section of the reply. `labels`: of the signed owner. */
static struct world_record *reply_sign(struct world_reply *reply, enum dns_section section,
                                       const uint8_t *name, uint16_t type, unsigned labels,
                                       struct world_zone *zone, struct world_key *key)
{
    static uint8_t data[65536];
    const struct world_record *set[REPLY_RECORDS];
    size_t count = 0, at = 18;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].section == section && reply->records[i].type == type &&
            dns_name_equal(reply->records[i].name, name))
            set[count++] = &reply->records[i];
    }
    MUST(count > 0);
    qsort(set, count, sizeof(*set), compare_rdata);
    const uint8_t *signer = zone->signer != NULL ? wire(zone->signer) : zone->apex;
    base_store_u16(data, type);
    data[2] = (uint8_t)crypto_key_algorithm(key->key);
    data[3] = (uint8_t)labels;
    base_store_u32(data + 4, set[0]->ttl);
    base_store_u32(data + 8, (uint32_t)zone->expiration);
    base_store_u32(data + 12, (uint32_t)zone->inception);
    base_store_u16(data + 16, crypto_key_tag(key->dnskey, key->length));
    at += dns_name_lower(data + at, signer);
    size_t head = at;
    unsigned own = dns_name_labels(name) - (dns_name_is_wildcard(name) ? 1 : 0);
    uint8_t owner[DNS_NAME_MAX];
    size_t owner_length;
    if (labels < own) {
        owner[0] = 1;
        owner[1] = '*';
        owner_length =
            2 + dns_name_lower(owner + 2, dns_name_parent(name, dns_name_labels(name) - labels));
    } else {
        owner_length = dns_name_lower(owner, name);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(data + at, owner, owner_length);
        at += owner_length;
        base_store_u16(data + at, type);
        base_store_u16(data + at + 2, DNS_CLASS_IN);
        base_store_u32(data + at + 4, set[0]->ttl);
        base_store_u16(data + at + 8, set[i]->length);
        dns_rdata_canonical(type, set[i]->rdata, set[i]->length, data + at + 10);
        at += 10u + set[i]->length;
    }
    uint8_t rdata[18 + DNS_NAME_MAX + CRYPTO_SIGNATURE_MAX];
    memcpy(rdata, data, head);
    size_t signature;
    MUST(crypto_sign(key->signer, data, at, rdata + head, &signature) == BASE_OK);
    if (type == DNS_TYPE_DNSKEY ? zone->corrupt_keys : zone->corrupt)
        rdata[head + 5] ^= 1;
    return reply_add(reply, section, name, DNS_TYPE_RRSIG, set[0]->ttl, rdata, head + signature);
}

static unsigned labels_of(const uint8_t *name)
{
    return dns_name_labels(name) - (dns_name_is_wildcard(name) ? 1 : 0);
}

static void reply_sign_plain(struct world_reply *reply, enum dns_section section,
                             const uint8_t *name, uint16_t type, struct world_zone *zone)
{
    if (!zone->is_unsigned)
        reply_sign(reply, section, name, type, labels_of(name), zone, &zone->zsk);
}

/* The records of an owner and type, under another owner when it is a wildcard's. */
static size_t reply_set(struct world_reply *reply, enum dns_section section,
                        const struct world_zone *zone, const uint8_t *owner, uint16_t type,
                        const uint8_t *as)
{
    size_t count = 0;
    for (size_t i = 0; i < zone->count; i++) {
        const struct world_record *record = &zone->records[i];
        if (record->type != type || !dns_name_equal(record->name, owner))
            continue;
        reply_add(reply, section, as, type, record->ttl, record->rdata, record->length);
        count++;
    }
    return count;
}

/*
 * Names of a zone: of records, of cuts (children), and empty non-terminals.
 */
static bool below_cut(struct world *world, const struct world_zone *zone, const uint8_t *name)
{
    return zone_of(world, name, false) != zone &&
           !dns_name_equal(zone_of(world, name, false)->apex, name);
}

static size_t zone_names(struct world *world, const struct world_zone *zone, const uint8_t **names,
                         size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < zone->count && count < most; i++) {
        if (!below_cut(world, zone, zone->records[i].name))
            names[count++] = zone->records[i].name;
    }
    for (size_t i = 0; i < world->count && count < most; i++) {
        if (world->zones[i] != zone && zone_of(world, world->zones[i]->apex, true) == zone &&
            world->zones[i]->apex[0] != 0)
            names[count++] = world->zones[i]->apex;
    }
    return count;
}

static struct world_zone *cut_at(struct world *world, const struct world_zone *zone,
                                 const uint8_t *name)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->zones[i] != zone && dns_name_equal(world->zones[i]->apex, name))
            return world->zones[i];
    }
    return NULL;
}

static bool has_ds(const struct world_zone *zone)
{
    return !zone->is_unsigned && !zone->no_ds;
}

/* Is there something at the name or below it? */
static bool name_exists(struct world *world, const struct world_zone *zone, const uint8_t *name)
{
    const uint8_t *names[WORLD_RECORDS + WORLD_ZONES];
    size_t count = zone_names(world, zone, names, WORLD_RECORDS + WORLD_ZONES);
    for (size_t i = 0; i < count; i++) {
        if (dns_name_within(names[i], name))
            return true;
    }
    return false;
}

static size_t types_at(struct world *world, const struct world_zone *zone, const uint8_t *name,
                       bool nsec, uint8_t *bitmap)
{
    uint16_t types[WORLD_RECORDS + 8];
    size_t count = 0;
    const struct world_zone *cut = cut_at(world, zone, name);
    bool any = false;
    for (unsigned type = 1; type < 300; type++) {
        bool there = false;
        for (size_t i = 0; i < zone->count; i++)
            there = there ||
                    (zone->records[i].type == type && dns_name_equal(zone->records[i].name, name));
        if (cut != NULL && dns_name_equal(zone->apex, name) == false)
            there = type == DNS_TYPE_NS || (type == DNS_TYPE_DS && has_ds(cut));
        any = any || there;
        there = there || (type == DNS_TYPE_DNSKEY && dns_name_equal(zone->apex, name));
        there = there || (nsec && (type == DNS_TYPE_NSEC || type == DNS_TYPE_RRSIG));
        bool signs = cut == NULL || has_ds(cut) || dns_name_equal(zone->apex, name);
        there = there || (!nsec && type == DNS_TYPE_RRSIG && any && signs);
        if (there)
            types[count++] = (uint16_t)type;
    }
    return dns_bitmap_make(bitmap, types, count);
}

/* Minimally covering: from just before the name to just behind all below it; of a name that is
 * there, to the first that could be below it (RFC 4470 section 3, RFC 4471 section 3.1.2). */
static void reply_nsec_minimal(struct world *world, struct world_reply *reply,
                               struct world_zone *zone, const uint8_t *name)
{
    const uint8_t *names[WORLD_RECORDS + WORLD_ZONES];
    size_t count = zone_names(world, zone, names, WORLD_RECORDS + WORLD_ZONES);
    static const uint16_t bare[] = {DNS_TYPE_RRSIG, DNS_TYPE_NSEC};
    uint8_t owner[DNS_NAME_MAX + 1], rdata[DNS_NAME_MAX + DNS_BITMAP_MAX];
    bool owns = false;
    for (size_t i = 0; i < count; i++)
        owns = owns || dns_name_equal(names[i], name);
    size_t label = name[0], length;
    name_copy(owner, name);
    if (!owns) {
        owner[0]++;
        owner[label]--;
        owner[label + 1] = '~';
        name_copy(owner + label + 2, name + label + 1);
    }
    bool exists = name_exists(world, zone, name);
    rdata[0] = exists ? 1 : (uint8_t)(label + 1);
    if (exists) {
        rdata[1] = 0;
        length = 2 + dns_name_lower(rdata + 2, name);
    } else {
        memcpy(rdata + 1, name + 1, label);
        rdata[label + 1] = 0;
        length = label + 2 + dns_name_lower(rdata + label + 2, name + label + 1);
    }
    length += owns ? types_at(world, zone, name, true, rdata + length)
                   : dns_bitmap_make(rdata + length, bare, 2);
    reply_add(reply, DNS_SECTION_AUTHORITY, owner, DNS_TYPE_NSEC, 900, rdata, length);
    reply_sign_plain(reply, DNS_SECTION_AUTHORITY, owner, DNS_TYPE_NSEC, zone);
}

static void reply_nsec(struct world *world, struct world_reply *reply, struct world_zone *zone,
                       const uint8_t *name)
{
    if (zone->minimal) {
        reply_nsec_minimal(world, reply, zone, name);
        return;
    }
    const uint8_t *names[WORLD_RECORDS + WORLD_ZONES];
    size_t count = zone_names(world, zone, names, WORLD_RECORDS + WORLD_ZONES);
    const uint8_t *owner = zone->apex, *next = NULL;
    for (size_t i = 0; i < count; i++) {
        if (dns_name_compare(names[i], name) <= 0 && dns_name_compare(names[i], owner) > 0)
            owner = names[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (dns_name_compare(names[i], owner) > 0 &&
            (next == NULL || dns_name_compare(names[i], next) < 0))
            next = names[i];
    }
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type == DNS_TYPE_NSEC &&
            dns_name_equal(reply->records[i].name, owner))
            return;
    }
    uint8_t rdata[DNS_NAME_MAX + DNS_BITMAP_MAX];
    size_t length = dns_name_lower(rdata, next == NULL ? zone->apex : next);
    length += types_at(world, zone, owner, true, rdata + length);
    reply_add(reply, DNS_SECTION_AUTHORITY, owner, DNS_TYPE_NSEC, 900, rdata, length);
    reply_sign_plain(reply, DNS_SECTION_AUTHORITY, owner, DNS_TYPE_NSEC, zone);
}

static void hash_name(const struct world_zone *zone, const uint8_t *name,
                      uint8_t out[CRYPTO_NSEC3_SIZE])
{
    struct crypto_nsec3 *hasher;
    MUST(crypto_nsec3_new((uint16_t)zone->iterations, NULL, 0, &hasher) == BASE_OK);
    MUST(crypto_nsec3_hash(hasher, name, out) == BASE_OK);
    crypto_nsec3_free(hasher);
}

static void base32(const uint8_t *hash, char out[33])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    for (unsigned i = 0; i < 32; i++) {
        unsigned bit = i * 5, octet = bit / 8;
        unsigned value = (unsigned)(hash[octet] << 8) | (octet + 1 < 20 ? hash[octet + 1] : 0);
        out[i] = digits[value >> (11 - bit % 8) & 31];
    }
    out[32] = '\0';
}

/* The NSEC3 that matches or covers a name. */
static void reply_nsec3(struct world *world, struct world_reply *reply, struct world_zone *zone,
                        const uint8_t *name)
{
    const uint8_t *names[WORLD_RECORDS + WORLD_ZONES];
    size_t count = zone_names(world, zone, names, WORLD_RECORDS + WORLD_ZONES);
    uint8_t target[CRYPTO_NSEC3_SIZE], hash[CRYPTO_NSEC3_SIZE];
    uint8_t owner[CRYPTO_NSEC3_SIZE], next[CRYPTO_NSEC3_SIZE], first[CRYPTO_NSEC3_SIZE],
        last[CRYPTO_NSEC3_SIZE];
    const uint8_t *owner_name = NULL, *last_name = NULL;
    bool has_next = false, has_first = false;
    hash_name(zone, name, target);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            unsigned depth = dns_name_labels(names[i]) - dns_name_labels(zone->apex);
            const struct world_zone *cut = cut_at(world, zone, names[i]);
            if (zone->denial == DENIAL_OPT_OUT && cut != NULL && !has_ds(cut))
                continue;
            for (unsigned up = 0; up <= depth; up++) {
                const uint8_t *at = dns_name_parent(names[i], up);
                hash_name(zone, at, hash);
                if (round == 0) {
                    if (memcmp(hash, target, sizeof(hash)) <= 0 &&
                        (owner_name == NULL || memcmp(hash, owner, sizeof(hash)) > 0)) {
                        owner_name = at;
                        memcpy(owner, hash, sizeof(hash));
                    }
                    if (last_name == NULL || memcmp(hash, last, sizeof(hash)) > 0) {
                        last_name = at;
                        memcpy(last, hash, sizeof(hash));
                    }
                    if (!has_first || memcmp(hash, first, sizeof(hash)) < 0)
                        memcpy(first, hash, sizeof(hash));
                    has_first = true;
                } else if (memcmp(hash, owner, sizeof(hash)) > 0 &&
                           (!has_next || memcmp(hash, next, sizeof(hash)) < 0)) {
                    has_next = true;
                    memcpy(next, hash, sizeof(hash));
                }
            }
        }
        if (round == 0 && owner_name == NULL) {
            owner_name = last_name;
            memcpy(owner, last, sizeof(owner));
        }
    }
    if (!has_next)
        memcpy(next, first, sizeof(next));
    bool covers = memcmp(owner, target, sizeof(owner)) != 0;
    if (zone->minimal) {
        memcpy(owner, target, sizeof(owner));
        memcpy(next, target, sizeof(next));
        for (size_t i = sizeof(owner); covers && i-- > 0 && owner[i]-- == 0;)
            continue;
        for (size_t i = sizeof(next); i-- > 0 && ++next[i] == 0;)
            continue;
    }
    uint8_t full[DNS_NAME_MAX], rdata[WORLD_RDATA];
    char text[33];
    base32(owner, text);
    full[0] = 32;
    memcpy(full + 1, text, 32);
    name_copy(full + 33, zone->apex);
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type == DNS_TYPE_NSEC3 &&
            dns_name_equal(reply->records[i].name, full))
            return;
    }
    rdata[0] = 1;
    rdata[1] = zone->denial == DENIAL_OPT_OUT;
    base_store_u16(rdata + 2, (uint16_t)zone->iterations);
    rdata[4] = 0;
    rdata[5] = CRYPTO_NSEC3_SIZE;
    memcpy(rdata + 6, next, CRYPTO_NSEC3_SIZE);
    size_t length = 6 + CRYPTO_NSEC3_SIZE;
    if (!(zone->minimal && covers))
        length += types_at(world, zone, owner_name, false, rdata + length);
    reply_add(reply, DNS_SECTION_AUTHORITY, full, DNS_TYPE_NSEC3, 900, rdata, length);
    reply_sign_plain(reply, DNS_SECTION_AUTHORITY, full, DNS_TYPE_NSEC3, zone);
}

static void reply_compact(struct world *world, struct world_reply *reply, struct world_zone *zone,
                          const uint8_t *name)
{
    uint8_t rdata[DNS_NAME_MAX + DNS_BITMAP_MAX];
    bool exists = name_exists(world, zone, name);
    rdata[0] = 1;
    rdata[1] = 0;
    size_t length = 2 + dns_name_lower(rdata + 2, name);
    if (exists) {
        length += types_at(world, zone, name, true, rdata + length);
    } else {
        static const uint16_t types[] = {DNS_TYPE_RRSIG, DNS_TYPE_NSEC, 128};
        length += dns_bitmap_make(rdata + length, types, 3);
    }
    reply_add(reply, DNS_SECTION_AUTHORITY, name, DNS_TYPE_NSEC, 900, rdata, length);
    reply_sign_plain(reply, DNS_SECTION_AUTHORITY, name, DNS_TYPE_NSEC, zone);
}

/* The closest ancestor that exists. */
static const uint8_t *encloser_of(struct world *world, const struct world_zone *zone,
                                  const uint8_t *name)
{
    while (!name_exists(world, zone, name) && !dns_name_equal(name, zone->apex))
        name = dns_name_parent(name, 1);
    return name;
}

static void wildcard_of(const uint8_t *encloser, uint8_t out[DNS_NAME_MAX])
{
    MUST(dns_name_length(encloser) + 2 <= DNS_NAME_MAX);
    memmove(out + 2, encloser, dns_name_length(encloser));
    out[0] = 1;
    out[1] = '*';
}

/* The proofs that nothing closer exists, that nothing is there, that a type is not. */
static void reply_proof_closer(struct world *world, struct world_reply *reply,
                               struct world_zone *zone, const uint8_t *name)
{
    const uint8_t *encloser = encloser_of(world, zone, name);
    const uint8_t *closer =
        dns_name_parent(name, dns_name_labels(name) - dns_name_labels(encloser) - 1);
    if (zone->is_unsigned || zone->denial == DENIAL_NONE)
        return;
    if (zone->denial == DENIAL_NSEC)
        reply_nsec(world, reply, zone, zone->minimal ? closer : name);
    else if (zone->denial != DENIAL_COMPACT)
        reply_nsec3(world, reply, zone, closer);
}

static void reply_proof_absent(struct world *world, struct world_reply *reply,
                               struct world_zone *zone, const uint8_t *name)
{
    uint8_t wildcard[DNS_NAME_MAX];
    const uint8_t *encloser = encloser_of(world, zone, name);
    if (zone->is_unsigned || zone->denial == DENIAL_NONE)
        return;
    if (zone->denial == DENIAL_COMPACT) {
        reply_compact(world, reply, zone, name);
        return;
    }
    wildcard_of(encloser, wildcard);
    reply_proof_closer(world, reply, zone, name);
    if (zone->denial == DENIAL_NSEC) {
        reply_nsec(world, reply, zone, wildcard);
    } else {
        reply_nsec3(world, reply, zone, encloser);
        reply_nsec3(world, reply, zone, wildcard);
    }
}

static void reply_proof_type(struct world *world, struct world_reply *reply,
                             struct world_zone *zone, const uint8_t *name)
{
    if (zone->is_unsigned || zone->denial == DENIAL_NONE)
        return;
    if (zone->denial == DENIAL_COMPACT) {
        reply_compact(world, reply, zone, name);
    } else if (zone->denial == DENIAL_NSEC) {
        reply_nsec(world, reply, zone, name);
    } else {
        const struct world_zone *cut = cut_at(world, zone, name);
        if (zone->denial == DENIAL_OPT_OUT && cut != NULL && !has_ds(cut)) {
            reply_nsec3(world, reply, zone, zone->apex);
            reply_nsec3(
                world, reply, zone,
                dns_name_parent(name, dns_name_labels(name) - dns_name_labels(zone->apex) - 1));
        } else {
            reply_nsec3(world, reply, zone, name);
        }
    }
}

static void reply_soa(struct world_reply *reply, struct world_zone *zone)
{
    reply_set(reply, DNS_SECTION_AUTHORITY, zone, zone->apex, DNS_TYPE_SOA, zone->apex);
    reply_sign_plain(reply, DNS_SECTION_AUTHORITY, zone->apex, DNS_TYPE_SOA, zone);
}

/*
 * Keys and DS.
 */
static void reply_dnskey(struct world_reply *reply, struct world_zone *zone)
{
    uint8_t ksk[CRYPTO_DNSKEY_MAX];
    memcpy(ksk, zone->ksk.dnskey, zone->ksk.length);
    if (zone->revoked)
        base_store_u16(ksk, 257 | 128);
    reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 3600, ksk, zone->ksk.length);
    if (!zone->unpublished)
        reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 3600, zone->zsk.dnskey,
                  zone->zsk.length);
    reply_sign(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, dns_name_labels(zone->apex),
               zone, zone->keys_by_zsk ? &zone->zsk : &zone->ksk);
}

static size_t make_ds(const struct world_zone *zone, unsigned digest,
                      uint8_t out[4 + CRYPTO_DIGEST_MAX])
{
    size_t length;
    base_store_u16(out, crypto_key_tag(zone->ksk.dnskey, zone->ksk.length));
    out[2] = (uint8_t)(zone->ds_algorithm != 0 ? zone->ds_algorithm
                                               : crypto_key_algorithm(zone->ksk.key));
    out[3] = (uint8_t)digest;
    if (crypto_ds_digest(digest, zone->apex, zone->ksk.dnskey, zone->ksk.length, out + 4,
                         &length) != BASE_OK) {
        length = 32;
        memset(out + 4, 7, length);
    }
    if (zone->wrong_digest)
        out[9] ^= 1;
    return 4 + length;
}

static void reply_ds(struct world_reply *reply, const struct world_zone *child,
                     struct world_zone *parent)
{
    uint8_t rdata[4 + CRYPTO_DIGEST_MAX];
    reply_add(reply, DNS_SECTION_ANSWER, child->apex, DNS_TYPE_DS, 3600, rdata,
              make_ds(child, child->digest, rdata));
    if (child->second_digest != 0)
        reply_add(reply, DNS_SECTION_ANSWER, child->apex, DNS_TYPE_DS, 3600, rdata,
                  make_ds(child, child->second_digest, rdata));
    reply_sign_plain(reply, DNS_SECTION_ANSWER, child->apex, DNS_TYPE_DS, parent);
}

/*
 * Answering, as a recursive resolver does that asked with CD and DO.
 */
static bool answer_at(struct world *world, struct world_reply *reply, struct world_zone *zone,
                      const uint8_t *owner, const uint8_t *as, uint16_t type, bool *alias,
                      uint8_t next[DNS_NAME_MAX])
{
    unsigned labels = labels_of(owner);
    *alias = false;
    for (size_t i = 0; type == DNS_TYPE_ANY && i < zone->count; i++) {
        const struct world_record *record = &zone->records[i];
        bool first = dns_name_equal(record->name, owner);
        for (size_t k = 0; k < i; k++)
            first = first && !(zone->records[k].type == record->type &&
                               dns_name_equal(zone->records[k].name, owner));
        if (!first)
            continue;
        reply_set(reply, DNS_SECTION_ANSWER, zone, owner, record->type, as);
        if (!zone->is_unsigned)
            reply_sign(reply, DNS_SECTION_ANSWER, as, record->type, labels, zone, &zone->zsk);
    }
    if (type == DNS_TYPE_ANY)
        return reply->count > 0;
    if (reply_set(reply, DNS_SECTION_ANSWER, zone, owner, type, as) > 0) {
        if (!zone->is_unsigned)
            reply_sign(reply, DNS_SECTION_ANSWER, as, type, labels, zone, &zone->zsk);
        return true;
    }
    size_t before = reply->count;
    if (reply_set(reply, DNS_SECTION_ANSWER, zone, owner, DNS_TYPE_CNAME, as) == 0)
        return false;
    name_copy(next, reply->records[before].rdata);
    if (!zone->is_unsigned)
        reply_sign(reply, DNS_SECTION_ANSWER, as, DNS_TYPE_CNAME, labels, zone, &zone->zsk);
    *alias = true;
    return true;
}

static const struct world_record *dname_over(const struct world_zone *zone, const uint8_t *name)
{
    for (size_t i = 0; i < zone->count; i++) {
        const struct world_record *record = &zone->records[i];
        if (record->type == DNS_TYPE_DNAME && dns_name_within(name, record->name) &&
            !dns_name_equal(name, record->name))
            return record;
    }
    return NULL;
}

/* One name; true when there is a next one. */
static bool answer_name(struct world *world, struct world_reply *reply, const uint8_t *name,
                        uint16_t type, uint8_t next[DNS_NAME_MAX])
{
    struct world_zone *zone = zone_of(world, name, type == DNS_TYPE_DS && !world->child_ds);
    bool alias;
    if (zone == NULL) {
        reply->rcode = DNS_RCODE_SERVFAIL;
        return false;
    }
    if (type == DNS_TYPE_DNSKEY && dns_name_equal(name, zone->apex) && !zone->is_unsigned &&
        !zone->no_dnskey) {
        reply_dnskey(reply, zone);
        return false;
    }
    const struct world_zone *cut = cut_at(world, zone, name);
    if (type == DNS_TYPE_DS && cut != NULL && has_ds(cut)) {
        reply_ds(reply, cut, zone);
        return false;
    }
    const struct world_record *dname = dname_over(zone, name);
    if (dname != NULL) {
        size_t prefix = dns_name_length(name) - dns_name_length(dname->name);
        reply_set(reply, DNS_SECTION_ANSWER, zone, dname->name, DNS_TYPE_DNAME, dname->name);
        reply_sign_plain(reply, DNS_SECTION_ANSWER, dname->name, DNS_TYPE_DNAME, zone);
        if (prefix + dns_name_length(dname->rdata) > DNS_NAME_MAX) {
            reply->rcode = DNS_RCODE_YXDOMAIN;
            return false;
        }
        memmove(next, name, prefix);
        name_copy(next + prefix, dname->rdata);
        reply_add(reply, DNS_SECTION_ANSWER, name, DNS_TYPE_CNAME, 3600, next,
                  dns_name_length(next));
        return true;
    }
    if (cut != NULL && !dns_name_equal(zone->apex, name) && type == DNS_TYPE_DS) {
        reply_soa(reply, zone);
        reply_proof_type(world, reply, zone, name);
        return false;
    }
    if (name_exists(world, zone, name)) {
        if (answer_at(world, reply, zone, name, name, type, &alias, next))
            return alias;
        reply_soa(reply, zone);
        reply_proof_type(world, reply, zone, name);
        return false;
    }
    uint8_t wildcard[DNS_NAME_MAX];
    wildcard_of(encloser_of(world, zone, name), wildcard);
    if (name_exists(world, zone, wildcard)) {
        if (answer_at(world, reply, zone, wildcard, name, type, &alias, next)) {
            reply_proof_closer(world, reply, zone, name);
            return alias;
        }
        reply_soa(reply, zone);
        reply_proof_closer(world, reply, zone, name);
        if (zone->denial == DENIAL_NSEC3 || zone->denial == DENIAL_OPT_OUT)
            reply_proof_type(world, reply, zone, encloser_of(world, zone, name));
        reply_proof_type(world, reply, zone, wildcard);
        return false;
    }
    reply->rcode = zone->denial == DENIAL_COMPACT ? DNS_RCODE_NOERROR : DNS_RCODE_NXDOMAIN;
    reply_soa(reply, zone);
    reply_proof_absent(world, reply, zone, name);
    return false;
}

static void reply_strip(struct world_reply *reply)
{
    size_t kept = 0;
    for (size_t i = 0; i < reply->count; i++) {
        uint16_t type = reply->records[i].type;
        if (type != DNS_TYPE_RRSIG && type != DNS_TYPE_NSEC && type != DNS_TYPE_NSEC3)
            reply->records[kept++] = reply->records[i];
    }
    reply->count = kept;
}

/* Removes the records of a type (0: all) in a section. */
static void reply_remove(struct world_reply *reply, enum dns_section section, uint16_t type)
{
    size_t kept = 0;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].section == section && (type == 0 || reply->records[i].type == type))
            continue;
        reply->records[kept++] = reply->records[i];
    }
    reply->count = kept;
}

static size_t reply_build(const struct world_reply *reply, uint8_t *out, size_t room)
{
    struct dns_builder builder;
    dns_builder_init(
        &builder, out, room, 11, 0,
        (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | reply->flags | reply->rcode));
    MUST(dns_builder_question(&builder, reply->question, reply->type, DNS_CLASS_IN) == BASE_OK);
    for (enum dns_section section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++) {
        for (size_t i = 0; i < reply->count; i++) {
            const struct world_record *record = &reply->records[i];
            if (record->section == section)
                MUST(dns_builder_record(&builder, section, record->name, record->type, DNS_CLASS_IN,
                                        record->ttl, record->rdata, record->length) == BASE_OK);
        }
    }
    struct dns_edns edns = {.payload = 1232, .flags = DNS_EDNS_DO};
    MUST(dns_builder_edns(&builder, &edns, (uint16_t)reply->rcode) == BASE_OK);
    return dns_builder_finish(&builder);
}

/* The packet for a query; 0: nobody answers. */
static size_t world_answer(struct world *world, const uint8_t *name, uint16_t type, uint8_t *out,
                           size_t room)
{
    static struct world_reply reply;
    uint8_t at[DNS_NAME_MAX], next[DNS_NAME_MAX];
    char text[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    size_t used = strlen(world->log);
    snprintf(world->log + used, sizeof(world->log) - used, "%s %s\n", dns_name_text(text, name),
             dns_type_text(type_text, type));
    world->queries++;
    reply.count = 0;
    reply.rcode = DNS_RCODE_NOERROR;
    reply.flags = 0;
    reply.type = type;
    name_copy(reply.question, name);
    name_copy(at, name);
    if (world->fail_name != NULL && type == world->fail_type &&
        dns_name_equal(name, wire(world->fail_name))) {
        if (world->silent)
            return 0;
        reply.rcode = world->fail_rcode != 0 ? (unsigned)world->fail_rcode : DNS_RCODE_SERVFAIL;
        return reply_build(&reply, out, room);
    }
    for (unsigned hops = 0; hops < 20 && answer_name(world, &reply, at, type, next); hops++) {
        if (world->no_chase || type == DNS_TYPE_CNAME)
            break;
        name_copy(at, next);
    }
    if (world->strip)
        reply_strip(&reply);
    if (world->no_dnssec && (type == DNS_TYPE_DS || type == DNS_TYPE_DNSKEY)) {
        reply.count = 0;
        reply.rcode = DNS_RCODE_NOERROR;
    }
    if (world->edit != NULL)
        world->edit(world, &reply);
    return reply_build(&reply, out, room);
}

/* The anchor for a zone: the DS of its KSK, or the DNSKEY itself. */
static void world_anchor(struct validate_anchors *anchors, const struct world_zone *zone, bool key)
{
    uint8_t rdata[4 + CRYPTO_DIGEST_MAX];
    if (key)
        MUST(validate_anchors_add(anchors, zone->apex, DNS_TYPE_DNSKEY, zone->ksk.dnskey,
                                  zone->ksk.length, 0, 0) == BASE_OK);
    else
        MUST(validate_anchors_add(anchors, zone->apex, DNS_TYPE_DS, rdata, make_ds(zone, 2, rdata),
                                  0, 0) == BASE_OK);
}

/* Runs a look-up to its end. */
static const struct validate_result *world_lookup(struct world *world,
                                                  const struct validate_options *options,
                                                  struct validate_trust *trust, const char *name,
                                                  uint16_t type)
{
    static uint8_t packet[65535];
    struct validate_lookup *lookup;
    MUST(validate_lookup_new(options, trust, wire(name), type, NOW, &lookup) == BASE_OK);
    world->log[0] = '\0';
    world->queries = 0;
    struct validate_query query;
    while (validate_lookup_next(lookup, &query)) {
        size_t length = world_answer(world, query.name, query.type, packet, sizeof(packet));
        struct validate_reply reply = {.packet = packet, .length = length};
        reply.kind = length == 0 ? VALIDATE_REPLY_SILENCE : VALIDATE_REPLY_PACKET;
        MUST(validate_lookup_reply(lookup, query.id, &reply, NOW) == BASE_OK);
    }
    MUST(validate_lookup_result(lookup) != NULL);
    const struct validate_result *result = validate_result_ref(validate_lookup_result(lookup));
    validate_lookup_free(lookup);
    return result;
}

/*
 * The world that most tests begin with: the root, example. (TLD), and below it zones of each kind.
 */
static struct world *world_usual(void)
{
    struct world *world = world_new();
    world_zone(world, ".");
    world_zone(world, "example.");
    struct world_zone *zone = world_zone(world, "a.example.");
    world_add(zone, "@ A 192.0.2.1");
    world_add(zone, "www A 192.0.2.2");
    world_add(zone, "www A 192.0.2.3");
    world_add(zone, "www AAAA 2001:db8::1");
    world_add(zone, "here CNAME www");
    world_add(zone, "away CNAME www.b.example.");
    world_add(zone, "far CNAME host.open.example.");
    world_add(zone, "loop CNAME pool");
    world_add(zone, "pool CNAME loop");
    world_add(zone, "nowhere CNAME nothing");
    world_add(zone, "*.wild A 192.0.2.9");
    world_add(zone, "exact.wild A 192.0.2.10");
    world_add(zone, "*.alias CNAME www.b.example.");
    world_add(zone, "deep.ent.tree A 192.0.2.11");
    world_add(zone, "moved DNAME b.example.");
    world_add(zone, "mx MX 10 WWW.a.Example.");
    zone = world_zone(world, "b.example.");
    zone->denial = DENIAL_NSEC3;
    world_add(zone, "www A 192.0.2.20");
    world_add(zone, "*.wild A 192.0.2.21");
    world_add(zone, "back CNAME www.a.example.");
    world_add(zone, "x.y.ent A 192.0.2.22");
    zone = world_zone(world, "open.example."); /* not signed */
    zone->is_unsigned = true;
    world_add(zone, "host A 192.0.2.30");
    world_add(zone, "in CNAME www.a.example.");
    zone = world_zone(world, "c.example.");
    zone->denial = DENIAL_COMPACT;
    world_add(zone, "www A 192.0.2.40");
    zone = world_zone(world, "opt."); /* a TLD with opt-out */
    zone->denial = DENIAL_OPT_OUT;
    zone = world_zone(world, "signed.opt.");
    world_add(zone, "www A 192.0.2.50");
    zone = world_zone(world, "plain.opt.");
    zone->is_unsigned = true;
    world_add(zone, "www A 192.0.2.51");
    zone = world_zone(world, "island.open.example."); /* signed below an unsigned zone */
    zone->no_ds = true;
    world_add(zone, "www A 192.0.2.60");
    return world;
}

#pragma GCC diagnostic pop

#endif
