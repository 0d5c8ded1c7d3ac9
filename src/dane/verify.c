/*
 * Judging what a peer showed by what an endpoint demands. Chains are built by OpenSSL; which
 * certificate may end one, and which name is wanted, is decided here.
 */
#include "dane/verify.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATE_MAX (64 * 1024)
/* RSA of 2048 bits and SHA-256 at least (RFC 9325 section 4.5): OpenSSL's level for 112 bits. */
#define SECURITY_LEVEL 2
#define CHAIN_DEPTH    10

struct judge {
    const struct dane_endpoint *endpoint;
    const struct dane_peer *peer;
    const struct dane_verify_options *options;
    struct dane_verdict *verdict;
    X509 *certificates[DANE_CHAIN_MAX]; /* NULL where one does not parse */
    size_t count;
    X509_STORE *system; /* loaded when first needed */
};

const char *dane_result_name(enum dane_result result)
{
    switch (result) {
    case DANE_AUTHENTICATED:
        return "authenticated";
    case DANE_ENCRYPTED:
        return "encrypted";
    case DANE_PLAIN:
        return "plain";
    case DANE_REFUSED:
        return "refused";
    case DANE_FAILED:
        return "failed";
    }
    return "?";
}

/* The last word: nothing after it changes the verdict. */
static void say(struct judge *judge, enum dane_result result, const char *tlsrpt,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(struct judge *judge, enum dane_result result, const char *tlsrpt,
                const char *format, ...)
{
    struct dane_verdict *verdict = judge->verdict;
    verdict->result = result;
    snprintf(verdict->tlsrpt, sizeof verdict->tlsrpt, "%s", tlsrpt);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    va_end(args);
}

static bool read_chain(struct judge *judge)
{
    const struct dane_peer *peer = judge->peer;
    judge->count = peer->count < DANE_CHAIN_MAX ? peer->count : DANE_CHAIN_MAX;
    for (size_t i = 0; i < judge->count; i++) {
        const unsigned char *at = peer->chain[i].data;
        size_t length = peer->chain[i].length;
        if (length == 0 || length > CERTIFICATE_MAX)
            continue;
        X509 *certificate = d2i_X509(NULL, &at, (long)length);
        if (certificate && at != peer->chain[i].data + length) {
            X509_free(certificate);
            certificate = NULL;
        }
        judge->certificates[i] = certificate;
    }
    ERR_clear_error();
    return judge->count > 0 && judge->certificates[0];
}

/* --- matching one record with one certificate or key --- */

/* `key`: a SubjectPublicKeyInfo; else a certificate. */
static bool matches(const struct dane_tlsa *record, const uint8_t *der, size_t length)
{
    uint8_t *data;
    size_t made;
    if (dane_tlsa_make(record->selector, record->matching, der, length, &data, &made) != BASE_OK)
        return false;
    bool same = made == record->length && memcmp(data, record->data, made) == 0;
    free(data);
    return same;
}

static bool usable(const struct dane_tlsa *record, unsigned usage)
{
    return record->unusable == DANE_USABLE && record->usage == usage;
}

static bool any_usable(const struct dane_endpoint *endpoint, unsigned usage)
{
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        if (usable(&endpoint->tlsa[i], usage))
            return true;
    }
    return false;
}

/* The record of this usage that matches the certificate; SIZE_MAX: none. */
static size_t match_certificate(const struct judge *judge, unsigned usage, const uint8_t *der,
                                size_t length)
{
    for (size_t i = 0; i < judge->endpoint->tlsa_count; i++) {
        if (usable(&judge->endpoint->tlsa[i], usage) &&
            matches(&judge->endpoint->tlsa[i], der, length))
            return i;
    }
    return SIZE_MAX;
}

/* --- chains --- */

static void limit_expiry(struct dane_verdict *verdict, const X509 *certificate)
{
    struct tm end;
    if (!ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end))
        return;
    base_time time = timegm(&end);
    if (verdict->expiry == 0 || time < verdict->expiry)
        verdict->expiry = time;
}

static X509_STORE *system_store(struct judge *judge)
{
    if (judge->system)
        return judge->system;
    X509_STORE *store = X509_STORE_new();
    const char *file = judge->options->ca_file;
    if (store &&
        !(file ? X509_STORE_load_file(store, file) : X509_STORE_set_default_paths(store))) {
        X509_STORE_free(store);
        store = NULL;
    }
    return judge->system = store;
}

