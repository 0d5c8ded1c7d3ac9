/*
 * Chains of certificates. OpenSSL builds and checks them; which certificate may end one, and which
 * name is wanted, is decided here.
 */
#include "dane/verify_parts.h"

#include "base/error.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* RSA of 2048 bits and SHA-256 at least (RFC 9325 section 4.5): OpenSSL's level for 112 bits. */
#define SECURITY_LEVEL 2
#define CHAIN_DEPTH    10

/* --- whom the system trusts --- */

struct dane_authorities {
    X509_STORE *store;
};

int dane_authorities_new(const char *ca_file, struct dane_authorities **out)
{
    struct dane_authorities *authorities = calloc(1, sizeof *authorities);
    if (!authorities)
        return BASE_ENOMEM;
    authorities->store = X509_STORE_new();
    if (!authorities->store || !(ca_file ? X509_STORE_load_file(authorities->store, ca_file)
                                         : X509_STORE_set_default_paths(authorities->store))) {
        int status = authorities->store ? BASE_EIO : BASE_ENOMEM;
        dane_authorities_free(authorities);
        ERR_clear_error();
        return status;
    }
    *out = authorities;
    return BASE_OK;
}

void dane_authorities_free(struct dane_authorities *authorities)
{
    if (!authorities)
        return;
    X509_STORE_free(authorities->store);
    free(authorities);
}

/* NULL: cannot be read, which is said. */
static X509_STORE *system_store(struct verify_judge *judge)
{
    if (judge->options->authorities)
        return judge->options->authorities->store;
    if (!judge->own && dane_authorities_new(judge->options->ca_file, &judge->own) != BASE_OK) {
        verify_object(judge, VERIFY_WRONG_NAME, "", "the CA certificates of %.200s cannot be read",
                      judge->options->ca_file ? judge->options->ca_file : "the system");
        judge->verdict->result = DANE_FAILED;
        return NULL;
    }
    return judge->own->store;
}

/* --- one chain --- */

static void set_rules(const struct verify_judge *judge, X509_STORE_CTX *context, bool partial)
{
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_STORE_CTX_set_default(context, "ssl_server");
    X509_VERIFY_PARAM_set_time(parameters, judge->options->now);
    X509_VERIFY_PARAM_set_auth_level(parameters, SECURITY_LEVEL);
    X509_VERIFY_PARAM_set_depth(parameters, CHAIN_DEPTH);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_TRUSTED_FIRST |
                                                (partial ? X509_V_FLAG_PARTIAL_CHAIN : 0));
}

/* Does the leaf lead to a certificate of the store? `partial`: any certificate in it ends a chain,
 * whether it is a root or not. */
static struct verify_chain build(struct verify_judge *judge, X509_STORE *store, bool partial)
{
    struct verify_chain chain = {.error = X509_V_ERR_OUT_OF_MEM};
    STACK_OF(X509) *others = sk_X509_new_null();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool ready = others && context;
    for (size_t i = 1; ready && i < judge->count; i++) {
        X509 *other = verify_x509(&judge->shown[i]);
        ready = !other || sk_X509_push(others, other);
    }
    if (ready && X509_STORE_CTX_init(context, store, verify_x509(&judge->shown[0]), others)) {
        set_rules(judge, context, partial);
        bool good = X509_verify_cert(context) == 1;
        chain.error = X509_STORE_CTX_get_error(context);
        if (good)
            chain.certificates = X509_STORE_CTX_get1_chain(context);
    }
    X509_STORE_CTX_free(context);
    sk_X509_free(others);
    return chain;
}

static const char *chain_words(int error)
{
    switch (error) {
    case X509_V_ERR_EE_KEY_TOO_SMALL:
        return "the server's key is too weak (RFC 9325: RSA of 2048 bits at least)";
    case X509_V_ERR_CA_KEY_TOO_SMALL:
        return "the key of a CA in it is too weak (RFC 9325: RSA of 2048 bits at least)";
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return "the digest of a signature in it is too weak (RFC 9325: SHA-256 at least)";
    default:
        return X509_verify_cert_error_string(error);
    }
}

