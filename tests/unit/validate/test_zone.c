/* The zone verifier on the example zones of the RFCs, whole and with one thing changed. */
#include "support.h"

static const uint8_t ds_4035[] = {0x24, 0xf9, 5, 1}; /* tag 9465; the digest is made in the test */

static struct validate_zone_options options_at(const char *time)
{
    return (struct validate_zone_options){.now = time_of(time), .legacy = true, .threads = 1};
}

static void rfc4035_is_good(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20040420000000");
    struct verified verified;
    char *text = read_text("rfc4035-a.zone");
    for (unsigned threads = 1; threads <= 3; threads++) {
        options.threads = threads;
        verify_text(text, "example.", &options, &verified);
        if (base_findings_bad(&verified.findings))
            print_findings(&verified);
        assert_false(base_findings_bad(&verified.findings));
        assert_int_equal(verified.result.signatures, 27);
        assert_int_equal(verified.result.rrsets, 26);
        assert_int_equal(verified.result.names, 10);
        assert_string_equal(verified.result.denial, "NSEC");
        assert_int_equal(verified.result.algorithms[0], 5);
        assert_int_equal(verified.result.algorithms[1], 0);
        assert_int_equal(verified.result.earliest_expiry, time_of("20040509183619"));
        assert_int_equal(verified.result.latest_inception, time_of("20040409183619"));
        verified_free(&verified);
    }
    free(text);
}

static void sha1_needs_legacy(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20040420000000");
    options.legacy = false;
    struct verified verified;
    char *text = read_text("rfc4035-a.zone");
    verify_text(text, "example.", &options, &verified);
    assert_non_null(find_code(&verified, VERIFY_KEY_UNSUPPORTED));
    assert_non_null(find_code(&verified, VERIFY_KEY_NONE_USABLE));
    assert_null(find_code(&verified, VERIFY_RRSIG_BAD));
    verified_free(&verified);
    free(text);
}

/* What we have of it: the denial chain is known not to be complete, but what is there is good. */
static void rfc5155_part(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20100101000000");
    struct verified verified;
    char *text = read_text("rfc5155-a-part.zone");
    verify_text(text, "example.", &options, &verified);
    assert_string_equal(verified.result.denial, "NSEC3 opt-out");
    assert_int_equal(verified.result.signatures, 17);
    assert_int_equal(verified.findings.by_code[VERIFY_RRSIG_BAD], 0);
    /* w.example is an empty non-terminal and c.example excused by opt-out: both found right. */
    assert_int_equal(verified.findings.by_code[VERIFY_NSEC3_MISSING], 0);
    assert_non_null(find_code(&verified, VERIFY_NSEC3_ITERATIONS));
    /* The NSEC3 of 2vptu5..., kohar7... and t644eb... are what is not in the part. */
    assert_int_equal(verified.findings.by_code[VERIFY_NSEC3_NEXT], 3);
    /* Of a.example, x.w.example and y.w.example there is the NSEC3 only. */
    assert_int_equal(verified.findings.by_code[VERIFY_NSEC3_STRAY], 3);
    verified_free(&verified);
    free(text);
}

static void rfc8976_signed(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20210201000000");
    struct verified verified;
    char *text = read_text("rfc8976/a4.zone");
    verify_text(text, "uri.arpa.", &options, &verified);
    if (base_findings_bad(&verified.findings))
        print_findings(&verified);
    assert_false(base_findings_bad(&verified.findings));
    assert_true(verified.result.zonemd_checked);
    verified_free(&verified);
    char *changed = replaced(text, "ftp.uri.arpa.", "!^ftp", "!^ftq");
    verify_text(changed, "uri.arpa.", &options, &verified);
    assert_non_null(find_code(&verified, VERIFY_ZONEMD_MISMATCH));
    assert_non_null(find_code(&verified, VERIFY_RRSIG_BAD));
    verified_free(&verified);
    free(changed);
    free(text);
}

/* One change of the zone of RFC 4035, and what must be found. */
struct change {
    const char *anchor, *find, *with;
    enum base_finding_code code;
    const char *owner;
    const char *says; /* in the message; NULL: does not matter */
};

