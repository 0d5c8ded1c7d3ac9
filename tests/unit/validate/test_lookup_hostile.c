/*
 * Look-ups against those who want them to work for ever (KeyTrap and its kind), or to believe
 * something: work is bounded, and what ends by a budget is ERROR with its name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

struct fixture {
    struct world *world;
    struct validate_anchors *anchors;
    struct validate_options options;
    const struct validate_result *result;
    unsigned flood; /* how many */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->world = world_usual();
    fixture->world->context = fixture;
    MUST(validate_anchors_new(&fixture->anchors) == BASE_OK);
    world_anchor(fixture->anchors, zone_at(fixture->world, "."), false);
    fixture->options.anchors = fixture->anchors;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    validate_result_unref(fixture->result);
    validate_anchors_free(fixture->anchors);
    world_free(fixture->world);
    free(fixture);
    return 0;
}

static const struct validate_result *ask(struct fixture *fixture, const char *name, uint16_t type)
{
    validate_result_unref(fixture->result);
    uint64_t before = base_clock_monotonic();
    fixture->result = world_lookup(fixture->world, &fixture->options, NULL, name, type);
    /* Bounded: some milliseconds; sanitizers and a busy machine take more. */
    assert_true(base_clock_monotonic() - before < 5000000000u);
    assert_true(fixture->result->verifications <= 128);
    assert_true(fixture->result->failed_verifications <= 16);
    assert_true(fixture->result->nsec3_hashes <= 16);
    assert_true(fixture->result->queries <= 64);
    return fixture->result;
}

static void assert_spent(const struct validate_result *result, const char *budget)
{
    if (result->status != VALIDATE_ERROR || strstr(result->sentence, budget) == NULL)
        print_message("%s: %s\n", validate_status_name(result->status), result->sentence);
    assert_int_equal(result->status, VALIDATE_ERROR);
    assert_int_equal(result->kind, VALIDATE_ANSWER_NONE);
    assert_null(result->answer);
    assert_non_null(strstr(result->sentence, budget));
    bool found = false;
    for (size_t i = 0; i < result->finding_count; i++)
        found = found || result->findings[i].code == VALIDATE_BUDGET_SPENT;
    assert_true(found);
}

/* A public key that nobody has, with a given tag, sorted before all that are drawn. */
static size_t fake_key(const struct world_key *like, unsigned number, uint8_t *out)
{
    uint16_t tag = crypto_key_tag(like->dnskey, like->length);
    memcpy(out, like->dnskey, like->length);
    memset(out + 4, 0, like->length - 4);
    out[6] = (uint8_t)(number >> 8);
    out[7] = (uint8_t)number;
    for (unsigned value = 0; value < 65536; value++) {
        base_store_u16(out + 8, (uint16_t)value);
        if (crypto_key_tag(out, like->length) == tag)
            return like->length;
    }
    return like->length;
}

/* DNSKEY of a.example. with many keys of the ZSK's tag. */
static void edit_key_flood(struct world *world, struct world_reply *reply)
{
    struct fixture *fixture = world->context;
    struct world_zone *zone = zone_at(world, "a.example.");
    if (reply->type != DNS_TYPE_DNSKEY || !dns_name_equal(reply->question, zone->apex))
        return;
    uint8_t key[CRYPTO_DNSKEY_MAX];
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
    for (unsigned i = 0; i < fixture->flood; i++)
        reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 3600, key,
                  fake_key(&zone->zsk, i, key));
    reply_sign(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 2, zone, &zone->ksk);
}

static void test_key_flood(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_key_flood;
    /* Tags collide by chance: that must work. */
    for (fixture->flood = 0; fixture->flood <= 3; fixture->flood++) {
        const struct validate_result *result = ask(fixture, "www.a.example.", DNS_TYPE_A);
        assert_int_equal(result->status, VALIDATE_SECURE);
        assert_int_equal(result->failed_verifications, fixture->flood);
    }
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "tag_keys (4)");
    fixture->flood = 100;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "tag_keys (4)");
    assert_int_equal(fixture->result->failed_verifications, 4);
    fixture->options.budgets.tag_keys = 1000;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "rrset_verifications (8)");
    assert_int_equal(fixture->result->failed_verifications, 8);
    fixture->options.budgets.rrset_verifications = 1000;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "failed_verifications (16)");
    assert_int_equal(fixture->result->failed_verifications, 16);
}

