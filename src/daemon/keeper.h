/*
 * Keeps a directory of zones signed, and serves them if told where: knows every zone, what is due
 * when, and runs the jobs. The loop is libuv's; the decisions are taken here with `now` as a
 * parameter.
 */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include "base/log.h"
#include "daemon/respond.h"
#include "net/server.h"
#include "sign/policy.h"

#define DAEMON_LISTEN_MAX   64 /* addresses */
#define DAEMON_PREFIXES_MAX 64

struct daemon_options {
    const char *zones;  /* directory of zone files */
    const char *data;   /* directory for keys/, signed/, removed/ and image/ */
    const char *policy; /* file; NULL: defaults */
    unsigned threads;   /* 0: one per CPU */
    bool once;          /* do what is due, then end */
    struct net_endpoint listen[DAEMON_LISTEN_MAX]; /* where to answer queries */
    size_t listen_count;                           /* 0: nothing is served */
    struct daemon_prefix transfer[DAEMON_PREFIXES_MAX];
    size_t transfer_count; /* 0: the machine itself may transfer */
    struct base_log log;
};

/* Runs until SIGTERM or SIGINT, or with `once` until nothing is due. Returns an exit code: 0 good,
 * 1 with `once` when a zone was refused, 3 when the system does not let it work. */
int daemon_keep(const struct daemon_options *options);

#endif
