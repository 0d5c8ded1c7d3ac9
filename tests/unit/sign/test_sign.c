/* Whole signings: the chains of the RFCs' example zones, a known signature, keys, refusals. */
#include "zones.h"

#include "sign/internal.h"

static int sign_with(struct zone *zone, const struct sign_policy *policy,
                     const struct crypto_zone_key *keys, size_t count, unsigned threads,
                     struct base_findings *findings, struct sign_result *result)
{
    struct sign_request request = {.zone = zone,
                                   .policy = policy,
                                   .keys = keys,
                                   .key_count = count,
                                   .now = NOW,
                                   .threads = threads};
    return sign_zone(&request, findings, result);
}

/* Signs with good keys; checks every signature. The caller releases the result's zone. */
static struct sign_result sign_ok(struct zone *zone, const struct sign_policy *policy,
                                  const struct crypto_zone_key *keys, size_t count)
{
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 100);
    int status = sign_with(zone, policy, keys, count, 2, &findings, &result);
    if (status != BASE_OK)
        fail_msg("%s", findings.count > 0 ? findings.items[0].message : base_strerror(status));
    base_findings_free(&findings);
    assert_int_equal(verify_zone(result.zone), result.signatures_made + result.signatures_kept);
    return result;
}

/* Expects a refusal with a finding. */
static void assert_refused(struct zone *zone, const struct sign_policy *policy,
                           const struct crypto_zone_key *keys, size_t count,
                           enum base_finding_code code, size_t times)
{
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 100);
    assert_int_equal(sign_with(zone, policy, keys, count, 2, &findings, &result), BASE_EREFUSED);
    assert_int_equal(findings.by_code[code], times);
    base_findings_free(&findings);
}

static void assert_dump(const struct zone *zone, uint16_t only, const char *expected)
{
    char *copy = strdup(expected);
    assert_same_text(dump_zone(zone, only, DUMP_CONTENT), copy);
}

/*
 * Examples of the RFCs
 */

#define RFC_HEAD                                                                                   \
    "example. 3600 NS ns1.example.\nexample. 3600 NS ns2.example.\n"                               \
    "example. 3600 MX 1 xx.example.\n"                                                             \
    "a.example. 3600 NS ns1.a.example.\na.example. 3600 NS ns2.a.example.\n"                       \
    "ns1.a.example. 3600 A 192.0.2.5\nns2.a.example. 3600 A 192.0.2.6\n"                           \
    "ai.example. 3600 A 192.0.2.9\nai.example. 3600 HINFO \"KLH-10\" \"ITS\"\n"                    \
    "ai.example. 3600 AAAA 2001:db8::f00:baa9\n"                                                   \
    "ns1.example. 3600 A 192.0.2.1\nns2.example. 3600 A 192.0.2.2\n"                               \
    "*.w.example. 3600 MX 1 ai.example.\nx.w.example. 3600 MX 1 xx.example.\n"                     \
    "x.y.w.example. 3600 MX 1 xx.example.\nxx.example. 3600 A 192.0.2.10\n"                        \
    "xx.example. 3600 HINFO \"KLH-10\" \"TOPS-20\"\n"                                              \
    "xx.example. 3600 AAAA 2001:db8::f00:baaa\n"

/* RFC 4035 appendix A */
static const char rfc4035_zone[] =
    "example. 3600 SOA ns1.example. bugs.x.w.example. 1081539377 3600 300 3600000 3600\n" RFC_HEAD
    "a.example. 3600 DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B\n"
    "b.example. 3600 NS ns1.b.example.\nb.example. 3600 NS ns2.b.example.\n"
    "ns1.b.example. 3600 A 192.0.2.7\nns2.b.example. 3600 A 192.0.2.8\n";

