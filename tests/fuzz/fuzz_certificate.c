/*
 * Certificates and bare keys from strangers against endpoints that have nothing to do with them:
 * names and chains are read in every way, and nobody may ever be authenticated.
 */
#include "base/error.h"
#include "dane/verify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that no certificate has, so that a match is a mistake. */
static const struct dane_reference references[] = {
    {DANE_REFERENCE_DNS, "a3f8c1.never.invalid"},
    {DANE_REFERENCE_SRV, "_xmpp-server.a3f8c1.never.invalid"},
    {DANE_REFERENCE_XMPP, "a3f8c1.never.invalid"},
    {DANE_REFERENCE_ADDRESS, "192.0.2.213"},
};

static void try_names(const uint8_t *data, size_t size)
{
    struct dane_names_match match;
    char why[DANE_NAMES_TEXT];
    int status = dane_names_match(data, size, references, 4, size % 2 != 0, &match, why);
    if (status == BASE_OK && !memmem(data, size, "a3f8c1", 6) && !memmem(data, size, "A3F8C1", 6) &&
        !memmem(data, size, "never", 5) && !memmem(data, size, "\xc0\x00\x02\xd5", 4))
        abort();
    if (status == BASE_EMISMATCH && strlen(why) >= DANE_NAMES_TEXT)
        abort();
}

static void verify(const struct dane_peer *peer, enum dane_demand demand,
                   const struct dane_authorities *authorities)
{
    static const uint8_t digest[64] = {0x5a, 0xa5, 1, 2, 3, 4, 5, 6, 7};
    struct dane_tlsa tlsa[8];
    size_t count = 0;
    for (uint8_t usage = 0; usage < 4; usage++) {
        for (uint8_t selector = 0; selector < 2; selector++)
            tlsa[count++] = (struct dane_tlsa){.usage = usage,
                                               .selector = selector,
                                               .matching = usage & 1 ? DANE_SHA256 : DANE_SHA512,
                                               .length = usage & 1 ? 32 : 64,
                                               .data = digest};
    }
    struct dane_endpoint endpoint = {.demand = demand,
                                     .tlsa = tlsa,
                                     .tlsa_count = count,
                                     .references = references,
                                     .reference_count = 4,
                                     .testing = demand == DANE_DEMAND_NOTHING,
                                     .reason = ""};
    struct dane_verify_options options = {.now = 1790000000, .authorities = authorities};
    struct dane_verdict verdict;
    dane_verify(&endpoint, peer, &options, &verdict);
    if (verdict.result == DANE_AUTHENTICATED || verdict.by_dane || verdict.tlsa != SIZE_MAX ||
        verdict.reason[0] == '\0' || strlen(verdict.reason) >= sizeof verdict.reason)
        abort();
}

/* The input is cut into certificates behind two octets of length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dane_authorities *authorities;
    struct dane_der chain[20];
    size_t count = 0;
    if (!authorities && dane_authorities_new("/dev/null", &authorities) != BASE_OK)
        authorities = NULL;
    try_names(data, size);
    for (size_t at = 0; at + 2 <= size && count < 20;) {
        size_t length = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (length > size - at)
            length = size - at;
        chain[count++] = (struct dane_der){data + at, length};
        try_names(data + at, length);
        at += length;
    }
    struct dane_peer with_chain = {.chain = chain, .count = count, .tls = true};
    struct dane_peer with_key = {.raw_public_key = data, .raw_length = size, .tls = true};
    verify(&with_chain, DANE_DEMAND_DANE, authorities);
    verify(&with_key, DANE_DEMAND_DANE, authorities);
    if (authorities && size % 4 == 0)
        verify(&with_chain, size % 8 ? DANE_DEMAND_PKIX : DANE_DEMAND_NOTHING, authorities);
    return 0;
}