static const char *chain_tlsrpt(int error)
{
    return error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID
               ? "certificate-expired"
               : "certificate-not-trusted";
}

/* The leaf's names against the endpoint's references; says so when none fits. A common name counts
 * for DANE only (RFC 7672 section 3.2.3); elsewhere names stand in their extension (RFC 8461
 * section 4.2, RFC 9525). */
static bool names_fit(struct verify_judge *judge)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    struct dane_names_match match;
    char why[DANE_NAMES_TEXT];
    if (verify_names(verify_x509(&judge->shown[0]), endpoint->references, endpoint->reference_count,
                     endpoint->demand == DANE_DEMAND_DANE, &match, why) == BASE_OK) {
        memcpy(judge->verdict->identity, match.identity, sizeof match.identity);
        return true;
    }
    verify_object(judge, VERIFY_WRONG_NAME, "certificate-host-mismatch",
                  "the certificate is for %.200s, not for %.100s", why,
                  endpoint->reference_count > 0 ? endpoint->references[0].name : "this host");
    return false;
}

/* A chain of which a verdict is made ends with the first of its certificates. */
static void limit_by_chain(struct verify_judge *judge, STACK_OF(X509) * certificates)
{
    base_time *expiry = &judge->verdict->expiry;
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        struct tm end;
        if (!ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(certificates, i)), &end))
            continue;
        base_time time = timegm(&end);
        if (*expiry == 0 || time < *expiry)
            *expiry = time;
    }
}

static void chain_free(struct verify_chain *chain)
{
    sk_X509_pop_free(chain->certificates, X509_free);
    chain->certificates = NULL;
}

/* --- usage 2: an anchor of the domain's own --- */

/* True: the chain that ends here is good, and so is the name. */
static bool try_anchor(struct verify_judge *judge, X509 *anchor, size_t record, unsigned depth)
{
    if (judge->anchors++ >= VERIFY_ANCHORS_MAX)
        return false;
    X509_STORE *store = X509_STORE_new();
    struct verify_chain chain = {.error = X509_V_ERR_OUT_OF_MEM};
    if (store && X509_STORE_add_cert(store, anchor))
        chain = build(judge, store, true);
    X509_STORE_free(store);
    if (!chain.certificates)
        verify_object(judge, VERIFY_NOT_LED, chain_tlsrpt(chain.error),
                      "a TLSA record names a CA of the domain's own, but the chain to it is not "
                      "good: %s",
                      chain_words(chain.error));
    bool good = chain.certificates && names_fit(judge);
    if (good) {
        limit_by_chain(judge, chain.certificates);
        verify_accept(judge, record, depth, "a CA of the domain's own, to which the chain leads");
    }
    chain_free(&chain);
    return good;
}

static bool try_shown(struct verify_judge *judge, size_t at, size_t record)
{
    X509 *anchor = verify_x509(&judge->shown[at]);
    return anchor && try_anchor(judge, anchor, record, (unsigned)at);
}

static bool signed_by(struct verify_judge *judge, X509 *certificate, EVP_PKEY *key)
{
    return judge->anchors++ < VERIFY_ANCHORS_MAX && X509_verify(certificate, key) == 1;
}

/* A record with all of an anchor in it, which the server need not send then (RFC 7671 section
 * 5.2.2): a certificate, or a key, and whatever that signed may end the chain. */
static bool try_whole(struct verify_judge *judge, size_t index)
{
    const struct dane_tlsa *record = &judge->endpoint->tlsa[index];
    const unsigned char *at = record->data;
    bool good = false;
    if (record->selector == DANE_CERTIFICATE) {
        X509 *anchor = d2i_X509(NULL, &at, record->length);
        good = anchor && try_anchor(judge, anchor, index, (unsigned)judge->count);
        X509_free(anchor);
        return good;
    }
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, record->length);
    for (size_t i = 0; key && !good && i < judge->count; i++) {
        X509 *shown = verify_x509(&judge->shown[i]);
        good = shown && signed_by(judge, shown, key) &&
               try_anchor(judge, shown, index, (unsigned)i + 1);
    }
    EVP_PKEY_free(key);
    return good;
}

