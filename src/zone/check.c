/* The driver of the zone check: one pass over the nodes, in chunks, that hands each RRset to the
 * rows of its type. */
#include "zone/check_part.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_NODES 1024 /* at least */
#define CHUNKS_MAX  64   /* few, so that many findings in each stay a bounded sum */
#define ROWS_MAX    64   /* bits of a mask */
#define TYPES_MAX   264  /* types below have masks of their own */

static const struct check_row *const parts[] = {
    check_apex_rows,  check_delegation_rows, check_alias_rows, check_target_rows,
    check_limit_rows, check_dnssec_rows,     check_cds_rows,   check_mail_rows,
    check_dane_rows,  check_service_rows,    check_svcb_rows,  check_address_rows,
    check_caa_rows,
};

/* For each type a mask of the rows that look at it. */
struct dispatch {
    const struct check_row *rows[ROWS_MAX];
    unsigned row_count;
    uint64_t by_type[TYPES_MAX];
    uint64_t other; /* for the types above */
    uint64_t glue;  /* rows that look at glue too */
};

struct chunk {
    struct base_findings findings;
    struct check_sum sums[CHECK_SUMS];
};

struct run {
    const struct zone *zone;
    const struct zone_check_options *options;
    struct dispatch dispatch;
    struct chunk *chunks;
    size_t chunk_count;
    struct check_memo *memos; /* one for each worker */
    uint64_t *used_glue;
    uint8_t doubled[DNS_NAME_MAX * 2];
    bool has_doubled;
    bool orphans; /* the second pass */
};

static void dispatch_row(struct dispatch *dispatch, const struct check_row *row)
{
    if (dispatch->row_count == ROWS_MAX)
        return;
    uint64_t bit = (uint64_t)1 << dispatch->row_count;
    dispatch->rows[dispatch->row_count++] = row;
    if (row->glue)
        dispatch->glue |= bit;
    if (row->types[0] == 0) {
        for (unsigned i = 0; i < TYPES_MAX; i++)
            dispatch->by_type[i] |= bit;
        dispatch->other |= bit;
    }
    for (const uint16_t *type = row->types; *type != 0; type++) {
        if (*type < TYPES_MAX)
            dispatch->by_type[*type] |= bit;
        else
            dispatch->other |= bit;
    }
}

static void dispatch_make(struct dispatch *dispatch)
{
    memset(dispatch, 0, sizeof(*dispatch));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const struct check_row *row = parts[i]; row->run != NULL; row++)
            dispatch_row(dispatch, row);
    }
}

/* Which rows may look at this RRset: all when it is authoritative; NS and DS at a cut; glue. */
static uint64_t rows_for(const struct dispatch *dispatch, const struct zone_node *node,
                         uint16_t type)
{
    uint64_t mask = type < TYPES_MAX ? dispatch->by_type[type] : dispatch->other;
    if ((node->flags & (ZONE_CUT | ZONE_BELOW | ZONE_UNDER_DNAME)) == 0)
        return mask;
    bool at_cut = (node->flags & (ZONE_BELOW | ZONE_UNDER_DNAME)) == 0;
    if (at_cut && (type == DNS_TYPE_NS || type == DNS_TYPE_DS))
        return mask;
    return mask & dispatch->glue;
}

static void check_node(struct check *check, const struct dispatch *dispatch)
{
    const struct zone_node *node = check->node;
    if ((node->flags & ZONE_NSEC3) != 0)
        return;
    check_owner(check);
    check_coexistence(check);
    if ((node->flags & (ZONE_CUT | ZONE_BELOW | ZONE_UNDER_DNAME)) != 0)
        check_occlusion(check);
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &check->zone->rrsets[node->first_rrset + i];
        uint64_t mask = rows_for(dispatch, node, rrset->type);
        for (; mask != 0; mask &= mask - 1)
            dispatch->rows[__builtin_ctzll(mask)]->run(check, rrset);
    }
}

