/*
 * The control process: knows every zone, where its content comes from and what is due when; has it
 * signed, verified and published; answers the API. The loop is libuv's, and all decisions are taken
 * in its thread; workers do what takes long, one writer thread changes image and registry.
 * docs/design/control.md tells how.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "config/config.h"
#include "process/child.h"

struct control_places {
    char **paths; /* owned */
    size_t count;
};

struct control_options {
    const struct config *config; /* outlives the run */
    int keys;                    /* channel to the key process (keys/service.h); -1: comes later */
    int serve; /* channel to the serve process (serve/link.h); -1: comes later, or never */
    struct process_child *child;  /* tells of new peers, and when to end; NULL: nobody does */
    int api;                      /* listening Unix socket; -1: no API. Owned from then on */
    int metrics;                  /* listening TCP socket for /metrics and /healthz; -1: none */
    bool once;                    /* do what is due, then end */
    unsigned readers;             /* of the image, that other processes need */
    const char *export_directory; /* where signed zone files are kept current; NULL: nowhere */
    /* Called when all is open: seals the process, which then reads what the settings name, and
     * below these directories. An error ends it. NULL: none. */
    int (*seal)(void *context, const struct control_places *also);
    /* Called when the first look at all sources is over and the API answers. NULL: nothing. */
    void (*ready)(void *context);
    void *context;
};

/* Runs until SIGTERM or SIGINT, or with `once` until nothing is due. Returns an exit code: 0 good,
 * 1 with `once` when a zone was refused, 3 when the system does not let it work. */
int control_run(const struct control_options *options);

#endif
