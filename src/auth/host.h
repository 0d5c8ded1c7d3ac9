/*
 * The addresses of a web server by validated look-ups. Documents that say whom to trust must not
 * come from wherever the system's resolver points.
 */
#ifndef AUTH_HOST_H
#define AUTH_HOST_H

#include "dane/names.h"
#include "resolve/resolve.h"

#define AUTH_HOST_ADDRESSES 1024

/* Two look-ups under way, and what they gave. The caller's; stays where it is until `done` or
 * auth_host_cancel. */
struct auth_host {
    struct auth_host_lookup {
        struct auth_host *host;
        struct resolve_request *request;
    } lookups[2];
    unsigned missing;
    bool failed; /* an address could not be had: without any, that is no proof that there is none */
    char addresses[AUTH_HOST_ADDRESSES]; /* "192.0.2.1,2001:db8::1"; "": none, and */
    char why[200];                       /* why not */
    void (*done)(void *context);         /* called once, later than auth_host_start */
    void *context;
};

/* BASE_ERANGE: a name that is too long; BASE_ENOMEM, BASE_ELIMIT. A bogus answer gives no address,
 * whichever it has; one family alone is enough. */
int auth_host_start(struct auth_host *host, struct resolve_context *resolve, const char *name,
                    void (*done)(void *context), void *context);
/* `done` is not called any more. Allowed when nothing is under way. */
void auth_host_cancel(struct auth_host *host);

/* Host and port of an https URL. False: no such URL, somebody's name in it, or a host that is an
 * address or not written as host names are. */
bool auth_url_host(const char *url, char host[DANE_DOMAIN_MAX], uint16_t *port);

#endif
