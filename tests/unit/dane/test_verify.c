/*
 * Verdicts: what a server shows against what an endpoint demands; where OpenSSL's own DANE can be
 * asked the same, it is, and must agree.
 */
#include "base/error.h"

#include "cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define YES DANE_AUTHENTICATED
#define NO  DANE_REFUSED
#define ANY 99u /* depth does not matter */

struct trial {
    const char *tlsa, *shown;
    enum dane_result result;
    size_t record; /* that matches */
    unsigned depth;
    const char *says;    /* in the reason; NULL */
    const char *tlsrpt;  /* NULL: not looked at */
    const char *differs; /* why OpenSSL says otherwise; NULL: it agrees */
};

static struct dane_authorities *authorities;
static const struct dane_reference host_name[] = {{DANE_REFERENCE_DNS, "mx1.host.net"}};

static void judge(const struct dane_endpoint *endpoint, const char *shows,
                  struct dane_verdict *verdict)
{
    struct cast_shown shown;
    struct dane_verify_options options = {.now = CERTIFICATE_NOW, .authorities = authorities};
    cast_show(shows, &shown);
    dane_verify(endpoint, &shown.peer, &options, verdict);
}

static size_t read_records(const char *text, struct dane_tlsa *out, uint8_t (*rdata)[CAST_RDATA])
{
    size_t count = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        size_t size = cast_tlsa_rdata(text, length, rdata[count]);
        assert_int_equal(dane_tlsa_read(rdata[count], size, &out[count]), BASE_OK);
        count++;
        text += length + (text[length] == ',');
    }
    return count;
}

static void run(const struct trial *trials, size_t count, unsigned usages)
{
    static uint8_t rdata[8][CAST_RDATA];
    for (size_t i = 0; i < count; i++) {
        const struct trial *trial = &trials[i];
        struct dane_tlsa tlsa[8];
        struct dane_endpoint endpoint = {.demand = DANE_DEMAND_DANE,
                                         .base = "mx1.host.net",
                                         .tlsa = tlsa,
                                         .references = host_name,
                                         .reference_count = 1,
                                         .reason = ""};
        struct dane_verdict verdict;
        struct cast_shown shown;
        endpoint.tlsa_count = read_records(trial->tlsa, tlsa, rdata);
        dane_tlsa_judge(tlsa, endpoint.tlsa_count, usages);
        judge(&endpoint, trial->shown, &verdict);
        long why = 0;
        cast_show(trial->shown, &shown);
        enum cast_opinion opinion = cast_ask_openssl(&endpoint, &shown, usages, &why);
        bool agrees = opinion == CAST_CANNOT_SAY || (opinion == CAST_YES) == (trial->result == YES);
        if (verdict.result != trial->result ||
            (trial->result == YES && (verdict.tlsa != trial->record || !verdict.by_dane)) ||
            (trial->result == YES && trial->depth != ANY && verdict.depth != trial->depth) ||
            (trial->says && !strstr(verdict.reason, trial->says)) ||
            (trial->tlsrpt && strcmp(verdict.tlsrpt, trial->tlsrpt) != 0) ||
            (trial->result == NO && verdict.tlsa != SIZE_MAX) || agrees != !trial->differs)
            fail_msg("trial %zu: %s | %s: %s, record %zd, depth %u, \"%s\", %s; OpenSSL: %d, %s", i,
                     trial->tlsa, trial->shown, dane_result_name(verdict.result),
                     (ssize_t)verdict.tlsa, verdict.depth, verdict.reason, verdict.tlsrpt, opinion,
                     X509_verify_cert_error_string(why));
    }
}

