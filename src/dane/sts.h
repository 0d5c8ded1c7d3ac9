/*
 * MTA-STS (RFC 8461): the TXT record and the policy document.
 */
#ifndef DANE_STS_H
#define DANE_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dane_sts_mode { DANE_STS_NONE, DANE_STS_TESTING, DANE_STS_ENFORCE };
#define DANE_STS_ID_MAX   32
#define DANE_STS_TEXT_MAX (64 * 1024) /* longest document that is read (section 3.3) */
#define DANE_STS_MX_MAX   256

struct dane_sts {
    enum dane_sts_mode mode;
    uint32_t max_age; /* seconds, at most 31557600 */
    char **mx;        /* patterns: host names, or "*." and a name; lower case */
    size_t mx_count;
};

/* The id in the character-strings of one TXT record, joined (section 3.1). BASE_ENOENT: it is about
 * something else; BASE_EFORMAT. Several that are STSv1 are none: the caller counts. */
int dane_sts_id(const char *text, size_t length, char id[DANE_STS_ID_MAX + 1]);
/* Reads a document (section 3.2). BASE_EFORMAT with `why` in words. */
int dane_sts_parse(const char *text, size_t length, struct dane_sts *out, char why[200]);
void dane_sts_free(struct dane_sts *sts);
/* Does a pattern fit the MX host (A-labels)? Section 4.1. */
bool dane_sts_covers(const struct dane_sts *sts, const char *host);

#endif
