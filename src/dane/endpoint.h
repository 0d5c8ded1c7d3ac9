/*
 * Endpoints: where a client connects, in which order, and what each must show. Made by plans
 * (plan.h), used by verification (verify.h), programs, sidecars and the command.
 */
#ifndef DANE_ENDPOINT_H
#define DANE_ENDPOINT_H

#include "dane/names.h"
#include "dane/tlsa.h"

/* What is spoken. `dane_service_info` tells the rest. */
enum dane_service {
    DANE_SMTP,        /* server to server: MX, port 25, STARTTLS (RFC 7672) */
    DANE_SUBMISSION,  /* SRV _submission, 587, STARTTLS (RFC 6186) */
    DANE_SUBMISSIONS, /* SRV _submissions, 465 (RFC 8314) */
    DANE_IMAP,
    DANE_IMAPS,
    DANE_POP3,
    DANE_POP3S,
    DANE_SIEVE,
    DANE_XMPP_CLIENT, /* both _xmpp-client and _xmpps-client (XEP-0368) */
    DANE_XMPP_SERVER, /* both _xmpp-server and _xmpps-server */
    DANE_SIP,         /* _sips._tcp, TLS from the start */
    DANE_HTTPS,
    DANE_TLS, /* any: host and port, or an SRV name given; TLS from the start */
    DANE_SERVICES
};
enum dane_start {
    DANE_START_TLS_AT_ONCE,
    DANE_START_SMTP, /* EHLO, STARTTLS; and so on */
    DANE_START_IMAP,
    DANE_START_POP3,
    DANE_START_SIEVE,
    DANE_START_XMPP_CLIENT,
    DANE_START_XMPP_SERVER,
};
struct dane_service_info {
    const char *name;           /* "smtp", as the command takes it */
    const char *srv;            /* "_imap._tcp"; NULL: none */
    const char *srv_direct;     /* "_imaps._tcp": the same service with TLS at once; NULL */
    uint16_t port, port_direct; /* when SRV says nothing; 0: none */
    enum dane_start start;
    const char *alpn; /* wire protocol name; NULL */
    unsigned usages;  /* of TLSA that it takes */
};
const struct dane_service_info *dane_service_info(enum dane_service service);
int dane_service_by_name(const char *name, enum dane_service *out); /* BASE_ENOENT */

/* What the client must insist on. */
enum dane_demand {
    DANE_DEMAND_SKIP,    /* must not be used: `reason` says why */
    DANE_DEMAND_NOTHING, /* TLS if offered, no authentication (opportunistic) */
    DANE_DEMAND_TLS,     /* TLS, whoever the peer is: TLSA are there, but none can be used */
    DANE_DEMAND_DANE,    /* TLS, and a TLSA record matches */
    DANE_DEMAND_PKIX, /* TLS, a chain to a CA of the system, and a name (MTA-STS, SRV services) */
};
const char *dane_demand_name(enum dane_demand demand); /* "dane" */

/* How sure it is that the host speaks for the domain. */
enum dane_delegation {
    DANE_DELEGATION_SECURE,   /* MX or SRV, and all aliases on the way, are secure */
    DANE_DELEGATION_INSECURE, /* the host may be authenticated, the domain is not */
};

struct dane_address {
    uint8_t family; /* 4 or 6 */
    uint8_t octets[16];
};

struct dane_endpoint {
    enum dane_service service;
    const char *host;   /* target as MX or SRV names it, A-labels, no final dot */
    const char *domain; /* the service's domain */
    uint16_t port;
    uint16_t priority, weight;
    enum dane_start start;
    enum dane_demand demand;
    enum dane_delegation delegation;
    const struct dane_address *addresses;
    size_t address_count;
    const char *base; /* TLSA base: the name without _port._tcp; also SNI with DANE. NULL: none */
    const char *sni;  /* NULL: none to send */
    const struct dane_tlsa *tlsa; /* all of the RRset, judged */
    size_t tlsa_count;
    const struct dane_reference *references; /* for usages 0, 1, 2 and PKIX */
    size_t reference_count;
    bool raw_public_key; /* may be asked for (RFC 7250): some 3 1 x is usable */
    bool sts;            /* PKIX is demanded by an MTA-STS policy */
    bool error;          /* SKIP: something could not be had; else it is known to be of no use */
    bool testing;        /* by one in mode testing: report, do not refuse. Without references:
                          * the policy does not list the host */
    base_time expiry;    /* until when this holds: TTLs and signatures; 0: unknown */
    const char *reason;  /* a sentence */
};

#endif
