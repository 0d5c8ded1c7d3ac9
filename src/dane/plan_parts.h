/*
 * What the parts of plans share: the answers so far, asking for more, and making endpoints. Private
 * to src/dane/plan*.c; docs/design/dane.md tells how they work together.
 *
 * A plan is a function of the answers that are there. Whatever is missing is noted as an ask, and
 * the function is called again when it has come; so the rules can be written down one after the
 * other, and all that can be asked at once is.
 */
#ifndef DANE_PLAN_PARTS_H
#define DANE_PLAN_PARTS_H

#include "base/arena.h"
#include "base/error.h"
#include "dane/plan.h"

/* Budgets: what a hostile domain can make us do. */
#define PLAN_HOSTS_MAX     32 /* MX or SRV targets looked at, the best ones */
#define PLAN_ADDRESSES_MAX 16 /* of one host and family */
#define PLAN_ASKS_MAX      256
#define PLAN_TLSA_MAX      32 /* records of one host */
#define PLAN_ARENA_MAX     (4 * 1024 * 1024)

struct plan_item {
    enum dane_ask_kind kind;
    bool answered;
    uint16_t type;
    uint8_t name[DNS_NAME_MAX];
    const struct validate_result *result; /* a reference; NULL with an ask for a policy */
    char *sts_id;
    char *text; /* of a policy; NULL: none, `why` */
    size_t length;
    char why[200];
};

struct dane_plan {
    enum dane_service service;
    const struct dane_service_info *info;
    struct dane_service_info named; /* `info` of a service that the user names by its SRV */
    char srv[DANE_DOMAIN_MAX];
    struct dane_plan_options options;
    base_time now;
    char domain[DANE_DOMAIN_MAX];
    uint8_t name[DNS_NAME_MAX]; /* of the domain */
    struct dane_address literal;
    bool is_literal;
    struct plan_item *items;
    size_t count, capacity, next; /* below `next` all have been asked */
    bool stale;                   /* something has come since the last pass */
    /* One pass. */
    struct base_arena arena;
    bool pending;
    int error; /* BASE_ENOMEM, BASE_ELIMIT */
    struct dane_plan_result made;
    struct dane_endpoint endpoints[PLAN_HOSTS_MAX];
    bool done;
};

/* How an answer is to be taken (RFC 7672 section 2.1.1 with erratum 5395): no trust anchor is as
 * good as insecure; everything else that is not an answer is an error. */
static inline bool plan_error(const struct validate_result *result)
{
    return result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR;
}
static inline bool plan_secure(const struct validate_result *result)
{
    return result->status == VALIDATE_SECURE;
}

/* The answer to a question. NULL: it is not there yet (plan->pending) or cannot be had
 * (plan->error). */
const struct validate_result *plan_lookup(struct dane_plan *plan, const uint8_t *name,
                                          uint16_t type);
/* The same with a prefix ("_25._tcp") before the name. */
const struct validate_result *plan_lookup_below(struct dane_plan *plan, const char *prefix,
                                                const uint8_t *name, uint16_t type);
/* The policy of the domain. NULL as above. */
const struct plan_item *plan_policy(struct dane_plan *plan, const char *id);

/* A name as hosts are written: A-labels, lower case, no final dot. NULL: it has octets that no host
 * has, or there is no memory (plan->error). */
const char *plan_host_text(struct dane_plan *plan, const uint8_t *name);
/* Text in the plan's memory; "" when there is none. */
const char *plan_text(struct dane_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Notes that the plan, or an endpoint (NULL: the plan only), leans on an answer. */
void plan_lean(struct dane_plan *plan, struct dane_endpoint *endpoint,
               const struct validate_result *result);
/* Where the aliases of an answer end; the name asked for when there are none. */
const uint8_t *plan_end_of(const struct validate_result *result);

/* Appends an endpoint with what all have; NULL when there are too many. */
struct dane_endpoint *plan_endpoint(struct dane_plan *plan, const char *host, uint16_t port);
void plan_skip(struct dane_plan *plan, struct dane_endpoint *endpoint, const char *reason);
/* Adds a reference name, once. `name` lives as long as the plan's memory. */
void plan_reference(struct dane_plan *plan, struct dane_endpoint *endpoint,
                    enum dane_reference_kind kind, const char *name);
void plan_conclude(struct dane_plan *plan, enum dane_outcome outcome, const char *reason);

/* Addresses and TLSA of a host (RFC 7672 section 2.2.2, RFC 7671 section 7). Sets addresses, base,
 * tlsa and expiry, and for errors demand SKIP with its reason. */
enum plan_host_state {
    PLAN_HOST_PENDING,
    PLAN_HOST_SKIP,     /* said in the endpoint */
    PLAN_HOST_NO_DANE,  /* proved: no TLSA records, or none that are secure */
    PLAN_HOST_UNUSABLE, /* secure records, none of which can be used */
    PLAN_HOST_DANE,
};
struct plan_host {
    enum plan_host_state state;
    const char *why; /* NO_DANE: in words */
};
struct plan_host plan_look_at_host(struct dane_plan *plan, struct dane_endpoint *endpoint,
                                   const uint8_t *name);

/* The addresses alone: NO_DANE when there are some. */
enum plan_host_state plan_addresses(struct dane_plan *plan, struct dane_endpoint *endpoint,
                                    const uint8_t *name);

/* The rules of each kind of service. They conclude, unless answers are missing. */
void plan_smtp(struct dane_plan *plan);
void plan_srv(struct dane_plan *plan);
void plan_direct(struct dane_plan *plan);
/* After plan_smtp: MTA-STS for hosts where DANE is proved absent. */
void plan_sts(struct dane_plan *plan);

#endif