/* Usage 3: the leaf or its key, and nothing else (RFC 7671 section 5.1). */
static void test_end_entity(void **state)
{
    static const char none[] = "none of the 1 usable TLSA records of mx1.host.net matches";
    static const struct trial trials[] = {
        {"3 1 1 self", "self", YES, 0, 0, "the server's key", "", NULL},
        {"3 1 2 self", "self", YES, 0, 0, NULL, "", NULL},
        {"3 1 0 self", "self", YES, 0, 0, NULL, "", NULL},
        {"3 0 1 self", "self", YES, 0, 0, "its certificate", "", NULL},
        {"3 0 2 self", "self", YES, 0, 0, NULL, "", NULL},
        {"3 0 0 self", "self", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 leaf", "leaf+inter", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 leaf", "leaf", YES, 0, 0, NULL, "", NULL},
        /* Dates, names, purposes, strength: nothing of it counts. */
        {"3 1 1 selfold", "selfold", YES, 0, 0, NULL, "", NULL},
        {"3 0 1 selfold", "selfold", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 ownsoon", "ownsoon", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 selfnoname", "selfnoname", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 ownother", "ownother", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 ownclient", "ownclient", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 ownsha1", "ownsha1", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 selfweak", "selfweak", YES, 0, 0, NULL, "", "its level holds for usage 3, too"},
        {"3 1 1 ca", "ca", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 own", "own+stranger+self", YES, 0, 0, NULL, "", NULL},
        /* One of several. */
        {"3 1 1 stranger, 3 1 1 self", "self", YES, 1, 0, NULL, "", NULL},
        {"3 1 1 self, 3 1 1 self", "self", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 self, 3 1 2 !self", "self", NO, 0, 0, NULL, NULL, NULL}, /* agility */
        {"3 0 1 self, 3 1 2 !self", "self", YES, 0, 0, NULL, NULL, NULL},
        {"3 1 1 self, 3 1 2 #63", "self", YES, 0, 0, NULL, NULL, NULL},
        {"3 1 0 self, 3 1 2 !self", "self", YES, 0, 0, NULL, NULL, NULL},
        /* Not the leaf. */
        {"3 1 1 stranger", "self", NO, 0, 0, none, "validation-failure", NULL},
        {"3 1 1 !self", "self", NO, 0, 0, none, NULL, NULL},
        {"3 0 0 !self", "self", NO, 0, 0, NULL, NULL, NULL},
        {"3 1 1 inter", "leaf+inter+root", NO, 0, 0, none, NULL, NULL},
        {"3 0 1 ca", "own+sub+ca", NO, 0, 0, none, NULL, NULL},
        {"3 1 1 leaf", "none", NO, 0, 0, "neither a certificate", NULL, NULL},
        {"3 1 1 leaf", "junk", NO, 0, 0, "cannot be read", NULL, NULL},
        {"3 1 1 leaf", "junk+leaf", NO, 0, 0, "cannot be read", NULL, NULL},
        {"3 1 1 leaf", "leaf+junk", YES, 0, 0, NULL, NULL, NULL},
        {"3 1 1 leaf", "leaf*100", YES, 0, 0, NULL, NULL, NULL},
        {"3 1 1 leaf", "inter*100+leaf", NO, 0, 0, none, NULL, NULL},
        {"3 1 1 leaf", "plain", NO, 0, 0, "TLS is demanded", "starttls-not-supported", NULL},
        /* No record can be used: OpenSSL has then no say. */
        {"3 1 1 #31", "self", NO, 0, 0, "none of the 0", NULL, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0], DANE_USAGES_OPPORTUNISTIC);
}

static void test_raw_keys(void **state)
{
    static const struct trial trials[] = {
        {"3 1 1 self", "key self", YES, 0, 0, "bare key", "", NULL},
        {"3 1 2 self", "key self", YES, 0, 0, NULL, "", NULL},
        {"3 1 0 self", "key self", YES, 0, 0, NULL, "", NULL},
        {"3 1 1 !self", "key self", NO, 0, 0, "none of the 1", NULL, NULL},
        {"3 1 1 stranger", "key self", NO, 0, 0, NULL, NULL, NULL},
        /* A bare key has no certificate, and nobody signs it. */
        {"3 0 1 self", "key self", NO, 0, 0, NULL, NULL, NULL},
        {"2 1 1 self", "key self", NO, 0, 0, NULL, NULL, NULL},
        {"2 1 0 ca", "key own", NO, 0, 0, NULL, NULL, NULL},
        {"1 1 1 leaf", "key leaf", NO, 0, 0, NULL, NULL, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0], DANE_USAGES_ALL);
    struct dane_endpoint endpoint = {
        .demand = DANE_DEMAND_PKIX, .references = host_name, .reference_count = 1};
    struct dane_verdict verdict;
    judge(&endpoint, "key leaf", &verdict);
    assert_int_equal(verdict.result, NO);
    /* Not a key, and a key with something behind it. */
    const struct test_certificate *self = cast("self", 4);
    uint8_t longer[512] = {0}, rdata[1][CAST_RDATA];
    struct dane_tlsa tlsa[1];
    read_records("3 1 1 self", tlsa, rdata);
    endpoint = (struct dane_endpoint){.demand = DANE_DEMAND_DANE, .tlsa = tlsa, .tlsa_count = 1};
    memcpy(longer, self->public_key, self->public_length);
    for (size_t length = 0; length <= self->public_length + 1; length++) {
        struct dane_peer peer = {.tls = true, .raw_public_key = longer, .raw_length = length};
        dane_verify(&endpoint, &peer, &(struct dane_verify_options){.now = CERTIFICATE_NOW},
                    &verdict);
        assert_int_equal(verdict.result, length == self->public_length ? YES : NO);
    }
}

/* Usage 2: an anchor of the host's own; names and dates count (RFC 7671 section 5.2). */
static void test_trust_anchor(void **state)
{
    static const char chain[] = "the chain to it is not good";
    static const struct trial trials[] = {
        {"2 0 1 ca", "own+sub+ca", YES, 0, 2, "a CA of the domain's own", "", NULL},
        {"2 1 1 ca", "own+sub+ca", YES, 0, 2, NULL, "", NULL},
        {"2 0 2 sub", "own+sub", YES, 0, 1, NULL, "", NULL},
        {"2 1 2 sub", "own+sub", YES, 0, 1, NULL, "", NULL},
        {"2 0 1 sub", "own+sub+ca", YES, 0, 1, NULL, "", NULL},
        {"2 0 1 ca", "direct+ca", YES, 0, 1, NULL, "", NULL},
        {"2 0 1 ca", "own+ca+sub", YES, 0, 1, NULL, "", NULL}, /* in another order */
        {"2 0 1 ca", "own+stranger+sub+self+ca", YES, 0, ANY, NULL, "", NULL},
        {"2 0 1 root", "leaf+inter+root", YES, 0, 2, NULL, "", NULL},
        {"2 0 1 inter", "leaf+inter", YES, 0, 1, NULL, "", NULL},
        /* All of the anchor in the record: the server need not send it. */
        {"2 0 0 ca", "own+sub", YES, 0, ANY, NULL, "", NULL},
        {"2 0 0 ca", "own+sub+ca", YES, 0, ANY, NULL, "", NULL},
        {"2 0 0 ca", "direct", YES, 0, ANY, NULL, "", NULL},
        {"2 1 0 ca", "own+sub", YES, 0, ANY, NULL, "", NULL},
        {"2 1 0 ca", "direct", YES, 0, ANY, NULL, "", NULL},
        {"2 1 0 ca", "own+sub+ca", YES, 0, ANY, NULL, "", NULL},
        /* A digest is not enough to find one that is not sent. */
        {"2 0 1 ca", "own+sub", NO, 0, 0, "none of the 1", "validation-failure", NULL},
        {"2 1 1 ca", "direct", NO, 0, 0, NULL, NULL, NULL},
        /* Broken chains. */
        {"2 0 1 ca", "own+ca", NO, 0, 0, chain, "certificate-not-trusted", NULL},
        {"2 0 1 stranger", "own+sub+stranger", NO, 0, 0, chain, "certificate-not-trusted", NULL},
        {"2 0 0 stranger", "own+sub+ca", NO, 0, 0, chain, NULL, NULL},
        {"2 1 0 stranger", "own+sub+ca", NO, 0, 0, NULL, NULL, NULL},
        {"2 0 0 ca", "own", NO, 0, 0, chain, NULL, NULL},
        {"2 0 1 root", "own+sub+ca", NO, 0, 0, "none of", NULL, NULL},
        {"2 0 1 ca", "leaf+inter+root", NO, 0, 0, "none of", NULL, NULL},
        {"2 0 1 ca", "leaf+inter+ca", NO, 0, 0, chain, NULL, NULL},
        {"2 0 1 notca", "undernotca+notca", NO, 0, 0, chain, NULL, NULL},
        {"2 0 1 ca", "undernotca+notca+ca", NO, 0, 0, chain, NULL, NULL},
        /* The leaf is no anchor. */
        {"2 0 1 self", "self", NO, 0, 0, "none of", NULL, NULL},
        {"2 0 1 own", "own+sub+ca", NO, 0, 0, "none of", NULL, NULL},
        /* Dates. */
        {"2 0 1 ca", "ownold+sub+ca", NO, 0, 0, "expired", "certificate-expired", NULL},
        {"2 0 1 ca", "ownsoon+sub+ca", NO, 0, 0, "not yet valid", "certificate-expired", NULL},
        {"2 0 1 ca", "undersubold+subold+ca", NO, 0, 0, "expired", NULL, NULL},
        {"2 0 1 oldca", "underold+oldca", NO, 0, 0, "expired", NULL, NULL},
        /* Names. */
        {"2 0 1 ca", "ownother+sub+ca", NO, 0, 0,
         "the certificate is for other.example, not for mx1.host.net", "certificate-host-mismatch",
         NULL},
        {"2 0 1 ca", "owndomain+sub+ca", NO, 0, 0, NULL, NULL, NULL},
        {"2 0 1 ca", "ownwild+sub+ca", YES, 0, 2, NULL, NULL, NULL},
        {"2 0 1 ca", "owndeep+sub+ca", NO, 0, 0, NULL, NULL, NULL},
        {"2 0 1 ca", "owncn+sub+ca", YES, 0, 2, NULL, NULL, NULL},
        {"2 0 1 ca", "owncnno+sub+ca", NO, 0, 0, NULL, NULL, NULL},
        /* Purpose and strength. */
        {"2 0 1 ca", "ownclient+sub+ca", NO, 0, 0, chain, NULL, NULL},
        {"2 0 1 ca", "ownserver+sub+ca", YES, 0, 2, NULL, NULL, NULL},
        {"2 0 1 ca", "ownweak+sub+ca", NO, 0, 0, "too weak", NULL, NULL},
        {"2 0 1 ca", "ownsha1+sub+ca", NO, 0, 0, "too weak", NULL, NULL},
        /* Several records; the most telling reason. */
        {"2 0 1 stranger, 2 0 1 ca", "own+sub+ca", YES, 1, 2, NULL, NULL, NULL},
        {"2 0 1 sub, 2 0 1 ca", "own+sub+ca", YES, 0, 1, NULL, NULL, NULL},
        {"3 1 1 stranger, 2 0 1 ca", "own+sub+ca", YES, 1, 2, NULL, NULL, NULL},
        {"3 1 1 ownold, 2 0 1 ca", "ownold+sub+ca", YES, 0, 0, NULL, NULL, NULL},
        {"3 1 1 stranger, 2 0 1 ca", "ownother+sub+ca", NO, 0, 0, "is for other.example", NULL,
         NULL},
        {"2 0 1 stranger, 2 0 1 ca", "ownother+sub+ca+stranger", NO, 0, 0, "is for other.example",
         "certificate-host-mismatch", NULL},
        {"2 0 1 ca, 2 0 2 !ca", "own+sub+ca", NO, 0, 0, NULL, NULL, NULL}, /* agility */
        {"2 0 1 ca, 2 1 2 !ca", "own+sub+ca", YES, 0, 2, NULL, NULL, NULL},
        /* Long and strange chains. */
        {"2 0 1 ca", "own+sub*98+ca", NO, 0, 0, NULL, NULL, NULL},
        {"2 0 1 ca", "own+sub+ca*98", YES, 0, 2, NULL, NULL, NULL},
        {"2 0 1 ca", "own+junk+sub+ca", YES, 0, 3, NULL, NULL, NULL},
        {"2 0 1 ca", "own+junk*12+sub+ca", YES, 0, 14, NULL, NULL, NULL},
        {"2 0 1 ca", "junk+sub+ca", NO, 0, 0, "cannot be read", NULL, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0], DANE_USAGES_OPPORTUNISTIC);
}

/* Usages 0 and 1: as PKIX, and a record besides. */
static void test_pkix_usages(void **state)
{
    static const struct trial trials[] = {
        {"1 1 1 leaf", "leaf+inter", YES, 0, 0, "for which a CA of the system vouches", "", NULL},
        {"1 0 1 leaf", "leaf+inter+root", YES, 0, 0, NULL, "", NULL},
        {"1 0 0 leaf", "leaf+inter", YES, 0, 0, NULL, "", NULL},
        {"0 0 1 root", "leaf+inter+root", YES, 0, 2, "a CA that vouches", "", NULL},
        {"0 0 1 root", "leaf+inter", YES, 0, 2, NULL, "", NULL}, /* the root from the system */
        {"0 1 2 inter", "leaf+inter", YES, 0, 1, NULL, "", NULL},
        {"0 0 1 stranger, 1 1 1 leaf", "leaf+inter", YES, 1, 0, NULL, "", NULL},
        {"1 1 1 stranger, 0 0 1 inter", "leaf+inter", YES, 1, 1, NULL, "", NULL},
        {"1 1 1 stranger", "leaf+inter", NO, 0, 0, "none of the 1", "validation-failure", NULL},
        {"0 0 1 stranger", "leaf+inter", NO, 0, 0, "none of the 1", NULL, NULL},
        {"0 0 1 stranger", "leaf+inter+stranger", NO, 0, 0, "none of the 1", NULL, NULL},
        {"0 1 1 leaf", "leaf+inter", NO, 0, 0, "none of the 1", NULL, NULL},
        {"1 1 1 inter", "leaf+inter", NO, 0, 0, "none of the 1", NULL, NULL},
        /* A record alone is not enough. */
        {"1 1 1 own", "own+sub+ca", NO, 0, 0, "not to be trusted", "certificate-not-trusted", NULL},
        {"0 0 1 ca", "own+sub+ca", NO, 0, 0, "not to be trusted", NULL, NULL},
        {"1 1 1 self", "self", NO, 0, 0, "not to be trusted", NULL, NULL},
        {"1 1 1 leafold", "leafold+inter", NO, 0, 0, "expired", "certificate-expired", NULL},
        {"1 1 1 leafother", "leafother+inter", NO, 0, 0, "is for other.example", NULL, NULL},
        {"1 1 1 leafwild", "leafwild+inter", YES, 0, 0, NULL, NULL, NULL},
        {"1 1 1 leaf", "leaf", NO, 0, 0, "not to be trusted", NULL, NULL},
        /* What one usage refuses another may take. */
        {"1 1 1 self, 3 1 1 self", "self", YES, 1, 0, NULL, NULL, NULL},
        {"0 0 1 ca, 2 0 1 ca", "own+sub+ca", YES, 1, 2, NULL, NULL, NULL},
        {"2 0 1 ca, 1 1 1 leaf", "leaf+inter", YES, 1, 0, NULL, NULL, NULL},
    };
    run(trials, sizeof trials / sizeof trials[0], DANE_USAGES_ALL);
}

static void test_pkix(void **state)
{
    static const struct {
        const char *shown;
        enum dane_result result;
        const char *tlsrpt;
    } trials[] = {
        {"leaf+inter", YES, ""},
        {"leafwild+inter+root", YES, ""},
        {"leaf", NO, "certificate-not-trusted"},
        {"leafold+inter", NO, "certificate-expired"},
        {"leafother+inter", NO, "certificate-host-mismatch"},
        {"leafcn+inter", NO, "certificate-host-mismatch"}, /* no common names here */
        {"own+sub+ca", NO, "certificate-not-trusted"},
        {"self", NO, "certificate-not-trusted"},
        {"junk", NO, "validation-failure"},
        {"none", NO, "validation-failure"},
        {"plain", NO, "starttls-not-supported"},
    };
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct dane_endpoint endpoint = {.demand = DANE_DEMAND_PKIX,
                                         .references = host_name,
                                         .reference_count = 1,
                                         .expiry = CERTIFICATE_NOW + 2 * CERTIFICATE_YEAR};
        struct dane_verdict verdict;
        judge(&endpoint, trials[i].shown, &verdict);
        assert_int_equal(verdict.result, trials[i].result);
        assert_string_equal(verdict.tlsrpt, trials[i].tlsrpt);
        assert_false(verdict.by_dane);
        if (verdict.result == YES)
            assert_int_equal(verdict.expiry, CERTIFICATE_NOW + CERTIFICATE_YEAR);
        /* In mode testing nothing is refused, and the same is told. */
        endpoint.demand = DANE_DEMAND_NOTHING;
        endpoint.testing = endpoint.sts = true;
        judge(&endpoint, trials[i].shown, &verdict);
        assert_int_equal(verdict.result, trials[i].result == YES                 ? YES
                                         : strcmp(trials[i].shown, "plain") == 0 ? DANE_PLAIN
                                                                                 : DANE_ENCRYPTED);
        assert_string_equal(verdict.tlsrpt, trials[i].tlsrpt);
        if (verdict.result != YES)
            assert_non_null(strstr(verdict.reason, "in mode testing"));
    }
    /* CAs that cannot be read: no verdict, and no session. */
    struct dane_endpoint endpoint = {
        .demand = DANE_DEMAND_PKIX, .references = host_name, .reference_count = 1};
    struct dane_verdict verdict;
    struct cast_shown shown;
    cast_show("leaf+inter", &shown);
    dane_verify(&endpoint, &shown.peer,
                &(struct dane_verify_options){.now = CERTIFICATE_NOW, .ca_file = "/nonexistent"},
                &verdict);
    assert_int_equal(verdict.result, DANE_FAILED);
    assert_non_null(strstr(verdict.reason, "/nonexistent"));
    dane_verify(&endpoint, &shown.peer,
                &(struct dane_verify_options){.now = CERTIFICATE_NOW, .ca_file = cast_ca_file},
                &verdict);
    assert_int_equal(verdict.result, YES);
}

static void test_other_demands(void **state)
{
    static const struct {
        enum dane_demand demand;
        const char *shown;
        enum dane_result result;
    } trials[] = {
        {DANE_DEMAND_NOTHING, "plain", DANE_PLAIN},
        {DANE_DEMAND_NOTHING, "self", DANE_ENCRYPTED},
        {DANE_DEMAND_NOTHING, "junk", DANE_ENCRYPTED},
        {DANE_DEMAND_TLS, "plain", NO},
        {DANE_DEMAND_TLS, "selfold", DANE_ENCRYPTED},
        {DANE_DEMAND_TLS, "none", DANE_ENCRYPTED},
        {DANE_DEMAND_SKIP, "leaf+inter", NO},
        {DANE_DEMAND_SKIP, "plain", NO},
        {DANE_DEMAND_DANE, "leaf+inter", NO}, /* no records at all */
    };
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct dane_endpoint endpoint = {.demand = trials[i].demand,
                                         .references = host_name,
                                         .reference_count = 1,
                                         .reason = "why"};
        struct dane_verdict verdict;
        judge(&endpoint, trials[i].shown, &verdict);
        assert_int_equal(verdict.result, trials[i].result);
        assert_true(verdict.reason[0] != '\0');
        assert_false(verdict.by_dane);
    }
}

