/* Look-ups over a world of zones in memory: what is secure, what is not, and why. */
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
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->world = world_usual();
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
    fixture->result = world_lookup(fixture->world, &fixture->options, NULL, name, type);
    return fixture->result;
}

static bool has_finding(const struct validate_result *result, enum base_finding_code code)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].code == code)
            return true;
    }
    return false;
}

static void show(const struct validate_result *result)
{
    print_message("%s, kind %d: %s\n", validate_status_name(result->status), result->kind,
                  result->sentence);
    for (size_t i = 0; i < result->finding_count; i++)
        print_message("  %zu %s (cause %d): %s\n", i,
                      base_finding_info(result->findings[i].code)->code,
                      (int)result->findings[i].cause, result->findings[i].message);
}

/* Holds of every result, whatever it says. */
static void assert_sound(const struct validate_result *result)
{
    for (size_t i = 0; i < result->node_count; i++) {
        const struct validate_node *node = &result->nodes[i];
        if (node->parent != VALIDATE_NO_NODE)
            assert_true(node->parent < i);
        if (node->status == VALIDATE_SECURE && node->parent == VALIDATE_NO_NODE)
            assert_int_equal(node->kind, VALIDATE_NODE_ANCHOR);
    }
    for (size_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].cause != VALIDATE_NO_CAUSE)
            assert_true(result->findings[i].cause < i);
    }
    assert_non_null(result->sentence);
    if (result->status != VALIDATE_ERROR)
        assert_true(result->hop_count > 0);
    if (result->status == VALIDATE_INSECURE)
        assert_non_null(result->insecure);
    /* What may not be used is not there to be used. */
    if (result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR) {
        assert_null(result->answer);
        assert_int_equal(result->answer_count, 0);
    }
}

struct expect {
    const char *name;
    uint16_t type;
    enum validate_status status;
    enum validate_answer_kind kind;
    size_t hops;
};

static void assert_case(struct fixture *fixture, const struct expect *expect)
{
    const struct validate_result *result = ask(fixture, expect->name, expect->type);
    assert_sound(result);
    if (result->status != expect->status || result->kind != expect->kind ||
        result->hop_count != expect->hops) {
        print_message("%s type %u:\n", expect->name, expect->type);
        show(result);
        print_message("%s", fixture->world->log);
    }
    assert_int_equal(result->status, expect->status);
    assert_int_equal(result->kind, expect->kind);
    assert_int_equal(result->hop_count, expect->hops);
}

#define SECURE        VALIDATE_SECURE
#define INSECURE      VALIDATE_INSECURE
#define BOGUS         VALIDATE_BOGUS
#define INDETERMINATE VALIDATE_INDETERMINATE
#define ERROR         VALIDATE_ERROR
#define NONE          VALIDATE_ANSWER_NONE
#define DATA          VALIDATE_ANSWER_DATA
#define NODATA        VALIDATE_ANSWER_NODATA
#define NAME          VALIDATE_ANSWER_NAME

/* A cold chain of five zones costs what must be asked and nothing else. */
static void test_cold_chain(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    world_zone(world, "e.a.example.");
    world_add(world_zone(world, "f.e.a.example."), "www A 192.0.2.70");
    const struct validate_result *result = ask(fixture, "www.f.e.a.example.", DNS_TYPE_A);
    assert_sound(result);
    if (result->status != SECURE)
        show(result);
    assert_int_equal(result->status, SECURE);
    assert_string_equal(world->log, "www.f.e.a.example. A\n"
                                    ". DNSKEY\n"
                                    "f.e.a.example. DS\n"
                                    "f.e.a.example. DNSKEY\n"
                                    "e.a.example. DS\n"
                                    "e.a.example. DNSKEY\n"
                                    "a.example. DS\n"
                                    "a.example. DNSKEY\n"
                                    "example. DS\n"
                                    "example. DNSKEY\n");
    assert_int_equal(result->queries, 10);
    assert_int_equal(result->verifications, 10);
    assert_int_equal(result->failed_verifications, 0);
    /* Anchor, five key sets, four DS sets, the data. */
    assert_int_equal(result->node_count, 11);
    assert_int_equal(result->nodes[0].kind, VALIDATE_NODE_ANCHOR);
    assert_int_equal(result->nodes[10].kind, VALIDATE_NODE_RRSET);
    assert_int_equal(result->answer_count, 1);
    assert_int_equal(result->answer[0].count, 1);
    assert_memory_equal(result->answer[0].rdata[0].data, "\300\0\2\106", 4);
    assert_int_equal(result->expiry, NOW + 10 * DAY);
    assert_int_equal(result->ttl, 3600);
    assert_non_null(strstr(result->sentence, "is secure"));
}

