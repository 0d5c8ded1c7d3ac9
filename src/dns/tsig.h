/*
 * TSIG (RFC 8945): authentication of messages with a shared secret, for transfers, NOTIFY and
 * UPDATE.
 *
 * This folder knows no crypto library: the HMAC comes from the caller as a table of functions. A
 * `dns_tsig` follows one exchange: the request and its response, or the many messages of a
 * transfer, in which some may be unsigned.
 */
#ifndef DNS_TSIG_H
#define DNS_TSIG_H

#include "base/clock.h"
#include "dns/message.h"

enum dns_tsig_algorithm {
    DNS_TSIG_HMAC_SHA1, /* verified only because old peers have it; make no keys for it */
    DNS_TSIG_HMAC_SHA224,
    DNS_TSIG_HMAC_SHA256,
    DNS_TSIG_HMAC_SHA384,
    DNS_TSIG_HMAC_SHA512,
    DNS_TSIG_ALGORITHMS
};

#define DNS_TSIG_MAC_MAX 64
#define DNS_TSIG_FUDGE   300 /* seconds, as RFC 8945 section 10 recommends */
/* Unsigned messages that may stand between two signed ones (RFC 8945 section 5.3.1). */
#define DNS_TSIG_UNSIGNED_MAX 99

/* Octets of the algorithm's MAC. */
size_t dns_tsig_mac_size(enum dns_tsig_algorithm algorithm);
/* By text, with or without final dot, any case: "hmac-sha256". BASE_ENOENT. */
int dns_tsig_algorithm_from_text(const char *text, enum dns_tsig_algorithm *algorithm);

/* HMAC, given by the caller. Each returns BASE_OK or an error, which is passed on. */
struct dns_tsig_hmac {
    /* Starts a computation; *state is the caller's own. */
    int (*start)(void *context, enum dns_tsig_algorithm algorithm, const uint8_t *secret,
                 size_t secret_length, void **state);
    int (*update)(void *state, const uint8_t *data, size_t length);
    /* Writes dns_tsig_mac_size octets and releases the state, whether it fails or not. */
    int (*finish)(void *state, uint8_t mac[DNS_TSIG_MAC_MAX]);
    void (*abandon)(void *state); /* releases the state */
    void *context;
};

struct dns_tsig_key {
    const uint8_t *name; /* wire */
    enum dns_tsig_algorithm algorithm;
    const uint8_t *secret;
    size_t secret_length;
};

/* What a TSIG record says (RFC 8945 section 4.2). Points into the message or to memory given. */
struct dns_tsig_record {
    uint8_t key_name[DNS_NAME_MAX];
    uint8_t algorithm[DNS_NAME_MAX];
    base_time time;
    uint16_t fudge;
    uint16_t original_id;
    uint16_t error;
    const uint8_t *mac;
    size_t mac_length;
    const uint8_t *other;
    size_t other_length;
    size_t start; /* of the record in the message */
};

/* Finds and reads the TSIG record of a message. BASE_ENOENT: it has none. BASE_EFORMAT: malformed,
 * not the last record, class or TTL wrong. With it a server finds the key by its name. */
int dns_tsig_find(const uint8_t *message, size_t length, struct dns_tsig_record *record);

/* One exchange with one key. */
struct dns_tsig {
    const struct dns_tsig_key *key;
    const struct dns_tsig_hmac *hmac;
    uint8_t
        mac[DNS_TSIG_MAC_MAX]; /* of the message before: the request's, or the last signed one */
    size_t mac_length;         /* 0: there is none, the next message is a request */
    bool further;              /* the next message is not the first answer */
    unsigned unsigned_count;
    base_time peer_time; /* of the last message verified: an answer of BADTIME gives it back */
    void *state;         /* of unsigned messages being gathered */
};

/* Starts an exchange. Key and functions live as long as it. The same object signs the request and
 * verifies what comes back, or the other way round. */
void dns_tsig_init(struct dns_tsig *tsig, const struct dns_tsig_key *key,
                   const struct dns_tsig_hmac *hmac);
/* Ends it; releases what unsigned messages have left behind. */
void dns_tsig_free(struct dns_tsig *tsig);

/* Octets that signing with the key adds to a message at most. */
size_t dns_tsig_room(const struct dns_tsig_key *key);

/* Appends a TSIG record to a finished message and counts it in the header. `error` is 0, BADTRUNC,
 * or BADTIME in the answer to a request with a wrong time, which then tells `now` beside the time
 * of the request (RFC 8945 section 5.2.3). `capacity` is the room of `message`. BASE_ESPACE;
 * BASE_EFORMAT when the message is not well formed; errors of the HMAC. */
int dns_tsig_sign(struct dns_tsig *tsig, uint8_t *message, size_t *length, size_t capacity,
                  base_time now, uint16_t error);

/* The answer to a request whose key is not known or whose MAC is wrong: appends an unsigned TSIG
 * with `error` BADKEY or BADSIG (RFC 8945 section 5.3.2). */
int dns_tsig_refuse(const struct dns_tsig_record *request, uint8_t *message, size_t *length,
                    size_t capacity, uint16_t error);

/*
 * Verifies a message. `message` is changed: the TSIG record is taken off (*length, the count in the
 * header), and the original ID is put back. An unsigned message is accepted only between signed
 * ones of a transfer; ask dns_tsig_complete at the end.
 *
 * BASE_OK: authentic. BASE_EMISMATCH: not; *error is the TSIG error to answer with (BADKEY, BADSIG,
 * BADTIME, BADTRUNC), or the peer's own error. BASE_EFORMAT: answer FORMERR. Errors of the HMAC.
 * After anything but BASE_OK, BADTIME and BADTRUNC the exchange is over.
 */
int dns_tsig_verify(struct dns_tsig *tsig, uint8_t *message, size_t *length, base_time now,
                    uint16_t *error);
/* True when the last message verified was a signed one: nothing is left unproved. */
bool dns_tsig_complete(const struct dns_tsig *tsig);

#endif
