/*
 * POSH (RFC 7711): fingerprints of certificates that a domain publishes over HTTPS.
 */
#ifndef DANE_POSH_H
#define DANE_POSH_H

#include "base/clock.h"
#include "dane/verify.h"

#define DANE_POSH_TEXT_MAX         (64 * 1024)
#define DANE_POSH_FINGERPRINTS_MAX 64

struct dane_posh {
    char *url; /* reference document: look there instead (one hop); NULL */
    struct dane_posh_fingerprint {
        uint8_t sha256[32], sha512[64];
        bool has_sha256, has_sha512;
    } * fingerprints;
    size_t count;
    uint32_t expires; /* seconds; never 0 */
};
/* Reads a document (JSON). BASE_EFORMAT with `why`: zero or missing `expires`, neither or both of
 * url and fingerprints, wrong types, url that is not https, too many. */
int dane_posh_parse(const char *text, size_t length, struct dane_posh *out, char why[200]);
void dane_posh_free(struct dane_posh *posh);
/* The strongest digest that an entry has counts for it. Takes the leaf's DER. */
bool dane_posh_match(const struct dane_posh *posh, const uint8_t *leaf, size_t length);

#endif
