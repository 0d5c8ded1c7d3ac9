/*
 * The key process, seen by those who sign: they hold public halves, and ask it for signatures.
 */
#ifndef KEYS_CLIENT_H
#define KEYS_CLIENT_H

#include "crypto/keydir.h"
#include "sign/policy.h"

/* Several threads may use one client at once: it opens a channel for each of them, up to 16. The
 * key process has a thread for each channel, so that as many processors sign. */
struct keys_client;

/* Over one end of a process_channel_pair, which it owns from then on, also after a failure. */
int keys_client_new(int fd, struct keys_client **out);
/* Nobody may use it any more, nor keys that it gave. NULL allowed. */
void keys_client_free(struct keys_client *client);
/* Has it found the key process gone? Then it stays so: make a new one over a new channel. */
bool keys_client_gone(const struct keys_client *client);

struct keys_request {
    const uint8_t *zone;
    const struct sign_policy *policy; /* of new keys */
    base_time now;
    /* New keys need not be on disk before the answer. What is signed with keys that are not
     * `settled` may be published only after a keys_client_settle that began later and succeeded,
     * through whichever client. So a thousand new zones wait for the disk once. */
    bool early;
    /* The zone has been published with keys: where they are gone no others are made, since parents
     * and caches know those (KEYS_LOST, BASE_EREFUSED). */
    bool exist;
};

struct keys_provided {
    struct crypto_keydir keys; /* freed with crypto_keydir_free, before the client */
    size_t created;            /* of them, now */
    bool settled;              /* they are on disk for good; always, unless asked for early */
};

/* The keys of a zone, made by policy when it has none, as sign_keys_provide. The private halves
 * stay where they are: keys[].key signs through `client`. BASE_ENOENT: the key process is gone (ask
 * for a new connection and try again); else as sign_keys_provide, with findings.
 *
 * Signing with the keys then gives BASE_ENOENT when the key process is gone, BASE_EPERM when it
 * refuses: the key is not there any more, or its times say that it does not sign now. */
int keys_client_provide(struct keys_client *client, const struct keys_request *request,
                        struct base_findings *findings, struct keys_provided *out);
/* All keys that any client was given before are on disk for good. Costs nothing when there are no
 * new ones. BASE_EREFUSED, BASE_EIO with findings: some are not; what was signed with keys that
 * were made since the last success must not be published, and is to be signed anew. BASE_ENOENT:
 * likewise. */
int keys_client_settle(struct keys_client *client, struct base_findings *findings);

#endif
