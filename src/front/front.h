/*
 * The serve process: it faces the network. It answers from the image, which it reads only,
 * transfers zones out, and passes NOTIFY and UPDATE on to the control process once it knows who
 * sent them. It has no keys of zones, no database, and needs nothing but the image's files, its
 * sockets and two channels once it is sealed. docs/design/front.md tells how.
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include "config/config.h"
#include "process/child.h"

struct front_options {
    const struct config *config;
    const char *image; /* directory */
    /* To the supervisor, from which sockets and the channel to "control" come. Without one
     * (child->fd < 0) the addresses of the settings are opened here. */
    struct process_child *child;
    const struct base_log *log;
    /* Called when all is open and before any thread is made: from then on the process needs the
     * directory of the image (to read; its lock file to write) and nothing else of the file system.
     * NULL: none. An error ends the process. */
    int (*seal)(void *context);
    void *context;
};

/* Runs until the supervisor says so, or SIGTERM comes; answers what was asked, and returns an enum
 * process_exit. The settings are read anew by starting again. What kept it from working has been
 * logged. To be called before threads are made. */
int front_run(const struct front_options *options);

/* How many readers the image must have room for (image_options.readers), on the side that makes it,
 * beside those of other processes. */
unsigned front_readers(const struct config *config);

#endif
