/*
 * Why a signature does not verify: each way to alter or mis-sign an RRset is told for what it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

/* How the A records of the question are signed, and what the RRSIG says of it. 0: as is right. */
struct forgery {
    const char *owner;            /* that is signed */
    const char *signer;           /* as it is signed and said */
    unsigned labels, labels_said; /* + 1 */
    uint32_t ttl, ttl_said;       /* of each record; of the original TTL */
    uint32_t ttl_head;            /* of the original TTL as it is signed */
    int later;                    /* seconds that times were moved after signing */
    unsigned tag, tag_signed;     /* exclusive or */
    bool by_ksk, backwards, verbatim;
    unsigned skip, twice; /* + 1: a record that is not signed, that is signed twice */
    unsigned cut;         /* octets taken off the signature */
    bool flip;            /* a bit of the signature */
};

static size_t collect(const struct world_reply *reply, const struct forgery *forgery,
                      const struct world_record **set)
{
    size_t count = 0, number = 0;
    for (size_t i = 0; i < reply->count; i++) {
        const struct world_record *record = &reply->records[i];
        if (record->type != reply->type || record->section != DNS_SECTION_ANSWER)
            continue;
        number++;
        if (number != forgery->skip)
            set[count++] = record;
        if (number == forgery->twice)
            set[count++] = record;
    }
    qsort(set, count, sizeof(*set), compare_rdata);
    for (size_t i = 0; forgery->backwards && i < count / 2; i++) {
        const struct world_record *last = set[count - 1 - i];
        set[count - 1 - i] = set[i];
        set[i] = last;
    }
    return count;
}

static void sign_as(struct world *world, struct world_reply *reply, const struct forgery *forgery)
{
    static uint8_t data[65536];
    const struct world_record *set[REPLY_RECORDS];
    struct world_zone *zone = zone_at(world, "a.example.");
    struct world_key *key = forgery->by_ksk ? &zone->ksk : &zone->zsk;
    size_t count = collect(reply, forgery, set);
    const uint8_t *owner = forgery->owner != NULL ? wire(forgery->owner) : reply->question;
    const uint8_t *signer = forgery->signer != NULL ? wire(forgery->signer) : zone->apex;
    unsigned labels = forgery->labels > 0 ? forgery->labels - 1 : labels_of(reply->question);
    uint32_t ttl = forgery->ttl != 0 ? forgery->ttl : 3600;
    uint16_t tag = crypto_key_tag(zone->zsk.dnskey, zone->zsk.length);
    if (forgery->by_ksk && forgery->tag_signed == 0)
        tag = crypto_key_tag(key->dnskey, key->length);
    base_store_u16(data, reply->type);
    data[2] = (uint8_t)crypto_key_algorithm(key->key);
    data[3] = (uint8_t)labels;
    base_store_u32(data + 4, forgery->ttl_head != 0 ? forgery->ttl_head : ttl);
    base_store_u32(data + 8, (uint32_t)zone->expiration);
    base_store_u32(data + 12, (uint32_t)zone->inception);
    base_store_u16(data + 16, tag);
    size_t at = 18;
    if (forgery->verbatim) {
        name_copy(data + at, signer);
        at += dns_name_length(signer);
    } else {
        at += dns_name_lower(data + at, signer);
    }
    size_t head = at;
    for (size_t i = 0; i < count; i++) {
        at += forgery->verbatim ? (name_copy(data + at, owner), dns_name_length(owner))
                                : dns_name_lower(data + at, owner);
        base_store_u16(data + at, reply->type);
        base_store_u16(data + at + 2, DNS_CLASS_IN);
        base_store_u32(data + at + 4, ttl);
        base_store_u16(data + at + 8, set[i]->length);
        if (forgery->verbatim)
            memcpy(data + at + 10, set[i]->rdata, set[i]->length);
        else
            dns_rdata_canonical(reply->type, set[i]->rdata, set[i]->length, data + at + 10);
        at += 10u + set[i]->length;
    }
    uint8_t rdata[18 + DNS_NAME_MAX + CRYPTO_SIGNATURE_MAX];
    size_t length;
    memcpy(rdata, data, head);
    MUST(crypto_sign(key->signer, data, at, rdata + head, &length) == BASE_OK);
    if (forgery->labels_said > 0)
        rdata[3] = (uint8_t)(forgery->labels_said - 1);
    if (forgery->ttl_said != 0)
        base_store_u32(rdata + 4, forgery->ttl_said);
    base_store_u32(rdata + 8, (uint32_t)(zone->expiration + forgery->later));
    base_store_u16(rdata + 16, (uint16_t)(crypto_key_tag(zone->zsk.dnskey, zone->zsk.length)));
    if (forgery->flip)
        rdata[head + 5] ^= 1;
    reply_add(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_RRSIG, 3600, rdata,
              head + length - forgery->cut);
}

