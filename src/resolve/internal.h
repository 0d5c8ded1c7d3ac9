/*
 * What the parts of a context share: context.c (options), lookups.c (questions under way), cache.c
 * (results), query.c (packets), and the sources of answers, each of which is a transport.
 */
#ifndef RESOLVE_INTERNAL_H
#define RESOLVE_INTERNAL_H

#include "dns/name.h"
#include "net/question.h"
#include "resolve/recording.h"
#include "resolve/resolve.h"

/* --- packets (query.c) --- */

#define RESOLVE_QUERY_MAX 512
#define RESOLVE_TAGS_MAX  32 /* key tags told in one query */
#define RESOLVE_PAYLOAD   1232

struct resolve_query_options {
    bool recursion;       /* RD */
    const uint16_t *tags; /* RFC 8145 */
    size_t tag_count;
    uint16_t id;
};
/* A query with DO and CD. Its length. */
size_t resolve_query_build(const uint8_t *name, uint16_t type,
                           const struct resolve_query_options *options,
                           uint8_t out[RESOLVE_QUERY_MAX]);
/* --- results that are kept (cache.c) --- */

struct resolve_cache;
int resolve_cache_new(size_t octets, struct resolve_cache **out); /* BASE_ENOMEM */
void resolve_cache_free(struct resolve_cache *cache);
void resolve_cache_clear(struct resolve_cache *cache);
/* A reference of the caller's; NULL: none that still holds at `now`. */
const struct validate_result *resolve_cache_get(struct resolve_cache *cache, const uint8_t *name,
                                                uint16_t type, base_time now);
/* Keeps it as long as it holds; what was used least goes. Without memory it is not kept. */
void resolve_cache_put(struct resolve_cache *cache, const struct validate_result *result);
void resolve_cache_counts(const struct resolve_cache *cache, size_t *octets, size_t *entries);

/* --- sources --- */

/* What sources stand on. */
struct resolve_ground {
    struct net_loop *loop;
    struct net_asker *asker;
    struct resolve_context *context;
    const char *tls_ca;
    const char *root_hints;
    unsigned try_ms, tries;
};

struct resolve_source {
    struct resolve_transport transport;
    void (*free)(void *context); /* when no ticket is left; NULL: nothing is to be freed */
};

/* A server to ask (server.c). */
enum resolve_way { RESOLVE_UDP, RESOLVE_TCP, RESOLVE_TLS, RESOLVE_HTTPS };
#define RESOLVE_SERVERS_MAX 16

struct resolve_server {
    enum resolve_way way;
    union net_address address;
    char host[256]; /* the name that its certificate must have; "": the address */
    char path[256]; /* of HTTPS: "/dns-query" */
    char text[320]; /* for people */
    /* How it did. */
    uint32_t rtt_us; /* smoothed; 0: not known yet */
    unsigned failures;
    uint64_t avoid_until; /* base_clock_monotonic */
};
/* Reads a server's text; names without an address are looked up (blocking) and may give several.
 * BASE_EFORMAT, BASE_ENOENT with `why`. Adds to `servers`, at most up to RESOLVE_SERVERS_MAX. */
int resolve_server_read(const char *text, char why[RESOLVE_WHY],
                        struct resolve_server servers[RESOLVE_SERVERS_MAX], size_t *count);
/* The order in which servers are tried: the lower the better. */
uint64_t resolve_server_score(const struct resolve_server *server, uint64_t now);
void resolve_server_good(struct resolve_server *server, uint64_t took_ns);
void resolve_server_bad(struct resolve_server *server, uint64_t now);

/* Asks servers (source_servers.c); queries that name a server go to that one. */
struct resolve_servers;
int resolve_servers_new(const struct resolve_ground *ground, struct resolve_servers **out);
void resolve_servers_free(struct resolve_servers *servers);
/* Replaces the list. What is under way goes on with the old one. `tries` of 0: as before. */
int resolve_servers_set(struct resolve_servers *servers, const struct resolve_server *list,
                        size_t count, unsigned try_ms, unsigned tries);
/* As of struct resolve_transport. */
void resolve_servers_ask(void *servers, const struct resolve_query *query,
                         struct resolve_ticket *ticket);
void resolve_servers_cancel(void *servers, struct resolve_ticket *ticket);
struct resolve_source resolve_servers_source(struct resolve_servers *servers);

/* The system's resolvers, or recursion (source_system.c). */
int resolve_system_new(const struct resolve_ground *ground, const char *path,
                       const struct validate_anchors *anchors, struct resolve_source *out);

/* Recursion by libunbound (source_recursion.c). BASE_EUNSUPPORTED: not built in. */
int resolve_recursion_new(const struct resolve_ground *ground, char why[RESOLVE_WHY],
                          struct resolve_source *out);