static const char rfc4035_chain[] = "example. 3600 NSEC a.example. NS SOA MX RRSIG NSEC DNSKEY\n"
                                    "a.example. 3600 NSEC ai.example. NS DS RRSIG NSEC\n"
                                    "ai.example. 3600 NSEC b.example. A HINFO AAAA RRSIG NSEC\n"
                                    "b.example. 3600 NSEC ns1.example. NS RRSIG NSEC\n"
                                    "ns1.example. 3600 NSEC ns2.example. A RRSIG NSEC\n"
                                    "ns2.example. 3600 NSEC *.w.example. A RRSIG NSEC\n"
                                    "*.w.example. 3600 NSEC x.w.example. MX RRSIG NSEC\n"
                                    "x.w.example. 3600 NSEC x.y.w.example. MX RRSIG NSEC\n"
                                    "x.y.w.example. 3600 NSEC xx.example. MX RRSIG NSEC\n"
                                    "xx.example. 3600 NSEC example. A HINFO AAAA RRSIG NSEC\n";

static void test_rfc4035(void **state)
{
    struct zone *zone = zone_from_text(rfc4035_zone, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    assert_dump(result.zone, DNS_TYPE_NSEC, rfc4035_chain);
    assert_int_equal(result.chain_records, 10);
    /* 10 NSEC, 4 at the apex, DS, 3 + 1 + 1 + 1 + 1 + 1 + 3. */
    assert_int_equal(result.signatures_made, 10 + 4 + 1 + 11);
    assert_int_equal(result.serial, 1081539378);
    assert_int_equal(result.next_resign, result.earliest_expiry - policy.refresh);
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

/* RFC 5155 appendix A: one A record has a hashed owner's name. */
static const char rfc5155_zone[] =
    "example. 3600 SOA ns1.example. bugs.x.w.example. 1 3600 300 3600000 3600\n" RFC_HEAD
    "a.example. 3600 DS 58470 5 1 3079F1593EBAD6DC121E202A8B766A6A4837206C\n"
    "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. 3600 A 192.0.2.127\n"
    "c.example. 3600 NS ns1.c.example.\nc.example. 3600 NS ns2.c.example.\n"
    "ns1.c.example. 3600 A 192.0.2.7\nns2.c.example. 3600 A 192.0.2.8\n";

static const char *const rfc5155_chain[][2] = {
    {"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", " NS SOA MX RRSIG DNSKEY NSEC3PARAM"},
    {"2t7b4g4vsa5smi47k61mv5bv1a22bojr", " A RRSIG"},
    {"2vptu5timamqttgl4luu9kg21e0aor3s", " MX RRSIG"},
    {"35mthgpgcu1qg68fab165klnsnk3dpvl", " NS DS RRSIG"},
    {"b4um86eghhds6nea196smvmlo4ors995", " MX RRSIG"},
    {"gjeqe526plbf1g8mklp59enfd789njgi", " A HINFO AAAA RRSIG"},
    {"ji6neoaepv8b5o6k4ev33abha8ht9fgc", ""},
    {"k8udemvp1j2f7eg6jebps17vp3n8i58h", ""},
    {"kohar7mbb8dc2ce8a9qvl8hon4k53uhi", " A RRSIG"},
    {"q04jkcevqvmu85r014c7dkba38o0ji5r", " A RRSIG"},
    {"r53bq7cc2uvmubfu5ocmm6pers9tk9en", " MX RRSIG"},
    {"t644ebqk9bibcna874givr6joj62mlhv", " A HINFO AAAA RRSIG"},
};

static void test_rfc5155(void **state)
{
    struct zone *zone = zone_from_text(rfc5155_zone, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = SIGN_NSEC3;
    policy.opt_out = true;
    policy.nsec3_iterations = 12;
    policy.nsec3_salt_length = 4;
    memcpy(policy.nsec3_salt, "\xaa\xbb\xcc\xdd", 4);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    struct base_buf buf;
    base_buf_init(&buf, 65536);
    for (size_t i = 0; i < 12; i++)
        base_buf_printf(&buf, "%s.example. 3600 NSEC3 1 1 12 AABBCCDD %s%s\n", rfc5155_chain[i][0],
                        rfc5155_chain[(i + 1) % 12][0], rfc5155_chain[i][1]);
    char *got = dump_zone(result.zone, DNS_TYPE_NSEC3, DUMP_ALL);
    if (strcasecmp(got, base_buf_string(&buf)) != 0)
        assert_string_equal(got, base_buf_string(&buf));
    free(got);
    base_buf_free(&buf);
    assert_int_equal(result.chain_records, 12);
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

/* RFC 8080 section 6.1, first example, as corrected by erratum 4935. */
static void test_rfc8080(void **state)
{
    struct zone *zone =
        zone_from_text("example.com. 3600 SOA ns.example.com. a.example.com. 1 2 3 4 5\n"
                       "example.com. 3600 NS ns.example.com.\nns.example.com. 3600 A 192.0.2.1\n"
                       "example.com. 3600 MX 10 mail.example.com.\n",
                       "example.com.");
    struct crypto_zone_key key = rfc8080_key("example.com.", CRYPTO_CSK);
    assert_int_equal(key.tag, 3613);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.jitter = 0;
    policy.validity = 1440021600 - 1438210800;
    struct sign_request request = {.zone = zone,
                                   .policy = &policy,
                                   .keys = &key,
                                   .key_count = 1,
                                   .now = 1438210800,
                                   .threads = 1};
    struct sign_result result;
    struct base_findings findings;
    base_findings_init(&findings, 100);
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_OK);
    char *text = dump_zone(result.zone, DNS_TYPE_RRSIG, DUMP_ALL);
    assert_non_null(strstr(
        text, "example.com. 3600 RRSIG MX 15 2 3600 20150819220000 20150729220000 3613 "
              "example.com. oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23"
              "mRZ9VrbpMngwcrqNAg==\n"));
    free(text);
    base_findings_free(&findings);
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

/*
 * Shapes
 */

static const char shapes[] =
    "example. 3600 SOA ns.example. host.example. 7 3600 600 864000 300\n"
    "example. 3600 NS ns.example.\nns.example. 3600 A 192.0.2.1\n"
    "a.b.c.example. 3600 A 192.0.2.1\n"
    "cut.example. 3600 NS ns.cut.example.\nns.cut.example. 3600 A 192.0.2.2\n"
    "cut.example. 3600 A 192.0.2.3\n"
    "deep.cut.example. 3600 NS ns.deep.cut.example.\ndeep.cut.example. 600 DS 1 13 2 "
    "0000000000000000000000000000000000000000000000000000000000000000\n"
    "d.example. 3600 DNAME other.example.net.\nbelow.d.example. 3600 A 192.0.2.4\n"
    "Safe.example. 3600 NS ns.other.example.net.\nsafe.example. 600 DS 1 13 2 "
    "0000000000000000000000000000000000000000000000000000000000000000\n"
    "x.y.lonely.example. 3600 NS ns.other.example.net.\n";

static void test_shapes_nsec(void **state)
{
    struct zone *zone = zone_from_text(shapes, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    assert_dump(result.zone, DNS_TYPE_NSEC,
                "example. 300 NSEC a.b.c.example. NS SOA RRSIG NSEC DNSKEY\n"
                "a.b.c.example. 300 NSEC cut.example. A RRSIG NSEC\n"
                "cut.example. 300 NSEC d.example. NS RRSIG NSEC\n"
                "d.example. 300 NSEC x.y.lonely.example. DNAME RRSIG NSEC\n"
                "x.y.lonely.example. 300 NSEC ns.example. NS RRSIG NSEC\n"
                "ns.example. 300 NSEC safe.example. A RRSIG NSEC\n"
                "Safe.example. 300 NSEC example. NS DS RRSIG NSEC\n");
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

/* Members of the NSEC3 chain: with opt-out neither cut.example nor x.y.lonely.example nor the empty
 * names above it are there. */
static void test_shapes_nsec3(void **state)
{
    struct zone *zone = zone_from_text(shapes, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = SIGN_NSEC3;
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    /* Seven names, and c, b.c, lonely, y.lonely. */
    assert_int_equal(result.chain_records, 11);
    zone_release(result.zone);
    policy.opt_out = true;
    result = sign_ok(zone, &policy, &key, 1);
    assert_int_equal(result.chain_records, 7);
    zone_release(result.zone);
    zone_release(zone);
    crypto_key_free(key.key);
}

/* Unsigned data stays, in the result too. */
static void test_unsigned_data(void **state)
{
    struct zone *zone = zone_from_text(shapes, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    char *text = dump_zone(result.zone, 0, DUMP_CONTENT);
    assert_non_null(strstr(text, "below.d.example. 3600 A 192.0.2.4\n"));
    assert_non_null(strstr(text, "deep.cut.example. 600 DS 1 13 2"));
    assert_null(strstr(text, "below.d.example. 3600 RRSIG"));
    assert_null(strstr(text, "deep.cut.example. 600 RRSIG"));
    assert_null(strstr(text, "cut.example. 3600 RRSIG"));
    assert_non_null(strstr(text, "Safe.example. 600 RRSIG DS 15 2 600"));
    free(text);
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

static void test_wildcard_labels(void **state)
{
    struct zone *zone = zone_from_text(RANDOM_HEAD "*.w.example. 3600 A 192.0.2.1\n"
                                                   "a.*.w.example. 3600 A 192.0.2.1\n",
                                       "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    char *text = dump_zone(result.zone, DNS_TYPE_RRSIG, DUMP_CONTENT);
    assert_non_null(strstr(text, "\n*.w.example. 3600 RRSIG A 15 2 3600"));
    assert_non_null(strstr(text, "\na.*.w.example. 3600 RRSIG A 15 4 3600"));
    free(text);
    zone_release(zone);
    zone_release(result.zone);
    crypto_key_free(key.key);
}

/* Signing what is signed gives the same again. */
static void test_resign_own_output(void **state)
{
    struct zone *zone = zone_from_text(shapes, "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.serial = SIGN_SERIAL_KEEP;
    policy.zonemd = 1;
    policy.denial = SIGN_NSEC3;
    struct sign_result first = sign_ok(zone, &policy, &key, 1);
    struct sign_result second = sign_ok(first.zone, &policy, &key, 1);
    assert_same_text(dump_zone(first.zone, 0, DUMP_ALL), dump_zone(second.zone, 0, DUMP_ALL));
    policy.denial = SIGN_NSEC;
    policy.zonemd = 0;
    struct sign_result third = sign_ok(second.zone, &policy, &key, 1);
    struct sign_result plain = sign_ok(zone, &policy, &key, 1);
    assert_same_text(dump_zone(third.zone, 0, DUMP_ALL), dump_zone(plain.zone, 0, DUMP_ALL));
    zone_release(zone);
    zone_release(first.zone);
    zone_release(second.zone);
    zone_release(third.zone);
    zone_release(plain.zone);
    crypto_key_free(key.key);
}

/*
 * Keys
 */

static struct zone *small_zone(void)
{
    return zone_from_text(RANDOM_HEAD, "example.");
}

static void test_roles(void **state)
{
    struct zone *zone = small_zone();
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct crypto_zone_key keys[] = {new_key(13, "example.", CRYPTO_KSK),
                                     new_key(13, "example.", CRYPTO_ZSK),
                                     new_key(13, "example.", CRYPTO_ZSK)};
    struct sign_result result = sign_ok(zone, &policy, keys, 3);
    /* SOA, NS, NSEC ×2, A by both ZSKs; DNSKEY by the KSK. */
    assert_int_equal(result.signatures_made, 5 * 2 + 1);
    zone_release(result.zone);

    /* One role only: it signs everything. */
    result = sign_ok(zone, &policy, keys, 1);
    assert_int_equal(result.signatures_made, 6);
    zone_release(result.zone);
    result = sign_ok(zone, &policy, keys + 1, 1);
    assert_int_equal(result.signatures_made, 6);
    zone_release(result.zone);
    for (size_t i = 0; i < 3; i++)
        crypto_key_free(keys[i].key);
    zone_release(zone);
}

static void test_two_algorithms(void **state)
{
    struct zone *zone = small_zone();
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct crypto_zone_key keys[] = {new_key(13, "example.", CRYPTO_CSK),
                                     new_key(15, "example.", CRYPTO_CSK)};
    struct sign_result result = sign_ok(zone, &policy, keys, 2);
    assert_int_equal(result.signatures_made, 12);
    zone_release(result.zone);
    /* The second is published but does not sign. */
    keys[1].activate = NOW + 1;
    assert_refused(zone, &policy, keys, 2, SIGN_ALGORITHM_INCOMPLETE, 1);
    crypto_key_free(keys[0].key);
    crypto_key_free(keys[1].key);
    zone_release(zone);
}

static void test_key_times(void **state)
{
    struct zone *zone = small_zone();
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct crypto_zone_key key = new_key(13, "example.", CRYPTO_CSK);
    const struct crypto_zone_key good = key;
    key.activate = NOW + 1;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_INACTIVE, 1);
    assert_refused(zone, &policy, &key, 1, SIGN_NO_KEY, 1);
    key = good;
    key.inactive = NOW;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_INACTIVE, 1);
    key = good;
    key.publish = NOW + 1;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_UNPUBLISHED, 1);
    key = good;
    key.remove = NOW;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_UNPUBLISHED, 1);
    key = good;
    key.key = NULL;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_NO_PRIVATE, 1);
    key = good;
    key.algorithm = 5;
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_ALGORITHM, 1);
    key = good;
    key.zone[1] = 'f';
    assert_refused(zone, &policy, &key, 1, SIGN_KEY_OTHER_ZONE, 1);
    assert_refused(zone, &policy, &key, 0, SIGN_NO_KEY, 1);
    key = good;
    key.publish = key.activate = NOW;
    key.inactive = key.remove = NOW + 1;
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    zone_release(result.zone);
    crypto_key_free(good.key);
    zone_release(zone);
}

static void test_tag_collision(void **state)
{
    struct zone *zone = small_zone();
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct crypto_zone_key keys[] = {new_key(13, "example.", CRYPTO_CSK),
                                     new_key(13, "example.", CRYPTO_CSK)};
    keys[1].tag = keys[0].tag;
    assert_refused(zone, &policy, keys, 2, SIGN_KEY_TAG_COLLISION, 1);
    crypto_key_free(keys[1].key);
    keys[1] = new_key(15, "example.", CRYPTO_CSK); /* another algorithm makes it no better */
    keys[1].tag = keys[0].tag;
    assert_refused(zone, &policy, keys, 2, SIGN_KEY_TAG_COLLISION, 1);
    crypto_key_free(keys[0].key);
    crypto_key_free(keys[1].key);
    zone_release(zone);
}

static void revoke(struct crypto_zone_key *key)
{
    key->flags |= CRYPTO_KEY_REVOKED;
    key->dnskey_length = crypto_key_dnskey(key->key, key->flags, key->dnskey);
    key->tag = crypto_key_tag(key->dnskey, key->dnskey_length);
}

/* How many signatures over sets of a type are by a key. */
static size_t signatures_by(const struct zone *zone, uint16_t type,
                            const struct crypto_zone_key *key)
{
    const struct zone_rrset *set = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_RRSIG);
    size_t count = 0;
    for (unsigned i = 0; i < set->count; i++) {
        const uint8_t *rdata = zone->rrs[set->first_rr + i]->rdata;
        count += base_load_u16(rdata) == type && base_load_u16(rdata + 16) == key->tag;
    }
    return count;
}

/* RFC 5011 section 2.1: it proves its revocation over the DNSKEY set, and does nothing else. */
static void test_revoked(void **state)
{
    struct zone *zone = small_zone();
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct crypto_zone_key keys[] = {new_key(13, "example.", CRYPTO_CSK),
                                     new_key(15, "example.", CRYPTO_CSK)};
    keys[0].ds_publish = keys[1].ds_publish = NOW - 1;
    revoke(&keys[1]);
    struct sign_result result = sign_ok(zone, &policy, keys, 2);
    const struct zone_node *apex = &result.zone->nodes[0];
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_DNSKEY)->count, 2);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDS)->count, 1);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDNSKEY)->count, 1);
    assert_int_equal(signatures_by(result.zone, DNS_TYPE_DNSKEY, &keys[1]), 1);
    static const uint16_t others[] = {DNS_TYPE_SOA, DNS_TYPE_NS, DNS_TYPE_CDS, DNS_TYPE_CDNSKEY,
                                      DNS_TYPE_NSEC};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(signatures_by(result.zone, others[i], &keys[0]), 1);
        assert_int_equal(signatures_by(result.zone, others[i], &keys[1]), 0);
    }
    zone_release(result.zone);
    assert_refused(zone, &policy, &keys[1], 1, SIGN_NO_KEY, 1);
    crypto_key_free(keys[0].key);
    crypto_key_free(keys[1].key);
    zone_release(zone);
}