static void test_warm(void **state)
{
    struct fixture *fixture = *state;
    struct validate_trust *trust;
    assert_int_equal(validate_trust_new(0, &trust), BASE_OK);
    const struct validate_result *result =
        world_lookup(fixture->world, &fixture->options, trust, "www.a.example.", DNS_TYPE_A);
    assert_int_equal(result->status, SECURE);
    validate_result_unref(result);
    result = world_lookup(fixture->world, &fixture->options, trust, "WWW.A.example.", DNS_TYPE_A);
    assert_int_equal(result->status, SECURE);
    assert_string_equal(fixture->world->log, "WWW.A.example. A\n");
    assert_int_equal(result->verifications, 1);
    assert_int_equal(result->node_count, 7); /* the whole proof all the same */
    validate_result_unref(result);
    result =
        world_lookup(fixture->world, &fixture->options, trust, "host.open.example.", DNS_TYPE_A);
    assert_int_equal(result->status, INSECURE);
    validate_result_unref(result);
    result =
        world_lookup(fixture->world, &fixture->options, trust, "host.open.example.", DNS_TYPE_AAAA);
    assert_int_equal(result->status, INSECURE);
    assert_string_equal(fixture->world->log, "host.open.example. AAAA\n");
    validate_result_unref(result);
    validate_trust_free(trust);
}

