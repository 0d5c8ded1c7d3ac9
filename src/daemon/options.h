/*
 * The command line of kenterd: what to do, and the settings, from a file or from a few options.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "config/config.h"

struct daemon_options {
    const char *config;  /* file; NULL: from the options below */
    const char *zones;   /* directory of zone files */
    const char *data;    /* directory; NULL: as configured, or var */
    const char *policy;  /* file */
    const char *metrics; /* address of pages and metrics; NULL: none */
    const char *socket;  /* of the API */
    const char *export_directory;
    const char *role; /* hidden: which process this is; NULL: the supervisor */
    const char *const *listen;
    size_t listen_count;
    const char *const *transfer;
    size_t transfer_count;
    bool threads_given;
    unsigned threads;
    const char *backup; /* only copy the registry, to this file */
    bool once;
    bool check; /* only read the settings, and show them */
    bool level_given, json_given;
    struct base_log log;
};

#define DAEMON_LIST_MAX 64 /* addresses, networks */

/* Reads the command line. 0: go on; else the exit code plus one, and all has been said. */
int daemon_options_read(int argc, char **argv, struct daemon_options *options);
void daemon_options_free(struct daemon_options *options);
/* The settings that they mean. What is wrong has been logged. */
int daemon_options_config(const struct daemon_options *options, struct config **out);

#endif