/* Usage 3 holds as long as the records do; usage 2 no longer than any certificate on the way. */
static void test_expiry(void **state)
{
    uint8_t rdata[2][CAST_RDATA];
    struct dane_tlsa tlsa[2];
    struct dane_verdict verdict;
    struct dane_endpoint endpoint = {.demand = DANE_DEMAND_DANE,
                                     .tlsa = tlsa,
                                     .tlsa_count = 1,
                                     .references = host_name,
                                     .reference_count = 1,
                                     .expiry = CERTIFICATE_NOW + 2 * CERTIFICATE_YEAR};
    read_records("3 1 1 own", tlsa, rdata);
    judge(&endpoint, "own+sub+ca", &verdict);
    assert_int_equal(verdict.expiry, CERTIFICATE_NOW + 2 * CERTIFICATE_YEAR);
    assert_string_equal(verdict.identity, "");
    read_records("2 0 1 ca", tlsa, rdata);
    judge(&endpoint, "own+sub+ca", &verdict);
    assert_int_equal(verdict.expiry, CERTIFICATE_NOW + CERTIFICATE_YEAR);
    assert_string_equal(verdict.identity, "DNS-ID mx1.host.net");
    endpoint.expiry = CERTIFICATE_NOW + 60;
    endpoint.delegation = DANE_DELEGATION_INSECURE;
    judge(&endpoint, "own+sub+ca", &verdict);
    assert_int_equal(verdict.expiry, CERTIFICATE_NOW + 60);
    assert_non_null(strstr(verdict.reason, "not secured"));
}

