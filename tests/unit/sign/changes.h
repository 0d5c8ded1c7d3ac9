/* Zones as lists of records, random edits of them, and policies: for all tests of changes. */
#ifndef TESTS_SIGN_CHANGES_H
#define TESTS_SIGN_CHANGES_H

#include "base/codec.h"
#include "sign/delta.h"
#include "zones.h"

/* --- a zone as a list of records, edited one by one --- */

struct record {
    uint8_t owner[DNS_NAME_MAX];
    struct dns_rr *rr; /* owned */
};

struct model {
    struct record *records;
    size_t count;
};

static inline struct dns_rr *copy_rr(const struct dns_rr *rr)
{
    struct dns_rr *copy = malloc(DNS_RR_SIZE(rr->length));
    assert_non_null(copy);
    memcpy(copy, rr, DNS_RR_SIZE(rr->length));
    return copy;
}

static inline void push(struct model *model, const uint8_t *owner, const struct dns_rr *rr)
{
    model->records = realloc(model->records, (model->count + 1) * sizeof(struct record));
    assert_non_null(model->records);
    struct record *record = &model->records[model->count++];
    memcpy(record->owner, owner, dns_name_length(owner));
    record->rr = copy_rr(rr);
}

static inline void drop(struct model *model, size_t index)
{
    free(model->records[index].rr);
    memmove(&model->records[index], &model->records[index + 1],
            (model->count - index - 1) * sizeof(struct record));
    model->count--;
}

static inline void model_free(struct model *model)
{
    while (model->count > 0)
        drop(model, model->count - 1);
    free(model->records);
    model->records = NULL;
}

static inline struct model model_of(const struct zone *zone)
{
    struct model model = {0};
    for (size_t n = 0; n < zone->node_count; n++) {
        const struct zone_node *node = &zone->nodes[n];
        for (unsigned s = 0; s < node->rrset_count; s++) {
            const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
            for (unsigned r = 0; r < set->count; r++)
                push(&model, node->name, zone->rrs[set->first_rr + r]);
        }
    }
    return model;
}

static inline void apply(struct model *model, const struct sign_edit *edit, const uint8_t *apex)
{
    struct dns_rr *rr = malloc(DNS_RR_SIZE(edit->length));
    assert_non_null(rr);
    *rr = (struct dns_rr){.type = edit->type, .ttl = edit->ttl, .length = edit->length};
    memcpy(rr->rdata, edit->rdata, edit->length);
    bool soa = edit->type == DNS_TYPE_SOA && dns_name_equal(edit->owner, apex), found = false;
    for (size_t i = 0; i < model->count; i++) {
        struct record *record = &model->records[i];
        if (record->rr->type != edit->type || !dns_name_equal(record->owner, edit->owner))
            continue;
        bool same = dns_rdata_compare(record->rr, rr) == 0;
        if (soa ? edit->add : same && !edit->add) {
            drop(model, i--);
            continue;
        }
        found |= same;
        if (edit->add)
            record->rr->ttl = edit->ttl;
    }
    if (edit->add && !found)
        push(model, edit->owner, rr);
    free(rr);
}

