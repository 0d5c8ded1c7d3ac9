/*
 * What the services are, and the words for demands.
 */
#include "dane/endpoint.h"

#include "base/error.h"

#include <strings.h>

static const struct dane_service_info services[DANE_SERVICES] = {
    [DANE_SMTP] = {"smtp", NULL, NULL, 25, 0, DANE_START_SMTP, NULL, DANE_USAGES_OPPORTUNISTIC},
    [DANE_SUBMISSION] = {"submission", "_submission._tcp", "_submissions._tcp", 587, 465,
                         DANE_START_SMTP, NULL, DANE_USAGES_ALL},
    [DANE_SUBMISSIONS] = {"submissions", "_submissions._tcp", NULL, 465, 0, DANE_START_TLS_AT_ONCE,
                          NULL, DANE_USAGES_ALL},
    [DANE_IMAP] = {"imap", "_imap._tcp", "_imaps._tcp", 143, 993, DANE_START_IMAP, NULL,
                   DANE_USAGES_ALL},
    [DANE_IMAPS] = {"imaps", "_imaps._tcp", NULL, 993, 0, DANE_START_TLS_AT_ONCE, NULL,
                    DANE_USAGES_ALL},
    [DANE_POP3] = {"pop3", "_pop3._tcp", "_pop3s._tcp", 110, 995, DANE_START_POP3, NULL,
                   DANE_USAGES_ALL},
    [DANE_POP3S] = {"pop3s", "_pop3s._tcp", NULL, 995, 0, DANE_START_TLS_AT_ONCE, NULL,
                    DANE_USAGES_ALL},
    [DANE_SIEVE] = {"sieve", "_sieve._tcp", NULL, 4190, 0, DANE_START_SIEVE, NULL, DANE_USAGES_ALL},
    [DANE_XMPP_CLIENT] = {"xmpp-client", "_xmpp-client._tcp", "_xmpps-client._tcp", 5222, 0,
                          DANE_START_XMPP_CLIENT, "xmpp-client", DANE_USAGES_ALL},
    [DANE_XMPP_SERVER] = {"xmpp-server", "_xmpp-server._tcp", "_xmpps-server._tcp", 5269, 0,
                          DANE_START_XMPP_SERVER, "xmpp-server", DANE_USAGES_ALL},
    [DANE_SIP] = {"sip", "_sips._tcp", NULL, 5061, 0, DANE_START_TLS_AT_ONCE, NULL,
                  DANE_USAGES_ALL},
    [DANE_HTTPS] = {"https", NULL, NULL, 443, 0, DANE_START_TLS_AT_ONCE, NULL, DANE_USAGES_ALL},
    [DANE_TLS] = {"tls", NULL, NULL, 0, 0, DANE_START_TLS_AT_ONCE, NULL, DANE_USAGES_ALL},
};

const struct dane_service_info *dane_service_info(enum dane_service service)
{
    return &services[service];
}

int dane_service_by_name(const char *name, enum dane_service *out)
{
    for (unsigned i = 0; i < DANE_SERVICES; i++) {
        if (strcasecmp(services[i].name, name) == 0) {
            *out = (enum dane_service)i;
            return BASE_OK;
        }
    }
    return BASE_ENOENT;
}

const char *dane_demand_name(enum dane_demand demand)
{
    switch (demand) {
    case DANE_DEMAND_SKIP:
        return "skip";
    case DANE_DEMAND_NOTHING:
        return "may";
    case DANE_DEMAND_TLS:
        return "encrypt";
    case DANE_DEMAND_DANE:
        return "dane";
    case DANE_DEMAND_PKIX:
        return "pkix";
    }
    return "?";
}
