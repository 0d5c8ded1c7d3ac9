/* Aliases: CNAME, and DNAME with the CNAME that follows from it (RFC 6672). */
#include "validate/lookup_step.h"

#include "base/error.h"

#include <string.h>

static bool one_record(struct lookup_step *step, const struct validate_group *group)
{
    for (size_t i = 1; i < group->count; i++) {
        if (!dns_name_equal(group->records[0]->rdata, group->records[i]->rdata)) {
            char type[DNS_TYPE_TEXT];
            struct lookup_problem problem = {.code = VALIDATE_ALIAS_MALFORMED,
                                             .ede = 0,
                                             .name = group->name,
                                             .type = group->type,
                                             .node = VALIDATE_NO_NODE,
                                             .cause = VALIDATE_NO_CAUSE,
                                             .server = step->packet->server};
            lookup_report(step->lookup, &problem, "%s has %zu %s records; it may have one",
                          lookup_text(step->lookup, group->name), group->count,
                          dns_type_text(type, group->type));
            step->verdict = LOOKUP_ERROR;
            return false;
        }
    }
    return true;
}

void lookup_cname(struct lookup_step *step, struct validate_group *group)
{
    if (!one_record(step, group))
        return;
    struct lookup_judged judged =
        lookup_set(step->lookup, step->packet, group, VALIDATE_NODE_ALIAS);
    step->verdict = judged.verdict;
    if (judged.verdict == LOOKUP_PENDING)
        return;
    step->next = group->records[0]->rdata;
    lookup_end_hop(step, &judged, false);
}

/* The name with the DNAME's owner replaced by its target (RFC 6672 section 2.2); NULL: too long. */
static const uint8_t *synthesize(struct validate_lookup *lookup, const uint8_t *name,
                                 const struct validate_group *dname)
{
    size_t prefix = dns_name_length(name) - dns_name_length(dname->name);
    size_t target = dns_name_length(dname->records[0]->rdata);
    if (prefix + target > DNS_NAME_MAX)
        return NULL;
    uint8_t made[DNS_NAME_MAX];
    memcpy(made, name, prefix);
    memcpy(made + prefix, dname->records[0]->rdata, target);
    const uint8_t *kept = base_arena_dup(&lookup->pass.arena, made, prefix + target);
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept;
}

static void report_synthesis(struct lookup_step *step, const struct validate_group *cname,
                             const struct validate_group *dname, uint32_t node)
{
    struct validate_lookup *lookup = step->lookup;
    struct lookup_problem problem = {
        .code = VALIDATE_DNAME_SYNTHESIS,
        .ede = 6,
        .name = cname->name,
        .type = DNS_TYPE_CNAME,
        .node = node,
        .cause = VALIDATE_NO_CAUSE,
        .server = step->packet->server,
        .remedy = "you must not use the answer, which was altered or comes from a broken server"};
    lookup_report(lookup, &problem,
                  "the CNAME of %s leads to %s, which is not what the DNAME of %s makes of it",
                  lookup_text(lookup, cname->name), lookup_text(lookup, cname->records[0]->rdata),
                  lookup_text(lookup, dname->name));
}

static void too_long(struct lookup_step *step, const struct validate_group *dname)
{
    struct lookup_problem problem = {.code = VALIDATE_DNAME_LONG,
                                     .ede = 0,
                                     .name = step->name,
                                     .type = DNS_TYPE_DNAME,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .server = step->packet->server};
    lookup_report(step->lookup, &problem, "the DNAME of %s makes of %s a name of over 255 octets",
                  lookup_text(step->lookup, dname->name), lookup_text(step->lookup, step->name));
    step->lookup->pass.rcode = DNS_RCODE_YXDOMAIN;
    step->verdict = LOOKUP_ERROR;
}

/* Who asks for the CNAME itself gets the one that follows from the DNAME, sent along or not. */
static void show_made(struct lookup_step *step, const uint8_t *target, uint32_t ttl)
{
    struct base_arena *arena = &step->lookup->pass.arena;
    struct validate_records *records = lookup_alloc(step->lookup, arena, sizeof(*records));
    struct validate_rdata *rdata = lookup_alloc(step->lookup, arena, sizeof(*rdata));
    if (records == NULL || rdata == NULL || target == NULL)
        return;
    *rdata = (struct validate_rdata){.data = target, .length = (uint16_t)dns_name_length(target)};
    *records = (struct validate_records){
        .name = step->name, .type = DNS_TYPE_CNAME, .ttl = ttl, .rdata = rdata, .count = 1};
    lookup_show_answer(step, records, 1);
}

void lookup_dname(struct lookup_step *step, struct validate_group *dname,
                  struct validate_group *cname)
{
    struct validate_lookup *lookup = step->lookup;
    if (!one_record(step, dname))
        return;
    struct lookup_judged judged = lookup_set(lookup, step->packet, dname, VALIDATE_NODE_ALIAS);
    step->verdict = judged.verdict;
    if (judged.verdict == LOOKUP_PENDING)
        return;
    const uint8_t *made = synthesize(lookup, step->name, dname);
    if (lookup->error != BASE_OK)
        return;
    if (made == NULL && judged.verdict != LOOKUP_BOGUS) {
        too_long(step, dname);
        return;
    }
    bool other = made != NULL && cname != NULL && !dns_name_equal(made, cname->records[0]->rdata);
    if (other && judged.verdict == LOOKUP_SECURE) {
        step->verdict = LOOKUP_BOGUS;
        report_synthesis(step, cname, dname, judged.node);
    }
    step->next = other ? cname->records[0]->rdata : made;
    if (cname != NULL && cname->ttl < judged.ttl)
        judged.ttl = cname->ttl;
    if (lookup->type == DNS_TYPE_CNAME) {
        show_made(step, step->next, judged.ttl);
        step->next = NULL;
    }
    lookup_end_hop(step, &judged, true);
}