static void test_good(void **state)
{
    static const struct expect cases[] = {
        {"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"WwW.A.eXample.", DNS_TYPE_A, SECURE, DATA, 1},
        {"www.a.example.", DNS_TYPE_AAAA, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_SOA, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_NS, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_DNSKEY, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_DS, SECURE, DATA, 1},
        {"example.", DNS_TYPE_DS, SECURE, DATA, 1},
        {".", DNS_TYPE_DNSKEY, SECURE, DATA, 1},
        {".", DNS_TYPE_SOA, SECURE, DATA, 1},
        {".", DNS_TYPE_DS, SECURE, NODATA, 1},
        {"a.example.", DNS_TYPE_ANY, SECURE, DATA, 1},
        {"www.a.example.", DNS_TYPE_ANY, SECURE, DATA, 1},
        {"mx.a.example.", DNS_TYPE_MX, SECURE, DATA, 1},
        /* aliases */
        {"here.a.example.", DNS_TYPE_A, SECURE, DATA, 2},
        {"here.a.example.", DNS_TYPE_CNAME, SECURE, DATA, 1},
        {"here.a.example.", DNS_TYPE_MX, SECURE, NODATA, 2},
        {"away.a.example.", DNS_TYPE_A, SECURE, DATA, 2},
        {"nowhere.a.example.", DNS_TYPE_A, SECURE, NAME, 2},
        {"any.alias.a.example.", DNS_TYPE_A, SECURE, DATA, 2},
        {"www.moved.a.example.", DNS_TYPE_A, SECURE, DATA, 2},
        {"back.moved.a.example.", DNS_TYPE_A, SECURE, DATA, 3},
        {"gone.moved.a.example.", DNS_TYPE_A, SECURE, NAME, 2},
        {"www.moved.a.example.", DNS_TYPE_CNAME, SECURE, DATA, 1},
        {"moved.a.example.", DNS_TYPE_DNAME, SECURE, DATA, 1},
        {"moved.a.example.", DNS_TYPE_A, SECURE, NODATA, 1},
        /* wildcards */
        {"x.wild.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"x.y.wild.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"x.wild.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"*.wild.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"exact.wild.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"exact.wild.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"x.wild.b.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"x.y.wild.b.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"x.wild.b.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        /* denials */
        {"no.a.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"no.no.a.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"www.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"tree.a.example.", DNS_TYPE_A, SECURE, NODATA, 1},
        {"ent.tree.a.example.", DNS_TYPE_A, SECURE, NODATA, 1},
        {"no.b.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"no.www.b.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"www.b.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"y.ent.b.example.", DNS_TYPE_A, SECURE, NODATA, 1},
        {"www.a.example.", DNS_TYPE_DS, SECURE, NODATA, 1},
        {"no.a.example.", DNS_TYPE_DS, SECURE, NAME, 1},
        {"www.b.example.", DNS_TYPE_DS, SECURE, NODATA, 1},
        {"open.example.", DNS_TYPE_DS, SECURE, NODATA, 1},
        {"nothing.", DNS_TYPE_A, SECURE, NAME, 1},
        {"www.c.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"www.c.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"no.c.example.", DNS_TYPE_A, SECURE, NAME, 1},
        /* where security ends */
        {"host.open.example.", DNS_TYPE_A, INSECURE, DATA, 1},
        {"host.open.example.", DNS_TYPE_MX, INSECURE, NODATA, 1},
        {"no.open.example.", DNS_TYPE_A, INSECURE, NAME, 1},
        {"open.example.", DNS_TYPE_SOA, INSECURE, DATA, 1},
        {"www.island.open.example.", DNS_TYPE_A, INSECURE, DATA, 1},
        {"no.island.open.example.", DNS_TYPE_A, INSECURE, NAME, 1},
        {"far.a.example.", DNS_TYPE_A, INSECURE, DATA, 2},
        {"in.open.example.", DNS_TYPE_A, INSECURE, DATA, 2},
        {"www.plain.opt.", DNS_TYPE_A, INSECURE, DATA, 1},
        {"www.signed.opt.", DNS_TYPE_A, SECURE, DATA, 1},
        {"no.opt.", DNS_TYPE_A, INSECURE, NAME, 1}, /* RFC 5155 section 9.2 */
        {"plain.opt.", DNS_TYPE_DS, INSECURE, NODATA, 1},
    };
    struct fixture *fixture = *state;
    for (unsigned minimal = 0; minimal < 2; minimal++) {
        for (size_t i = 0; i < fixture->world->count; i++)
            fixture->world->zones[i]->minimal = minimal == 1;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            assert_case(fixture, &cases[i]);
            fixture->world->no_chase = true;
            assert_case(fixture, &cases[i]);
            fixture->world->no_chase = false;
        }
    }
}

/* Every good case stays what it is with records added that nobody asked for. */
static void add_junk(struct world *world, struct world_reply *reply)
{
    uint8_t nsec[] = {0, 0, 1, 0x40};
    (void)world;
    reply_add(reply, DNS_SECTION_AUTHORITY, wire("zzz.example."), DNS_TYPE_NSEC, 900, nsec,
              sizeof(nsec));
    reply_add(reply, DNS_SECTION_AUTHORITY, wire("example."), DNS_TYPE_NS, 900,
              wire("evil.invalid."), dns_name_length(wire("evil.invalid.")));
    reply_add(reply, DNS_SECTION_ADDITIONAL, wire("ns.invalid."), DNS_TYPE_A, 900, nsec, 4);
    reply_add(reply, DNS_SECTION_ANSWER, wire("else.a.example."), DNS_TYPE_A, 900, nsec, 4);
    reply->flags |= DNS_FLAG_AD;
}

static void test_superfluous(void **state)
{
    static const struct expect cases[] = {
        {"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"no.a.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"www.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"away.a.example.", DNS_TYPE_A, SECURE, DATA, 2},
        {"x.wild.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"host.open.example.", DNS_TYPE_A, INSECURE, DATA, 1},
        {"no.b.example.", DNS_TYPE_A, SECURE, NAME, 1},
    };
    struct fixture *fixture = *state;
    fixture->world->edit = add_junk;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_case(fixture, &cases[i]);
}

/*
 * Broken zones: the finding that is named first, and a piece of the sentence.
 */
struct broken {
    void (*breaks)(struct world *world);
    const char *name;
    uint16_t type;
    enum validate_status status;
    enum base_finding_code code; /* the first error */
    const char *says;
};

static struct world_zone *zone_a(struct world *world)
{
    return zone_at(world, "a.example.");
}
static void break_expired(struct world *world)
{
    zone_a(world)->expiration = NOW - 3 * DAY;
    zone_a(world)->inception = NOW - 20 * DAY;
}
static void break_future(struct world *world)
{
    zone_a(world)->inception = NOW + 2 * DAY;
}
static void break_clock(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        world->zones[i]->expiration = NOW - 30 * DAY;
        world->zones[i]->inception = NOW - 40 * DAY;
    }
}
static void break_data(struct world *world)
{
    zone_a(world)->corrupt = true;
}
static void break_keys(struct world *world)
{
    zone_a(world)->corrupt_keys = true;
}
static void break_unpublished(struct world *world)
{
    zone_a(world)->unpublished = true;
}
static void break_no_dnskey(struct world *world)
{
    zone_a(world)->no_dnskey = true;
}
static void break_ds(struct world *world)
{
    zone_a(world)->wrong_digest = true;
}
static void break_revoked(struct world *world)
{
    zone_a(world)->revoked = true;
}
static void break_by_zsk(struct world *world)
{
    zone_a(world)->keys_by_zsk = true;
}
static void break_signer(struct world *world)
{
    zone_a(world)->signer = "www.a.example.";
}
static void break_signer_parent(struct world *world)
{
    zone_a(world)->signer = "example.";
}
static void break_algorithm(struct world *world)
{
    zone_a(world)->ds_algorithm = 200;
}
static void break_digest(struct world *world)
{
    zone_a(world)->digest = 99;
}
static void break_digest_old(struct world *world)
{
    zone_a(world)->digest = 1;
}
static void break_denial(struct world *world)
{
    zone_a(world)->denial = DENIAL_NONE;
}
static void break_iterations(struct world *world)
{
    zone_at(world, "b.example.")->iterations = 51;
}
static void break_parent_denial(struct world *world)
{
    zone_at(world, "example.")->denial = DENIAL_NONE;
}
static void break_parent(struct world *world)
{
    zone_at(world, "example.")->expiration = NOW - DAY;
    zone_at(world, "example.")->inception = NOW - 2 * DAY;
}
static void break_unsigned(struct world *world)
{
    (void)world;
}
static void break_strip(struct world *world)
{
    world->strip = true;
}
static void break_no_dnssec(struct world *world)
{
    world->strip = world->no_dnssec = true;
}
static void break_child_ds(struct world *world)
{
    world->child_ds = true;
}
static void fail_query(struct world *world, const char *name, uint16_t type)
{
    world->fail_name = name;
    world->fail_type = type;
}
static void break_servfail(struct world *world)
{
    fail_query(world, "www.a.example.", DNS_TYPE_A);
}
static void break_refused(struct world *world)
{
    fail_query(world, "www.a.example.", DNS_TYPE_A);
    world->fail_rcode = DNS_RCODE_REFUSED;
}
static void break_silence(struct world *world)
{
    fail_query(world, "www.a.example.", DNS_TYPE_A);
    world->silent = true;
}
static void break_servfail_dnskey(struct world *world)
{
    fail_query(world, "a.example.", DNS_TYPE_DNSKEY);
}
static void break_servfail_ds(struct world *world)
{
    fail_query(world, "a.example.", DNS_TYPE_DS);
}
static void break_silent_root(struct world *world)
{
    fail_query(world, ".", DNS_TYPE_DNSKEY);
    world->silent = true;
}
static void edit_rewrite(struct world *world, struct world_reply *reply)
{
    /* What some providers do with names that do not exist. */
    static const uint8_t address[] = {198, 51, 100, 1};
    (void)world;
    if (reply->rcode != DNS_RCODE_NXDOMAIN)
        return;
    reply->rcode = DNS_RCODE_NOERROR;
    reply->count = 0;
    reply->flags |= DNS_FLAG_AD;
    reply_add(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_A, 60, address, 4);
}
static void break_rewrite(struct world *world)
{
    world->edit = edit_rewrite;
}
static void edit_forged(struct world *world, struct world_reply *reply)
{
    (void)world;
    reply->flags |= DNS_FLAG_AD;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type == DNS_TYPE_A)
            reply->records[i].rdata[0] = 6;
    }
}
static void break_forged(struct world *world)
{
    world->edit = edit_forged;
}
static void edit_no_wildcard_proof(struct world *world, struct world_reply *reply)
{
    (void)world;
    if (reply->type == DNS_TYPE_A)
        reply_remove(reply, DNS_SECTION_AUTHORITY, 0);
}
static void break_wildcard(struct world *world)
{
    world->edit = edit_no_wildcard_proof;
}
static void edit_wildcard_contrary(struct world *world, struct world_reply *reply)
{
    /* The wildcard's data under the name of what exists. */
    if (reply->type != DNS_TYPE_A)
        return;
    struct world_zone *zone = zone_a(world);
    const uint8_t *name = wire("exact.wild.a.example.");
    reply->count = 0;
    reply_set(reply, DNS_SECTION_ANSWER, zone, wire("*.wild.a.example."), DNS_TYPE_A, name);
    reply_sign(reply, DNS_SECTION_ANSWER, name, DNS_TYPE_A, 3, zone, &zone->zsk);
    reply_nsec(world, reply, zone, name);
}
static void break_wildcard_contrary(struct world *world)
{
    world->edit = edit_wildcard_contrary;
}
static void edit_deny(struct world *world, struct world_reply *reply)
{
    /* Data are denied with the NSEC that shows them. */
    if (reply->type != DNS_TYPE_A)
        return;
    struct world_zone *zone = zone_a(world);
    reply->count = 0;
    reply_soa(reply, zone);
    reply_nsec(world, reply, zone, reply->question);
}
static void break_deny(struct world *world)
{
    world->edit = edit_deny;
}
static void edit_deny_name(struct world *world, struct world_reply *reply)
{
    edit_deny(world, reply);
    if (reply->type == DNS_TYPE_A)
        reply->rcode = DNS_RCODE_NXDOMAIN;
}
static void break_deny_name(struct world *world)
{
    world->edit = edit_deny_name;
}
static void edit_synthesis(struct world *world, struct world_reply *reply)
{
    (void)world;
    for (size_t i = 0; i < reply->count; i++) {
        if (reply->records[i].type == DNS_TYPE_CNAME) {
            name_copy(reply->records[i].rdata, wire("www.open.example."));
            reply->records[i].length = (uint16_t)dns_name_length(reply->records[i].rdata);
        }
    }
}
static void break_synthesis(struct world *world)
{
    world->edit = edit_synthesis;
}
static void edit_truncated(struct world *world, struct world_reply *reply)
{
    (void)world;
    reply->flags |= DNS_FLAG_TC;
}
static void break_truncated(struct world *world)
{
    world->edit = edit_truncated;
}
static void edit_other(struct world *world, struct world_reply *reply)
{
    (void)world;
    name_copy(reply->question, wire("else.example."));
}
static void break_other(struct world *world)
{
    world->edit = edit_other;
}
static void edit_yxdomain(struct world *world, struct world_reply *reply)
{
    (void)world;
    if (reply->type != DNS_TYPE_A)
        return;
    reply_remove(reply, DNS_SECTION_ANSWER, 0);
    reply->rcode = DNS_RCODE_YXDOMAIN;
}
static void break_yxdomain(struct world *world)
{
    world->edit = edit_yxdomain;
}
static void edit_minimal_other(struct world *world, struct world_reply *reply)
{
    /* The proof for a name beside it. */
    struct world_zone *zone = zone_a(world);
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply_soa(reply, zone);
    reply_proof_absent(world, reply, zone, wire("np.a.example."));
}
static void break_minimal(struct world *world)
{
    zone_a(world)->minimal = true;
    world->edit = edit_minimal_other;
}
static void edit_referral(struct world *world, struct world_reply *reply)
{
    /* A referral in the place of an answer. */
    (void)world;
    if (reply->type != DNS_TYPE_A)
        return;
    reply->count = 0;
    reply_add(reply, DNS_SECTION_AUTHORITY, wire("a.example."), DNS_TYPE_NS, 900,
              wire("ns.invalid."), dns_name_length(wire("ns.invalid.")));
}
static void break_referral(struct world *world)
{
    world->edit = edit_referral;
}
static void break_anchor(struct world *world)
{
    world_free_key(&zone_at(world, ".")->ksk);
    world_make_key(&zone_at(world, ".")->ksk, world->algorithm, 257);
}

static void test_broken(void **state)
{
    static const struct broken cases[] = {
        {break_expired, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_EXPIRED,
         "expired 3d ago"},
        {break_future, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_FUTURE, "valid in 2d"},
        {break_clock, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_CLOCK,
         "you must set the clock"},
        {break_data, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_MISMATCH,
         "the operator of a.example."},
        {break_data, "no.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_MISMATCH, "NSEC"},
        {break_keys, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_MISMATCH,
         "a.example. DNSKEY"},
        {break_unpublished, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_NO_KEY,
         "must publish the key"},
        {break_no_dnskey, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DNSKEY_MISSING,
         "has no DNSKEY"},
        {break_ds, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DS_UNMATCHED,
         "matches no key of the zone"},
        {break_ds, "no.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DS_UNMATCHED, "the parent"},
        {break_revoked, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DS_UNFIT, "revoked"},
        {break_by_zsk, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DNSKEY_UNSIGNED,
         "vouched for"},
        {break_signer, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_SIGNER, "a.example."},
        {break_signer_parent, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_NO_KEY, ""},
        {break_algorithm, "www.a.example.", DNS_TYPE_A, INSECURE, BASE_FINDING_COUNT,
         "unsupported algorithms, such as 200"},
        {break_digest, "www.a.example.", DNS_TYPE_A, INSECURE, BASE_FINDING_COUNT,
         "digest types, such as 99"},
        {break_digest_old, "www.a.example.", DNS_TYPE_A, INSECURE, BASE_FINDING_COUNT,
         "digest types, such as 1"},
        {break_denial, "no.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_MISSING,
         "no.a.example. does not exist, but has no NSEC"},
        {break_denial, "www.a.example.", DNS_TYPE_MX, BOGUS, VALIDATE_PROOF_MISSING, ""},
        {break_denial, "x.wild.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_WILDCARD_PROOF, "wildcard"},
        {break_iterations, "no.b.example.", DNS_TYPE_A, INSECURE, BASE_FINDING_COUNT, "iterations"},
        {break_parent_denial, "host.open.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_MISSING,
         "open.example. has no DS"},
        {break_parent, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_EXPIRED, "example."},
        {break_unsigned, "nothing.", DNS_TYPE_A, SECURE, BASE_FINDING_COUNT, "absence of nothing."},
        {break_strip, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_STRIPPED,
         "you must use a resolver"},
        {break_strip, "host.open.example.", DNS_TYPE_A, BOGUS, VALIDATE_STRIPPED, ""},
        {break_no_dnssec, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DNSKEY_MISSING, ""},
        {break_child_ds, "host.open.example.", DNS_TYPE_A, BOGUS, VALIDATE_DS_FROM_CHILD,
         "only its parent"},
        {break_servfail, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED, "SERVFAIL"},
        {break_refused, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED, "REFUSED"},
        {break_silence, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_NO_ANSWER, "nobody answered"},
        {break_servfail_dnskey, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED,
         "a.example. DNSKEY"},
        {break_servfail_ds, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED,
         "a.example. DS"},
        {break_silent_root, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_NO_ANSWER, ". DNSKEY"},
        {break_rewrite, "no.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_UNSIGNED, "no signature"},
        {break_forged, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_RRSIG_MISMATCH, "altered"},
        {break_wildcard, "x.wild.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_WILDCARD_PROOF, ""},
        {break_wildcard, "x.wild.b.example.", DNS_TYPE_A, BOGUS, VALIDATE_WILDCARD_PROOF, ""},
        {break_wildcard_contrary, "exact.wild.a.example.", DNS_TYPE_A, BOGUS,
         VALIDATE_WILDCARD_PROOF, ""},
        {break_deny, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_WRONG, "the contrary"},
        {break_deny_name, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_WRONG,
         "does not exist"},
        {break_synthesis, "www.moved.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_DNAME_SYNTHESIS,
         "DNAME"},
        {break_truncated, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_TRUNCATED, "cut short"},
        {break_other, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_OTHER_ANSWER,
         "another question"},
        {break_yxdomain, "www.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED,
         "answers YXDOMAIN without a DNAME"},
        {break_yxdomain, "www.moved.a.example.", DNS_TYPE_A, ERROR, VALIDATE_SERVER_FAILED,
         "answers YXDOMAIN without a DNAME"},
        {break_minimal, "no.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_MISSING, ""},
        {break_referral, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_PROOF_MISSING, ""},
        {break_anchor, "www.a.example.", DNS_TYPE_A, BOGUS, VALIDATE_ANCHOR_UNMATCHED,
         "your trust anchors"},
        {break_unsigned, "loop.a.example.", DNS_TYPE_A, ERROR, VALIDATE_ALIAS_LOOP, "lead back"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct broken *broken = &cases[i];
        void *own;
        set_up(&own);
        struct fixture *fixture = own;
        broken->breaks(fixture->world);
        const struct validate_result *result = ask(fixture, broken->name, broken->type);
        enum base_finding_code code = BASE_FINDING_COUNT;
        for (size_t k = result->finding_count; k-- > 0;) {
            if (result->findings[k].severity == BASE_ERROR)
                code = result->findings[k].code;
        }
        bool right = result->status == broken->status && code == broken->code &&
                     strstr(result->sentence, broken->says) != NULL;
        if (!right) {
            print_message("case %zu, %s, expected %s, %s:\n", i, broken->name,
                          validate_status_name(broken->status),
                          broken->code == BASE_FINDING_COUNT
                              ? "nothing"
                              : base_finding_info(broken->code)->code);
            show(result);
            print_message("%s", fixture->world->log);
        }
        assert_true(right);
        assert_sound(result);
        tear_down(&own);
    }
}

/*
 * Anchors.
 */
static void test_anchors(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    /* An island gets an anchor of its own, as DNSKEY. */
    world_anchor(fixture->anchors, zone_at(world, "island.open.example."), true);
    assert_case(fixture, &(struct expect){"www.island.open.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_string_equal(world->log, "www.island.open.example. A\nisland.open.example. DNSKEY\n");
    assert_case(fixture, &(struct expect){"no.island.open.example.", DNS_TYPE_A, SECURE, NAME, 1});
    assert_case(fixture, &(struct expect){"host.open.example.", DNS_TYPE_A, INSECURE, DATA, 1});
    /* A negative anchor ends it. */
    assert_int_equal(validate_anchors_add_negative(fixture->anchors, wire("a.example."), NOW + DAY,
                                                   "broken since Monday"),
                     BASE_OK);
    zone_a(world)->corrupt = true;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, INSECURE, DATA, 1});
    assert_true(has_finding(fixture->result, VALIDATE_NEGATIVE_ANCHOR));
    assert_case(fixture, &(struct expect){"no.a.example.", DNS_TYPE_A, INSECURE, NAME, 1});
    assert_case(fixture, &(struct expect){"a.example.", DNS_TYPE_DS, SECURE, DATA, 1});
    assert_case(fixture, &(struct expect){"www.b.example.", DNS_TYPE_A, SECURE, DATA, 1});
}

static void test_no_anchor(void **state)
{
    struct fixture *fixture = *state;
    struct validate_anchors *anchors;
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    world_anchor(anchors, zone_at(fixture->world, "b.example."), false);
    fixture->options.anchors = anchors;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, INDETERMINATE, DATA, 1});
    assert_int_equal(fixture->result->queries, 1);
    assert_case(fixture, &(struct expect){"no.a.example.", DNS_TYPE_A, INDETERMINATE, NAME, 1});
    assert_case(fixture, &(struct expect){"away.a.example.", DNS_TYPE_A, INDETERMINATE, DATA, 2});
    assert_case(fixture, &(struct expect){"www.b.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_case(fixture, &(struct expect){"b.example.", DNS_TYPE_DS, INDETERMINATE, DATA, 1});
    validate_anchors_free(anchors);
}

static void test_sentinel(void **state)
{
    struct fixture *fixture = *state;
    struct world_zone *root = zone_at(fixture->world, "."), *zone = zone_a(fixture->world);
    unsigned tag = crypto_key_tag(root->ksk.dnskey, root->ksk.length);
    char text[200], name[100];
    static const char *const forms[] = {"is-ta", "not-ta"};
    for (unsigned i = 0; i < 4; i++) {
        unsigned asked = i < 2 ? tag : (tag + 1) & 0xffff;
        snprintf(text, sizeof(text), "root-key-sentinel-%s-%05u A 192.0.2.99", forms[i % 2], asked);
        world_add(zone, text);
        snprintf(name, sizeof(name), "root-key-sentinel-%s-%05u.a.example.", forms[i % 2], asked);
        bool says_yes = (i == 0 || i == 3);
        assert_case(fixture, &(struct expect){name, DNS_TYPE_A, says_yes ? SECURE : ERROR,
                                              says_yes ? DATA : NONE, 1});
        if (!says_yes)
            assert_int_equal(fixture->result->rcode, DNS_RCODE_SERVFAIL);
    }
}

static void test_skew(void **state)
{
    struct fixture *fixture = *state;
    zone_a(fixture->world)->expiration = NOW - 60;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, BOGUS, DATA, 1});
    fixture->options.skew = 59;
    assert_int_equal(ask(fixture, "www.a.example.", DNS_TYPE_A)->status, BOGUS);
    fixture->options.skew = 60;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_true(has_finding(fixture->result, VALIDATE_SKEW));
    assert_int_equal(fixture->result->ttl, 0);
}

static void test_times(void **state)
{
    struct fixture *fixture = *state;
    struct world_zone *zone = zone_a(fixture->world);
    zone->expiration = NOW + 100;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_int_equal(fixture->result->ttl, 100);
    assert_int_equal(fixture->result->expiry, NOW + 100);
    zone->expiration = NOW; /* inclusive (RFC 4035 section 5.3.1) */
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    zone->expiration = NOW + DAY;
    zone->inception = NOW;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    /* The root's signatures may end first. */
    zone_at(fixture->world, ".")->expiration = NOW + 500;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_int_equal(fixture->result->expiry, NOW + 500);
}

static void test_digests(void **state)
{
    struct fixture *fixture = *state;
    struct world_zone *zone = zone_a(fixture->world);
    zone->digest = 4;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    zone->digest = 1;
    fixture->options.legacy = true;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    zone->second_digest = 2;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    fixture->options.legacy = false;
    zone->digest = 77;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
}

static void edit_rcode(struct world *world, struct world_reply *reply)
{
    (void)world;
    if (reply->type == DNS_TYPE_A || reply->type == DNS_TYPE_MX)
        reply->rcode = reply->rcode == DNS_RCODE_NOERROR ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
}

/* The response code is not signed: the records decide. */
static void test_rcode(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_rcode;
    assert_case(fixture, &(struct expect){"no.a.example.", DNS_TYPE_A, SECURE, NAME, 1});
    assert_true(has_finding(fixture->result, VALIDATE_RCODE));
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1});
    assert_true(has_finding(fixture->result, VALIDATE_RCODE));
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1});
    assert_case(fixture, &(struct expect){"no.c.example.", DNS_TYPE_A, SECURE, NAME, 1});
    assert_case(fixture, &(struct expect){"nowhere.a.example.", DNS_TYPE_A, SECURE, NAME, 2});
}

/*
 * Queries for RRSIG, and RRSIG alone.
 */
static void edit_rrsig(struct world *world, struct world_reply *reply)
{
    if (reply->type != DNS_TYPE_RRSIG)
        return;
    struct world_zone *zone = zone_a(world);
    reply->count = 0;
    reply_set(reply, DNS_SECTION_ANSWER, zone, reply->question, DNS_TYPE_A, reply->question);
    reply_sign_plain(reply, DNS_SECTION_ANSWER, reply->question, DNS_TYPE_A, zone);
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_A);
}

static void test_rrsig_query(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_rrsig;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_RRSIG, INSECURE, DATA, 1});
    assert_true(has_finding(fixture->result, VALIDATE_RRSIG_QUERY));
    assert_int_equal(fixture->result->answer[0].count, 1);
}

