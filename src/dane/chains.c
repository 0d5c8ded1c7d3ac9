/*
 * Chains to the system's CAs that were built lately: a stream that speaks for a hundred domains
 * shows one chain, which is read and checked once.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "dane/verify_parts.h"

#include "base/error.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_GOOD 3600 /* seconds */
#define KEEP_BAD  60

struct entry {
    uint8_t digest[SHA256_DIGEST_LENGTH]; /* of all that was shown */
    X509 *leaf;                           /* NULL: the entry is free */
    struct verify_chain chain;
    base_time from, until; /* when it may be used: before, or then, the chain may be another one */
    uint64_t used;
};

struct dane_chains {
    size_t most;
    uint64_t clock; /* of uses */
    struct entry entries[];
};

int dane_chains_new(size_t most, struct dane_chains **out)
{
    struct dane_chains *chains = calloc(1, sizeof *chains + most * sizeof chains->entries[0]);
    if (!chains)
        return BASE_ENOMEM;
    chains->most = most;
    *out = chains;
    return BASE_OK;
}

static void forget(struct entry *entry)
{
    X509_free(entry->leaf);
    sk_X509_pop_free(entry->chain.certificates, X509_free);
    *entry = (struct entry){.leaf = NULL};
}

void dane_chains_free(struct dane_chains *chains)
{
    if (!chains)
        return;
    for (size_t i = 0; i < chains->most; i++)
        forget(&chains->entries[i]);
    free(chains);
}

/* Called directly for the reason that verify.c gives. */
static void digest_shown(const struct verify_judge *judge, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    for (size_t i = 0; i < judge->count; i++) {
        uint64_t length = judge->shown[i].der ? judge->shown[i].length : 0;
        SHA256_Update(&context, &length, sizeof length);
        SHA256_Update(&context, judge->shown[i].der, (size_t)length);
    }
    SHA256_Final(out, &context);
}

bool verify_recall(struct verify_judge *judge, struct verify_chain *out)
{
    struct dane_chains *chains = judge->options->chains;
    base_time now = judge->options->now;
    if (!chains)
        return false;
    digest_shown(judge, judge->digest);
    for (size_t i = 0; i < chains->most; i++) {
        struct entry *entry = &chains->entries[i];
        if (!entry->leaf || memcmp(entry->digest, judge->digest, sizeof entry->digest) != 0 ||
            now < entry->from || now >= entry->until)
            continue;
        struct verify_chain chain = {.error = entry->chain.error};
        if (entry->chain.certificates &&
            !(chain.certificates = X509_chain_up_ref(entry->chain.certificates)))
            return false;
        if (!judge->shown[0].x509 && X509_up_ref(entry->leaf))
            judge->shown[0].x509 = entry->leaf;
        judge->shown[0].tried = true;
        entry->used = ++chains->clock;
        *out = chain;
        return true;
    }
    return false;
}

/* The times between which a good chain stays good. */
static void limit(struct entry *entry)
{
    for (int i = 0; i < sk_X509_num(entry->chain.certificates); i++) {
        const X509 *certificate = sk_X509_value(entry->chain.certificates, i);
        struct tm begin, end;
        if (!ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &begin) ||
            !ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end)) {
            entry->until = entry->from;
            return;
        }
        base_time from = timegm(&begin), until = timegm(&end);
        if (from > entry->from)
            entry->from = from;
        if (until < entry->until)
            entry->until = until;
    }
}

/* A free place, or that of the chain that was not used for longest. */
static struct entry *place(struct dane_chains *chains, const uint8_t *digest)
{
    struct entry *oldest = &chains->entries[0];
    for (size_t i = 0; i < chains->most; i++) {
        struct entry *entry = &chains->entries[i];
        if (!entry->leaf || memcmp(entry->digest, digest, sizeof entry->digest) == 0)
            return entry;
        if (entry->used < oldest->used)
            oldest = entry;
    }
    return oldest;
}

void verify_remember(struct verify_judge *judge, const struct verify_chain *chain)
{
    struct dane_chains *chains = judge->options->chains;
    X509 *leaf = judge->shown[0].x509;
    base_time now = judge->options->now;
    if (!chains || chains->most == 0 || !leaf || chain->error == X509_V_ERR_OUT_OF_MEM)
        return;
    struct entry *entry = place(chains, judge->digest);
    forget(entry);
    if (chain->certificates &&
        !(entry->chain.certificates = X509_chain_up_ref(chain->certificates)))
        return;
    memcpy(entry->digest, judge->digest, sizeof entry->digest);
    entry->chain.error = chain->error;
    entry->from = now;
    entry->until = now + (chain->certificates ? KEEP_GOOD : KEEP_BAD);
    entry->used = ++chains->clock;
    limit(entry);
    X509_up_ref(leaf);
    entry->leaf = leaf;
}