struct chain_result {
    bool good;
    int error; /* X509_V_ERR_… */
    STACK_OF(X509) * chain;
};

/* Leads the leaf's chain to a certificate of the store? `partial`: any certificate in the store
 * ends one, whether it is a root or not. */
static struct chain_result build_chain(const struct judge *judge, X509_STORE *store, bool partial)
{
    struct chain_result result = {.error = X509_V_ERR_OUT_OF_MEM};
    STACK_OF(X509) *others = sk_X509_new_null();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool ready = others && context;
    for (size_t i = 1; ready && i < judge->count; i++)
        ready = !judge->certificates[i] || sk_X509_push(others, judge->certificates[i]);
    ready = ready && X509_STORE_CTX_init(context, store, judge->certificates[0], others);
    if (ready) {
        X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
        X509_STORE_CTX_set_default(context, "ssl_server");
        X509_VERIFY_PARAM_set_time(parameters, judge->options->now);
        X509_VERIFY_PARAM_set_auth_level(parameters, SECURITY_LEVEL);
        X509_VERIFY_PARAM_set_depth(parameters, CHAIN_DEPTH);
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_TRUSTED_FIRST |
                                                    (partial ? X509_V_FLAG_PARTIAL_CHAIN : 0));
        result.good = X509_verify_cert(context) == 1;
        result.error = X509_STORE_CTX_get_error(context);
        if (result.good)
            result.chain = X509_STORE_CTX_get1_chain(context);
        result.good = result.good && result.chain;
    }
    X509_STORE_CTX_free(context);
    sk_X509_free(others);
    ERR_clear_error();
    return result;
}

static const char *chain_tlsrpt(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "certificate-expired";
    default:
        return "certificate-not-trusted";
    }
}

/* Names of the leaf against the endpoint's references; says so when none fits. */
static bool names_fit(struct judge *judge)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    struct dane_names_match match;
    char why[DANE_NAMES_TEXT];
    int status =
        dane_names_match(judge->peer->chain[0].data, judge->peer->chain[0].length,
                         endpoint->references, endpoint->reference_count, true, &match, why);
    if (status == BASE_OK) {
        memcpy(judge->verdict->identity, match.identity, sizeof match.identity);
        return true;
    }
    say(judge, DANE_REFUSED, "certificate-host-mismatch",
        "the certificate is for %.200s, not for %.100s", why,
        endpoint->reference_count > 0 ? endpoint->references[0].name : "this host");
    return false;
}

static void limit_by_chain(struct judge *judge, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        limit_expiry(judge->verdict, sk_X509_value(chain, i));
}

static void authenticated(struct judge *judge, size_t record, unsigned depth, const char *what)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    struct dane_verdict *verdict = judge->verdict;
    char text[DANE_TLSA_TEXT];
    verdict->by_dane = record != SIZE_MAX;
    verdict->tlsa = record;
    verdict->depth = depth;
    const char *whom = endpoint->delegation == DANE_DELEGATION_SECURE
                           ? ""
                           : "; that it serves the domain is not secured";
    if (verdict->by_dane)
        say(judge, DANE_AUTHENTICATED, "", "TLSA %s matches %s%s",
            dane_tlsa_text(&endpoint->tlsa[record], text), what, whom);
    else
        say(judge, DANE_AUTHENTICATED, "", "%s%s", what, whom);
}

/* --- usage 2: a trust anchor of the domain's own --- */

static bool signed_by(X509 *certificate, const struct dane_tlsa *record)
{
    const unsigned char *at = record->data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, record->length);
    bool good = key && X509_verify(certificate, key) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* Tries one anchor: true when the whole chain and the name are good. */
static bool try_anchor(struct judge *judge, X509 *certificate, size_t record, unsigned depth,
                       int *error)
{
    X509_STORE *store = X509_STORE_new();
    if (!store || !X509_STORE_add_cert(store, certificate)) {
        X509_STORE_free(store);
        *error = X509_V_ERR_OUT_OF_MEM;
        return false;
    }
    struct chain_result result = build_chain(judge, store, true);
    X509_STORE_free(store);
    bool good = result.good && names_fit(judge);
    if (good) {
        limit_by_chain(judge, result.chain);
        authenticated(judge, record, depth, "a CA of the domain's own, which the chain leads to");
    } else {
        /* A wrong name is worse news than a chain that ends nowhere. */
        *error = result.good ? X509_V_ERR_HOSTNAME_MISMATCH : result.error;
    }
    sk_X509_pop_free(result.chain, X509_free);
    return good;
}