static void edit_forge(struct world *world, struct world_reply *reply)
{
    const struct forgery *forgery = world->context;
    if (reply->type == DNS_TYPE_DNSKEY || reply->type == DNS_TYPE_DS)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type != DNS_TYPE_RRSIG ||
            reply->records[i].section != DNS_SECTION_ANSWER)
            reply->records[kept++] = reply->records[i];
    }
    reply->count = kept;
    sign_as(world, reply, forgery);
}

static const struct validate_result *ask(struct world *world, const char *name, uint16_t type)
{
    struct validate_anchors *anchors;
    MUST(validate_anchors_new(&anchors) == BASE_OK);
    world_anchor(anchors, zone_at(world, "."), false);
    struct validate_options options = {.anchors = anchors};
    const struct validate_result *result = world_lookup(world, &options, NULL, name, type);
    validate_anchors_free(anchors);
    assert_true(result->failed_verifications <= 16);
    assert_true(result->verifications <= 128);
    return result;
}

static void assert_says(const struct validate_result *result, const char *says)
{
    if (result->status != VALIDATE_BOGUS || strstr(result->sentence, says) == NULL)
        print_message("%s: %s\nin place of: %s\n", validate_status_name(result->status),
                      result->sentence, says);
    assert_int_equal(result->status, VALIDATE_BOGUS);
    assert_non_null(strstr(result->sentence, says));
    assert_non_null(strstr(result->sentence, "does not verify: "));
    validate_result_unref(result);
}

static const char www[] = "www.a.example.", wild[] = "x.wild.a.example.";

