/*
 * TSIG on the server's side (RFC 8945): who signed a request, what to answer when the signature is
 * no good, and the signatures of what is answered.
 */
#ifndef FRONT_AUTH_H
#define FRONT_AUTH_H

#include "dns/tsig.h"
#include "front/stats.h"

/* One request and all its answers. */
struct front_auth {
    const struct dns_tsig_key *key; /* that it was verified with; NULL: it was not signed */
    struct dns_tsig tsig;
    uint16_t id; /* of the message as it came; the signed one may be another */
};

/* Verifies a signed request, which is changed as dns_tsig_verify does. BASE_OK. BASE_EFORMAT:
 * answer FORMERR. BASE_EMISMATCH: answer NOTAUTH with what front_auth_refuse appends; *error is for
 * that, and *record what it needs, which points into the message. Errors of the HMAC. */
int front_auth_verify(struct front_auth *auth, const struct dns_tsig_key *keys, size_t key_count,
                      uint8_t *message, size_t *length, base_time now, struct front_stats *stats,
                      struct dns_tsig_record *record, uint16_t *error);
/* Appends the TSIG record that says why a request was refused: signed where the client has shown to
 * know the key. */
int front_auth_refuse(struct front_auth *auth, const struct dns_tsig_record *record,
                      uint8_t *message, size_t *length, size_t capacity, base_time now,
                      uint16_t error);
/* Octets that signing an answer adds; 0 when the request was not signed. */
size_t front_auth_room(const struct front_auth *auth);
/* Signs the next answer, whose ID is that of the signed request; gives it the ID that the client
 * waits for. Without a key nothing happens. */
int front_auth_sign(struct front_auth *auth, uint8_t *message, size_t *length, size_t capacity,
                    base_time now);

#endif
