/*
 * The HTTP + JSON API of kenterd (docs/api.md, described by docs/openapi.yaml): reads requests,
 * checks them, and hands them to the backend as operations with typed parts. Knows no zone, no
 * image and no registry. It has no thread: the owner watches one descriptor, and calls api_run.
 *
 * Errors are findings, as everywhere: {"findings":[{"code":…,"severity":…,"place":{…},"message":…,
 * "why":…,"remedy":…}]} with the HTTP status that fits.
 */
#ifndef API_API_H
#define API_API_H

#include "base/clock.h"
#include "base/finding.h"
#include "base/log.h"
#include "dns/name.h"

#include <jansson.h>

/* What the backend is asked for, with the parts of the request that it may look at. The members of
 * replies are those of docs/openapi.yaml, under the schema that is named here. */
enum api_operation {
    API_STATUS,      /* GET /v1/status → Status */
    API_ZONES,       /* GET /v1/zones: after, has_after, count, state → Zones */
    API_ZONE,        /* GET /v1/zones/ZONE → Zone */
    API_ZONE_CREATE, /* POST /v1/zones: zone, create → 201 Zone */
    API_ZONE_DELETE, /* DELETE /v1/zones/ZONE → {"zone":…}; only those made by the API */
    API_RELOAD,      /* POST /v1/reload → 202 Reload; /v1/zones/ZONE/reload (has_zone) → Reload,
                        when it is done */
    API_WHY,         /* GET /v1/zones/ZONE/why → Why */
    API_LOG,         /* GET /v1/zones/ZONE/log: count → Log */
    API_RECORDS,     /* GET /v1/zones/ZONE/records: name, type (0: all), with_signing → Records */
    API_FILE,        /* GET /v1/zones/ZONE/file: with_signing → text of a zone file, text/dns */
    API_CHANGE,      /* POST /v1/zones/ZONE/changes: change → Change */
    API_TLSA_LIST,   /* GET /v1/tlsa → TlsaList */
    API_TLSA,        /* GET /v1/tlsa/HOST:PORT, …/HOST:PORT/udp: service → Tlsa */
    API_TLSA_LOOK,   /* POST /v1/tlsa/HOST:PORT/look: service → Tlsa, when it was looked */
    API_METRICS,     /* GET /metrics → Prometheus text, API_METRICS_TYPE */
    API_HEALTH,      /* GET /healthz → Health, status 200 or 503 */
    API_OPERATIONS
};

#define API_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define API_FILE_TYPE    "text/dns"

/* Limits. */
#define API_BODY_MAX      ((size_t)16 << 20) /* octets of a request's body */
#define API_BODIES_MAX    ((size_t)64 << 20) /* of all that are held at once */
#define API_TARGET_MAX    8192               /* octets of path and parameters */
#define API_CHANGES_MAX   100000             /* of one request */
#define API_PRIMARIES_MAX 16
#define API_PAGE_MAX      1000 /* zones of a page, events of a log */
#define API_CONNECTIONS   128  /* at once, on each socket */
#define API_IDLE_SECONDS  60   /* a connection that says nothing for so long is closed */

/* States of a zone; docs/openapi.yaml says what they mean. */
enum api_state {
    API_STATE_ANY = -1,
    API_STATE_OK,
    API_STATE_NEW,
    API_STATE_PENDING,
    API_STATE_PROBLEM,
    API_STATE_EXPIRED,
    API_STATES
};
const char *api_state_name(enum api_state state); /* "ok" */

enum api_source { API_SOURCE_FILE, API_SOURCE_PRIMARY, API_SOURCE_EDITS };

/* A zone to be made. Texts live as long as the request. */
struct api_create {
    enum api_source source;
    const char *file;             /* FILE: absolute path */
    const char *const *primaries; /* PRIMARY: names of remotes, or addresses */
    size_t primary_count;
    const char *content; /* EDITS: text of a zone file; NULL: begin with nothing */
    size_t content_length;
    const char *policy; /* NULL: that of zones made by the API */
};

enum api_action { API_ADD, API_DELETE, API_SET };

/* One change of records. The type is one that a zone can hold (not a meta type). */
struct api_edit {
    enum api_action action;
    uint8_t *owner;       /* wire, absolute, at or below the zone */
    const uint8_t *rdata; /* wire, well formed; NULL: all of the type (DELETE only) */
    uint32_t ttl;         /* 0 for DELETE */
    uint16_t type;        /* DNS_TYPE_ANY: all of the name (DELETE only) */
    uint16_t length;
};

