/*
 * The policy service for Postfix: answers smtp_tls_policy_maps over socketmap, from plans that are
 * made side by side. One thread looks up and answers, a few others fetch MTA-STS policies.
 */
#ifndef AUTH_POLICY_SERVER_H
#define AUTH_POLICY_SERVER_H

#include "auth/service.h"

struct policy_server;

struct policy_options {
    const char *const *listen; /* as auth_service_options has them */
    size_t listen_count;
    unsigned socket_mode;  /* of sockets in the file system; 0: 0666 */
    const char *state;     /* directory for MTA-STS policies; NULL: they end with the process */
    const char *ca_file;   /* who may certify policy hosts; NULL: the system's */
    const char *metrics;   /* file to be rewritten every 15 s; NULL */
    const char *tlsrpt;    /* file that gets a line for each MTA-STS policy that could not be
                            * fetched, as `kenter tlsrpt` reads them; NULL */
    size_t cache_octets;   /* of answers; 0: 16 MiB */
    unsigned most_ttl;     /* seconds that an answer is kept at most; 0: 3600 */
    unsigned connections;  /* at once; 0: 512 */
    unsigned questions;    /* being looked up at once; 0: 256 */
    unsigned timeout;      /* seconds for one answer; 0: 60 (Postfix waits for 100) */
    unsigned idle_timeout; /* seconds; 0: 600 */
    bool no_sts;
};

/* Opens the sockets; `context` has a clock that goes. `why` in words on failure. BASE_EFORMAT: an
 * option; BASE_EIO, BASE_ENOMEM. */
int policy_server_new(const struct policy_options *options, struct resolve_context *context,
                      const struct base_log *log, char why[AUTH_SERVICE_WHY],
                      struct policy_server **out);
/* As auth_service_run; SIGHUP empties the caches, but not of MTA-STS policies. */
void policy_server_run(struct policy_server *server);
void policy_server_free(struct policy_server *server); /* NULL allowed */

#endif