static void edit_no_made(struct world *world, struct world_reply *reply)
{
    (void)world;
    reply_remove(reply, DNS_SECTION_ANSWER, DNS_TYPE_CNAME);
}

/* The alias that a DNAME makes is known without being sent (RFC 6672 section 3.4). */
static void test_made_alias(void **state)
{
    struct fixture *fixture = *state;
    fixture->world->edit = edit_no_made;
    assert_case(fixture, &(struct expect){"www.moved.a.example.", DNS_TYPE_CNAME, SECURE, DATA, 1});
    assert_int_equal(fixture->result->answer_count, 1);
    assert_true(dns_name_equal(fixture->result->answer[0].rdata[0].data, wire("www.b.example.")));
    assert_case(fixture, &(struct expect){"www.moved.a.example.", DNS_TYPE_A, SECURE, DATA, 2});
}

/* Without the proof a result has the same verdict and data, and no nodes. */
static void test_no_proof(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.no_proof = true;
    assert_case(fixture, &(struct expect){"away.a.example.", DNS_TYPE_A, SECURE, DATA, 2});
    assert_int_equal(fixture->result->node_count, 0);
    assert_case(fixture, &(struct expect){"no.b.example.", DNS_TYPE_A, SECURE, NAME, 1});
    assert_case(fixture, &(struct expect){"host.open.example.", DNS_TYPE_A, INSECURE, DATA, 1});
    zone_a(fixture->world)->corrupt = true;
    assert_case(fixture, &(struct expect){"www.a.example.", DNS_TYPE_A, BOGUS, DATA, 1});
    assert_true(has_finding(fixture->result, VALIDATE_RRSIG_MISMATCH));
    assert_int_equal(fixture->result->node_count, 0);
}