/* Keys of the KSK's tag, and many DS of that tag. */
static void edit_ds_flood(struct world *world, struct world_reply *reply)
{
    struct fixture *fixture = world->context;
    struct world_zone *zone = zone_at(world, "a.example."), *parent = zone_at(world, "example.");
    if (!dns_name_equal(reply->question, zone->apex))
        return;
    if (reply->type == DNS_TYPE_DS) {
        uint8_t ds[4 + CRYPTO_DIGEST_MAX];
        reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
        size_t length = make_ds(zone, 2, ds);
        memset(ds + 4, 0, length - 4);
        for (unsigned i = 0; i < fixture->flood; i++) {
            ds[5] = (uint8_t)i;
            /* In front of the good one. */
            reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DS, 3600, ds, length);
            struct world_record last = reply->records[reply->count - 1];
            memmove(&reply->records[1], &reply->records[0],
                    (reply->count - 1) * sizeof(reply->records[0]));
            reply->records[0] = last;
        }
        reply_sign_plain(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DS, parent);
    }
    if (reply->type == DNS_TYPE_DNSKEY) {
        uint8_t key[CRYPTO_DNSKEY_MAX];
        reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
        for (unsigned i = 0; i < fixture->flood; i++)
            reply_add(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 3600, key,
                      fake_key(&zone->ksk, i, key));
        reply_sign(reply, DNS_SECTION_ANSWER, zone->apex, DNS_TYPE_DNSKEY, 2, zone, &zone->ksk);
    }
}

static void test_ds_flood(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_ds_flood;
    fixture->flood = 1; /* 2 DS x 2 keys */
    assert_int_equal(ask(fixture, "www.a.example.", DNS_TYPE_A)->status, VALIDATE_SECURE);
    fixture->flood = 2; /* 3 x 3: the last pair is the ninth */
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "ds_pairs (8)");
    fixture->flood = 25;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "ds_pairs (8)");
    assert_true(fixture->result->verifications < 8);
}

/* Many signatures that look right over the data. */
static void edit_signature_flood(struct world *world, struct world_reply *reply)
{
    struct fixture *fixture = world->context;
    struct world_zone *zone = zone_at(world, "a.example.");
    if (reply->type != DNS_TYPE_A)
        return;
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_RRSIG);
    zone->corrupt = true;
    for (unsigned i = 0; i < fixture->flood; i++) {
        struct world_record *bad =
            reply_sign(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_A, 3, zone, &zone->zsk);
        bad->rdata[40] = (uint8_t)i;
    }
    zone->corrupt = false;
    reply_sign(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_A, 3, zone, &zone->zsk);
}

static void test_signature_flood(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_signature_flood;
    fixture->flood = 7;
    assert_int_equal(ask(fixture, "www.a.example.", DNS_TYPE_A)->status, VALIDATE_SECURE);
    fixture->flood = 8;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "rrset_verifications (8)");
    fixture->flood = 200;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "rrset_verifications (8)");
    assert_int_equal(fixture->result->failed_verifications, 8);
}

/* Signatures by keys and signers that are not there: nothing is verified, little is asked. */
static void edit_signer_flood(struct world *world, struct world_reply *reply)
{
    (void)world;
    if (reply->type != DNS_TYPE_A)
        return;
    uint8_t rdata[WORLD_RDATA];
    size_t count = reply->count;
    for (size_t i = 0; i < count; i++) {
        if (reply->records[i].type != DNS_TYPE_RRSIG)
            continue;
        for (unsigned k = 0; k < 60; k++) {
            char signer[64];
            snprintf(signer, sizeof(signer), "x%u.a.example.", k);
            memcpy(rdata, reply->records[i].rdata, 18);
            size_t length = 18 + dns_name_lower(rdata + 18, k % 2 ? wire(signer) : reply->question);
            memset(rdata + length, (int)k, 64);
            reply_add(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_RRSIG, 3600, rdata,
                      length + 64);
        }
    }
}

