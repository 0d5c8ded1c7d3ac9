/*
 * The HTTP + JSON API of kenterd (docs/api.md, described by docs/openapi.yaml): reads requests,
 * checks them, and hands them to the backend as operations with typed parts. Knows no zone, no
 * image and no registry. It has no thread: the owner watches one descriptor, and calls api_run.
 *
 * Errors are findings, as everywhere: {"findings":[{"code":…,"severity":…,"place":…,"message":…,
 * "why":…,"remedy":…}]} with the HTTP status that fits.
 */
#ifndef API_API_H
#define API_API_H

#include "base/finding.h"
#include "base/log.h"
#include "dns/name.h"
#include "net/address.h"

#include <jansson.h>

enum api_operation {
    API_STATUS,      /* GET    /v1/status */
    API_ZONES,       /* GET    /v1/zones?after=NAME&limit=N&state=… */
    API_ZONE,        /* GET    /v1/zones/ZONE */
    API_ZONE_CREATE, /* POST   /v1/zones            body: {"zone","source":{…},"policy","file"} */
    API_ZONE_DELETE, /* DELETE /v1/zones/ZONE       those made by the API */
    API_RELOAD,      /* POST   /v1/reload, /v1/zones/ZONE/reload */
    API_WHY,         /* GET    /v1/zones/ZONE/why */
    API_LOG,         /* GET    /v1/zones/ZONE/log?count=N */
    API_RECORDS,     /* GET    /v1/zones/ZONE/records?name=…&type=…&signed=true */
    API_FILE,        /* GET    /v1/zones/ZONE/file?signed=true: text of a zone file */
    API_CHANGE,      /* POST   /v1/zones/ZONE/changes body: {"dry_run":…,"changes":[{"action":
                               "add"|"delete"|"set","name","type","ttl","data"}]} */
    API_METRICS,     /* GET    /metrics: Prometheus text */
    API_HEALTH,      /* GET    /healthz */
    API_OPERATIONS
};

struct api_reply;

struct api_request {
    enum api_operation operation;
    bool has_zone;
    uint8_t zone[DNS_NAME_MAX]; /* wire, lower case */
    json_t *body;               /* checked against the description; NULL: none */
    const char *(*parameter)(const struct api_request *request,
                             const char *name); /* NULL: absent */
    struct api_reply *reply;
};

struct api_backend {
    /* Serves a request in the caller's thread of api_run: must answer through request->reply, now
     * or later (then nothing of `request` but `reply` may be kept; take what is needed). */
    void (*serve)(void *context, const struct api_request *request);
    void *context;
};

/* Each answers and ends the reply; from the thread of api_run only. `body` is taken over. */
void api_reply_json(struct api_reply *reply, unsigned status, json_t *body);
void api_reply_text(struct api_reply *reply, unsigned status, const char *content_type, char *text,
                    size_t length); /* text: malloc'ed, taken over */
void api_reply_findings(struct api_reply *reply, unsigned status,
                        const struct base_findings *findings);
void api_reply_error(struct api_reply *reply, unsigned status, enum base_finding_code code,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* For a body that comes in pieces: `next` gives malloc'ed text (BASE_ENOENT: the end), `done`
 * frees. */
void api_reply_pieces(struct api_reply *reply, unsigned status, const char *content_type,
                      int (*next)(void *context, char **text, size_t *length),
                      void (*done)(void *context), void *context);

/* A finding as the JSON object above. */
json_t *api_finding(const struct base_finding *finding);
json_t *api_findings(const struct base_findings *findings); /* array */

struct api_options {
    int socket;  /* listening Unix socket, owned from then on */
    int metrics; /* listening TCP socket that gives /metrics and /healthz only; -1: none */
    struct api_backend backend;
    struct base_log log;
};
struct api;
int api_new(const struct api_options *options, struct api **out);
void api_free(struct api *api); /* NULL allowed; replies that are not given yet are over */
int api_descriptor(const struct api *api); /* readable: call api_run */
/* Does what can be done; *timeout_ms: call again after so long at the latest (-1: no need). */
void api_run(struct api *api, int *timeout_ms);

#endif
