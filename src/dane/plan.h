/*
 * Plans: from (service, domain) to the ordered endpoints. A state machine without sockets, as
 * validate's: it asks for look-ups and documents, takes results, and ends in a plan. Rules: RFC
 * 7672 for SMTP, RFC 7673 for SRV, RFC 7712 for XMPP, RFC 8461 where DANE is proved absent.
 *
 * An error (bogus, indeterminate, no answer, malformed) is never taken for an absence.
 */
#ifndef DANE_PLAN_H
#define DANE_PLAN_H

#include "dane/endpoint.h"

struct dane_plan;

enum dane_outcome {
    DANE_OUTCOME_GO,      /* try the endpoints in order */
    DANE_OUTCOME_DEFER,   /* nothing can be used now: try again later */
    DANE_OUTCOME_NONE,    /* the domain says that it has no such service (null MX, SRV ".") */
    DANE_OUTCOME_UNKNOWN, /* the domain does not exist */
};
const char *dane_outcome_name(enum dane_outcome outcome);

struct dane_plan_result {
    enum dane_outcome outcome;
    enum dane_service service;
    const char *domain;                    /* A-labels */
    const struct dane_endpoint *endpoints; /* skipped ones too, in their place */
    size_t count;
    base_time expiry;   /* until when the plan holds; 0: unknown */
    uint32_t ttl;       /* most seconds to keep it */
    const char *reason; /* a sentence */
    /* MTA-STS as seen (SMTP): NULL, or the id, and what was wrong with fetching it. */
    const char *sts_id, *sts_mode, *sts_problem;
};

struct dane_plan_options {
    bool mandatory;  /* SMTP: only hosts that DANE authenticates, through secure MX */
    bool no_sts;     /* leave MTA-STS out */
    bool no_address; /* do not look for addresses (but as the TLSA rules need them) */
    uint16_t port;   /* host and port given: no MX, no SRV; 0: look them up */
    uint32_t random; /* seed of the choice among equal weights (RFC 2782) */
};

/* `domain` as people write it, or "[192.0.2.1]"; with DANE_TLS also "_ldaps._tcp.example.org", any
 * service that is found by SRV. BASE_EFORMAT: no domain; BASE_EINVAL: nothing says the port;
 * BASE_ENOMEM. */
int dane_plan_new(enum dane_service service, const char *domain,
                  const struct dane_plan_options *options, base_time now, struct dane_plan **out);
void dane_plan_free(struct dane_plan *plan);
/* Is it "_service._tcp.domain"? Then the length of "_service._tcp", else 0. */
size_t dane_srv_prefix(const char *domain);

enum dane_ask_kind { DANE_ASK_LOOKUP, DANE_ASK_STS };
struct dane_ask {
    uint32_t id;
    enum dane_ask_kind kind;
    const uint8_t *name; /* of a look-up */
    uint16_t type;
    const char *domain; /* of MTA-STS: its policy is wanted, as sts.h gives it */
    const char *sts_id; /* the id that the TXT record says */
};
/* Asks that have not been given out yet; several may be under way. False: none now. */
bool dane_plan_next(struct dane_plan *plan, struct dane_ask *out);
/* The plan takes a reference. */
int dane_plan_answer(struct dane_plan *plan, uint32_t id, const struct validate_result *result);
/* The policy document's text as fetched by HTTPS (RFC 8461 section 3.3), or NULL and `why`. */
int dane_plan_answer_sts(struct dane_plan *plan, uint32_t id, const char *text, size_t length,
                         const char *why);
/* NULL as long as answers are missing. The plan's. */
const struct dane_plan_result *dane_plan_result(struct dane_plan *plan);

#endif