static const struct change changes[] = {
    /* Fields of RRSIG */
    {"ai.example. 3600 IN RRSIG A", "RRSIG A 5", "RRSIG TXT 5", VERIFY_RRSIG_ORPHAN, "ai.example.",
     "TXT"},
    {"ai.example. 3600 IN RRSIG A", "RRSIG A 5", "RRSIG TXT 5", VERIFY_RRSET_UNSIGNED,
     "ai.example.", "A RRset"},
    {"ai.example. 3600 IN RRSIG A", "RRSIG A 5", "RRSIG HINFO 5", VERIFY_RRSIG_BAD, "ai.example.",
     "over A: the field"},
    {"ai.example. 3600 IN RRSIG A", "A 5 2", "A 8 2", VERIFY_RRSIG_UNKNOWN_KEY, "ai.example.",
     "8 (RSASHA256)"},
    {"ai.example. 3600 IN RRSIG A", "A 5 2", "A 5 3", VERIFY_RRSIG_LABELS, "ai.example.",
     "says 3 labels"},
    {"ai.example. 3600 IN RRSIG A", "A 5 2", "A 5 1", VERIFY_RRSIG_LABELS, "ai.example.",
     "says 1 labels"},
    {"ai.example. 3600 IN RRSIG A", "2 3600", "2 3601", VERIFY_RRSIG_ORIGINAL_TTL, "ai.example.",
     "3601"},
    {"ai.example. 3600 IN RRSIG A", "2 3600", "2 3601", VERIFY_RRSIG_BAD, "ai.example.",
     "made for the original TTL 3600"},
    {"ai.example. 3600 IN RRSIG A", "20040509183619", "20040410000000", VERIFY_RRSIG_EXPIRED,
     "ai.example.", "expired on 2004-04-10"},
    {"ai.example. 3600 IN RRSIG A", "20040409183619", "20040430000000", VERIFY_RRSIG_FUTURE,
     "ai.example.", "not valid before 2004-04-30"},
    {"ai.example. 3600 IN RRSIG A", "20040409183619", "20040609183619", VERIFY_RRSIG_DATES,
     "ai.example.", NULL},
    {"ai.example. 3600 IN RRSIG A", "38519", "38518", VERIFY_RRSIG_UNKNOWN_KEY, "ai.example.",
     NULL},
    {"ai.example. 3600 IN RRSIG A", "38519", "9465", VERIFY_RRSIG_BAD, "ai.example.", NULL},
    {"ai.example. 3600 IN RRSIG A", "38519 example.", "38519 sample.", VERIFY_RRSIG_SIGNER,
     "ai.example.", "sample."},
    {"ai.example. 3600 IN RRSIG A", "pAOt", "pAOu", VERIFY_RRSIG_BAD, "ai.example.", NULL},
    {"ai.example. 3600 IN RRSIG A", "pAOt", "", VERIFY_RRSIG_LENGTH, "ai.example.", "125 octets"},
    {"ai.example. 3600 IN RRSIG A", "pAOt", "AAAApAOt", VERIFY_RRSIG_LENGTH, "ai.example.",
     "131 octets"},
    {"ai.example. 3600 IN RRSIG A", "3600", "1800", VERIFY_RRSIG_TTL, "ai.example.", "1800"},
    /* Data */
    {"ai.example. 3600 IN A", "192.0.2.9", "192.0.2.8", VERIFY_RRSIG_BAD, "ai.example.", NULL},
    {"ai.example. 3600 IN A", "192.0.2.9", "192.0.2.9\nai.example. 3600 IN A 192.0.2.1",
     VERIFY_RRSIG_BAD, "ai.example.", "192.0.2.1 was added"},
    {"ai.example. 3600 IN A", "3600", "300", VERIFY_RRSIG_ORIGINAL_TTL, "ai.example.", NULL},
    {"example. 3600 IN SOA", "1081539377", "1081539378", VERIFY_RRSIG_BAD, "example.",
     "for the serial 1081539377"},
    {"ai.example. 3600 IN A", "ai.example. ", "new.example. 3600 IN TXT \"x\"\nai.example. ",
     VERIFY_RRSET_UNSIGNED, "new.example.", NULL},
    {"ai.example. 3600 IN A", "ai.example. ", "new.example. 3600 IN TXT \"x\"\nai.example. ",
     VERIFY_NSEC_MISSING, "new.example.", NULL},
    {"ai.example. 3600 IN A", "ai.example. ", "new.example. 3600 IN TXT \"x\"\nai.example. ",
     VERIFY_NSEC_NEXT, "b.example.", "skips"},
    {"ai.example. 3600 IN A", "ai.example. ", "ai.example. 3600 IN TXT \"x\"\nai.example. ",
     VERIFY_NSEC_BITMAP, "ai.example.", "lacks TXT"},
    {"ai.example. 3600 IN HINFO", "ai.example. 3600 IN HINFO \"KLH-10\" \"ITS\"\n", "",
     VERIFY_NSEC_BITMAP, "ai.example.", "though not there, HINFO"},
    {"ai.example. 3600 IN HINFO", "ai.example. 3600 IN HINFO \"KLH-10\" \"ITS\"\n", "",
     VERIFY_RRSIG_ORPHAN, "ai.example.", "HINFO"},
    /* Strays */
    {"ns1.a.example.", "3600 IN A 192.0.2.5",
     "3600 IN A 192.0.2.5\nns1.a.example. 3600 IN RRSIG A 5 3 3600 20040509183619 20040409183619 "
     "38519 example. AAAA",
     VERIFY_RRSIG_STRAY, "ns1.a.example.", "glue"},
    {"a.example. 3600 IN NS", "a.example.",
     "a.example. 3600 IN RRSIG NS 5 2 3600 20040509183619 20040409183619 38519 example. "
     "AAAA\na.example.",
     VERIFY_RRSIG_STRAY, "a.example.", "delegation"},
    {"ai.example. 3600 IN A", "ai.example.",
     "ai.example. 3600 IN RRSIG RRSIG 5 2 3600 20040509183619 20040409183619 38519 example. "
     "AAAA\nai.example.",
     VERIFY_RRSIG_STRAY, "ai.example.", "never signed"},
    {"ns1.a.example. 3600", "ns1.a.example.", "ns1.a.example. NSEC ai.example. A\nns1.a.example.",
     VERIFY_NSEC_STRAY, "ns1.a.example.", "glue"},
    {"x.w.example. 3600", "x.w.example.", "w.example. NSEC x.w.example. MX\nx.w.example.",
     VERIFY_NSEC_STRAY, "w.example.", "no other data"},
    /* NSEC */
    {"ai.example. 3600 IN NSEC", "b.example.", "ns1.example.", VERIFY_NSEC_NEXT, "ai.example.",
     "skips"},
    {"ai.example. 3600 IN NSEC", "b.example.", "ax.example.", VERIFY_NSEC_NEXT, "ai.example.",
     "does not exist"},
    {"ai.example. 3600 IN NSEC", "b.example.", "a.example.", VERIFY_NSEC_NEXT, "ai.example.",
     "before it"},
    {"ai.example. 3600 IN NSEC", "b.example.", "b.sample.", VERIFY_NSEC_NEXT, "ai.example.",
     "not in the zone"},
    {"ai.example. 3600 IN NSEC", "b.example.", "example.", VERIFY_NSEC_NEXT, "ai.example.",
     "too early"},
    {"xx.example. 3600 IN NSEC", "example. A", "zz.example. A", VERIFY_NSEC_NEXT, "xx.example.",
     "does not exist"},
    {"ai.example. 3600 IN NSEC", "A HINFO", "HINFO", VERIFY_NSEC_BITMAP, "ai.example.", "lacks A"},
    {"ai.example. 3600 IN NSEC", "A HINFO", "A MX HINFO", VERIFY_NSEC_BITMAP, "ai.example.",
     "though not there, MX"},
    {"a.example. 3600 IN NSEC", "NS DS", "NS A DS", VERIFY_NSEC_BITMAP, "a.example.", NULL},
    {"ai.example. 3600 IN NSEC", "ai.example.",
     "ai.example. 3600 IN NSEC c.example. A\nai.example.", VERIFY_NSEC_SEVERAL, "ai.example.",
     NULL},
    {"ai.example. 3600 IN NSEC", "3600", "900", VERIFY_NSEC_TTL, "ai.example.", "900"},
    /* Keys */
    {"IN DNSKEY 256", "256 3 5", "0 3 5", VERIFY_KEY_NOT_ZONE, "example.", "tag"},
    {"IN DNSKEY 256", "256 3 5", "256 2 5", VERIFY_KEY_PROTOCOL, "example.", "protocol 2"},
    {"IN DNSKEY 256", "256 3 5", "256 3 5 AAAA\nexample. IN DNSKEY 256 3 5", VERIFY_KEY_MALFORMED,
     "example.", NULL},
    {"IN DNSKEY 257", "257 3 5", "385 3 5", VERIFY_KEY_REVOKED, "example.", NULL},
    {"IN DNSKEY 257", "257 3 5", "259 3 5", VERIFY_KEY_FLAGS, "example.", "reserved"},
    {"IN DNSKEY 256", "AQOy1bZV", "AQOy1bZW", VERIFY_RRSIG_UNKNOWN_KEY, "example.", NULL},
};

