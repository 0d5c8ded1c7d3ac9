/*
 * What a client and the key process say to each other: the data of messages on their channel. Both
 * sides check all that they read. Numbers are in network order.
 */
#ifndef KEYS_PROTOCOL_H
#define KEYS_PROTOCOL_H

#include "base/buf.h"
#include "base/reader.h"
#include "crypto/keydir.h"
#include "keys/client.h"
#include "process/channel.h"
#include "sign/policy.h"

enum keys_message {
    KEYS_CONNECT = 1, /* with a descriptor: one more channel. No answer */
    KEYS_PROVIDE,     /* the keys of a zone, made when it has none */
    KEYS_SETTLE,      /* all keys that were made are on disk for good before the answer */
    KEYS_PART,        /* octets of data too long for one message, in order. No answer */
    KEYS_SIGN,        /* signatures with one key */
    KEYS_ANSWER,      /* id of the question; value: enum base_error */
};

#define KEYS_CHANNELS_MAX 64                        /* at the service */
#define KEYS_ITEMS_MAX    1024                      /* signatures asked for in one message */
#define KEYS_PARTS_MAX    ((size_t)64 << 20)        /* octets gathered by KEYS_PART */
#define KEYS_PART_SIZE    (PROCESS_MESSAGE_MAX / 2) /* longer data go in parts */

/* --- KEYS_PROVIDE --- */
struct keys_provide {
    uint8_t zone[DNS_NAME_MAX]; /* lower case */
    base_time now;
    bool early; /* new keys need not be on disk before the answer: KEYS_SETTLE follows */
    bool exist; /* there must be keys: none are made */
    bool csk;
    uint8_t algorithm;
    uint16_t rsa_bits;
};
void keys_put_provide(struct base_buf *buf, const struct keys_provide *provide);
/* BASE_EFORMAT. */
int keys_get_provide(const uint8_t *data, size_t length, struct keys_provide *out);

/* --- KEYS_SIGN --- */
struct keys_sign {
    uint8_t zone[DNS_NAME_MAX]; /* lower case */
    const uint8_t *id;          /* CRYPTO_KEY_ID octets, in the message */
    bool parts;                 /* one item: what came by KEYS_PART */
    size_t count;
    struct base_reader items; /* for keys_get_item */
};
void keys_put_sign(struct base_buf *buf, const uint8_t *zone, const uint8_t id[CRYPTO_KEY_ID],
                   bool parts, size_t count);
void keys_put_item(struct base_buf *buf, const uint8_t *input, size_t length);
#define KEYS_ITEM_HEAD 4                                      /* octets before an item's input */
#define KEYS_SIGN_HEAD (DNS_NAME_MAX + CRYPTO_KEY_ID + 1 + 2) /* at most before the items */
int keys_get_sign(const uint8_t *data, size_t length, struct keys_sign *out);
/* The next item; false: there is none, as all are read or the message is malformed. */
bool keys_get_item(struct keys_sign *sign, const uint8_t **input, size_t *length);

/* --- answers --- */
/* As many findings as fit into a quarter of a message; the others are counted by nobody. */
void keys_put_findings(struct base_buf *buf, const struct base_findings *findings);
int keys_get_findings(struct base_reader *reader, struct base_findings *findings);
/* Public halves, and whether the private ones are there. */
void keys_put_keys(struct base_buf *buf, const struct keys_provided *provided);
/* Into out->keys and its arena; key->key stays NULL, `has_private` (malloc'ed) says where one is.
 * BASE_EFORMAT, BASE_ENOMEM. */
int keys_get_keys(struct base_reader *reader, const uint8_t *zone, struct keys_provided *out,
                  bool **has_private);

#endif
