/*
 * Chains of RFC 9102: verifying them. The chain plays the resolver for a look-up: each query is
 * answered by a message made from the chain's records, as a resolver would that knew only these.
 * Nothing is decided here: what a message claims is judged by the look-up.
 */
#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"
#include "validate/chainext.h"
#include "validate/denial.h"

#include <stdlib.h>
#include <string.h>

#define ALIASES_MAX 16
#define RRSIG_HEAD  18 /* octets of an RRSIG before its signer */

struct record {
    const uint8_t *owner;
    const uint8_t *rdata;
    uint32_t ttl;
    uint16_t length;
    uint16_t type;
};

struct chain {
    struct record *records;
    size_t count;
    uint8_t *wire; /* of the reply being made */
    struct base_arena arena;
};

/* Reads the record at the reader's place. */
static bool read_record(struct base_reader *reader, struct record *out)
{
    size_t used;
    if (dns_name_check(reader->data + reader->at, base_reader_left(reader), &used) != BASE_OK)
        return false;
    out->owner = base_reader_bytes(reader, used);
    out->type = base_reader_u16(reader);
    uint16_t class = base_reader_u16(reader);
    out->ttl = base_reader_u32(reader);
    out->length = base_reader_u16(reader);
    out->rdata = base_reader_bytes(reader, out->length);
    return !reader->failed && class == DNS_CLASS_IN && !dns_type_is_meta(out->type) &&
           dns_rdata_check(out->type, out->rdata, out->length, NULL) == BASE_OK;
}

static int read_chain(struct chain *chain, struct base_reader *reader)
{
    struct base_reader ahead = *reader;
    struct record record;
    size_t count = 0;
    while (base_reader_left(&ahead) > 0) {
        if (!read_record(&ahead, &record))
            return BASE_EFORMAT;
        count++;
    }
    if (count == 0)
        return BASE_EFORMAT;
    chain->records = base_arena_alloc(&chain->arena, count * sizeof(*chain->records));
    if (chain->records == NULL)
        return BASE_ENOMEM;
    while (chain->count < count)
        read_record(reader, &chain->records[chain->count++]);
    return BASE_OK;
}

/* Is it of that owner, and of that type or an RRSIG over it? */
static bool is_of(const struct record *record, const uint8_t *owner, uint16_t type)
{
    if (record->type != type &&
        (record->type != DNS_TYPE_RRSIG || base_load_u16(record->rdata) != type))
        return false;
    return dns_name_equal(record->owner, owner);
}

/* A reply being made. */
struct reply {
    struct chain *chain;
    struct dns_builder builder;
    bool answered; /* the type asked for is there */
    bool any;      /* at least something is there */
    int error;
};

static void put(struct reply *reply, enum dns_section section, const struct record *record)
{
    if (reply->error == BASE_OK)
        reply->error = dns_builder_record(&reply->builder, section, record->owner, record->type,
                                          DNS_CLASS_IN, record->ttl, record->rdata, record->length);
    reply->any = true;
}

/* The RRset with its signatures; false when there is none. */
static bool put_set(struct reply *reply, enum dns_section section, const uint8_t *owner,
                    uint16_t type)
{
    const struct chain *chain = reply->chain;
    bool found = false;
    for (size_t i = 0; i < chain->count; i++) {
        if (!is_of(&chain->records[i], owner, type))
            continue;
        found |= chain->records[i].type == type;
        put(reply, section, &chain->records[i]);
    }
    return found;
}

static const struct record *find(const struct chain *chain, const uint8_t *owner, uint16_t type)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->records[i].type == type && dns_name_equal(chain->records[i].owner, owner))
            return &chain->records[i];
    return NULL;
}

/* The DNAME closest above a name. */
static const struct record *find_dname(const struct chain *chain, const uint8_t *name)
{
    while (name[0] != 0) {
        name = dns_name_parent(name, 1);
        const struct record *dname = find(chain, name, DNS_TYPE_DNAME);
        if (dname != NULL)
            return dname;
    }
    return NULL;
}