static void check_prepare(struct check *check, struct run *run, struct base_findings *findings,
                          struct check_sum *sums, unsigned worker)
{
    static const uint8_t in_addr[] = "\7in-addr\4arpa", ip6[] = "\3ip6\4arpa";
    const struct zone *zone = run->zone;
    check->zone = zone;
    check->options = run->options;
    check->findings = findings;
    check->sums = sums;
    check->memo = &run->memos[worker];
    check->used_glue = run->used_glue;
    check->doubled = run->has_doubled ? run->doubled : NULL;
    check->reverse4 = dns_name_within(zone->apex, in_addr);
    check->reverse6 = dns_name_within(zone->apex, ip6);
    check->node = zone->node_count > 0 ? zone->nodes : NULL;
    check->text_next = 0;
}

static int work_chunk(void *context, size_t index, unsigned worker)
{
    struct run *run = context;
    struct chunk *chunk = &run->chunks[index];
    struct check check;
    check_prepare(&check, run, &chunk->findings, chunk->sums, worker);
    size_t all = run->zone->node_count;
    size_t first = all / run->chunk_count * index, end = all / run->chunk_count * (index + 1);
    if (index + 1 == run->chunk_count)
        end = all;
    for (size_t i = first; i < end; i++) {
        check.node = &run->zone->nodes[i];
        if (!run->orphans) {
            zone_prefetch(run->zone, i + ZONE_PREFETCH_NODES);
            check_node(&check, &run->dispatch);
        } else if ((check.node->flags & (ZONE_BELOW | ZONE_CUT)) != 0)
            check_orphan_glue(&check);
    }
    return BASE_OK;
}

/* The apex put before itself, which is what a forgotten final dot makes. Under a top-level domain
 * such names are real ("com.com."). */
static void make_doubled(struct run *run)
{
    size_t length = dns_name_length(run->zone->apex);
    run->has_doubled = dns_name_labels(run->zone->apex) > 1 && 2 * length - 1 <= DNS_NAME_MAX;
    if (!run->has_doubled)
        return;
    memcpy(run->doubled, run->zone->apex, length - 1);
    memcpy(run->doubled + length - 1, run->zone->apex, length);
}

static int run_init(struct run *run, const struct zone *zone,
                    const struct zone_check_options *options, size_t per_code)
{
    memset(run, 0, sizeof(*run));
    run->zone = zone;
    run->options = options;
    dispatch_make(&run->dispatch);
    make_doubled(run);
    run->chunk_count = zone->node_count / CHUNK_NODES + 1;
    if (run->chunk_count > CHUNKS_MAX)
        run->chunk_count = CHUNKS_MAX;
    run->chunks = calloc(run->chunk_count, sizeof(*run->chunks));
    run->memos = calloc(base_thread_count(options->threads), sizeof(*run->memos));
    run->used_glue = calloc(zone->node_count / 64 + 1, sizeof(*run->used_glue));
    if (run->chunks == NULL || run->memos == NULL || run->used_glue == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < run->chunk_count; i++)
        base_findings_init(&run->chunks[i].findings, per_code);
    return BASE_OK;
}

static void run_free(struct run *run)
{
    for (size_t i = 0; run->chunks != NULL && i < run->chunk_count; i++)
        base_findings_free(&run->chunks[i].findings);
    free(run->chunks);
    free(run->memos);
    free(run->used_glue);
}

static void sum_join(struct check_sum *into, const struct check_sum *from)
{
    if (into->count == 0 || from->value > into->value) {
        into->value = from->value;
        into->node = from->node;
        into->rr = from->rr;
    }
    into->count += from->count;
}

/* One pass over all nodes; the findings of the chunks are joined in the order of the nodes. */
static int run_pass(struct run *run, struct base_findings *findings,
                    struct check_sum sums[CHECK_SUMS])
{
    int error = base_parallel(run->options->threads, run->chunk_count, work_chunk, run);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < run->chunk_count; i++) {
        base_findings_absorb(findings, &run->chunks[i].findings);
        for (unsigned j = 0; j < CHECK_SUMS; j++) {
            if (run->chunks[i].sums[j].count > 0)
                sum_join(&sums[j], &run->chunks[i].sums[j]);
        }
        memset(run->chunks[i].sums, 0, sizeof(run->chunks[i].sums));
    }
    return BASE_OK;
}