/* Anchors that a record tells of cost signatures: there is a bound. */
static void test_budget(void **state)
{
    static uint8_t rdata[CAST_RDATA];
    struct dane_tlsa tlsa[200];
    struct dane_verdict verdict;
    size_t size = cast_tlsa_rdata("2 1 0 stranger", 14, rdata);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(dane_tlsa_read(rdata, size, &tlsa[i]), BASE_OK);
    struct dane_endpoint endpoint = {.demand = DANE_DEMAND_DANE,
                                     .tlsa = tlsa,
                                     .tlsa_count = 200,
                                     .references = host_name,
                                     .reference_count = 1};
    judge(&endpoint, "own+sub*15", &verdict);
    assert_int_equal(verdict.result, NO);
    assert_null(strstr(verdict.reason, "(null)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_entity),   cmocka_unit_test(test_raw_keys),
        cmocka_unit_test(test_trust_anchor), cmocka_unit_test(test_pkix_usages),
        cmocka_unit_test(test_pkix),         cmocka_unit_test(test_other_demands),
        cmocka_unit_test(test_expiry),       cmocka_unit_test(test_budget),
    };
    cast_begin();
    CERTIFICATE_MUST(dane_authorities_new(cast_ca_file, &authorities) == BASE_OK);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dane_authorities_free(authorities);
    cast_end();
    return failed;
}