static bool matches(const struct base_finding *finding, const struct change *change)
{
    return finding->code == change->code && finding->place.owner != NULL &&
           strcmp(finding->place.owner, change->owner) == 0 &&
           (change->says == NULL || strstr(finding->message, change->says) != NULL);
}

static void each_change_is_found(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20040420000000");
    char *text = read_text("rfc4035-a.zone");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *change = &changes[i];
        char *changed = replaced(text, change->anchor, change->find, change->with);
        struct verified verified;
        verify_text(changed, "example.", &options, &verified);
        bool found = false;
        for (size_t k = 0; k < verified.findings.count; k++)
            found |= matches(&verified.findings.items[k], change);
        if (!found) {
            print_message("change %zu (%s -> %s): expected %s\n", i, change->find, change->with,
                          base_finding_info(change->code)->code);
            print_findings(&verified);
        }
        assert_true(found);
        verified_free(&verified);
        free(changed);
    }
    free(text);
}

/* The zone-signing key of RFC 4035 appendix A with two words exchanged, and with another algorithm
 * and a word that makes up for it: the tag, a sum of words, stays 38519. */
#define SAME_TAG_REST                                                                              \
    "7EJoM9rI3ZmyEx2OzDBVrZy/lvI5CQePxXHZS4i8dANH4DX3tbHol61ek8EFMcsGXxKciJFHyhl94C+N"             \
    "wILQdzsUlSFovBZsyl/NX6yEbtw/xN9ZNcrbYvgjjZ/UVPZIySFNsgEYvh0z2542lzMKR4Dh8uZffQ==\n"