/* Says so when OpenSSL cannot read the leaf. */
static bool leaf_reads(struct verify_judge *judge)
{
    if (verify_x509(&judge->shown[0]))
        return true;
    verify_object(judge, VERIFY_NOT_LED, "validation-failure",
                  "the server's certificate cannot be read");
    return false;
}

static bool any_usable(const struct verify_judge *judge, unsigned usage)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        if (verify_usable(&endpoint->tlsa[i], usage))
            return true;
    }
    return false;
}

bool verify_by_anchors(struct verify_judge *judge)
{
    if (!any_usable(judge, DANE_TA) || !leaf_reads(judge))
        return false;
    for (size_t i = 1; i < judge->count; i++) {
        size_t record = verify_match(judge, DANE_TA, &judge->shown[i]);
        if (record != SIZE_MAX && try_shown(judge, i, record))
            return true;
    }
    for (size_t i = 0; i < judge->endpoint->tlsa_count; i++) {
        const struct dane_tlsa *record = &judge->endpoint->tlsa[i];
        if (verify_usable(record, DANE_TA) && record->matching == DANE_FULL && try_whole(judge, i))
            return true;
    }
    return false;
}

/* --- the system's CAs --- */

/* A chain to a CA of the system with the right name; else says why not. */
static struct verify_chain system_chain(struct verify_judge *judge)
{
    struct verify_chain chain = {.error = X509_V_OK};
    if (!verify_recall(judge, &chain)) {
        X509_STORE *store = leaf_reads(judge) ? system_store(judge) : NULL;
        if (!store)
            return chain;
        chain = build(judge, store, false);
        verify_remember(judge, &chain);
    }
    if (!chain.certificates)
        verify_object(judge, VERIFY_NOT_LED, chain_tlsrpt(chain.error),
                      "the certificate is not to be trusted: %s", chain_words(chain.error));
    else if (!names_fit(judge))
        chain_free(&chain);
    return chain;
}

/* The record of usage 0 that matches a CA of the chain. */
static size_t match_authorities(struct verify_judge *judge, const struct verify_chain *chain,
                                unsigned *depth)
{
    size_t record = SIZE_MAX;
    for (int i = 1; record == SIZE_MAX && i < sk_X509_num(chain->certificates); i++) {
        struct verify_shown authority;
        unsigned char *der = NULL;
        int length = i2d_X509(sk_X509_value(chain->certificates, i), &der);
        if (length > 0 && verify_show(&authority, der, (size_t)length))
            record = verify_match(judge, DANE_PKIX_TA, &authority);
        *depth = (unsigned)i;
        OPENSSL_free(der);
    }
    return record;
}

bool verify_by_authorities_and_tlsa(struct verify_judge *judge)
{
    unsigned depth = 0;
    size_t record = verify_match(judge, DANE_PKIX_EE, &judge->shown[0]);
    if (record == SIZE_MAX && !any_usable(judge, DANE_PKIX_TA))
        return false;
    struct verify_chain chain = system_chain(judge);
    if (!chain.certificates)
        return false;
    if (record == SIZE_MAX)
        record = match_authorities(judge, &chain, &depth);
    if (record != SIZE_MAX) {
        limit_by_chain(judge, chain.certificates);
        verify_accept(judge, record, depth,
                      depth == 0 ? "the certificate, for which a CA of the system vouches"
                                 : "a CA that vouches for the certificate");
    }
    chain_free(&chain);
    return record != SIZE_MAX;
}

bool verify_by_authorities(struct verify_judge *judge)
{
    struct verify_chain chain = system_chain(judge);
    if (!chain.certificates)
        return false;
    limit_by_chain(judge, chain.certificates);
    verify_accept(judge, SIZE_MAX, 0, "a CA of the system vouches for the certificate");
    chain_free(&chain);
    return true;
}