static void test_signer_flood(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_signer_flood;
    const struct validate_result *result = ask(fixture, "www.a.example.", DNS_TYPE_A);
    assert_int_equal(result->status, VALIDATE_SECURE);
    assert_true(result->queries <= 10);
    /* Whatever becomes of what junk makes us ask for. */
    fixture->world->fail_name = "www.a.example.";
    fixture->world->fail_type = DNS_TYPE_DS;
    for (unsigned silent = 0; silent < 2; silent++) {
        fixture->world->silent = silent == 1;
        result = ask(fixture, "www.a.example.", DNS_TYPE_A);
        assert_int_equal(result->status, VALIDATE_SECURE);
        assert_int_equal(result->finding_count, 0);
    }
}

/* Names with many labels below a zone of NSEC3: each closer name would be a hash. */
static void test_hash_flood(void **state)
{
    struct fixture *fixture = *state;
    char name[300] = "";
    for (unsigned i = 0; i < 100; i++)
        strcat(name, "a.");
    strcat(name, "b.example.");
    const struct validate_result *result = ask(fixture, name, DNS_TYPE_A);
    if (result->status != VALIDATE_SECURE)
        assert_spent(result, "nsec3_hashes");
    zone_at(fixture->world, "b.example.")->iterations = 500;
    result = ask(fixture, "no.b.example.", DNS_TYPE_A);
    assert_int_equal(result->status, VALIDATE_INSECURE);
    zone_at(fixture->world, "b.example.")->iterations = 50;
    assert_spent(ask(fixture, name, DNS_TYPE_A), "nsec3_hashes (16)");
    assert_int_equal(fixture->result->nsec3_hashes, 16);
    fixture->options.budgets.nsec3_hashes = 1;
    zone_at(fixture->world, "b.example.")->iterations = 10;
    assert_spent(ask(fixture, "no.b.example.", DNS_TYPE_A), "nsec3_hashes (1)");
}

static void test_alias_flood(void **state)
{
    struct fixture *fixture = *state;
    struct world_zone *zone = zone_at(fixture->world, "a.example.");
    char text[64];
    for (unsigned i = 0; i < 16; i++) {
        snprintf(text, sizeof(text), "c%u CNAME c%u", i, i + 1);
        world_add(zone, text);
    }
    world_add(zone, "c16 A 192.0.2.77");
    for (unsigned chase = 0; chase < 2; chase++) {
        fixture->world->no_chase = chase == 0;
        assert_int_equal(ask(fixture, "c4.a.example.", DNS_TYPE_A)->status, VALIDATE_SECURE);
        assert_int_equal(fixture->result->hop_count, 13);
        assert_spent(ask(fixture, "c3.a.example.", DNS_TYPE_A), "alias_hops (12)");
    }
}

/* Unsigned data at a name of many labels, of which each may be a zone: a query for each. */
static void edit_bare(struct world *world, struct world_reply *reply)
{
    static const uint8_t address[] = {192, 0, 2, 1};
    (void)world;
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply->rcode = DNS_RCODE_NOERROR;
    reply_add(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_A, 60, address, 4);
}

static void test_query_flood(void **state)
{
    struct fixture *fixture = *state;
    char name[300] = "", text[320];
    for (unsigned i = 0; i < 100; i++)
        strcat(name, "a.");
    strcat(name, "a.example.");
    fixture->world->edit = edit_bare;
    /* Below a name that does not exist there are no zones to ask for (RFC 8020). */
    assert_int_equal(ask(fixture, name, DNS_TYPE_A)->status, VALIDATE_BOGUS);
    assert_string_equal(strchr(fixture->world->log, '\n') + 1,
                        ". DNSKEY\nexample. DS\na.example. DS\nexample. DNSKEY\n"
                        "a.example. DNSKEY\na.a.example. DS\n");
    /* Where all of them exist there may be. */
    snprintf(text, sizeof(text), "%s A 192.0.2.1", name);
    world_add(zone_at(fixture->world, "a.example."), text);
    assert_spent(ask(fixture, name, DNS_TYPE_A), "queries (64)");
    assert_int_equal(fixture->result->queries, 64);
}