static void collisions_are_refused_when_asked(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t found[2]; /* as it is by default, and when collisions are refused */
    } rows[] = {
        {"example. 3600 IN DNSKEY 256 3 5 AQOy1bZV6oa+kw4j" SAME_TAG_REST, {1, 1}},
        {"example. 3600 IN DNSKEY 256 3 8 AQOy1bZVvpDqhg4j" SAME_TAG_REST, {0, 1}},
    };
    char *text = read_text("rfc4035-a.zone");
    for (size_t i = 0; i < 4; i++) {
        bool refuse = i % 2 == 1;
        struct validate_zone_options options = options_at("20040420000000");
        options.refuse_collisions = refuse;
        struct verified verified;
        char *all = NULL;
        assert_true(asprintf(&all, "%s%s", text, rows[i / 2].key) > 0);
        verify_text(all, "example.", &options, &verified);
        assert_int_equal(verified.findings.by_code[VERIFY_KEY_COLLISION],
                         rows[i / 2].found[refuse]);
        const struct base_finding *finding = find_code(&verified, VERIFY_KEY_COLLISION);
        if (finding != NULL)
            assert_int_equal(finding->severity, refuse ? BASE_ERROR : BASE_WARNING);
        verified_free(&verified);
        free(all);
    }
    free(text);
}

static void unsigned_is_said_once(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20240101000000");
    struct verified verified;
    verify_text("@ 3600 SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n", "example.", &options,
                &verified);
    assert_int_equal(verified.findings.count, 1);
    assert_int_equal(verified.findings.items[0].code, VERIFY_UNSIGNED);
    verified_free(&verified);
    verify_text("a A 192.0.2.1\n", "example.", &options, &verified);
    assert_non_null(find_code(&verified, VERIFY_NO_SOA));
    verified_free(&verified);
}

