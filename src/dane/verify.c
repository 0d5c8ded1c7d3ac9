/*
 * Judging what a peer shows by what an endpoint demands.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "dane/verify_parts.h"

#include "base/error.h"
#include "dane/der.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CERTIFICATE_MAX (64 * 1024)

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

/* --- words --- */

static void say(struct dane_verdict *verdict, enum dane_result result, const char *tlsrpt,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(struct dane_verdict *verdict, enum dane_result result, const char *tlsrpt,
                const char *format, ...)
{
    verdict->result = result;
    snprintf(verdict->tlsrpt, sizeof verdict->tlsrpt, "%s", tlsrpt);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    va_end(args);
}

void verify_object(struct verify_judge *judge, enum verify_weight weight, const char *tlsrpt,
                   const char *format, ...)
{
    if (weight <= judge->weight)
        return;
    char text[DANE_VERDICT_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    judge->weight = weight;
    say(judge->verdict, DANE_REFUSED, tlsrpt, "%s", text);
}

void verify_accept(struct verify_judge *judge, size_t record, unsigned depth, const char *what)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    struct dane_verdict *verdict = judge->verdict;
    const char *but = endpoint->delegation == DANE_DELEGATION_SECURE
                          ? ""
                          : "; that it serves the domain is not secured";
    char text[DANE_TLSA_TEXT];
    verdict->by_dane = record != SIZE_MAX;
    verdict->tlsa = record;
    verdict->depth = depth;
    if (verdict->by_dane)
        say(verdict, DANE_AUTHENTICATED, "", "TLSA %s matches %s%s",
            dane_tlsa_text(&endpoint->tlsa[record], text), what, but);
    else
        say(verdict, DANE_AUTHENTICATED, "", "%s%s", what, but);
}

/* --- what is shown --- */

bool verify_show(struct verify_shown *shown, const uint8_t *der, size_t length)
{
    *shown = (struct verify_shown){.der = der, .length = length};
    if (length <= CERTIFICATE_MAX &&
        dane_der_certificate_key(der, length, &shown->key, &shown->key_length))
        return true;
    shown->der = NULL;
    return false;
}

X509 *verify_x509(struct verify_shown *shown)
{
    if (!shown->tried && shown->der) {
        const unsigned char *at = shown->der;
        shown->x509 = d2i_X509(NULL, &at, (long)shown->length);
        shown->tried = true;
    }
    return shown->x509;
}

static void read_peer(struct verify_judge *judge, const struct dane_peer *peer)
{
    if (peer->raw_public_key) {
        judge->count = peer->raw_length <= CERTIFICATE_MAX &&
                       dane_der_is_key(peer->raw_public_key, peer->raw_length);
        judge->shown[0].key = peer->raw_public_key;
        judge->shown[0].key_length = peer->raw_length;
        return;
    }
    judge->count = peer->count < DANE_CHAIN_MAX ? peer->count : DANE_CHAIN_MAX;
    for (size_t i = 0; i < judge->count; i++)
        verify_show(&judge->shown[i], peer->chain[i].data, peer->chain[i].length);
}

static void release(struct verify_judge *judge)
{
    bool used = judge->own != NULL;
    for (size_t i = 0; i < judge->count; i++) {
        used |= judge->shown[i].tried;
        X509_free(judge->shown[i].x509);
    }
    dane_authorities_free(judge->own);
    if (used)
        ERR_clear_error();
}

/* --- one record with one certificate or key --- */

/* The block functions are called directly, as src/crypto does: through EVP a digest of these few
 * octets costs several times the hash. */
static bool digest_is(const struct dane_tlsa *record, const uint8_t *data, size_t length)
{
    uint8_t digest[SHA512_DIGEST_LENGTH];
    SHA256_CTX sha256;
    SHA512_CTX sha512;
    if (record->matching == DANE_SHA256 && record->length == SHA256_DIGEST_LENGTH) {
        SHA256_Init(&sha256);
        SHA256_Update(&sha256, data, length);
        SHA256_Final(digest, &sha256);
    } else if (record->matching == DANE_SHA512 && record->length == SHA512_DIGEST_LENGTH) {
        SHA512_Init(&sha512);
        SHA512_Update(&sha512, data, length);
        SHA512_Final(digest, &sha512);
    } else {
        return false;
    }
    return memcmp(digest, record->data, record->length) == 0;
}

static bool matches(const struct dane_tlsa *record, const struct verify_shown *shown)
{
    bool certificate = record->selector == DANE_CERTIFICATE;
    const uint8_t *data = certificate ? shown->der : shown->key;
    size_t length = certificate ? shown->length : shown->key_length;
    if (!data)
        return false;
    if (record->matching == DANE_FULL)
        return length == record->length && memcmp(data, record->data, length) == 0;
    return digest_is(record, data, length);
}

size_t verify_match(const struct verify_judge *judge, unsigned usage,
                    const struct verify_shown *shown)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        if (verify_usable(&endpoint->tlsa[i], usage) && matches(&endpoint->tlsa[i], shown))
            return i;
    }
    return SIZE_MAX;
}