static bool try_full_record(struct judge *judge, size_t index, int *error)
{
    const struct dane_tlsa *record = &judge->endpoint->tlsa[index];
    if (record->selector == DANE_CERTIFICATE) {
        const unsigned char *at = record->data;
        X509 *certificate = d2i_X509(NULL, &at, record->length);
        bool good =
            certificate && try_anchor(judge, certificate, index, (unsigned)judge->count, error);
        X509_free(certificate);
        return good;
    }
    /* A bare key: whatever it signed may end the chain. */
    for (size_t i = 0; i < judge->count; i++) {
        if (judge->certificates[i] && signed_by(judge->certificates[i], record) &&
            try_anchor(judge, judge->certificates[i], index, (unsigned)i + 1, error))
            return true;
    }
    return false;
}

static bool try_anchors(struct judge *judge, int *error)
{
    for (size_t i = 1; i < judge->count; i++) {
        const struct dane_der *der = &judge->peer->chain[i];
        size_t record = judge->certificates[i]
                            ? match_certificate(judge, DANE_TA, der->data, der->length)
                            : SIZE_MAX;
        if (record != SIZE_MAX &&
            try_anchor(judge, judge->certificates[i], record, (unsigned)i, error))
            return true;
    }
    for (size_t i = 0; i < judge->endpoint->tlsa_count; i++) {
        if (usable(&judge->endpoint->tlsa[i], DANE_TA) &&
            judge->endpoint->tlsa[i].matching == DANE_FULL && try_full_record(judge, i, error))
            return true;
    }
    return false;
}

/* --- usages 0 and 1, and no TLSA at all: CAs of the system --- */

/* The record of usage 0 that matches a CA of the chain. */
static size_t match_authorities(struct judge *judge, STACK_OF(X509) * chain, unsigned *depth)
{
    for (int i = 1; i < sk_X509_num(chain); i++) {
        unsigned char *der = NULL;
        int length = i2d_X509(sk_X509_value(chain, i), &der);
        size_t record =
            length > 0 ? match_certificate(judge, DANE_PKIX_TA, der, (size_t)length) : SIZE_MAX;
        OPENSSL_free(der);
        if (record != SIZE_MAX) {
            *depth = (unsigned)i;
            return record;
        }
    }
    return SIZE_MAX;
}

static void refuse_chain(struct judge *judge, int error)
{
    say(judge, DANE_REFUSED, chain_tlsrpt(error), "the certificate is not to be trusted: %s",
        X509_verify_cert_error_string(error));
}

/* True when the chain is good for the system and has the name; else says why not. */
static bool system_chain(struct judge *judge, STACK_OF(X509) * *chain)
{
    X509_STORE *store = system_store(judge);
    if (!store) {
        say(judge, DANE_FAILED, "", "the CA certificates of %s cannot be read",
            judge->options->ca_file ? judge->options->ca_file : "the system");
        return false;
    }
    struct chain_result result = build_chain(judge, store, false);
    if (!result.good)
        refuse_chain(judge, result.error);
    if (!result.good || !names_fit(judge)) {
        sk_X509_pop_free(result.chain, X509_free);
        return false;
    }
    *chain = result.chain;
    return true;
}

static bool try_system(struct judge *judge)
{
    STACK_OF(X509) * chain;
    if (!system_chain(judge, &chain))
        return false;
    unsigned depth = 0;
    size_t record = match_certificate(judge, DANE_PKIX_EE, judge->peer->chain[0].data,
                                      judge->peer->chain[0].length);
    if (record == SIZE_MAX)
        record = match_authorities(judge, chain, &depth);
    if (record != SIZE_MAX) {
        limit_by_chain(judge, chain);
        authenticated(judge, record, depth,
                      depth == 0 ? "the certificate, which a CA of the system vouches for"
                                 : "a CA that vouches for the certificate");
    }
    sk_X509_pop_free(chain, X509_free);
    return record != SIZE_MAX;
}

static void judge_pkix(struct judge *judge)
{
    STACK_OF(X509) * chain;
    if (!read_chain(judge)) {
        say(judge, DANE_REFUSED, "certificate-not-trusted",
            judge->count == 0 ? "the server shows no certificate"
                              : "the server's certificate cannot be parsed");
        return;
    }
    if (!system_chain(judge, &chain))
        return;
    limit_by_chain(judge, chain);
    sk_X509_pop_free(chain, X509_free);
    authenticated(judge, SIZE_MAX, 0, "a CA of the system vouches for the certificate");
}

