/*
 * /etc/resolv.conf (resolv.conf(5)): the system's resolvers.
 */
#ifndef NET_RESOLV_CONF_H
#define NET_RESOLV_CONF_H

#include "net/address.h"

#define NET_RESOLV_CONF_SERVERS 8

struct net_resolv_conf {
    union net_address servers[NET_RESOLV_CONF_SERVERS];
    size_t count;        /* the first three are what libc would use; more do no harm */
    unsigned timeout_ms; /* of a try; 0: not said */
    unsigned attempts;   /* 0: not said */
    bool tcp;            /* options use-vc */
};

/* Takes any text; lines that are not understood are skipped. Without a server it is the one on this
 * machine, 127.0.0.1, as for libc. */
void net_resolv_conf_parse(const char *text, size_t length, struct net_resolv_conf *out);

#endif