static void test_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct validate_lookup *lookup;
    static const uint16_t types[] = {0, 41, 128, 250, 251, 252};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_int_equal(
            validate_lookup_new(&fixture->options, NULL, wire("a."), types[i], NOW, &lookup),
            BASE_EINVAL);
    assert_int_equal(
        validate_lookup_new(&fixture->options, NULL, wire("a."), DNS_TYPE_A, NOW, &lookup),
        BASE_OK);
    struct validate_reply silence = {.kind = VALIDATE_REPLY_SILENCE};
    assert_int_equal(validate_lookup_reply(lookup, 77, &silence, NOW), BASE_EINVAL);
    assert_null(validate_lookup_result(lookup));
    assert_int_equal(validate_lookup_note(lookup, VALIDATE_STRIPPED, "192.0.2.1", "a note"),
                     BASE_OK);
    validate_lookup_end(lookup, "the time of 5 s is over");
    const struct validate_result *result = validate_lookup_result(lookup);
    assert_non_null(result);
    assert_int_equal(result->status, ERROR);
    assert_non_null(strstr(result->sentence, "the time of 5 s is over"));
    assert_true(has_finding(result, VALIDATE_STRIPPED));
    validate_lookup_end(lookup, "again");
    validate_lookup_free(lookup);
}

