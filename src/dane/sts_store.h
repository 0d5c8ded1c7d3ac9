/*
 * MTA-STS policies that were fetched, kept as long as they say (RFC 8461 section 3.3), in memory
 * and as files, so that a restart, or somebody who suppresses the TXT record, does not undo them.
 * One thread at a time, but for dane_sts_store_write.
 */
#ifndef DANE_STS_STORE_H
#define DANE_STS_STORE_H

#include "base/log.h"
#include "dane/sts.h"

#include <stddef.h>

struct dane_sts_store;

#define DANE_STS_STORE_POLICIES 20000              /* at most */
#define DANE_STS_STORE_OCTETS   (64 * 1024 * 1024) /* of all texts together */
#define DANE_STS_RETRY          300                /* seconds after a failed fetch (section 3.3) */

/* `directory` NULL: in memory only; it must be there, and files in it are the store's: one for each
 * domain. What is damaged or has ended is removed. BASE_EIO: it cannot be read; BASE_ENOMEM. */
int dane_sts_store_open(const char *directory, base_time now, const struct base_log *log,
                        struct dane_sts_store **out);
void dane_sts_store_free(struct dane_sts_store *store); /* NULL allowed; files stay */

struct dane_sts_kept {
    const char *text; /* NULL: no policy holds now */
    size_t length;
    const char *id;
    base_time until;
    bool refresh;    /* it is time to fetch it again, though it still holds (section 10.2) */
    const char *why; /* fetching `failed_id` failed lately: not to be tried now; NULL */
    const char *failed_id;
};
/* What is known; stays until the domain's next change. */
void dane_sts_store_find(struct dane_sts_store *store, const char *domain, base_time now,
                         struct dane_sts_kept *out);

/* Writes the domain's file and nothing else: for threads that may wait for the disk.
 * BASE_EIO (errno), BASE_ENOMEM; without a directory BASE_OK. */
int dane_sts_store_write(const char *directory, const char *domain, const char *id, base_time now,
                         const char *text, size_t length);
/* Takes a policy up in memory. BASE_EFORMAT with `why`; BASE_ENOMEM. */
int dane_sts_store_put(struct dane_sts_store *store, const char *domain, const char *id,
                       base_time now, const char *text, size_t length, char why[200]);
/* Notes that fetching the policy `id` failed. What is there goes on to hold. */
void dane_sts_store_failed(struct dane_sts_store *store, const char *domain, const char *id,
                           base_time now, const char *why);
size_t dane_sts_store_count(const struct dane_sts_store *store);

#endif
