/*
 * Keys of people and hosts as records: SSHFP (RFC 4255, 6594, 7479), OPENPGPKEY (RFC 7929), SMIMEA
 * (RFC 8162), IPSECKEY (RFC 4025).
 */
#ifndef DANE_KEYS_H
#define DANE_KEYS_H

#include "dane/material.h"

/* The name of a mailbox: SHA-256 of its local part, cut to 28 octets, below `label` ("_openpgpkey",
 * "_smimecert") of its domain. Letters of the local part count as they are (RFC 7929 section 3).
 * BASE_EFORMAT: no address of mail; BASE_ERANGE: the name is too long. */
#define DANE_MAILBOX_MAX 512
int dane_mailbox_name(const char *address, const char *label, char out[DANE_MAILBOX_MAX]);

/* One line of OpenSSH: "ssh-ed25519 AAAA… comment", with or without hosts before it. */
struct dane_ssh_key {
    uint8_t algorithm; /* of SSHFP */
    uint8_t *blob;     /* malloc'ed */
    size_t length;
};
/* BASE_ENOENT: an empty line or a comment; BASE_EFORMAT with `why`; BASE_ENOMEM. */
int dane_ssh_key_read(const char *line, struct dane_ssh_key *out, char why[200]);
/* rdata of SSHFP with fingerprint type 1 (SHA-1) or 2 (SHA-256). Returns its length. */
#define DANE_SSHFP_MAX 34
size_t dane_ssh_key_sshfp(const struct dane_ssh_key *key, uint8_t type,
                          uint8_t out[DANE_SSHFP_MAX]);

/* A public key of OpenPGP, armored or not, to its octets; malloc'ed. Checks the frames of its
 * packets: one primary key, with at least one user ID, nothing secret. BASE_EFORMAT with `why`;
 * BASE_ENOMEM. */
struct dane_openpgp_facts {
    bool has_mailbox; /* some user ID is of `mailbox` */
    bool sum_differs; /* the armor has a checksum, and of other octets. That is no reason to refuse
                       * a key (RFC 9580 section 6.1), but one to look at the file */
};
int dane_openpgp_read(const uint8_t *file, size_t length, const char *mailbox, uint8_t **out,
                      size_t *out_length, struct dane_openpgp_facts *facts, char why[200]);

/* The public key field of IPSECKEY and its algorithm (2 RSA, 3 ECDSA, 4 EdDSA), from a
 * SubjectPublicKeyInfo; malloc'ed. BASE_EUNSUPPORTED, BASE_EFORMAT, BASE_ENOMEM. */
int dane_ipsec_key(const struct dane_der *key, uint8_t *algorithm, uint8_t **out, size_t *length);

#endif