#define FOREIGN_PUBLIC "zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs="

/* Records of another signer stay; those of ours go with our keys. */
static void test_foreign(void **state)
{
    struct zone *zone = zone_from_text(
        RANDOM_HEAD "example. 60 DNSKEY 257 3 15 " FOREIGN_PUBLIC "\n"
                    "example. 60 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n"
                    "example. 60 CDNSKEY 257 3 15 " FOREIGN_PUBLIC "\n"
                    "example. 60 CDNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n"
                    "example. 60 CDS 35217 15 2 "
                    "401781b934e392de492ec77ae2e15d70f6575a1c0bc59c5275c04ebe80c6614c\n",
        "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    const struct zone_node *apex = &result.zone->nodes[0];
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_DNSKEY)->count, 2);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_DNSKEY)->ttl, 3600);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDNSKEY)->count, 1);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDS)->count, 1);
    zone_release(result.zone);
    /* The time of our CDS has come. */
    key.ds_publish = NOW;
    result = sign_ok(zone, &policy, &key, 1);
    apex = &result.zone->nodes[0];
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDNSKEY)->count, 2);
    assert_int_equal(zone_rrset(result.zone, apex, DNS_TYPE_CDS)->count, 2);
    zone_release(result.zone);
    crypto_key_free(key.key);
    /* A foreign key of an algorithm that nobody signs with. */
    key = new_key(13, "example.", CRYPTO_CSK);
    assert_refused(zone, &policy, &key, 1, SIGN_ALGORITHM_INCOMPLETE, 1);
    crypto_key_free(key.key);
    zone_release(zone);
}

