/*
 * The private keys that the key process has in memory: of the zones that were used last, opened
 * from their directories, made when a zone has none, wiped when others need the room. For several
 * threads.
 */
#ifndef KEYS_VAULT_H
#define KEYS_VAULT_H

#include "keys/protocol.h"

struct keys_vault;
/* The keys of one zone, as they were read; they stay until they are released. */
struct keys_zone;

/* `directory` has a directory for each zone (crypto_keydir_path); it is made when it is missing,
 * and what an earlier run left there half made is removed. BASE_EREFUSED with findings. */
int keys_vault_new(const char *directory, struct base_findings *findings, struct keys_vault **out);
/* Keys that are not settled are lost: they were never used for anything that counts. */
void keys_vault_free(struct keys_vault *vault);

/* The keys of a zone, made when it has none and need not exist; *created says how many, *settled
 * whether they are on disk for good. Errors as sign_keys_provide, with findings. */
int keys_vault_provide(struct keys_vault *vault, const struct keys_provide *provide,
                       struct base_findings *findings, struct keys_zone **out, size_t *created,
                       bool *settled);
/* Keys of a zone that has some, for use: as they were when they were last provided. BASE_EPERM: it
 * has none, or they are refused. */
int keys_vault_find(struct keys_vault *vault, const uint8_t *zone, struct keys_zone **out);
void keys_vault_release(struct keys_vault *vault, struct keys_zone *zone);
const struct crypto_keydir *keys_zone_keys(const struct keys_zone *zone);

/* A signer with the key of this id, to be given back. BASE_EPERM: there is none, its private half
 * is not here, or it does not sign at `now`. */
int keys_vault_take(struct keys_vault *vault, struct keys_zone *zone, const uint8_t *id,
                    base_time now, struct crypto_signer **out);
void keys_vault_give(struct keys_vault *vault, struct keys_zone *zone, const uint8_t *id,
                     struct crypto_signer *signer);

/* Brings new keys to disk: see keys_client_settle. */
int keys_vault_settle(struct keys_vault *vault, struct base_findings *findings);

#endif
