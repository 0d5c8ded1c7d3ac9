/*
 * The service for pairs: XMPP servers ask over a local socket whether a stream may speak for a pair
 * of domains (xmpp.h), and are told until when. One thread looks up and judges, a few others fetch
 * POSH documents; whatever was found out is kept until it expires.
 */
#ifndef AUTH_PAIR_SERVER_H
#define AUTH_PAIR_SERVER_H

#include "auth/service.h"

struct pair_server;

struct pair_options {
    const char *const *listen; /* as auth_service_options has them */
    size_t listen_count;
    unsigned socket_mode; /* 0: 0660 */
    const char *ca_file; /* who may certify peers and hosts of POSH documents; NULL: the system's */
    size_t cache_octets; /* of verdicts; 0: 16 MiB */
    unsigned connections; /* at once; 0: 64 */
    unsigned questions;   /* being found out at once; 0: 1024 */
    unsigned timeout;     /* seconds for one answer; 0: 30 */
    bool no_posh, no_pkix;
};

/* Opens the sockets; `context` has a clock that goes. `why` in words on failure. BASE_EFORMAT: an
 * option; BASE_EIO, BASE_ENOMEM. */
int pair_server_new(const struct pair_options *options, struct resolve_context *context,
                    const struct base_log *log, char why[AUTH_SERVICE_WHY],
                    struct pair_server **out);
/* As auth_service_run; SIGHUP empties the caches. */
void pair_server_run(struct pair_server *server);
void pair_server_free(struct pair_server *server); /* NULL allowed */

#endif