/* Appends the CNAME that a DNAME makes of `name` (RFC 6672 section 2.2), and puts the target in its
 * place. False: it is too long. */
static bool put_made_cname(struct reply *reply, const struct record *dname,
                           uint8_t name[DNS_NAME_MAX])
{
    uint8_t target[DNS_NAME_MAX];
    size_t prefix = dns_name_length(name) - dns_name_length(dname->owner);
    if (prefix + dname->length > DNS_NAME_MAX)
        return false;
    memcpy(target, name, prefix);
    memcpy(target + prefix, dname->rdata, dname->length);
    struct record made = {.owner = name,
                          .rdata = target,
                          .ttl = dname->ttl,
                          .length = (uint16_t)(prefix + dname->length),
                          .type = DNS_TYPE_CNAME};
    put(reply, DNS_SECTION_ANSWER, &made);
    memcpy(name, target, made.length);
    return true;
}

/* Follows aliases to the type; leaves in `name` where they end. */
static void put_answer(struct reply *reply, uint8_t name[DNS_NAME_MAX], uint16_t type)
{
    for (unsigned i = 0; i < ALIASES_MAX; i++) {
        if (find(reply->chain, name, type) != NULL) {
            reply->answered = put_set(reply, DNS_SECTION_ANSWER, name, type);
            return;
        }
        const struct record *alias = find(reply->chain, name, DNS_TYPE_CNAME);
        if (alias != NULL) {
            put_set(reply, DNS_SECTION_ANSWER, name, DNS_TYPE_CNAME);
            memcpy(name, alias->rdata, alias->length);
            continue;
        }
        alias = find_dname(reply->chain, name);
        if (alias == NULL)
            return;
        put_set(reply, DNS_SECTION_ANSWER, alias->owner, DNS_TYPE_DNAME);
        if (!put_made_cname(reply, alias, name))
            return;
    }
}

static bool is_denial(const struct record *record)
{
    return record->type == DNS_TYPE_NSEC || record->type == DNS_TYPE_NSEC3;
}

/* All denials, and SOA records for their TTL. */
static void put_denials(struct reply *reply)
{
    const struct chain *chain = reply->chain;
    for (size_t i = 0; i < chain->count; i++) {
        const struct record *record = &chain->records[i];
        uint16_t type =
            record->type == DNS_TYPE_RRSIG ? base_load_u16(record->rdata) : record->type;
        if (type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3 || type == DNS_TYPE_SOA)
            put(reply, DNS_SECTION_AUTHORITY, record);
    }
}

/* The zone that signs a denial; NULL: nobody. */
static const uint8_t *signer_of(const struct chain *chain, const struct record *denial)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct record *record = &chain->records[i];
        if (record->type == DNS_TYPE_RRSIG && base_load_u16(record->rdata) == denial->type &&
            dns_name_equal(record->owner, denial->owner))
            return record->rdata + RRSIG_HEAD;
    }
    return NULL;
}

/* The denials that seem to be of the zone closest to `name`. */
static bool gather_denials(struct chain *chain, const uint8_t *name,
                           struct validate_denial_set *set)
{
    struct validate_denial_record *records =
        base_arena_alloc(&chain->arena, chain->count * sizeof(*records));
    if (records == NULL)
        return false;
    for (size_t i = 0; i < chain->count; i++) {
        const uint8_t *signer =
            is_denial(&chain->records[i]) ? signer_of(chain, &chain->records[i]) : NULL;
        if (signer != NULL && dns_name_within(name, signer) &&
            (set->zone == NULL || dns_name_labels(signer) > dns_name_labels(set->zone)))
            set->zone = signer;
    }
    for (size_t i = 0; set->zone != NULL && i < chain->count; i++) {
        const struct record *record = &chain->records[i];
        if (is_denial(record))
            records[set->count++] = (struct validate_denial_record){.owner = record->owner,
                                                                    .rdata = record->rdata,
                                                                    .length = record->length,
                                                                    .type = record->type};
    }
    set->records = records;
    return set->zone != NULL;
}

/* Does the chain, as far as it is to be believed, say that the name does not exist? A message must
 * claim the one or the other; the look-up judges whether it may. */