static void test_cds_delete(void **state)
{
    struct zone *zone = zone_from_text(RANDOM_HEAD "example. 60 CDS 0 0 0 00\n", "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    key.ds_publish = NOW;
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    assert_dump(result.zone, DNS_TYPE_CDS, "example. 3600 CDS 0 0 0 00\n");
    assert_null(zone_rrset(result.zone, &result.zone->nodes[0], DNS_TYPE_CDNSKEY));
    zone_release(result.zone);
    zone_release(zone);
    crypto_key_free(key.key);
}

static void test_cds(void **state)
{
    struct zone *zone = zone_from_text("example.com. 3600 SOA a. b. 1 2 3 4 5\n"
                                       "example.com. 3600 NS a.\n",
                                       "example.com.");
    struct crypto_zone_key key = rfc8080_key("example.com.", CRYPTO_CSK);
    key.ds_publish = NOW;
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.cds_digests[1] = 4;
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    assert_int_equal(zone_rrset(result.zone, &result.zone->nodes[0], DNS_TYPE_CDS)->count, 2);
    char *text = dump_zone(result.zone, DNS_TYPE_CDS, DUMP_ALL);
    /* RFC 8080 section 6.1 */
    assert_non_null(strcasestr(
        text, "CDS 3613 15 2 3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b"));
    free(text);
    zone_release(result.zone);
    key.ds_remove = NOW;
    result = sign_ok(zone, &policy, &key, 1);
    assert_null(zone_rrset(result.zone, &result.zone->nodes[0], DNS_TYPE_CDS));
    zone_release(result.zone);
    zone_release(zone);
    crypto_key_free(key.key);
}

/*
 * Refusals
 */

static void test_ttl_too_long(void **state)
{
    struct zone *zone = zone_from_text(RANDOM_HEAD "a.example. 604801 A 192.0.2.1\n"
                                                   "b.example. 604801 TXT \"x\"\n"
                                                   "c.example. 604800 TXT \"x\"\n"
                                                   "d.example. 604801 NS ns.d.example.\n"
                                                   "ns.d.example. 604801 A 192.0.2.1\n",
                                       "example.");
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    /* Delegations and glue have no signatures. */
    assert_refused(zone, &policy, &key, 1, SIGN_TTL_TOO_LONG, 2);
    zone_release(zone);
    crypto_key_free(key.key);
}

static void test_long_nsec3_names(void **state)
{
    char origin[260], text[700];
    int at = 0;
    for (int i = 0; i < 3; i++)
        at += sprintf(origin + at, "%.*s.", 60,
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    at += sprintf(origin + at, "%.*s.", 37, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    sprintf(text, "%s 60 SOA a. b. 1 2 3 4 5\n%s 60 NS a.\n", origin, origin);
    struct zone *zone = zone_from_text(text, origin); /* 222 octets: 33 more are 255 */
    struct crypto_zone_key key = rfc8080_key(origin, CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = SIGN_NSEC3;
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    zone_release(result.zone);
    zone_release(zone);
    crypto_key_free(key.key);

    sprintf(origin + at - 1, "b.");
    sprintf(text, "%s 60 SOA a. b. 1 2 3 4 5\n%s 60 NS a.\n", origin, origin);
    zone = zone_from_text(text, origin);
    key = rfc8080_key(origin, CRYPTO_CSK);
    assert_refused(zone, &policy, &key, 1, SIGN_NSEC3_NAME_TOO_LONG, 1);
    zone_release(zone);
    crypto_key_free(key.key);
}

static void test_bad_requests(void **state)
{
    struct zone *zone = small_zone();
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.refresh = policy.validity;
    assert_refused(zone, &policy, &key, 1, POLICY_INVALID, 1);
    sign_policy_default(&policy);
    struct zone *other = zone_from_text("other. 60 SOA a. b. 1 2 3 4 5\n", "other.");
    struct sign_request request = {.zone = zone,
                                   .policy = &policy,
                                   .keys = &key,
                                   .key_count = 1,
                                   .previous = other,
                                   .now = NOW};
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 100);
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_EREFUSED);
    assert_int_equal(findings.by_code[SIGN_PREVIOUS_OTHER_ZONE], 1);
    base_findings_free(&findings);
    zone_release(other);
    other = small_zone();
    other->soa = NULL;
    assert_refused(other, &policy, &key, 1, SIGN_NO_SOA, 1);
    zone_release(other);
    zone_release(zone);
    crypto_key_free(key.key);
}

/*
 * Properties
 */

static void test_random_zones(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    for (uint64_t seed = 1; seed <= 24; seed++) {
        char *text = random_zone(seed, 20 + (unsigned)seed * 5);
        struct zone *zone = zone_from_text(text, "example.");
        struct sign_policy policy;
        sign_policy_default(&policy);
        policy.denial = seed % 3 == 0 ? SIGN_NSEC : SIGN_NSEC3;
        policy.opt_out = seed % 3 == 1;
        policy.zonemd = seed % 2;
        struct sign_result result = sign_ok(zone, &policy, &key, 1);
        zone_release(result.zone);
        zone_release(zone);
        free(text);
    }
    crypto_key_free(key.key);
}

/* The same result on any number of threads: Ed25519 signatures are deterministic. */
static void test_threads(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    char *text = random_zone(99, 6000);
    struct zone *zone = zone_from_text(text, "example.");
    struct sign_policy policy;
    sign_policy_default(&policy);
    for (int nsec3 = 0; nsec3 < 2; nsec3++) {
        policy.denial = nsec3 ? SIGN_NSEC3 : SIGN_NSEC;
        char *first = NULL;
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct base_findings findings;
            struct sign_result result;
            base_findings_init(&findings, 100);
            assert_int_equal(sign_with(zone, &policy, &key, 1, threads, &findings, &result),
                             BASE_OK);
            char *dump = dump_zone(result.zone, 0, DUMP_ALL);
            if (first == NULL)
                first = dump;
            else
                assert_same_text(dump, strdup(first));
            zone_release(result.zone);
            base_findings_free(&findings);
        }
        free(first);
    }
    zone_release(zone);
    free(text);
    crypto_key_free(key.key);
}

static void test_jitter(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    char *text = random_zone(5, 400);
    struct zone *zone = zone_from_text(text, "example.");
    struct sign_policy policy;
    sign_policy_default(&policy);
    struct sign_result result = sign_ok(zone, &policy, &key, 1);
    uint32_t earliest = UINT32_MAX, latest = 0, end = NOW + policy.validity;
    for (size_t n = 0; n < result.zone->node_count; n++) {
        const struct zone_rrset *set =
            zone_rrset(result.zone, &result.zone->nodes[n], DNS_TYPE_RRSIG);
        uint32_t own = 0;
        for (unsigned i = 0; set != NULL && i < set->count; i++) {
            const uint8_t *rdata = result.zone->rrs[set->first_rr + i]->rdata;
            uint32_t expiration = base_load_u32(rdata + 8);
            assert_int_equal(base_load_u32(rdata + 12), NOW - 3600);
            assert_true(own == 0 || own == expiration); /* all of a name expire together */
            own = expiration;
            assert_true(expiration <= end && expiration > end - policy.jitter);
            if (expiration < earliest)
                earliest = expiration;
            if (expiration > latest)
                latest = expiration;
        }
    }
    assert_true(latest - earliest > policy.jitter * 3 / 4);
    assert_int_equal(result.earliest_expiry, earliest);
    zone_release(result.zone);
    zone_release(zone);
    free(text);
    crypto_key_free(key.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4035),         cmocka_unit_test(test_rfc5155),
        cmocka_unit_test(test_rfc8080),         cmocka_unit_test(test_shapes_nsec),
        cmocka_unit_test(test_shapes_nsec3),    cmocka_unit_test(test_unsigned_data),
        cmocka_unit_test(test_wildcard_labels), cmocka_unit_test(test_resign_own_output),
        cmocka_unit_test(test_roles),           cmocka_unit_test(test_two_algorithms),
        cmocka_unit_test(test_key_times),       cmocka_unit_test(test_tag_collision),
        cmocka_unit_test(test_revoked),         cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_cds_delete),      cmocka_unit_test(test_cds),
        cmocka_unit_test(test_ttl_too_long),    cmocka_unit_test(test_long_nsec3_names),
        cmocka_unit_test(test_bad_requests),    cmocka_unit_test(test_random_zones),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
