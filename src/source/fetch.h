/*
 * Zones from primaries: asks for the SOA, and fetches what is newer by IXFR or AXFR (RFC 1995,
 * 5936), with TSIG and over TLS (RFC 9103) as the remote wants. Many SOA questions are under way at
 * once in one thread; transfers have a few threads, each with deadlines and bounds, so that
 * primaries that stall or send without end hold up nobody. Also tells secondaries (NOTIFY, RFC
 * 1996), with retries.
 *
 * Callbacks come in the fetcher's own threads.
 */
#ifndef SOURCE_FETCH_H
#define SOURCE_FETCH_H

#include "base/finding.h"
#include "base/log.h"
#include "dns/tsig.h"
#include "net/address.h"
#include "source/update.h"
#include "zone/zone.h"

struct source_server {
    const union net_address *addresses; /* tried in turn */
    size_t address_count;
    const struct dns_tsig_key *key; /* NULL: none */
    bool tls;
    const char *tls_name, *tls_ca;
    const char *name; /* for messages */
};

enum source_fetched {
    SOURCE_CURRENT, /* no primary has a newer serial; those that failed are in the findings */
    SOURCE_WHOLE,   /* `zone` */
    SOURCE_EDITS, /* `edits`, in their order, lead from `serial` asked with to the new one (SOAs not
                     among them). They are as the primary sent them: within the zone and well
                     formed, but one may add what is there (NSD does) or remove what is not */
    SOURCE_FAILED, /* findings say why, for each primary */
};

struct source_fetch_result {
    enum source_fetched kind;
    struct zone *zone;         /* the callback's to release */
    struct source_edits edits; /* the callback's to free, when kind is SOURCE_EDITS */
    const uint8_t *soa;        /* rdata of the new SOA */
    size_t soa_length;
    uint32_t soa_ttl;
    uint32_t serial;                      /* of the primary */
    uint32_t refresh, retry, expire;      /* of its SOA; for CURRENT as well */
    bool expire_known;                    /* it said when its own copy expires (RFC 7314): */
    uint32_t expire_in;                   /* in so many seconds */
    const struct source_server *from;     /* NULL when FAILED */
    const struct base_findings *findings; /* errors: only when FAILED, or of zone_build */
};

struct source_fetch {
    uint8_t zone[DNS_NAME_MAX];
    const struct source_server *servers;
    size_t server_count;
    bool have;       /* `serial` is what we have; else the whole zone is fetched */
    uint32_t serial; /* a primary with one that is not greater (RFC 1982) is current; one that has
                        gone back is a finding */
    bool whole;      /* AXFR only, whatever the serial */
    void (*done)(void *context, const struct source_fetch_result *result);
    void *context;
};

struct source_fetcher_options {
    unsigned transfers;    /* at once; 0: 8 */
    unsigned timeout_ms;   /* of one try of a question; 0: 2000 */
    unsigned stall_ms;     /* of a transfer without a message; 0: 20 000 */
    unsigned total_ms;     /* of a transfer in all; 0: 3 600 000 */
    size_t zone_bytes_max; /* of records received; building takes some more. 0: 4 GiB */
    struct base_log log;
};
struct source_fetcher;
/* Needs up to 512 descriptors for questions, and one for each transfer. BASE_ENOMEM, BASE_EIO. */
int source_fetcher_new(const struct source_fetcher_options *options, struct source_fetcher **out);
/* Ends what is under way; every `done` has been called (FAILED) when it returns. */
void source_fetcher_free(struct source_fetcher *fetcher);
/* What `fetch` points to (servers, names, keys) stays until `done`, which is called exactly once,
 * except after an error. BASE_ENOMEM, BASE_EINVAL. */
int source_fetch_start(struct source_fetcher *fetcher, const struct source_fetch *fetch);

/* Tells a server that a zone has a new version: up to 5 tries, the waits doubling from 1 s.
 * A notify for the same zone and server that is still under way is replaced. `server` stays until
 * `done`, which is called exactly once, except after an error here; its `error`: BASE_OK, the
 * server answered NOERROR; BASE_EEXIST, replaced by a newer one; BASE_EREFUSED, it answered
 * something else, or the fetcher ends; BASE_EIO, no answer; BASE_EMISMATCH, the answer's TSIG. Over
 * all there are at most 512 under way with 64 for one server; the others wait their turn.
 * BASE_ENOMEM; BASE_EINVAL: the server has no address; BASE_ESPACE. */
struct source_notify {
    uint8_t zone[DNS_NAME_MAX];
    const struct source_server *server;
    uint32_t soa_ttl;
    const uint8_t *soa; /* rdata, copied; NULL: without */
    size_t soa_length;
    void (*done)(void *context, const uint8_t *zone, const struct source_server *server, int error,
                 const char *why);
    void *context;
};
int source_notify_start(struct source_fetcher *fetcher, const struct source_notify *notify);

#endif