static uint16_t claimed_rcode(struct chain *chain, const uint8_t *name, uint16_t type)
{
    unsigned hashes = 32;
    struct validate_denial_set set = {.iterations_most = 50, .hashes_left = &hashes};
    struct validate_denial_proof proof;
    if (!gather_denials(chain, name, &set))
        return DNS_RCODE_NOERROR;
    validate_denial_of_type(&set, name, type, &proof);
    if (proof.outcome == VALIDATE_DENIAL_PROVED || proof.outcome == VALIDATE_DENIAL_INSECURE)
        return DNS_RCODE_NOERROR;
    validate_denial_of_name(&set, name, &proof);
    return proof.outcome == VALIDATE_DENIAL_PROVED ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
}

/* Answers one query into chain->wire. False: the chain has nothing to say about it. */
static bool make_reply(struct chain *chain, const struct validate_query *query, size_t *length)
{
    struct reply reply = {.chain = chain};
    uint8_t name[DNS_NAME_MAX];
    memcpy(name, query->name, dns_name_length(query->name));
    dns_builder_init(&reply.builder, chain->wire, DNS_MESSAGE_MAX, 0, 0,
                     DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | DNS_FLAG_CD);
    reply.error = dns_builder_question(&reply.builder, query->name, query->type, DNS_CLASS_IN);
    put_answer(&reply, name, query->type);
    put_denials(&reply);
    if (!reply.answered)
        reply.builder.flags |= claimed_rcode(chain, name, query->type);
    *length = dns_builder_finish(&reply.builder);
    return reply.any && reply.error == BASE_OK;
}

static int run(struct chain *chain, struct validate_lookup *lookup, base_time now)
{
    struct validate_query query;
    int error = BASE_OK;
    while (error == BASE_OK && validate_lookup_result(lookup) == NULL &&
           validate_lookup_next(lookup, &query)) {
        struct validate_reply reply = {.kind = VALIDATE_REPLY_FAILED,
                                       .why = "the chain has nothing about it",
                                       .server = "the chain"};
        if (make_reply(chain, &query, &reply.length)) {
            reply.kind = VALIDATE_REPLY_PACKET;
            reply.packet = chain->wire;
        }
        error = validate_lookup_reply(lookup, query.id, &reply, now);
    }
    if (error == BASE_OK && validate_lookup_result(lookup) == NULL)
        validate_lookup_end(lookup, "the chain is not complete");
    return error;
}

static int judge(struct chain *chain, const struct validate_options *options, const uint8_t *name,
                 uint16_t type, base_time now, const struct validate_result **out)
{
    struct validate_lookup *lookup;
    int error = validate_lookup_new(options, NULL, name, type, now, &lookup);
    if (error != BASE_OK)
        return error;
    error = run(chain, lookup, now);
    if (error == BASE_OK) {
        const struct validate_result *result = validate_lookup_result(lookup);
        if (result == NULL)
            error = BASE_ENOMEM;
        else
            *out = validate_result_ref(result);
    }
    validate_lookup_free(lookup);
    return error;
}

int validate_chainext_verify(const struct validate_options *options, const uint8_t *name,
                             uint16_t type, const uint8_t *data, size_t length, base_time now,
                             uint16_t *lifetime, const struct validate_result **out)
{
    struct base_reader reader = base_reader_make(data, length);
    uint16_t hours = base_reader_u16(&reader);
    struct chain chain = {.count = 0};
    if (length > VALIDATE_CHAINEXT_MAX)
        return BASE_EFORMAT;
    base_arena_init(&chain.arena, 0);
    int error = read_chain(&chain, &reader);
    if (error == BASE_OK) {
        chain.wire = base_arena_alloc(&chain.arena, DNS_MESSAGE_MAX);
        error = chain.wire == NULL ? BASE_ENOMEM : judge(&chain, options, name, type, now, out);
    }
    base_arena_free(&chain.arena);
    if (error == BASE_OK && lifetime != NULL)
        *lifetime = hours;
    return error;
}