static inline struct zone *zone_of(const struct model *model, const uint8_t *apex)
{
    struct zone_batch_writer writer;
    struct base_findings findings;
    struct zone *zone;
    assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
    for (size_t i = 0; i < model->count; i++) {
        const struct dns_rr *rr = model->records[i].rr;
        assert_int_equal(zone_batch_add(&writer, model->records[i].owner, rr->type, rr->ttl,
                                        rr->rdata, rr->length),
                         BASE_OK);
    }
    struct dns_zonefile file = {.batches = writer.batch};
    memcpy(file.origin, apex, dns_name_length(apex));
    base_arena_init(&file.arena, 0);
    base_findings_init(&findings, 10);
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    assert_int_equal(zone->rr_count, model->count);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

/* --- random edits --- */

static inline void random_text(struct base_buf *buf, uint64_t *seed)
{
    static const char *const labels[] = {"a.", "b.", "C.", "*.", "\\000x.", "d."};
    unsigned depth = 1 + next_random(seed) % 4, octet = next_random(seed) % 4;
    for (unsigned i = 0; i < depth; i++)
        base_buf_text(buf, labels[next_random(seed) % 6]);
    base_buf_text(buf, "example. 3600 ");
    switch (next_random(seed) % 16) {
    case 0:
    case 1:
        base_buf_printf(buf, "NS ns%u.Example.net.\n", octet);
        break;
    case 2:
        base_buf_printf(buf, "NS a.b.example.\n");
        break;
    case 3:
    case 4:
        base_buf_printf(buf, "DS %u 13 2 %064u\n", octet, octet);
        break;
    case 5:
        base_buf_printf(buf, "DNAME d%u.example.net.\n", octet);
        break;
    case 6:
        base_buf_printf(buf, "MX %u Mail.example.\n", octet);
        break;
    case 7:
        base_buf_printf(buf, "CAA 0 issue \"%u\"\n", octet);
        break;
    default:
        base_buf_printf(buf, "A 192.0.2.%u\n", octet);
    }
}

/* Records to add and remove: of random names, of the apex, and at the owners of hashes. */
static inline struct model random_pool(uint64_t *seed, const struct sign_policy *policy)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_text(&buf, RANDOM_HEAD "example. 3600 NS b.ns.example.\nexample. 3600 TXT top\n"
                                    "example. 3600 CAA 0 issue \"x\"\n");
    for (unsigned i = 0; i < 70; i++)
        random_text(&buf, seed);
    struct crypto_nsec3 *nsec3;
    assert_int_equal(crypto_nsec3_new(policy->nsec3_iterations, policy->nsec3_salt,
                                      policy->nsec3_salt_length, &nsec3),
                     BASE_OK);
    const char *const originals[] = {"\1a\7example", "\1c\1a\7example", "\7example"};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t hash[20];
        char text[33] = {0};
        assert_int_equal(crypto_nsec3_hash(nsec3, (const uint8_t *)originals[i], hash), BASE_OK);
        base_base32hex_encode(text, hash, sizeof(hash));
        base_buf_printf(&buf, "%s.example. 3600 A 192.0.2.9\n", text);
    }
    crypto_nsec3_free(nsec3);
    struct zone *zone = zone_from_text(base_buf_string(&buf), "example.");
    base_buf_free(&buf);
    struct model pool = model_of(zone);
    zone_release(zone);
    return pool;
}

static inline void random_edit(struct sign_edit *edit, const struct model *pool,
                               const struct model *model, uint64_t *seed)
{
    static const uint32_t ttls[] = {3600, 3600, 3600, 3600, 60, 300};
    bool add = next_random(seed) % 2;
    /* What is removed is mostly there. */
    const struct model *from = !add && next_random(seed) % 8 != 0 ? model : pool;
    const struct record *record = &from->records[next_random(seed) % from->count];
    *edit = (struct sign_edit){.owner = record->owner,
                               .rdata = record->rr->rdata,
                               .ttl = ttls[next_random(seed) % 6],
                               .type = record->rr->type,
                               .length = record->rr->length,
                               .add = add};
    if (record->rr->type == DNS_TYPE_SOA)
        edit->ttl = 3600;
    /* A zone keeps its SOA and NS, so that it stays one. */
    if (dns_name_labels(record->owner) == 1 && record->rr->type == DNS_TYPE_SOA)
        edit->add = true;
}

/* Edits point into the model, which applying them changes. */
static inline void keep_edit(struct sign_edit *edit, uint8_t *room)
{
    memcpy(room, edit->owner, dns_name_length(edit->owner));
    memcpy(room + DNS_NAME_MAX, edit->rdata, edit->length);
    edit->owner = room;
    edit->rdata = room + DNS_NAME_MAX;
}

#define EDITS_MAX 40
#define ROOM      1024

static inline void policy_of(struct sign_policy *policy, unsigned kind)
{
    sign_policy_default(policy);
    policy->serial = SIGN_SERIAL_INCREMENT;
    policy->denial = kind == 0 ? SIGN_NSEC : SIGN_NSEC3;
    policy->opt_out = kind == 2;
    if (kind == 3) {
        policy->nsec3_iterations = 2;
        policy->nsec3_salt_length = 3;
        memcpy(policy->nsec3_salt, "abc", 3);
    }
}

#endif