static void test_forgeries(void **state)
{
    static const struct {
        const char *name;
        uint16_t type;
        struct forgery forgery;
        const char *says; /* NULL: it is good */
    } cases[] = {
        {www, DNS_TYPE_A, {0}, NULL},
        {wild, DNS_TYPE_A, {.owner = "*.wild.a.example.", .labels = 4}, NULL},
        {www, DNS_TYPE_A, {.flip = true}, "data, signature or key were altered"},
        {www, DNS_TYPE_A, {.cut = 3}, "it has 61 octets, and signatures of algorithm 15 have 64"},
        {www, DNS_TYPE_A, {.ttl_said = 7}, "its original TTL was changed from 3600 to 7 s"},
        {www,
         DNS_TYPE_A,
         {.ttl = 300, .ttl_said = 7},
         "its original TTL was changed from 300 to 7 s"},
        {www,
         DNS_TYPE_A,
         {.ttl = 3600, .ttl_head = 77, .ttl_said = 77},
         "signed with a TTL of 3600 s, but its original TTL says 77 s; the operator of a.example. "
         "must sign it with a signer that follows RFC 4034"},
        {www, DNS_TYPE_A, {.later = 86400}, "its inception or expiration was changed"},
        {www, DNS_TYPE_A, {.by_ksk = true}, "its tag was changed"},
        {www, DNS_TYPE_A, {.by_ksk = true, .tag_signed = 1}, "the signer wrote the wrong tag"},
        {www, DNS_TYPE_A, {.backwards = true}, "in another order than the canonical one"},
        {www, DNS_TYPE_A, {.skip = 1}, "the record 192.0.2.2 was added to the set"},
        {www, DNS_TYPE_A, {.skip = 2}, "the record 192.0.2.3 was added to the set"},
        {www, DNS_TYPE_A, {.owner = "b.a.example."}, "data, signature or key were altered"},
        {www,
         DNS_TYPE_A,
         {.owner = "*.a.example.", .labels = 3, .labels_said = 4},
         "made over the wildcard *.a.example.: its labels field was changed from 2 to 3"},
        {www,
         DNS_TYPE_A,
         {.owner = "*.a.example."},
         "made over the wildcard *.a.example., though its labels field says 3 in place of 2"},
        {wild,
         DNS_TYPE_A,
         {.labels = 4},
         "made over the name x.wild.a.example., though by its labels field (3) it is over the "
         "wildcard *.wild.a.example."},
        {wild, DNS_TYPE_A, {.labels_said = 4}, "its labels field was changed from 4 to 3"},
        {"mail.a.example.", DNS_TYPE_MX, {.verbatim = true}, "names with capital letters"},
        {"WWW.a.example.", DNS_TYPE_A, {.verbatim = true}, "names with capital letters"},
        {www, DNS_TYPE_A, {.signer = "A.example.", .verbatim = true}, "names with capital letters"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *world = world_usual();
        world_add(zone_at(world, "a.example."), "mail MX 10 HOST");
        struct forgery forgery = cases[i].forgery;
        world->edit = edit_forge;
        world->context = &forgery;
        const struct validate_result *result = ask(world, cases[i].name, cases[i].type);
        if (cases[i].says != NULL) {
            assert_says(result, cases[i].says);
        } else {
            assert_int_equal(result->status, VALIDATE_SECURE);
            validate_result_unref(result);
        }
        world_free(world);
    }
}

/* Eight records or less: the one that is too many is found; more: not tried. */
static void test_added(void **state)
{
    (void)state;
    for (unsigned count = 2; count <= 9; count++) {
        struct world *world = world_usual();
        struct world_zone *zone = zone_at(world, "a.example.");
        struct forgery forgery = {.skip = count};
        char text[40];
        for (unsigned i = 1; i <= count; i++) {
            snprintf(text, sizeof(text), "set A 192.0.2.%u", 100 + i);
            world_add(zone, text);
        }
        world->edit = edit_forge;
        world->context = &forgery;
        snprintf(text, sizeof(text), "the record 192.0.2.%u was added", 100 + count);
        assert_says(ask(world, "set.a.example.", DNS_TYPE_A),
                    count <= 8 ? text : "data, signature or key were altered");
        world_free(world);
    }
}

/* A record comes twice, and was signed twice. */
static void test_twice(void **state)
{
    (void)state;
    struct world *world = world_usual();
    struct forgery forgery = {0};
    world->edit = edit_forge;
    world->context = &forgery;
    world_add(zone_at(world, "a.example."), "www A 192.0.2.2");
    const struct validate_result *result = ask(world, www, DNS_TYPE_A);
    assert_says(result, "a set that has a record twice");
    world_free(world);
}

/* Signatures over other names. */
static void edit_exchange(struct world *world, struct world_reply *reply)
{
    struct world_zone *zone = zone_at(world, "a.example.");
    const uint8_t *alias = wire("here.a.example."), *target = wire(www);
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply_set(reply, DNS_SECTION_ANSWER, zone, alias, DNS_TYPE_CNAME, alias);
    reply_sign_plain(reply, DNS_SECTION_ANSWER, alias, DNS_TYPE_CNAME, zone);
    reply_set(reply, DNS_SECTION_ANSWER, zone, target, DNS_TYPE_A, alias);
    reply_sign_plain(reply, DNS_SECTION_ANSWER, alias, DNS_TYPE_A, zone);
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type == DNS_TYPE_A ||
            (reply->records[i].type == DNS_TYPE_RRSIG && reply->records[i].rdata[1] == 1))
            name_copy(reply->records[i].name, target);
    }
}

static void test_other_name(void **state)
{
    (void)state;
    struct world *world = world_usual();
    world->edit = edit_exchange;
    assert_says(ask(world, "here.a.example.", DNS_TYPE_A),
                "it was made over here.a.example. with the same data");
    world_free(world);
}

/* The target's signature is that of another set of the answer. */
static void edit_swap(struct world *world, struct world_reply *reply)
{
    struct world_zone *zone = zone_at(world, "a.example.");
    const uint8_t *apex = zone->apex, *target = wire(www);
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply_set(reply, DNS_SECTION_ANSWER, zone, target, DNS_TYPE_A, target);
    reply_set(reply, DNS_SECTION_ADDITIONAL, zone, wire("deep.ent.tree.a.example."), DNS_TYPE_A,
              wire("ns1.a.example."));
    struct world_record *signature =
        reply_sign(reply, DNS_SECTION_ADDITIONAL, wire("ns1.a.example."), DNS_TYPE_A,
                   dns_name_labels(apex) + 1, zone, &zone->zsk);
    signature->section = DNS_SECTION_ANSWER;
    name_copy(signature->name, target);
}

