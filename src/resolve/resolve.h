/*
 * Validated look-ups for programs: drives `validate` with answers from resolvers, from libunbound's
 * recursion, or from whatever else has packets. One context belongs to one thread; everything it
 * holds is bounded.
 *
 * Two ways to use it: resolve_lookup blocks; resolve_start goes with an event loop, which waits for
 * resolve_fd to become readable or resolve_timeout_ms to pass and then calls resolve_process.
 */
#ifndef RESOLVE_RESOLVE_H
#define RESOLVE_RESOLVE_H

#include "validate/lookup.h"

struct resolve_context;
struct resolve_request;
struct resolve_recording; /* recording.h */

/* One query to be answered by a transport. */
struct resolve_query {
    const char *server; /* NULL: the resolver, whichever it is; else an address and port
                         * ("192.0.2.1@53"): this server is meant, without RD */
    const uint8_t *name;
    uint16_t type;
    const uint8_t *packet; /* the query as it would be sent: RD CD DO, EDNS, its own ID */
    size_t length;
};
/* Given to the transport with a query, and given back with what came. */
struct resolve_ticket;

/* A place where answers come from, made by the caller: canned packets, another network. */
struct resolve_transport {
    /* Takes a query; it and its ticket stay until resolve_reply is called for the ticket (which may
     * be done at once, from within) or `cancel`. */
    void (*ask)(void *context, const struct resolve_query *query, struct resolve_ticket *ticket);
    void (*cancel)(void *context, struct resolve_ticket *ticket); /* no reply after this */
    void *context;
};
/* Once for each ticket, in the context's thread; at any time. The packet is copied. */
void resolve_reply(struct resolve_ticket *ticket, const struct validate_reply *reply);

enum resolve_from {
    RESOLVE_SYSTEM,    /* resolvers of /etc/resolv.conf; recursion when they are of no use for
                        * DNSSEC (then a finding says so) */
    RESOLVE_SERVERS,   /* `servers`, and nobody else */
    RESOLVE_RECURSION, /* libunbound's recursion from the root */
    RESOLVE_TRANSPORT, /* `transport` */
};

struct resolve_options {
    enum resolve_from from;
    /* "192.0.2.1", "192.0.2.1@5353", "tcp://…", "tls://dns.example.net", "tls://192.0.2.1#name",
     * "https://dns.example.net/dns-query", "https://192.0.2.1/dns-query#name"; the fastest that
     * answer first. A name without an address is looked up when the context is made, by the system
     * and blocking; over TLS the server proves who it is in any case. At most 16. */
    const char *const *servers;
    size_t server_count;
    const char *tls_ca;      /* PEM file for tls:// and https://; NULL: the system's */
    const char *resolv_conf; /* NULL: /etc/resolv.conf */
    const char *root_hints;  /* of recursion; NULL: built in */
    const struct resolve_transport *transport;
    base_time (*clock)(void *context); /* NULL: base_clock_now */
    void *clock_context;
    struct validate_options validate; /* its anchors outlive the context */
    size_t cache_octets;              /* results and keys; 0: 4 MiB; SIZE_MAX: no cache */
    unsigned timeout_ms;              /* of a whole look-up; 0: 10 000 */
    unsigned try_ms;                  /* of one try with one server; 0: 1500 */
    unsigned tries;                   /* with each server; 0: 2 */
    unsigned most_lookups;            /* under way at once; 0: 1024 */
    unsigned most_sockets;            /* open at once; 0: 128 */
    bool random_case;  /* 0x20 in queries over UDP; an answer that breaks it is not taken, one
                        * that keeps it comes with the letters as they were asked */
    bool signal_tags;  /* queries for the keys of an anchor tell its key tags (RFC 8145) */
    const char *track; /* state file: the anchor of the root (or, without one, the first) is
                        * followed as its zone changes it (RFC 5011); made when it is not there.
                        * NULL: anchors stay as they are */
    struct resolve_recording *recording; /* gets all packets; NULL: none */
};

/* BASE_ENOMEM, BASE_EIO; BASE_EFORMAT with `why` in words: an option is wrong. */
#define RESOLVE_WHY 256
int resolve_context_new(const struct resolve_options *options, char why[RESOLVE_WHY],
                        struct resolve_context **out);
/* What the context's clock says. */
base_time resolve_now(const struct resolve_context *context);
/* Cancels what is under way, without calls of `done`. Not from within a call of the context's. */
void resolve_context_free(struct resolve_context *context);
/* What is tracked (tracker.h): NULL without the option `track`. It changes while things are under
 * way. Contexts ask by themselves when it is time: before a blocking look-up, or while the loop is
 * processed. */
const struct validate_tracker *resolve_tracker(const struct resolve_context *context);
/* Asks if it is time, and waits (blocking). */
void resolve_track(struct resolve_context *context);
/* Moves what tracking has found since the last call (anchors.*) to the end of `into`. */
void resolve_track_findings(struct resolve_context *context, struct base_findings *into);
/* The anchors that look-ups lean on now; until something is tracked anew. */
const struct validate_anchors *resolve_anchors(const struct resolve_context *context);
/* Forgets results and keys: when anchors changed. */
void resolve_clear(struct resolve_context *context);

/* Blocking. Always gives a result (of status ERROR when it could not be found out) but for
 * BASE_ENOMEM and BASE_EINVAL (see validate_lookup_new). The caller's: validate_result_unref. */
int resolve_lookup(struct resolve_context *context, const uint8_t *name, uint16_t type,
                   const struct validate_result **out);

/* Calls `done` once, from within resolve_process or another call that waits (not before this
 * returns); the result is the callee's (unref), NULL when there was no memory for it. A question
 * that is under way already is joined. A result of the cache has the `now` of when it was made.
 * BASE_ENOMEM, BASE_EINVAL, BASE_ELIMIT (most_lookups). */
typedef void resolve_done(void *context, const struct validate_result *result);
int resolve_start(struct resolve_context *context, const uint8_t *name, uint16_t type,
                  resolve_done *done, void *done_context, struct resolve_request **out);
void resolve_cancel(struct resolve_request *request);    /* `done` is not called */
int resolve_fd(struct resolve_context *context);         /* becomes readable when there is work */
int resolve_timeout_ms(struct resolve_context *context); /* -1: nothing is waited for */
void resolve_process(struct resolve_context *context);   /* never blocks */

/* Asks one server ("192.0.2.1@53") one question, without recursion and judgement: for comparing the
 * servers of a zone. `reply` holds during the call, which may come from within resolve_ask and may
 * not block. BASE_ENOMEM */
typedef void resolve_asked(void *context, const struct validate_reply *reply);
int resolve_ask(struct resolve_context *context, const char *server, const uint8_t *name,
                uint16_t type, resolve_asked *done, void *done_context);
/* Waits (blocking) until nothing is under way. */
void resolve_wait(struct resolve_context *context);

struct validate_trust *
resolve_trust(struct resolve_context *context); /* for validate_lookup_compare */

/* What came and was not taken, and what it took, since the context was made. */
struct resolve_counts {
    uint64_t lookups, from_cache, joined;
    uint64_t queries;                                                 /* given to the transport */
    uint64_t wrong_id, wrong_question, wrong_case, malformed, strays; /* answers ignored */
    uint64_t truncated, floods;                                       /* asked again over TCP */
    size_t cache_octets, cache_entries;
};
void resolve_counts(const struct resolve_context *context, struct resolve_counts *out);

#endif