/* --- demands --- */

static bool has_leaf(struct verify_judge *judge)
{
    if (judge->count > 0 && judge->shown[0].key)
        return true;
    verify_object(judge, VERIFY_NOT_LED, "validation-failure", "%s",
                  judge->count == 0 ? "the server shows neither a certificate nor a key that can "
                                      "be read"
                                    : "the server's certificate cannot be read");
    return false;
}

static void judge_dane(struct verify_judge *judge)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    size_t usable = 0;
    if (!has_leaf(judge))
        return;
    const struct verify_shown *leaf = &judge->shown[0];
    size_t record = verify_match(judge, DANE_EE, leaf);
    if (record != SIZE_MAX) {
        verify_accept(judge, record, 0,
                      !leaf->der                                           ? "the server's bare key"
                      : endpoint->tlsa[record].selector == DANE_PUBLIC_KEY ? "the server's key"
                                                                           : "its certificate");
        return;
    }
    /* Nothing but usage 3 speaks of bare keys (RFC 7671 section 5.1). */
    if (leaf->der && (verify_by_anchors(judge) || verify_by_authorities_and_tlsa(judge)))
        return;
    for (size_t i = 0; i < endpoint->tlsa_count; i++)
        usable += endpoint->tlsa[i].unusable == DANE_USABLE;
    verify_object(judge, VERIFY_NO_MATCH, "validation-failure",
                  "none of the %zu usable TLSA records of %s matches what the server shows", usable,
                  endpoint->base ? endpoint->base : "the host");
}

static void judge_pkix(struct verify_judge *judge)
{
    if (!has_leaf(judge))
        return;
    if (judge->shown[0].der)
        verify_by_authorities(judge);
    else
        verify_object(judge, VERIFY_NO_MATCH, "certificate-not-trusted",
                      "the server shows a bare key, for which no CA can vouch");
}

/* A policy in mode testing: what it would have refused is told, and nothing more. */
static void judge_testing(struct verify_judge *judge, bool tls)
{
    struct dane_verdict *verdict = judge->verdict;
    if (judge->endpoint->reference_count == 0) {
        say(verdict, DANE_REFUSED, "validation-failure", "the policy does not list this host");
    } else if (tls) {
        judge_pkix(judge);
        if (verdict->result == DANE_AUTHENTICATED)
            return;
    } else {
        say(verdict, DANE_REFUSED, "starttls-not-supported", "the server does not offer TLS");
    }
    char why[DANE_VERDICT_TEXT];
    memcpy(why, verdict->reason, sizeof why);
    verdict->result = tls ? DANE_ENCRYPTED : DANE_PLAIN;
    snprintf(verdict->reason, sizeof verdict->reason,
             "the MTA-STS policy, which is in mode testing, would refuse it: %.300s", why);
}

static void judge_skip(struct verify_judge *judge)
{
    const struct dane_endpoint *endpoint = judge->endpoint;
    say(judge->verdict, DANE_REFUSED,
        endpoint->error ? "dnssec-invalid"
        : endpoint->sts ? "validation-failure"
                        : "",
        "this host must not be used: %.300s", endpoint->reason ? endpoint->reason : "the plan");
}

static void judge_all(struct verify_judge *judge, bool tls)
{
    struct dane_verdict *verdict = judge->verdict;
    switch (judge->endpoint->demand) {
    case DANE_DEMAND_SKIP:
        judge_skip(judge);
        return;
    case DANE_DEMAND_NOTHING:
        if (judge->endpoint->testing)
            judge_testing(judge, tls);
        else if (tls)
            say(verdict, DANE_ENCRYPTED, "", "encrypted; nothing says who the server must be");
        else
            say(verdict, DANE_PLAIN, "", "no TLS, and nothing demands it");
        return;
    default:
        break;
    }
    if (!tls)
        say(verdict, DANE_REFUSED, "starttls-not-supported",
            "TLS is demanded, and the server does not offer it");
    else if (judge->endpoint->demand == DANE_DEMAND_TLS)
        say(verdict, DANE_ENCRYPTED, "",
            "encrypted, as the TLSA records demand; none of them can be used to authenticate");
    else if (judge->endpoint->demand == DANE_DEMAND_DANE)
        judge_dane(judge);
    else
        judge_pkix(judge);
}

void dane_verify(const struct dane_endpoint *endpoint, const struct dane_peer *peer,
                 const struct dane_verify_options *options, struct dane_verdict *verdict)
{
    struct verify_judge judge = {.endpoint = endpoint, .options = options, .verdict = verdict};
    *verdict =
        (struct dane_verdict){.result = DANE_FAILED, .tlsa = SIZE_MAX, .expiry = endpoint->expiry};
    if (peer->tls)
        read_peer(&judge, peer);
    judge_all(&judge, peer->tls);
    release(&judge);
}