static void test_other_set(void **state)
{
    (void)state;
    struct world *world = world_usual();
    world->edit = edit_swap;
    assert_says(ask(world, www, DNS_TYPE_A), "it was made over ns1.a.example. and its data");
    world_free(world);
}

/* One record of the set is taken away, and the whole set is in another section. */
static void edit_missing(struct world *world, struct world_reply *reply)
{
    struct world_zone *zone = zone_at(world, "a.example.");
    const uint8_t *target = wire(www);
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply_set(reply, DNS_SECTION_ADDITIONAL, zone, target, DNS_TYPE_A, target);
    struct world_record *signature =
        reply_sign(reply, DNS_SECTION_ADDITIONAL, target, DNS_TYPE_A, 3, zone, &zone->zsk);
    signature->section = DNS_SECTION_ANSWER;
    reply_add(reply, DNS_SECTION_ANSWER, target, DNS_TYPE_A, 3600, reply->records[0].rdata, 4);
}

static void test_missing(void **state)
{
    (void)state;
    struct world *world = world_usual();
    world->edit = edit_missing;
    assert_says(ask(world, www, DNS_TYPE_A),
                "the record 192.0.2.3, which was signed and came in another answer, is missing");
    world_free(world);
}

/* Another key with the same tag signs: nothing by the published one verifies. */
static void test_wrong_key(void **state)
{
    (void)state;
    struct world *world = world_usual();
    zone_at(world, "a.example.")->corrupt = true;
    assert_says(ask(world, "no.a.example.", DNS_TYPE_A),
                "no signature by that key does; it seems that another key with the same tag signs");
    world_free(world);
}

/* A key that is published has the tag of another one that is published. */
static void edit_same_tag(struct world *world, struct world_reply *reply)
{
    struct world_zone *zone = zone_at(world, "a.example.");
    uint8_t key[CRYPTO_DNSKEY_MAX];
    if (reply->type == DNS_TYPE_A)
        for (size_t i = 0; i < reply->count; i++)
            reply->records[i].rdata[reply->records[i].type == DNS_TYPE_RRSIG ? 60 : 0] ^= 1;
    if (reply->type != DNS_TYPE_DNSKEY || !dns_name_equal(reply->question, zone->apex))
        return;
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
    uint16_t tag = crypto_key_tag(zone->zsk.dnskey, zone->zsk.length);
    memcpy(key, zone->zsk.dnskey, zone->zsk.length);
    for (unsigned value = 0; value < 65536; value++) {
        base_store_u16(key + 8, (uint16_t)value);
        key[4] ^= value == 0 ? 0x55 : 0;
        if (crypto_key_tag(key, zone->zsk.length) == tag)
            break;
    }
    reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 3600, key, zone->zsk.length);
    reply_sign(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 2, zone, &zone->ksk);
}

static void test_same_tag(void **state)
{
    (void)state;
    struct world *world = world_usual();
    world->edit = edit_same_tag;
    assert_says(ask(world, www, DNS_TYPE_A), "none of the 2 keys with that tag made it");
    world_free(world);
}

/* The search ends with the budget, and the verdict stays. */
static void test_budget(void **state)
{
    (void)state;
    struct world *world = world_usual();
    struct validate_anchors *anchors;
    MUST(validate_anchors_new(&anchors) == BASE_OK);
    world_anchor(anchors, zone_at(world, "."), false);
    struct forgery forgery = {.ttl_said = 7};
    world->edit = edit_forge;
    world->context = &forgery;
    for (unsigned failed = 2; failed <= 4; failed++) {
        struct validate_options options = {.anchors = anchors,
                                           .budgets = {.failed_verifications = failed}};
        const struct validate_result *result = world_lookup(world, &options, NULL, www, DNS_TYPE_A);
        assert_true(result->failed_verifications <= failed);
        assert_says(result, failed < 4 ? "data, signature or key were altered" : "original TTL");
    }
    struct validate_options options = {.anchors = anchors, .no_proof = true};
    const struct validate_result *result = world_lookup(world, &options, NULL, www, DNS_TYPE_A);
    assert_int_equal(result->failed_verifications, 1);
    assert_says(result, "data, signature or key were altered");
    validate_anchors_free(anchors);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgeries), cmocka_unit_test(test_added),
        cmocka_unit_test(test_twice),     cmocka_unit_test(test_other_name),
        cmocka_unit_test(test_other_set), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_wrong_key), cmocka_unit_test(test_same_tag),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
