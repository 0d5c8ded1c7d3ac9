/*
 * Authenticated servers (DANE: RFC 6698, 7671 to 7673; MTA-STS: RFC 8461): from "deliver mail to
 * example.org" to "this TLS session is with the right server".
 *
 *     kenter_authenticate(resolver, KENTER_SMTP, "example.org", 0, NULL, &plan);
 *     endpoints = kenter_plan_endpoints(plan, &count);
 *     for each endpoint that is not to be skipped, in this order:
 *         connect to an address, STARTTLS if `start` says so, TLS with `sni`
 *         kenter_verify_peer(&endpoints[i], &peer, NULL, &verdict);
 *         if (kenter_verdict_is_good(&verdict)) ... use it
 *
 * Nothing here opens a connection but for look-ups and, when it may, for the policies of MTA-STS.
 * Verification knows no TLS library: kenter/dane-openssl.h and kenter/dane-gnutls.h bring what
 * those have. A resolver belongs to one thread at a time; plans never change, may be shared by
 * threads, and outlive the resolver. Texts and arrays of a plan are the plan's.
 */
#ifndef KENTER_DANE_H
#define KENTER_DANE_H

#include <kenter/resolve.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- services --- */

enum kenter_service {
    KENTER_SMTP,        /* server to server: MX, port 25 (RFC 7672) */
    KENTER_SUBMISSION,  /* SRV _submission and _submissions (RFC 6186, 8314) */
    KENTER_SUBMISSIONS, /* those with TLS from the start alone */
    KENTER_IMAP,
    KENTER_IMAPS,
    KENTER_POP3,
    KENTER_POP3S,
    KENTER_SIEVE,
    KENTER_XMPP_CLIENT, /* _xmpp-client and _xmpps-client (XEP-0368) */
    KENTER_XMPP_SERVER,
    KENTER_SIP, /* _sips._tcp */
    KENTER_HTTPS,
    KENTER_TLS /* any: host and port given, or "_ldaps._tcp.example.org", found by SRV */
};

/* "smtp", "xmpp-server", …, in any case. KENTER_EFORMAT: there is no such service. */
KENTER_API int kenter_service_parse(const char *text, enum kenter_service *service);
KENTER_API const char *kenter_service_text(enum kenter_service service);

/* --- plans --- */

enum kenter_start { /* what is said before TLS begins */
                    KENTER_START_TLS,
                    KENTER_START_SMTP, /* EHLO and STARTTLS; and so on */
                    KENTER_START_IMAP,
                    KENTER_START_POP3,
                    KENTER_START_SIEVE,
                    KENTER_START_XMPP_CLIENT,
                    KENTER_START_XMPP_SERVER
};

enum kenter_demand {
    KENTER_DEMAND_SKIP,    /* not to be used: `reason` says why */
    KENTER_DEMAND_NOTHING, /* TLS if it is offered, whoever the peer is */
    KENTER_DEMAND_TLS,     /* TLS, whoever the peer is: its TLSA records cannot be used */
    KENTER_DEMAND_DANE,    /* TLS, and a TLSA record matches */
    KENTER_DEMAND_PKIX     /* TLS, a CA that is trusted, and a name */
};
KENTER_API const char *kenter_demand_text(enum kenter_demand demand); /* "dane" */

struct kenter_address {
    uint8_t family; /* 4 or 6 */
    uint8_t octets[16];
};

struct kenter_tlsa {
    uint8_t usage, selector, matching;
    uint8_t usable;
    uint16_t length;
    const uint8_t *data;
    const char *judgement; /* "usable", or why it is not */
};

enum kenter_reference_kind {
    KENTER_REFERENCE_DNS,    /* a DNS-ID (RFC 9525) */
    KENTER_REFERENCE_SRV,    /* "_imap.example.org": an SRV-ID (RFC 4985) */
    KENTER_REFERENCE_XMPP,   /* an XmppAddr (RFC 6120) */
    KENTER_REFERENCE_ADDRESS /* an IP address */
};
struct kenter_reference {
    enum kenter_reference_kind kind;
    const char *name; /* A-labels, lower case, no final dot */
};