/* Every packet is as large as it can be. */
static void edit_large(struct world *world, struct world_reply *reply)
{
    static const uint8_t junk[WORLD_RDATA] = {255};
    edit_bare(world, reply);
    for (unsigned i = 0; i < 100; i++)
        reply_add(reply, DNS_SECTION_ADDITIONAL, reply->question, 65300, 60, junk, sizeof(junk));
}

static void test_octets(void **state)
{
    struct fixture *fixture = *state;
    char name[300] = "", text[320];
    for (unsigned i = 0; i < 30; i++)
        strcat(name, "a.");
    strcat(name, "a.example.");
    snprintf(text, sizeof(text), "%s A 192.0.2.1", name);
    world_add(zone_at(fixture->world, "a.example."), text);
    fixture->world->edit = edit_large;
    assert_spent(ask(fixture, name, DNS_TYPE_A), "packet_octets (524288)");
    assert_true(fixture->result->packet_octets <= (size_t)512 * 1024);
    fixture->world->edit = NULL;
    fixture->options.budgets.packet_octets = 500;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_A), "packet_octets (500)");
}

/* An answer of many RRsets, each with a good signature. */
static void edit_types(struct world *world, struct world_reply *reply)
{
    struct fixture *fixture = world->context;
    struct world_zone *zone = zone_at(world, "a.example.");
    static const uint8_t data[] = {1, 2, 3, 4};
    if (reply->type != DNS_TYPE_ANY)
        return;
    reply->count = 0;
    for (unsigned i = 0; i < fixture->flood; i++) {
        uint16_t type = (uint16_t)(65280 + i);
        reply_add(reply, DNS_SECTION_ANSWER, reply->question, type, 60, data, sizeof(data));
        reply_sign(reply, DNS_SECTION_ANSWER, reply->question, type, 3, zone, &zone->zsk);
    }
}

static void test_verification_flood(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_types;
    fixture->flood = 128 - 5; /* two DS and three DNSKEY sets lead there */
    assert_int_equal(ask(fixture, "www.a.example.", DNS_TYPE_ANY)->status, VALIDATE_SECURE);
    assert_int_equal(fixture->result->verifications, 128);
    fixture->flood++;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_ANY), "verifications (128)");
    fixture->flood = 149;
    assert_spent(ask(fixture, "www.a.example.", DNS_TYPE_ANY), "verifications (128)");
    assert_int_equal(fixture->result->failed_verifications, 0);
}

/* A thousand kinds of octets in the place of each answer: never more than ERROR or BOGUS. */
static void test_garbage(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t packet[65535];
    uint32_t seed = 12345;
    for (unsigned round = 0; round < 400; round++) {
        struct validate_lookup *lookup;
        struct validate_query query;
        MUST(validate_lookup_new(&fixture->options, NULL, wire("www.moved.a.example."), DNS_TYPE_A,
                                 NOW, &lookup) == BASE_OK);
        unsigned number = 0;
        while (validate_lookup_next(lookup, &query)) {
            size_t length =
                world_answer(fixture->world, query.name, query.type, packet, sizeof(packet));
            fixture->world->log[0] = '\0';
            if (number++ == round % 8) {
                for (unsigned k = 0; k < 1 + round % 3; k++) {
                    seed = seed * 1103515245 + 12345;
                    packet[12 + (seed >> 8) % (length - 12)] ^= (uint8_t)(1u << (seed >> 4) % 8);
                }
                if (round % 5 == 0)
                    length = length * (seed >> 24) / 256;
            }
            struct validate_reply reply = {.packet = packet, .length = length};
            MUST(validate_lookup_reply(lookup, query.id, &reply, NOW) == BASE_OK);
        }
        const struct validate_result *result = validate_lookup_result(lookup);
        assert_non_null(result);
        if (result->status == VALIDATE_SECURE) {
            assert_int_equal(result->kind, VALIDATE_ANSWER_DATA);
            assert_memory_equal(result->answer[0].rdata[0].data, "\300\0\2\24", 4);
        }
        assert_int_not_equal(result->status, VALIDATE_INSECURE);
        validate_lookup_free(lookup);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ds_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signature_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signer_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hash_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_octets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
