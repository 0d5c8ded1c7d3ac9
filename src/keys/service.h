/*
 * The key process: the only one that holds private keys of zones. It answers on channels that are
 * handed to it: tells public halves, makes keys, signs (keys/protocol.h). It takes no core dumps,
 * keeps private keys in locked memory where the system lets it, and closes the channel of a client
 * that sends what it should not.
 */
#ifndef KEYS_SERVICE_H
#define KEYS_SERVICE_H

#include "base/log.h"

struct keys_service_options {
    const char *directory; /* of the key directories, one for each zone */
    struct base_log log;
    /* Called when all is open and no file but those below `directory` is wanted any more: seals the
     * process in a sandbox. An error ends the service. NULL: none. */
    int (*seal)(void *context);
    void *context;
};

/* Below `directory` each zone has a directory of keys (crypto_keydir_path); `directory` is made
 * when it is missing, and locked. After `seal` are used: threads, memory, sockets that are there or
 * come by a message, time, random numbers, and below `directory` reading, making, syncing (also
 * syncfs), renaming, locking and removing of files and directories. */
/* Serves until the peer of `fd` is gone. On `fd` come messages that carry a new client's channel
 * (one end of process_channel_pair); each gets a thread. Returns an exit code:
 * 0 when the peer is gone, else the reason is in the log. */
int keys_service_run(int fd, const struct keys_service_options *options);

#endif