/* Where to connect, and what to insist on. All that verification needs is in here, so it may be
 * copied, kept until `expiry`, or judged elsewhere. */
struct kenter_endpoint {
    enum kenter_service service;
    enum kenter_start start;
    enum kenter_demand demand;
    const char *domain, *host; /* the service's; as MX or SRV have it */
    uint16_t port, priority, weight;
    int delegation_secure; /* it is proved that the host serves the domain; else the host may be
                            * authenticated, but the domain is not */
    const struct kenter_address *addresses;
    size_t address_count;
    const char *sni;                /* NULL: none */
    const char *base;               /* the TLSA records are at _port._tcp of it; NULL */
    const struct kenter_tlsa *tlsa; /* all of them, judged (RFC 7671 section 9) */
    size_t tlsa_count;
    const struct kenter_reference *references; /* names that the certificate may have, where names
                                                * count */
    size_t reference_count;
    int raw_public_key; /* a bare key may be asked for (RFC 7250) */
    int sts, testing;   /* an MTA-STS policy speaks of it; in mode testing */
    int error;          /* SKIP: something could not be had; else it is known to be of no use */
    int64_t expiry;     /* until when this holds; 0: unknown */
    const char *reason; /* a sentence */
};

enum kenter_outcome {
    KENTER_OUTCOME_GO,     /* try the endpoints in order */
    KENTER_OUTCOME_DEFER,  /* nothing can be used now: later again */
    KENTER_OUTCOME_NONE,   /* the domain says that it has no such service */
    KENTER_OUTCOME_UNKNOWN /* there is no such domain */
};
KENTER_API const char *kenter_outcome_text(enum kenter_outcome outcome); /* "go" */

struct kenter_plan;
KENTER_API struct kenter_plan *kenter_plan_ref(struct kenter_plan *plan);
KENTER_API void kenter_plan_free(struct kenter_plan *plan); /* NULL allowed */
KENTER_API enum kenter_outcome kenter_plan_outcome(const struct kenter_plan *plan);
KENTER_API const char *kenter_plan_domain(const struct kenter_plan *plan); /* A-labels */
KENTER_API const char *kenter_plan_reason(const struct kenter_plan *plan); /* a sentence */
/* Most seconds that it may be kept, and until when it holds; 0: not at all, unknown. */
KENTER_API uint32_t kenter_plan_ttl(const struct kenter_plan *plan);
KENTER_API int64_t kenter_plan_expiry(const struct kenter_plan *plan);
/* In the order in which they are to be tried; those to be skipped stand in their place. */
KENTER_API const struct kenter_endpoint *kenter_plan_endpoints(const struct kenter_plan *plan,
                                                               size_t *count);
/* MTA-STS as seen: mode ("enforce") and what was wrong; NULL. */
KENTER_API const char *kenter_plan_sts_mode(const struct kenter_plan *plan);
KENTER_API const char *kenter_plan_sts_problem(const struct kenter_plan *plan);

/* --- making them --- */

/* Stands for a document that was asked for. */
struct kenter_fetch;

struct kenter_authenticate_options {
    size_t size;         /* set by kenter_authenticate_options_init */
    int mandatory;       /* SMTP: only hosts that DANE authenticates, behind a secure MX */
    int no_sts;          /* leave MTA-STS out */
    uint32_t random;     /* seed of the choice among SRV of equal priority (RFC 2782) */
    const char *ca_file; /* PEM, for fetching policies; NULL: the system's */
    /* Fetches a document over HTTPS: TLS 1.2 or better, the name of the URL proved, no redirects,
     * media type text/plain, at most 64 KiB. Calls kenter_fetched once for the ticket, from within,
     * or later in the resolver's thread. NULL: kenter_authenticate fetches by itself, from the
     * addresses that the resolver finds. */
    void (*fetch)(void *context, const char *url, struct kenter_fetch *ticket);
    void *fetch_context;
};
static inline void kenter_authenticate_options_init(struct kenter_authenticate_options *options)
{
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}
/* `text` NULL: there is none, and `why` in words. Copied. */
KENTER_API void kenter_fetched(struct kenter_fetch *ticket, const char *text, size_t length,
                               const char *why);

