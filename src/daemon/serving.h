/*
 * Serving what is published: the image of all zones that passed the gate, and the sockets that
 * answer from it. Zones of an earlier run are served from the moment of opening.
 *
 * Jobs call publish, holds and remove from their own threads: there is one writer at a time, and
 * answers wait for none of it.
 */
#ifndef DAEMON_SERVING_H
#define DAEMON_SERVING_H

#include "daemon/respond.h"
#include "net/server.h"
#include "zone/zone.h"

struct daemon_serving_options {
    const char *directory; /* of the image */
    const struct net_endpoint *listen;
    size_t listen_count;
    const struct daemon_prefix *transfer; /* who may transfer zones; with 0 the machine itself */
    size_t transfer_count;
    unsigned threads; /* 0: one per CPU */
    struct base_log log;
};

struct daemon_serving;

/* Opens the image, or makes it anew when it is damaged, then the sockets, and starts to answer. A
 * failure has been logged. What the options point to outlives the serving. */
int daemon_serving_open(const struct daemon_serving_options *options, struct daemon_serving **out);
void daemon_serving_close(struct daemon_serving *serving); /* NULL allowed */

/* Does the image hold exactly this version? */
bool daemon_serving_holds(struct daemon_serving *serving, const struct zone *zone,
                          unsigned threads);
/* Does it hold any version of the zone? */
bool daemon_serving_knows(struct daemon_serving *serving, const uint8_t *apex);
/* Serves a version from now on. The caller has seen it pass the gate. Errors of image_publish. */
int daemon_serving_publish(struct daemon_serving *serving, const struct image_publish *publish);
/* Serves a zone no more, unless a file `published` is there: then a job has come between, and what
 * it publishes stays. Errors of image_remove but BASE_ENOENT. */
int daemon_serving_remove(struct daemon_serving *serving, const uint8_t *apex,
                          const char *published);
/* Lists the zones of the image in canonical order. */
int daemon_serving_list(struct daemon_serving *serving,
                        int (*visit)(void *context, const struct image_zone *zone), void *context);

#endif