/* The findings about the whole zone, each with the record that shows it best. */
static void say_sums(struct check *check, const struct check_sum sums[CHECK_SUMS])
{
    static const struct {
        enum base_finding_code code;
        const char *what; /* after the count */
        const char *most; /* before the largest value; NULL: the first is shown */
        bool duration;
    } rows[CHECK_SUMS] = {
        [CHECK_SUM_TTL_ZERO] = {ZONE_TTL_ZERO, "RRsets with TTL 0", NULL, false},
        [CHECK_SUM_TTL_LONG] = {ZONE_TTL_LONG, "RRsets with a TTL of more than a week",
                                "the longest has", true},
        [CHECK_SUM_TTL_MARGIN] = {ZONE_TTL_OVER_MARGIN,
                                  "RRsets with a TTL longer than the time between refresh and "
                                  "expiry of signatures",
                                  "the longest has", true},
        [CHECK_SUM_SINGLE_NS] = {ZONE_DELEGATION_NS_SINGLE, "delegations to one name server only",
                                 NULL, false},
        [CHECK_SUM_REFERRAL] = {ZONE_REFERRAL_LARGE,
                                "delegations whose NS records and glue need more than 1232 octets",
                                "the largest needs", false},
        [CHECK_SUM_ADDRESS] = {ZONE_ADDRESS_SPECIAL,
                               "addresses that the Internet does not route (private, "
                               "documentation, link-local and the like)",
                               NULL, false},
    };
    for (unsigned i = 0; i < CHECK_SUMS; i++) {
        if (sums[i].count == 0)
            continue;
        char value[BASE_TIME_TEXT];
        if (rows[i].duration)
            base_duration_text(sums[i].value, value);
        else
            snprintf(value, sizeof(value), "%u", sums[i].value);
        check->node = sums[i].node;
        if (rows[i].most != NULL)
            check_add(check, rows[i].code, sums[i].rr, "%zu %s; %s %s", sums[i].count, rows[i].what,
                      rows[i].most, value);
        else
            check_add(check, rows[i].code, sums[i].rr, "%zu %s; this is one of them", sums[i].count,
                      rows[i].what);
    }
}

static int run_all(struct run *run, struct base_findings *findings)
{
    struct check_sum sums[CHECK_SUMS] = {{0}};
    struct check check;
    check_prepare(&check, run, findings, sums, 0);
    check_zone_apex(&check);
    if (run->zone->node_count == 0)
        return BASE_OK;
    int error = run_pass(run, findings, sums);
    run->orphans = true;
    if (error == BASE_OK)
        error = run_pass(run, findings, sums);
    if (error != BASE_OK)
        return error;
    if ((run->zone->nodes[0].flags & ZONE_APEX) != 0) {
        check_apex_wildcard(&check);
        check.node = run->zone->nodes;
        check_cds_agreement(&check);
    }
    say_sums(&check, sums);
    return BASE_OK;
}

int zone_check(const struct zone *zone, const struct zone_check_options *options,
               struct base_findings *findings)
{
    struct run *run = malloc(sizeof(*run));
    if (run == NULL)
        return BASE_ENOMEM;
    int error = run_init(run, zone, options, findings->per_code);
    if (error == BASE_OK)
        error = run_all(run, findings);
    run_free(run);
    free(run);
    return error;
}

const char *check_text(struct check *check, const uint8_t *name)
{
    return dns_name_text(check->texts[check->text_next++ % 4], name);
}

void check_add(struct check *check, enum base_finding_code code, const struct dns_rr *rr,
               const char *format, ...)
{
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    struct base_place place = {0};
    const uint8_t *name = check->node != NULL ? check->node->name : check->zone->apex;
    if (rr != NULL)
        place = zone_place(check->zone, name, rr, owner, type);
    else
        place.owner = dns_name_text(owner, name);
    va_list args;
    va_start(args, format);
    base_findings_addv(check->findings, code, base_finding_info(code)->severity, &place, format,
                       args);
    va_end(args);
}

void check_count(struct check *check, enum check_sum_index which, const struct dns_rr *rr,
                 uint32_t value)
{
    struct check_sum one = {1, value, check->node, rr};
    sum_join(&check->sums[which], &one);
}
