/*
 * What the workers of the serve process share, and what each has of its own. Inner part of front.
 */
#ifndef FRONT_WORKER_H
#define FRONT_WORKER_H

#include "config/config.h"
#include "front/auth.h"
#include "front/stats.h"
#include "net/handler.h"
#include "serve/answer.h"

#include <pthread.h>

/* An image that is open. It is closed when the last worker and the last transfer have left it. */
struct front_image {
    struct image *image;
    unsigned users; /* under the lock of front_shared */
};

/* What the main thread has for a worker. */
struct front_letter {
    struct front_letter *next;
    uint64_t id;
    uint32_t value;
    bool gone; /* the control process is gone; `value`: which one */
    size_t length;
    uint8_t data[];
};

struct front_mailbox {
    pthread_mutex_t lock;
    struct front_letter *first, **last;
    int wake; /* eventfd; -1: none */
};

/* The same for all workers. What changes does so by front_shared_… and front_link_…, called by the
 * main thread. */
struct front_shared {
    const struct config *config;
    const struct base_log *log;
    struct serve_options serve;
    struct config_numbered *templates;
    size_t template_count;
    unsigned workers;
    struct front_stats *stats;       /* of each worker */
    struct front_mailbox *mailboxes; /* of each worker */
    int link; /* channel to control: always a descriptor, perhaps a dead one */
    _Atomic uint32_t link_generation;
    pthread_mutex_t lock;
    struct front_image *image; /* the newest; under the lock */
    _Atomic uint32_t image_generation;
};

/* `config` and `log` outlive it. BASE_ENOMEM; BASE_EIO; BASE_EFORMAT: the file of cookie secrets
 * holds something else. */
int front_shared_init(struct front_shared *shared, const struct config *config,
                      const struct base_log *log, unsigned workers);
/* After the server is gone. */
void front_shared_free(struct front_shared *shared);
/* Answers come from this image from now on; it is closed when nobody uses it any more. BASE_ENOMEM:
 * it stays the caller's. */
int front_shared_image(struct front_shared *shared, struct image *image);
void front_shared_totals(const struct front_shared *shared, struct front_totals *totals);
/* The handler for net. */
struct net_handler front_handler(struct front_shared *shared);

/* --- within workers --- */

struct front_transfer;
struct front_forward;

struct front_worker {
    struct front_shared *shared;
    struct net_worker *net;
    unsigned index;
    struct front_stats *stats;
    struct front_image *image; /* NULL: there is none yet */
    uint32_t image_generation;
    struct serve_worker *serve;       /* on `image` */
    bool blind;                       /* the image could not be looked at */
    base_time complained;             /* when control was last told of it */
    struct front_transfer *transfers; /* that run, linked */
    unsigned transfer_count;
    struct front_forward *forward;
    uint8_t *scratch; /* DNS_MESSAGE_MAX: a signed query, while it is being answered */
};

/* A query on its way to its answer. */
struct front_request {
    const struct net_client *client;
    const uint8_t *query; /* without TSIG */
    size_t length;
    struct front_auth auth;
    uint8_t *out; /* holds a response already: what serve_answer made of it */
    size_t capacity;
    struct serve_result result;
    struct net_answer *answer;
};

/* Goes over to the newest image, outside of a batch. */
void front_worker_look(struct front_worker *worker);

/* Makes the response one without records and with another rcode. */
void front_request_rcode(struct front_request *request, unsigned rcode);

struct front_image *front_image_take(struct front_shared *shared, uint32_t *generation);
void front_image_leave(struct front_shared *shared, struct front_image *image);

/* Which template holds for a zone of the image. NULL: none any more. */
const struct config_template *front_template(const struct front_worker *worker,
                                             const struct image_zone *zone);

#endif