static void test_compare(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    struct validate_trust *trust;
    const struct validate_result *result;
    static uint8_t packet[65535];
    assert_int_equal(validate_trust_new(0, &trust), BASE_OK);
    size_t length = world_answer(world, wire("www.a.example."), DNS_TYPE_A, packet, 65535);
    struct validate_reply reply = {.packet = packet, .length = length};
    assert_int_equal(validate_lookup_compare(&fixture->options, trust, wire("a.example."),
                                             wire("www.a.example."), DNS_TYPE_A, &reply, NOW,
                                             &result),
                     BASE_ENOENT);
    validate_result_unref(
        world_lookup(world, &fixture->options, trust, "www.a.example.", DNS_TYPE_A));
    static const struct expect cases[] = {
        {"www.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"no.a.example.", DNS_TYPE_A, SECURE, NAME, 1},
        {"www.a.example.", DNS_TYPE_MX, SECURE, NODATA, 1},
        {"away.a.example.", DNS_TYPE_A, SECURE, DATA, 1},
        {"a.example.", DNS_TYPE_DNSKEY, SECURE, DATA, 1},
    };
    world->no_chase = true;
    for (unsigned round = 0; round < 2; round++) {
        zone_a(world)->expiration = round == 0 ? NOW + DAY : NOW - 1;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            reply.length = world_answer(world, wire(cases[i].name), cases[i].type, packet, 65535);
            assert_int_equal(validate_lookup_compare(&fixture->options, trust, wire("a.example."),
                                                     wire(cases[i].name), cases[i].type, &reply,
                                                     NOW, &result),
                             BASE_OK);
            if (result->status != (round == 0 ? SECURE : BOGUS))
                show(result);
            assert_int_equal(result->status, round == 0 ? SECURE : BOGUS);
            validate_result_unref(result);
        }
    }
    validate_trust_free(trust);
}

/* The store keeps its bound, and what it drops is asked for again. */
static void test_trust_bound(void **state)
{
    struct fixture *fixture = *state;
    struct validate_trust *trust;
    assert_int_equal(validate_trust_new(16384, &trust), BASE_OK);
    static const char *const names[] = {"www.a.example.", "www.b.example.", "www.c.example.",
                                        "www.signed.opt.", "host.open.example."};
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            const struct validate_result *result =
                world_lookup(fixture->world, &fixture->options, trust, names[i], DNS_TYPE_A);
            assert_int_equal(result->status, i == 4 ? INSECURE : SECURE);
            validate_result_unref(result);
        }
    }
    validate_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cold_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_warm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_superfluous, set_up, tear_down),
        cmocka_unit_test(test_broken),
        cmocka_unit_test_setup_teardown(test_anchors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_anchor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sentinel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_skew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_digests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rcode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rrsig_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_proof, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trust_bound, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
