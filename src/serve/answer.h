/*
 * Answers: from the octets of a query and what is known of the client, by the image, to the octets
 * of a response. No sockets, no allocation per query. Everything of authoritative DNS with DNSSEC
 * (RFC 1034, 4035, 5155, 6672, 6891, 8482, 9471). docs/design/answers.md tells how.
 *
 * A worker belongs to one thread. It sees the moment of its last serve_renew.
 */
#ifndef SERVE_ANSWER_H
#define SERVE_ANSWER_H

#include "base/clock.h"
#include "image/image.h"
#include "net/handler.h"

#define SERVE_PAYLOAD_DEFAULT 1232 /* octets by UDP: fits every path without fragments */
#define SERVE_SECRET_SIZE     16
#define SERVE_NSID_MAX        128
#define SERVE_HOPS_MAX        12 /* aliases followed in one answer */

struct serve_options {
    uint16_t payload;     /* most octets by UDP; 0: the default; at least 512 */
    const uint8_t *nsid;  /* RFC 5001; NULL: none */
    size_t nsid_length;   /* at most SERVE_NSID_MAX */
    const char *version;  /* of version.bind, version.server CH TXT; NULL: refused */
    const char *identity; /* of id.server, hostname.bind CH TXT; NULL: refused */
    /* Cookies (RFC 9018): the first secret makes them, all of them are accepted. 0: no cookies. */
    uint8_t secrets[2][SERVE_SECRET_SIZE];
    unsigned secret_count;
    uint16_t keepalive;  /* TCP idle time in units of 100 ms (RFC 7828); 0: do not say */
    size_t cache_octets; /* of hot answers kept, from 4096 to 2 GiB; 0: none */
};

enum serve_transport { SERVE_UDP, SERVE_TCP, SERVE_TLS };

struct serve_client {
    enum serve_transport transport;
    uint8_t address[16];
    uint8_t address_length; /* 4 or 16 */
    base_time now;
    /* The TSIG record has been verified and taken off; keep `reserve` octets for that of the
     * response. */
    bool authenticated;
    size_t reserve;
};

enum serve_action {
    SERVE_SEND,     /* the response */
    SERVE_DROP,     /* nothing: not a query */
    SERVE_TRANSFER, /* AXFR or IXFR; the response refuses it */
    SERVE_NOTIFY,   /* NOTIFY; the response says that it is not implemented */
    SERVE_UPDATE,   /* UPDATE; likewise */
    SERVE_TSIG,     /* signed: verify, take the TSIG off and ask again; the response is FORMERR */
};

struct serve_result {
    enum serve_action action;
    size_t length;  /* of the response */
    uint16_t rcode; /* with the upper bits */
    uint16_t type;  /* of the question; 0: none was read */
    bool cookie;    /* the client has shown a cookie of ours: its address is not forged */
    bool truncated;
    bool unreadable; /* the image is damaged, as it seems */
    bool hot;        /* from the cache */
    bool expire;     /* the client asks when the zone expires (RFC 7314) */
    size_t question; /* octets of the question's name, which begins at DNS_MESSAGE_HEADER */
    uint16_t opt, opt_length; /* where the OPT record stands; opt_length 0: none */
    /* For rate limiting: what kind of answer it is, and what stands for the name. What is asked
     * below a zone or a cut without being there counts as one, and so do all names that one
     * wildcard makes. */
    enum net_kind kind;
    uint32_t subject;
};

struct serve_worker;
/* The options are copied, what they point to is not. BASE_ENOMEM, BASE_ECRYPTO, BASE_EINVAL,
 * errors of image_reader_open. */
int serve_worker_new(const struct serve_options *options, struct image *image,
                     struct serve_worker **out);
void serve_worker_free(struct serve_worker *worker); /* NULL allowed */
/* Before each batch of queries: see the latest versions. Errors of image_reader_renew. */
int serve_renew(struct serve_worker *worker);
/* Before waiting: pin no old pages. */
void serve_release(struct serve_worker *worker);
/* What the option EXPIRE says of a zone, whose SOA's rdata is given: seconds. */
uint32_t serve_expire_in(const struct image_zone *zone, const uint8_t *soa, size_t length,
                         base_time now);
/* For what is done beside answers (transfers). */
struct image_reader *serve_reader(struct serve_worker *worker);

#define SERVE_AHEAD_MAX 32
/* Looks at queries by UDP that will be answered next, in this order: has the memory fetched that
 * their answers need, so that the waits for it fall together. A hint: answers are the same without
 * it. The octets must stay as they are until then, or until serve_renew or serve_release. More than
 * SERVE_AHEAD_MAX are not looked at. */
void serve_look_ahead(struct serve_worker *worker, const struct net_packet *packets,
                      unsigned count);

/* Answers a query. `response` has room for `capacity` octets, at least 512; what goes by TCP may
 * use up to 65535 of them. Damage in the image becomes SERVFAIL. */
void serve_answer(struct serve_worker *worker, const struct serve_client *client,
                  const uint8_t *query, size_t length, uint8_t *response, size_t capacity,
                  struct serve_result *result);

#endif