/* --- DANE --- */

static void judge_raw_key(struct judge *judge)
{
    for (size_t i = 0; i < judge->endpoint->tlsa_count; i++) {
        const struct dane_tlsa *record = &judge->endpoint->tlsa[i];
        if (usable(record, DANE_EE) && record->selector == DANE_PUBLIC_KEY &&
            matches(record, judge->peer->raw_public_key, judge->peer->raw_length)) {
            authenticated(judge, i, 0, "the server's raw public key");
            return;
        }
    }
    say(judge, DANE_REFUSED, "validation-failure",
        "no usable TLSA record (3 1 x) matches the server's raw public key");
}

/* Nothing matched: the most telling reason. */
static void refuse_dane(struct judge *judge, bool tried_anchor, int error)
{
    size_t usable_count = 0;
    for (size_t i = 0; i < judge->endpoint->tlsa_count; i++)
        usable_count += judge->endpoint->tlsa[i].unusable == DANE_USABLE;
    if (tried_anchor && error == X509_V_ERR_HOSTNAME_MISMATCH)
        return; /* said already */
    if (tried_anchor && error != X509_V_OK)
        say(judge, DANE_REFUSED, chain_tlsrpt(error),
            "the CA of the TLSA record is in the chain, but the certificate is not to be trusted: "
            "%s",
            X509_verify_cert_error_string(error));
    else if (judge->verdict->result != DANE_REFUSED || judge->verdict->reason[0] == '\0')
        say(judge, DANE_REFUSED, "validation-failure",
            "none of the %zu usable TLSA records of %s matches what the server shows", usable_count,
            judge->endpoint->base ? judge->endpoint->base : "the host");
}

static void judge_dane(struct judge *judge)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    if (judge->peer->raw_public_key) {
        judge_raw_key(judge);
        return;
    }
    if (!read_chain(judge)) {
        say(judge, DANE_REFUSED, "validation-failure",
            judge->count == 0 ? "the server shows no certificate"
                              : "the server's certificate cannot be parsed");
        return;
    }
    size_t record =
        match_certificate(judge, DANE_EE, judge->peer->chain[0].data, judge->peer->chain[0].length);
    if (record != SIZE_MAX) {
        authenticated(judge, record, 0,
                      endpoint->tlsa[record].selector == DANE_PUBLIC_KEY
                          ? "the key of the server's certificate"
                          : "the server's certificate");
        return;
    }
    int error = X509_V_OK;
    if (any_usable(endpoint, DANE_TA) && try_anchors(judge, &error))
        return;
    if ((any_usable(endpoint, DANE_PKIX_TA) || any_usable(endpoint, DANE_PKIX_EE)) &&
        try_system(judge))
        return;
    refuse_dane(judge, any_usable(endpoint, DANE_TA), error);
}

void dane_verify(const struct dane_endpoint *endpoint, const struct dane_peer *peer,
                 const struct dane_verify_options *options, struct dane_verdict *verdict)
{
    struct judge judge = {
        .endpoint = endpoint, .peer = peer, .options = options, .verdict = verdict};
    *verdict =
        (struct dane_verdict){.result = DANE_FAILED, .tlsa = SIZE_MAX, .expiry = endpoint->expiry};
    if (endpoint->demand == DANE_DEMAND_SKIP)
        say(&judge, DANE_REFUSED, "", "this host must not be used: %s",
            endpoint->reason ? endpoint->reason : "the plan says so");
    else if (!peer->tls && endpoint->demand == DANE_DEMAND_NOTHING)
        say(&judge, DANE_PLAIN, "", "no TLS, and nothing demands it");
    else if (!peer->tls)
        say(&judge, DANE_REFUSED, "starttls-not-supported",
            "TLS is demanded, and the server does not offer it");
    else if (endpoint->demand == DANE_DEMAND_NOTHING)
        say(&judge, DANE_ENCRYPTED, "", "encrypted; nothing says who the server must be");
    else if (endpoint->demand == DANE_DEMAND_TLS)
        say(&judge, DANE_ENCRYPTED, "",
            "encrypted, as the TLSA records demand; none of them can be used to authenticate");
    else if (endpoint->demand == DANE_DEMAND_DANE)
        judge_dane(&judge);
    else
        judge_pkix(&judge);
    for (size_t i = 0; i < judge.count; i++)
        X509_free(judge.certificates[i]);
    X509_STORE_free(judge.system);
}