/* Makes the plan; waits. `domain` as people write it, or an address ("[192.0.2.1]", "[IPv6:…]").
 * `port` 0: look MX or SRV up; else the host is meant, at this port. `options` may be NULL.
 * KENTER_EFORMAT: no domain; KENTER_EINVAL: a service without port; KENTER_ENOMEM,
 * KENTER_ELIMIT. */
KENTER_API int kenter_authenticate(struct kenter_resolver *resolver, enum kenter_service service,
                                   const char *domain, uint16_t port,
                                   const struct kenter_authenticate_options *options,
                                   struct kenter_plan **out);

/* The same with an event loop, as kenter_lookup_start. `done` is called once, from within
 * kenter_resolver_process or kenter_fetched; a plan that needs no answer (an address) is done from
 * within this, and *out is NULL then. The plan is the callee's; NULL: it could not be made (memory,
 * too many look-ups at once). With KENTER_SMTP there must be `fetch` or `no_sts`: KENTER_EINVAL. */
struct kenter_authentication;
typedef void kenter_planned(void *context, struct kenter_plan *plan);
KENTER_API int kenter_authenticate_start(struct kenter_resolver *resolver,
                                         enum kenter_service service, const char *domain,
                                         uint16_t port,
                                         const struct kenter_authenticate_options *options,
                                         kenter_planned *done, void *context,
                                         struct kenter_authentication **out);
/* Before `done` was called, which it then is not. Tickets that are out stay valid. */
KENTER_API void kenter_authenticate_cancel(struct kenter_authentication *authentication);

/* --- verifying --- */

struct kenter_der {
    const uint8_t *data;
    size_t length;
};

/* What the peer showed. */
struct kenter_peer {
    int tls;                        /* 0: the session is not encrypted */
    const struct kenter_der *chain; /* certificates, the leaf first */
    size_t count;                   /* 16 are looked at */
    const uint8_t *raw_public_key;  /* SubjectPublicKeyInfo, instead of a chain; NULL */
    size_t raw_length;
};

enum kenter_verdict_kind {
    KENTER_AUTHENTICATED,
    KENTER_ENCRYPTED, /* the demand is met, and nobody was authenticated */
    KENTER_PLAIN,     /* the demand (nothing) is met without TLS */
    KENTER_REFUSED,   /* the demand is not met: do not go on */
    KENTER_FAILED     /* could not be judged: do not go on */
};
KENTER_API const char *kenter_verdict_text(enum kenter_verdict_kind kind); /* "authenticated" */

struct kenter_verdict {
    enum kenter_verdict_kind kind;
    int by_dane;        /* by a TLSA record; else PKIX */
    size_t tlsa;        /* index of the record that matched; KENTER_NONE */
    unsigned depth;     /* of the certificate that matched: 0 the leaf */
    int64_t expiry;     /* of what was authenticated; 0: unknown */
    char identity[320]; /* the name that fitted; "" where names do not count */
    char reason[400];   /* a sentence */
    char tlsrpt[40];    /* refused: result type of RFC 8460; "" */
};
static inline int kenter_verdict_is_good(const struct kenter_verdict *verdict)
{
    return verdict->kind <= KENTER_PLAIN;
}

/* CAs that are trusted where a demand is PKIX, or usages 0 and 1: read once for many verdicts, also
 * of several threads. `ca_file` NULL: the system's. KENTER_EIO: cannot be read. */
struct kenter_authorities;
KENTER_API int kenter_authorities_new(const char *ca_file, struct kenter_authorities **out);
KENTER_API void kenter_authorities_free(struct kenter_authorities *authorities); /* NULL allowed */

struct kenter_verify_options {
    size_t size;                                  /* set by kenter_verify_options_init */
    int64_t now;                                  /* 0: the system's clock */
    const struct kenter_authorities *authorities; /* NULL: the system's, read when needed */
};
static inline void kenter_verify_options_init(struct kenter_verify_options *options)
{
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}
/* Always gives a verdict. `options` may be NULL. */
KENTER_API void kenter_verify_peer(const struct kenter_endpoint *endpoint,
                                   const struct kenter_peer *peer,
                                   const struct kenter_verify_options *options,
                                   struct kenter_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif
