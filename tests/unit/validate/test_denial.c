/* Proofs of non-existence: the examples of the RFCs, and what must not count as a proof. */
#include "denials.h"

#include "base/reader.h"
#include "crypto/crypto.h"

static struct validate_denial_proof of_name(const struct denials *denials, const char *name)
{
    uint8_t wire[DNS_NAME_MAX];
    struct validate_denial_proof proof;
    validate_denial_of_name(&denials->set, name_of(wire, name), &proof);
    return proof;
}

static struct validate_denial_proof of_type(const struct denials *denials, const char *name,
                                            uint16_t type)
{
    uint8_t wire[DNS_NAME_MAX];
    struct validate_denial_proof proof;
    validate_denial_of_type(&denials->set, name_of(wire, name), type, &proof);
    return proof;
}

static struct validate_denial_proof of_closer(const struct denials *denials, const char *name,
                                              unsigned labels)
{
    uint8_t wire[DNS_NAME_MAX];
    struct validate_denial_proof proof;
    validate_denial_of_closer(&denials->set, name_of(wire, name), labels, &proof);
    return proof;
}

static struct validate_denial_proof of_ds(const struct denials *denials, const char *name)
{
    uint8_t wire[DNS_NAME_MAX];
    struct validate_denial_proof proof;
    validate_denial_of_ds(&denials->set, name_of(wire, name), &proof);
    return proof;
}

/* RFC 4035 appendix B, from the zone of its appendix A. */
static void rfc4035(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_golden(&denials, "example.", "rfc4035-a.zone");
    /* B.2 */
    proof = of_name(&denials, "ml.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_int_equal(proof.used_count, 2);
    assert_string_equal(proof.why,
                        "the NSEC of b.example. covers ml.example., and that of example. covers "
                        "*.example.");
    assert_name(proof.closest_encloser, "example.");
    assert_name(proof.next_closer, "ml.example.");
    /* B.3 */
    proof = of_type(&denials, "ns1.example.", DNS_TYPE_MX);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_string_equal(proof.why, "the NSEC of ns1.example. does not list the type MX");
    assert_int_equal(of_type(&denials, "ns1.example.", DNS_TYPE_A).outcome, VALIDATE_DENIAL_WRONG);
    /* B.4, B.5 */
    assert_int_equal(of_ds(&denials, "a.example.").outcome, VALIDATE_DENIAL_WRONG);
    proof = of_ds(&denials, "b.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.delegation);
    /* B.6 */
    proof = of_closer(&denials, "a.z.w.example.", 2);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_name(proof.next_closer, "z.w.example.");
    assert_int_equal(of_closer(&denials, "a.z.w.example.", 1).outcome, VALIDATE_DENIAL_WRONG);
    assert_int_equal(of_closer(&denials, "ns1.example.", 1).outcome, VALIDATE_DENIAL_WRONG);
    /* B.7 */
    proof = of_type(&denials, "a.z.w.example.", DNS_TYPE_AAAA);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.wildcard);
    assert_int_equal(of_type(&denials, "a.z.w.example.", DNS_TYPE_MX).outcome,
                     VALIDATE_DENIAL_WRONG);
    assert_int_equal(of_name(&denials, "a.z.w.example.").outcome, VALIDATE_DENIAL_WRONG);
    /* B.8: the child cannot deny its DS. */
    assert_int_equal(of_type(&denials, "example.", DNS_TYPE_DS).outcome, VALIDATE_DENIAL_MISSING);
    /* y.w.example. is an empty non-terminal. */
    proof = of_type(&denials, "y.w.example.", DNS_TYPE_A);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.ent);
    assert_int_equal(of_name(&denials, "y.w.example.").outcome, VALIDATE_DENIAL_WRONG);
    denials_free(&denials);
}

static void set_flags(struct denials *denials, uint8_t flags)
{
    for (size_t i = 0; i < denials->set.count; i++)
        ((uint8_t *)denials->records[i].rdata)[1] = flags;
}

/* RFC 5155 appendix B; all its records have the Opt-Out flag, so that what it covers is proved only
 * as far as that. */
static void rfc5155(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_golden(&denials, "example.", "rfc5155-a-part.zone");
    for (unsigned flags = 0; flags <= 1; flags++) {
        enum validate_denial_outcome covered =
            flags == 1 ? VALIDATE_DENIAL_INSECURE : VALIDATE_DENIAL_PROVED;
        set_flags(&denials, (uint8_t)flags);
        /* B.1 */
        proof = of_name(&denials, "a.c.x.w.example.");
        assert_int_equal(proof.outcome, covered);
        assert_int_equal(proof.used_count, 3);
        assert_true(proof.nsec3);
        assert_int_equal(proof.opt_out, flags);
        assert_name(proof.closest_encloser, "x.w.example.");
        assert_name(proof.next_closer, "c.x.w.example.");
        /* B.2 */
        proof = of_type(&denials, "ns1.example.", DNS_TYPE_MX);
        assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
        assert_string_equal(proof.why, "the NSEC3 of ns1.example. does not list the type MX");
        /* B.2.1 */
        proof = of_type(&denials, "y.w.example.", DNS_TYPE_A);
        assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
        assert_true(proof.ent);
        /* B.3 */
        proof = of_ds(&denials, "c.example.");
        assert_int_equal(proof.outcome, covered);
        assert_name(proof.closest_encloser, "example.");
        /* B.4 */
        proof = of_closer(&denials, "a.z.w.example.", 2);
        assert_int_equal(proof.outcome, covered);
        assert_name(proof.next_closer, "z.w.example.");
        /* B.5 */
        proof = of_type(&denials, "a.z.w.example.", DNS_TYPE_AAAA);
        assert_int_equal(proof.outcome, covered);
        assert_true(proof.wildcard);
        assert_int_equal(of_type(&denials, "a.z.w.example.", DNS_TYPE_MX).outcome,
                         VALIDATE_DENIAL_WRONG);
        /* B.6 */
        assert_int_equal(of_type(&denials, "example.", DNS_TYPE_DS).outcome,
                         VALIDATE_DENIAL_MISSING);
    }
    /* Flags and hash algorithms that are not known (section 8.1, 8.2). */
    set_flags(&denials, 3);
    proof = of_name(&denials, "a.c.x.w.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_MISSING);
    set_flags(&denials, 0);
    for (size_t i = 0; i < denials.set.count; i++)
        ((uint8_t *)denials.records[i].rdata)[0] = 2;
    assert_int_equal(of_name(&denials, "a.c.x.w.example.").outcome, VALIDATE_DENIAL_MISSING);
    denials_free(&denials);
}

static void budgets(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_golden(&denials, "example.", "rfc5155-a-part.zone");
    denials.set.iterations_most = 11;
    proof = of_name(&denials, "a.c.x.w.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_INSECURE);
    assert_true(proof.excess);
    assert_string_equal(proof.why, "the NSEC3 records have 12 iterations, and with more than 11 "
                                   "they count for nothing (RFC 9276)");
    denials.set.iterations_most = 12;
    /* a.c.x.w, c.x.w, x.w and the wildcard. */
    for (unsigned left = 0; left <= 4; left++) {
        unsigned hashes = left;
        denials.set.hashes_left = &hashes;
        proof = of_name(&denials, "a.c.x.w.example.");
        assert_int_equal(proof.outcome,
                         left < 4 ? VALIDATE_DENIAL_BUDGET : VALIDATE_DENIAL_INSECURE);
        assert_int_equal(hashes, 0);
    }
    denials_free(&denials);
}

/* The longest name there is, in a zone without iterations, is within the budget of 16. */
static void deep_name(void **state)
{
    (void)state;
    struct denials denials;
    denials_read(&denials, "z.",
                 "3vbhqhglr3ea3c2hodn17bkoobcvfiu8.z. 60 IN NSEC3 1 0 0 - "
                 "3vbhqhglr3ea3c2hodn17bkoobcvfiu8 A\n");
    char name[DNS_NAME_TEXT] = "";
    for (int i = 0; i < 126; i++)
        strcat(name, "a.");
    strcat(name, "z.");
    unsigned hashes = 16;
    denials.set.hashes_left = &hashes;
    assert_int_equal(of_name(&denials, name).outcome, VALIDATE_DENIAL_MISSING);
    denials_free(&denials);
}

/* RFC 9824 section 3. */
static void compact(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_read(&denials, "example.net.",
                 "nx.example.net. 60 IN NSEC \\000.nx.example.net. RRSIG NSEC NXNAME\n"
                 "ent.example.net. 60 IN NSEC \\000.ent.example.net. RRSIG NSEC\n"
                 "www.example.net. 60 IN NSEC \\000.www.example.net. A RRSIG NSEC\n"
                 "odd.example.net. 60 IN NSEC \\000.odd.example.net. A RRSIG NSEC NXNAME\n");
    proof = of_name(&denials, "nx.example.net.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.compact);
    assert_string_equal(proof.why,
                        "the NSEC of nx.example.net. lists NXNAME: the name does not exist");
    proof = of_type(&denials, "nx.example.net.", DNS_TYPE_A);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.compact);
    proof = of_ds(&denials, "nx.example.net.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_false(proof.delegation);
    proof = of_type(&denials, "ent.example.net.", DNS_TYPE_A);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_true(proof.ent);
    assert_false(proof.compact);
    assert_int_equal(of_name(&denials, "ent.example.net.").outcome, VALIDATE_DENIAL_WRONG);
    assert_int_equal(of_type(&denials, "www.example.net.", DNS_TYPE_AAAA).outcome,
                     VALIDATE_DENIAL_PROVED);
    assert_int_equal(of_name(&denials, "www.example.net.").outcome, VALIDATE_DENIAL_WRONG);
    /* NXNAME beside real types says nothing. */
    assert_int_equal(of_name(&denials, "odd.example.net.").outcome, VALIDATE_DENIAL_WRONG);
    /* What covers nothing denies nothing else. */
    assert_int_equal(of_name(&denials, "other.example.net.").outcome, VALIDATE_DENIAL_MISSING);
    denials_free(&denials);
}

/* RFC 4470: records made for one question. */
static void minimal(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_read(&denials, "example.com.",
                 "exampled.example.com. 60 IN NSEC exampleg.example.com. RRSIG NSEC\n"
                 "\\).example.com. 60 IN NSEC +.example.com. RRSIG NSEC\n");
    proof = of_name(&denials, "exampled!.example.com.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    proof = of_name(&denials, "examplee.example.com.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    assert_int_equal(of_name(&denials, "exampleh.example.com.").outcome, VALIDATE_DENIAL_MISSING);
    denials_free(&denials);
}

/* RFC 6840 section 4.1: what is below a cut or DNAME is not the zone's to deny. */
static void ancestors(void **state)
{
    (void)state;
    struct denials denials;
    struct validate_denial_proof proof;
    denials_read(&denials, "example.",
                 "example. 60 IN NSEC cut.example. NS SOA RRSIG NSEC DNSKEY\n"
                 "cut.example. 60 IN NSEC dname.example. NS DS RRSIG NSEC\n"
                 "dname.example. 60 IN NSEC example. DNAME RRSIG NSEC\n");
    proof = of_name(&denials, "www.cut.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_MISSING);
    assert_string_equal(proof.why, "the NSEC of cut.example. is that of a delegation and says "
                                   "nothing of names below it, such as www.cut.example.");
    proof = of_name(&denials, "www.dname.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_MISSING);
    assert_string_equal(proof.why, "the NSEC of dname.example. is that of a DNAME and says "
                                   "nothing of names below it, such as www.dname.example.");
    assert_int_equal(of_type(&denials, "www.cut.example.", DNS_TYPE_A).outcome,
                     VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_ds(&denials, "www.cut.example.").outcome, VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_closer(&denials, "www.cut.example.", 1).outcome, VALIDATE_DENIAL_MISSING);
    proof = of_type(&denials, "cut.example.", DNS_TYPE_A);
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_MISSING);
    assert_true(proof.delegation);
    /* At the DNAME itself its types can be denied. */
    assert_int_equal(of_type(&denials, "dname.example.", DNS_TYPE_A).outcome,
                     VALIDATE_DENIAL_PROVED);
    proof = of_name(&denials, "d.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_PROVED);
    denials.set.count = 1;
    proof = of_name(&denials, "d.example.");
    assert_int_equal(proof.outcome, VALIDATE_DENIAL_MISSING);
    assert_string_equal(proof.why,
                        "the NSEC of example. ends at cut.example. and so does not cover "
                        "d.example.");
    denials_free(&denials);
}

/* Names outside of the zone, records of other zones, malformed ones. */
static void strangers(void **state)
{
    (void)state;
    struct denials denials;
    denials_read(&denials, "example.",
                 "a.example. 60 IN NSEC c.other. A RRSIG NSEC\n"
                 "z.example. 60 IN NSEC c.example. A RRSIG NSEC\n"
                 "x.y.0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 60 IN NSEC3 1 0 0 - "
                 "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom\n"
                 "0p9mhaveqvm6t7vbl5lop2u3t2rp3t.example. 60 IN NSEC3 1 0 0 - "
                 "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom\n"
                 "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww.example. 60 IN NSEC3 1 0 0 - "
                 "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom\n"
                 "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 60 IN NSEC3 1 0 0 - 0p9mhave\n");
    assert_int_equal(of_name(&denials, "b.example.").outcome, VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_name(&denials, "zz.example.").outcome, VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_name(&denials, "b.other.").outcome, VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_ds(&denials, "example.").outcome, VALIDATE_DENIAL_MISSING);
    assert_int_equal(of_name(&denials, "example.").outcome, VALIDATE_DENIAL_WRONG);
    /* Cut short at every length. */
    struct denials golden;
    denials_golden(&golden, "example.", "rfc5155-a-part.zone");
    for (size_t i = 0; i < golden.set.count; i++)
        golden.records[i].length = (uint16_t)(golden.records[i].length - 1);
    for (int i = 0; i < 80; i++) {
        for (size_t j = 0; j < golden.set.count; j++)
            if (golden.records[j].length > 0)
                golden.records[j].length--;
        enum validate_denial_outcome outcome = of_name(&golden, "a.c.x.w.example.").outcome;
        assert_true(outcome == VALIDATE_DENIAL_MISSING || outcome == VALIDATE_DENIAL_WRONG ||
                    outcome == VALIDATE_DENIAL_INSECURE);
    }
    denials_free(&golden);
    denials_free(&denials);
}

/* A single record that leads to itself covers all but its owner. */
static void circles(void **state)
{
    (void)state;
    struct denials denials;
    denials_read(&denials, "example.", "example. 60 IN NSEC example. NS SOA RRSIG NSEC DNSKEY\n");
    assert_int_equal(of_name(&denials, "a.b.example.").outcome, VALIDATE_DENIAL_PROVED);
    assert_int_equal(of_type(&denials, "example.", DNS_TYPE_A).outcome, VALIDATE_DENIAL_PROVED);
    assert_int_equal(of_type(&denials, "example.", DNS_TYPE_ANY).outcome, VALIDATE_DENIAL_WRONG);
    denials_free(&denials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4035),   cmocka_unit_test(rfc5155),   cmocka_unit_test(budgets),
        cmocka_unit_test(deep_name), cmocka_unit_test(compact),   cmocka_unit_test(minimal),
        cmocka_unit_test(ancestors), cmocka_unit_test(strangers), cmocka_unit_test(circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