struct api_change {
    const struct api_edit *edits; /* at least one */
    size_t count;
    bool dry_run;
    bool has_serial; /* refuse (409, API_CONFLICT) when the published serial is another one */
    uint32_t serial;
};

/* A service whose TLSA records are kept. */
struct api_service {
    uint8_t host[DNS_NAME_MAX]; /* wire, lower case */
    uint16_t port;
    bool udp;
};

/* A page for a browser, made of the replies to several operations (docs/openapi.yaml). */
enum api_page { API_PAGE_NONE, API_PAGE_OVERVIEW, API_PAGE_ZONE };

struct api_reply;

/* Lives until the reply has been given. */
struct api_request {
    enum api_operation operation;
    enum api_page page; /* of which it is a part; the backend need not know */
    bool has_zone, has_after;
    bool with_signing;           /* also what signing has added: RRSIG, NSEC, … */
    enum api_state state;        /* ZONES: only these; API_STATE_ANY */
    uint16_t type;               /* RECORDS; 0: all */
    unsigned count;              /* ZONES, LOG: at most so many, 1 to API_PAGE_MAX */
    uint8_t zone[DNS_NAME_MAX];  /* wire, lower case */
    uint8_t after[DNS_NAME_MAX]; /* ZONES: begin behind it; wire, lower case */
    /* ZONES: what a reply said (mark, the run of the process); zones that have changed since */
    bool has_since;
    uint64_t since, since_run;
    uint8_t name[DNS_NAME_MAX]; /* RECORDS: wire, absolute, at or below the zone */
    struct api_service service;
    struct api_create create;
    struct api_change change;
    struct api_reply *reply;
};

struct api_backend {
    /* Serves a request in the caller's thread of api_run: must answer through request->reply, now
     * or later, exactly once. Until then the request and all that it points to stay as they are. */
    void (*serve)(void *context, const struct api_request *request);
    void *context;
};

/* Each answers and ends the reply; from the thread of api_run only, at any time. The request is
 * over then. `body` is taken over (NULL stands for memory that ran out: 500). */
void api_reply_json(struct api_reply *reply, unsigned status, json_t *body);
void api_reply_text(struct api_reply *reply, unsigned status, const char *content_type, char *text,
                    size_t length); /* text: malloc'ed, taken over; content_type: static */
void api_reply_findings(struct api_reply *reply, unsigned status,
                        const struct base_findings *findings);
void api_reply_error(struct api_reply *reply, unsigned status, enum base_finding_code code,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* For a body that comes in pieces, each asked for when the one before has gone out: `next` gives
 * malloc'ed text, BASE_ENOENT is the end; another error breaks the connection off, so that nobody
 * takes a part for the whole. `done` frees, also when the client has gone away. */
void api_reply_pieces(struct api_reply *reply, unsigned status, const char *content_type,
                      int (*next)(void *context, char **text, size_t *length),
                      void (*done)(void *context), void *context);

/* Parts of replies; NULL without memory. A finding is an object of the schema Finding. */
json_t *api_finding(const struct base_finding *finding);
json_t *api_findings(const struct base_findings *findings); /* array */
json_t *api_time(base_time time);                           /* text; null for 0 */
json_t *api_name(const uint8_t *name);                      /* text of a wire name */
/* A record of the schema Record. The rdata is well formed. */
json_t *api_record(const uint8_t *owner, uint32_t ttl, uint16_t type, const uint8_t *rdata,
                   size_t length);

struct api_options {
    int socket;  /* listening Unix socket, owned from then on */
    int metrics; /* listening TCP socket that gives pages, /metrics, /healthz only; -1: none */
    struct api_backend backend;
    struct base_log log;
};
struct api;
/* BASE_ENOMEM; BASE_EIO. The sockets are owned on success only. */
int api_new(const struct api_options *options, struct api **out);
/* NULL allowed. Replies that are not given yet are over and must not be given any more; their
 * clients are told to come again (503). */
void api_free(struct api *api);
int api_descriptor(const struct api *api); /* readable: call api_run */
/* Does what can be done; *timeout_ms: call again after so long at the latest (-1: no need). To be
 * called after replies that were given outside of it, too (the descriptor becomes readable). */
void api_run(struct api *api, int *timeout_ms);

#endif