bool resolve_recursion_built_in(void);

/* DNS over HTTPS (https.c). */
struct resolve_https;
struct resolve_https_question {
    const struct resolve_server *server;
    const uint8_t *message;
    size_t length;
    unsigned timeout_ms;
    void (*done)(struct resolve_https_question *question, const struct net_reply *reply);
    struct resolve_https_call *call; /* its own */
};
int resolve_https_new(const struct resolve_ground *ground, struct resolve_https **out);
void resolve_https_free(struct resolve_https *https); /* NULL allowed */
/* Never calls `done` itself. BASE_ENOMEM, BASE_EIO */
int resolve_https_start(struct resolve_https *https, struct resolve_https_question *question);
void resolve_https_cancel(struct resolve_https_question *question);

/* --- tickets and look-ups (lookups.c) --- */

struct resolve_job;

struct resolve_ticket {
    struct resolve_context *context;
    struct resolve_job *job; /* NULL: of resolve_ask, or the context's own */
    bool sourced;            /* the latter: goes where those of look-ups go, and is not recorded */
    struct resolve_ticket *next, *previous;
    resolve_asked *asked;
    void *asked_context;
    void *source;   /* the source's own */
    unsigned route; /* the system's: whom it was passed on to */
    uint32_t id;    /* in its look-up */
    struct resolve_query query;
    uint8_t name[DNS_NAME_MAX];
    uint8_t packet[RESOLVE_QUERY_MAX];
    char server[]; /* of resolve_ask */
};

struct resolve_request {
    struct resolve_job *job;
    struct resolve_request *next, *previous;
    resolve_done *done;
    void *done_context;
};

/* One question under way, for all who asked it. */
struct resolve_job {
    struct resolve_context *context;
    struct resolve_job *next_in_bucket, *next_ready;
    struct resolve_request *requests;
    struct resolve_ticket *tickets;
    struct validate_lookup *lookup;
    const struct validate_result *result; /* from the cache */
    struct net_timer deadline;
    unsigned noted; /* notes of the context that it has */
    bool ready;     /* in the list of those that can go on */
    bool replied;   /* something came while it was asked for */
    bool pumping;   /* is being worked with */
    uint16_t type;
    uint8_t name[DNS_NAME_MAX]; /* lower case */
};

#define RESOLVE_BUCKETS 64
#define RESOLVE_NOTES   4

/* What is said in every result, about how answers are come by. */
struct resolve_note {
    enum base_finding_code code;
    char server[NET_ADDRESS_TEXT];
    char message[256];
};

struct resolve_context {
    struct resolve_options options; /* texts are its own or NULL */
    struct net_loop *loop;
    struct net_tls_client *tls;
    struct net_asker *asker;
    struct resolve_ground ground;
    struct resolve_source source;
    struct resolve_servers *direct; /* for resolve_ask */
    struct resolve_cache *cache;    /* NULL: none */
    struct validate_trust *trust;
    struct resolve_tracking *tracking; /* NULL: nothing is tracked */
    struct resolve_job *jobs[RESOLVE_BUCKETS];
    struct resolve_job *first_ready, **last_ready;
    struct resolve_ticket *asks; /* of resolve_ask */
    unsigned job_count, ask_count;
    bool running; /* in a call that works off what is ready */
    struct resolve_note notes[RESOLVE_NOTES];
    unsigned note_count;
    struct resolve_counts counts;
    char *root_hints, *tls_ca;
};

/* Notes to be put into the results from now on; one of each code and server. */
void resolve_note(struct resolve_context *context, enum base_finding_code code, const char *server,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
void resolve_notes_clear(struct resolve_context *context);
/* Asks where look-ups ask, but judges nothing; *ticket (NULL: not wanted) is gone when `done` was
 * called, which may be at once. BASE_ENOMEM */
int resolve_ask_source(struct resolve_context *context, const uint8_t *name, uint16_t type,
                       resolve_asked *done, void *done_context, struct resolve_ticket **ticket);
void resolve_ask_cancel(struct resolve_ticket *ticket);

/* --- following the anchor (track.c) --- */

struct resolve_tracking;
/* From then on the context's anchors are the tracked ones. BASE_ENOMEM; BASE_EFORMAT, BASE_EIO with
 * `why`. */
int resolve_tracking_new(struct resolve_context *context, const char *path, char why[RESOLVE_WHY],
                         struct resolve_tracking **out);
void resolve_tracking_free(struct resolve_tracking *tracking); /* NULL allowed */
/* Asks when it is time; true: the answer is waited for. NULL allowed. */
bool resolve_track_due(struct resolve_tracking *tracking);
bool resolve_track_asking(const struct resolve_tracking *tracking);

void resolve_lookups_free(struct resolve_context *context);

#endif