/* 27 signatures expired: 20 are told one by one, and a summary. */
static void expired_is_summed_up(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20050420000000");
    struct verified verified;
    char *text = read_text("rfc4035-a.zone");
    verify_text(text, "example.", &options, &verified);
    assert_int_equal(verified.findings.by_code[VERIFY_RRSIG_EXPIRED], 27);
    size_t kept = 0;
    for (size_t i = 0; i < verified.findings.count; i++)
        kept += verified.findings.items[i].code == VERIFY_RRSIG_EXPIRED;
    assert_int_equal(kept, 20);
    const struct base_finding *summary = find_code(&verified, VERIFY_DATES_SUMMARY);
    assert_non_null(summary);
    assert_non_null(strstr(summary->message, "27 of the 27 signatures have expired"));
    verified_free(&verified);
    free(text);
}

static void margin_warns(void **state)
{
    (void)state;
    struct validate_zone_options options = options_at("20040508183619");
    options.margin = 86400 * 2;
    struct verified verified;
    char *text = read_text("rfc4035-a.zone");
    verify_text(text, "example.", &options, &verified);
    assert_false(base_findings_bad(&verified.findings));
    assert_int_equal(verified.findings.by_code[VERIFY_RRSIG_SOON], 27);
    verified_free(&verified);
    free(text);
}

/* Verifies the zone of RFC 4035 with one DS, whose digest is XORed with `damage`. */
static void verify_with_ds(uint16_t tag, uint8_t algorithm, uint8_t damage,
                           struct verified *verified)
{
    /* SHA-1 of the key with tag 9465, computed with dnspython. */
    static const uint8_t digest[20] = {0x5a, 0xc2, 0x04, 0x3e, 0xa0, 0x52, 0xd2, 0xd8, 0x54, 0x64,
                                       0x90, 0x46, 0xff, 0x37, 0x79, 0x3e, 0xed, 0x15, 0x93, 0x99};
    uint8_t rdata[sizeof(ds_4035) + sizeof(digest)];
    memcpy(rdata, ds_4035, sizeof(ds_4035));
    memcpy(rdata + sizeof(ds_4035), digest, sizeof(digest));
    rdata[0] = (uint8_t)(tag >> 8);
    rdata[1] = (uint8_t)tag;
    rdata[2] = algorithm;
    rdata[4] ^= damage;
    struct validate_ds ds = {rdata, sizeof(rdata)};
    struct validate_zone_options options = options_at("20040420000000");
    options.ds = &ds;
    options.ds_count = 1;
    char *text = read_text("rfc4035-a.zone");
    verify_text(text, "example.", &options, verified);
    free(text);
}

static void ds_leads_to_the_zone(void **state)
{
    (void)state;
    static const struct {
        uint16_t tag;
        uint8_t algorithm, damage;
        int first, second; /* codes; -1: none */
    } rows[] = {
        {9465, 5, 0, -1, -1},
        {9465, 5, 1, VERIFY_DS_DIGEST, VERIFY_DS_BROKEN},
        {9466, 5, 0, VERIFY_DS_UNMATCHED, VERIFY_DS_BROKEN},
        {9465, 13, 0, VERIFY_DS_UNMATCHED, VERIFY_DS_ALGORITHM},
        {9465, 99, 0, VERIFY_DS_UNSUPPORTED, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verified verified;
        verify_with_ds(rows[i].tag, rows[i].algorithm, rows[i].damage, &verified);
        if (rows[i].first >= 0)
            assert_non_null(find_code(&verified, (enum base_finding_code)rows[i].first));
        else
            assert_false(base_findings_bad(&verified.findings));
        if (rows[i].second >= 0)
            assert_non_null(find_code(&verified, (enum base_finding_code)rows[i].second));
        verified_free(&verified);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4035_is_good),
        cmocka_unit_test(sha1_needs_legacy),
        cmocka_unit_test(rfc5155_part),
        cmocka_unit_test(rfc8976_signed),
        cmocka_unit_test(each_change_is_found),
        cmocka_unit_test(unsigned_is_said_once),
        cmocka_unit_test(collisions_are_refused_when_asked),
        cmocka_unit_test(expired_is_summed_up),
        cmocka_unit_test(margin_warns),
        cmocka_unit_test(ds_leads_to_the_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
