/*
 * The frame of a service that answers over stream sockets: listening sockets, connections within
 * limits, signals and a tick, in one thread that also drives a resolve context and the questions
 * that are being found out with it (question.h). What is asked and answered is the service's
 * business.
 */
#ifndef AUTH_SERVICE_H
#define AUTH_SERVICE_H

#include "base/buf.h"
#include "base/log.h"
#include "net/loop.h"
#include "resolve/resolve.h"

struct auth_service;

struct auth_connection {
    struct net_watch watch;
    struct auth_service *service;
    struct auth_connection *next, *previous, *next_woken;
    struct base_buf input, output;
    size_t sent;     /* of the output */
    size_t searched; /* of the input: `take` looked there in vain */
    unsigned waits;  /* questions asked and not answered */
    uint64_t last_use;
    bool woken;
    bool ended;   /* the peer sends no more */
    bool refused; /* it is of no use: closed when it has all answers. `take` may set it */
};

struct auth_service_calls {
    /* Takes one request off the front of what has come: answers it, into the connection's output,
     * or counts it among `waits`. Returns its octets; 0: it is not whole yet. */
    size_t (*take)(void *context, struct auth_connection *connection, const uint8_t *data,
                   size_t length);
    void (*tick)(void *context, uint64_t now); /* about each second; NULL */
    void (*reload)(void *context);             /* SIGHUP */
};

#define AUTH_LISTENERS_MAX 16
struct auth_service_options {
    const char *const *listen; /* "unix:PATH", "inet:ADDRESS:PORT" (no ADDRESS: 127.0.0.1),
                                * "systemd": the sockets that systemd opened */
    size_t listen_count;
    unsigned socket_mode;  /* of sockets in the file system */
    unsigned connections;  /* at once; more wait in the kernel */
    unsigned idle_timeout; /* seconds; 0: none */
    unsigned waits;        /* of a connection; with more it is not read from */
    size_t output_full;    /* the same for octets that it has not taken */
    size_t request_most;   /* octets; `take` refuses longer ones */
    size_t output_most;    /* octets of answers; with more the connection is broken */
};

/* Opens the sockets. The context has a clock that goes. `why` in words on failure. BASE_EFORMAT: an
 * address; BASE_EIO, BASE_ENOMEM. */
#define AUTH_SERVICE_WHY 256
int auth_service_new(const struct auth_service_options *options,
                     const struct auth_service_calls *calls, void *calls_context,
                     struct resolve_context *context, const struct base_log *log,
                     char why[AUTH_SERVICE_WHY], struct auth_service **out);
/* Serves until SIGTERM or SIGINT, which have to be blocked in all threads, like SIGHUP, before any
 * thread is made. */
void auth_service_run(struct auth_service *service);
/* When its questions are freed. NULL allowed. */
void auth_service_free(struct auth_service *service);

struct net_loop *auth_service_loop(struct auth_service *service); /* for descriptors of one's own */
size_t auth_service_sockets(const struct auth_service *service);
struct auth_service_counts {
    uint64_t accepted;
    uint64_t paused; /* times that no descriptor or memory was left for a connection */
    unsigned connections;
};
void auth_service_counts(const struct auth_service *service, struct auth_service_counts *out);

#endif
