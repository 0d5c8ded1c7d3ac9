/*
 * Reports that others sent (RFC 8460 section 4.4), read into what can be told of them. From
 * strangers: everything is bounded, and what is missing is empty.
 */
#ifndef DANE_TLSRPT_READ_H
#define DANE_TLSRPT_READ_H

#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>

#define DANE_TLSRPT_FILE_MAX     (32 * 1024 * 1024) /* of a file as it lies there */
#define DANE_TLSRPT_DOCUMENT_MAX (10 * 1024 * 1024) /* of the report, expanded */
#define DANE_TLSRPT_READ_MAX     10000              /* policies, and failures, of one report */

struct dane_tlsrpt_failure {
    const char *type; /* "certificate-expired"; what is no name of section 4.3 stays as it is */
    const char *mx, *sending_ip, *receiving_ip, *reason;
    uint64_t count;
};
struct dane_tlsrpt_told {
    const char *domain, *type; /* "tlsa", "sts", "no-policy-found" */
    uint64_t successes, failures;
    struct dane_tlsrpt_failure *details;
    size_t detail_count;
};
struct dane_tlsrpt_view {
    const char *organization, *contact, *id, *from, *until; /* "" when not told */
    struct dane_tlsrpt_told *policies;
    size_t count;
};

/* A file's content: JSON, gzip of it, or a mail with either. All lies in the arena. BASE_EFORMAT
 * with `why`; BASE_ELIMIT: more than a budget, with `why`; BASE_ENOMEM. */
int dane_tlsrpt_read(const uint8_t *data, size_t length, struct base_arena *arena,
                     struct dane_tlsrpt_view *out, char why[200]);
/* What a result type means, in plain words; for what is unknown a general word. */
const char *dane_tlsrpt_type_words(const char *type);

#endif
