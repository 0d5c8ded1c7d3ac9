/*
 * What the parts of the zone check share: the state of a worker, the table of checks, look-ups of
 * names that records point to, and saying a finding.
 *
 * A check is a row: a function and the types it looks at. The driver (check.c) goes over the nodes
 * once and calls, for each RRset, the rows of its type. Checks allocate nothing.
 */
#ifndef ZONE_CHECK_PART_H
#define ZONE_CHECK_PART_H

#include "base/reader.h"
#include "zone/check.h"

/* Types that only the checks know by name. */
enum check_type {
    CHECK_TYPE_MD = 3,
    CHECK_TYPE_MF = 4,
    CHECK_TYPE_WKS = 11,
    CHECK_TYPE_MINFO = 14,
    CHECK_TYPE_RP = 17,
    CHECK_TYPE_AFSDB = 18,
    CHECK_TYPE_RT = 21,
    CHECK_TYPE_NXT = 30,
    CHECK_TYPE_KX = 36,
    CHECK_TYPE_CERT = 37,
    CHECK_TYPE_A6 = 38,
    CHECK_TYPE_LP = 107,
    CHECK_TYPE_DLV = 32769,
};

/* Things said once for the whole zone: a count, and the record that shows it best. */
enum check_sum_index {
    CHECK_SUM_TTL_ZERO,
    CHECK_SUM_TTL_LONG,
    CHECK_SUM_TTL_MARGIN,
    CHECK_SUM_SINGLE_NS,
    CHECK_SUM_REFERRAL,
    CHECK_SUM_ADDRESS,
    CHECK_SUMS
};

struct check_sum {
    size_t count;
    uint32_t value; /* the largest seen; its record is the one shown */
    const struct zone_node *node;
    const struct dns_rr *rr;
};

/* What a name that a record points to turns out to be. */
enum check_target_kind {
    CHECK_OUTSIDE,   /* not in this zone */
    CHECK_ADDRESS,   /* has A or AAAA */
    CHECK_NO_DATA,   /* exists without address */
    CHECK_MISSING,   /* does not exist */
    CHECK_ALIAS,     /* has a CNAME; `node` */
    CHECK_DNAME,     /* below a DNAME; `node` has it */
    CHECK_DELEGATED, /* at or below the cut `node`, no address here */
    CHECK_GLUE,      /* at or below a cut, with address; `node` is the name itself */
};

struct check_target {
    enum check_target_kind kind;
    const struct zone_node *node;
};

#define CHECK_MEMO 1024 /* a power of two */

struct check_memo {
    struct {
        const uint8_t *name; /* NULL: free */
        struct check_target target;
    } slots[CHECK_MEMO];
};

/* The state of one worker in one chunk of nodes. */
struct check {
    const struct zone *zone;
    const struct zone_check_options *options;
    struct base_findings *findings;
    struct check_sum *sums;       /* CHECK_SUMS of them */
    struct check_memo *memo;      /* targets looked up before */
    uint64_t *used_glue;          /* a bit for each node: some NS points to it; shared, atomic */
    const uint8_t *doubled;       /* the apex put before itself; NULL when that is no mistake */
    bool reverse4, reverse6;      /* the zone is in in-addr.arpa, ip6.arpa */
    const struct zone_node *node; /* being looked at */
    char texts[4][DNS_NAME_TEXT]; /* handed out in turn by check_text */
    unsigned text_next;
};

typedef void check_rrset_function(struct check *check, const struct zone_rrset *rrset);

struct check_row {
    check_rrset_function *run;
    uint16_t types[14]; /* ends with 0; the first 0: every type. One of 264 or more stands for all
                           of these: the function looks closer */
    bool glue;          /* look at it also where it is only glue */
};

/* The tables of the parts, each ended by a row without function. */
extern const struct check_row check_apex_rows[], check_delegation_rows[], check_alias_rows[],
    check_target_rows[], check_limit_rows[], check_dnssec_rows[], check_cds_rows[],
    check_mail_rows[], check_dane_rows[], check_service_rows[], check_svcb_rows[],
    check_address_rows[], check_caa_rows[];

/* Checks that look at a node as a whole, or at the zone. */
void check_owner(struct check *check);
void check_coexistence(struct check *check);
void check_occlusion(struct check *check);
void check_orphan_glue(struct check *check);
void check_zone_apex(struct check *check);
void check_apex_wildcard(struct check *check);
void check_cds_agreement(struct check *check);

static inline const struct dns_rr *check_rr(const struct check *check,
                                            const struct zone_rrset *rrset, unsigned index)
{
    return check->zone->rrs[rrset->first_rr + index];
}

static inline const struct zone_rrset *check_rrset(const struct check *check, uint16_t type)
{
    return zone_rrset(check->zone, check->node, type);
}

static inline bool check_at_apex(const struct check *check)
{
    return (check->node->flags & ZONE_APEX) != 0;
}

/* Says a finding about `rr` (NULL: about the name) of the node that is being looked at. The
 * arguments are evaluated only when the finding is kept. */
#define CHECK_SAY(check, code, rr, ...)                                                            \
    do {                                                                                           \
        if (base_findings_wants((check)->findings, (code)))                                        \
            check_add((check), (code), (rr), __VA_ARGS__);                                         \
        else                                                                                       \
            base_findings_count((check)->findings, (code));                                        \
    } while (0)
void check_add(struct check *check, enum base_finding_code code, const struct dns_rr *rr,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The name as text, good until the fourth next call. */
const char *check_text(struct check *check, const uint8_t *name);

void check_count(struct check *check, enum check_sum_index which, const struct dns_rr *rr,
                 uint32_t value);

/* Looks up what `name` is in the zone. */
struct check_target check_resolve(struct check *check, const uint8_t *name);
/* The same without the memo and wherever the worker is. */
struct check_target check_resolve_plain(const struct zone *zone, const uint8_t *name);

/* Shapes of names. */
bool check_is_host_name(const uint8_t *name, bool wildcard); /* RFC 952, RFC 1123 section 2.1 */
bool check_is_address_text(const uint8_t *name); /* 192.0.2.1. or with the zone behind */
bool check_label_is(const uint8_t *label, const char *text); /* ignoring case */
/* _service._proto at the start of the name; a leading * in place of nothing is allowed. */
bool check_is_service_name(const uint8_t *name);

/* Checks the shape of a name in rdata that must be a host: literal address, host name, doubled. */
void check_host_target(struct check *check, const struct dns_rr *rr, const uint8_t *target);
/* True when the name ends in the zone's name twice. */
bool check_is_doubled(const struct check *check, const uint8_t *name);

#endif
