/*
 * The key process, seen by those who sign: they hold public halves, and ask it for signatures. A
 * client is one connection, used by one thread at a time; the key process has a thread for each.
 */
#ifndef KEYS_CLIENT_H
#define KEYS_CLIENT_H

#include "crypto/keydir.h"
#include "sign/policy.h"

struct keys_client;

/* Over one end of a process_channel_pair, which it owns from then on. */
int keys_client_new(int fd, struct keys_client **out);
void keys_client_free(struct keys_client *client); /* NULL allowed */

/* The keys of a zone, made by policy when it has none, as sign_keys_provide. The private halves
 * stay where they are: out->keys[].key signs through `client`, so it is used by that client's
 * thread and before it is freed. Freed with crypto_keydir_free. BASE_ENOENT: the key process is
 * gone (ask for a new connection and try again); else as sign_keys_provide, with findings. */
int keys_client_provide(struct keys_client *client, const uint8_t *zone,
                        const struct sign_policy *policy, base_time now,
                        struct base_findings *findings, struct crypto_keydir *out, size_t *created);

#endif
