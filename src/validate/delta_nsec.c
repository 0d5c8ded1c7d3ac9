/*
 * The NSEC chain of a change: each listed name, and the names before those that came or went, whose
 * NSEC must lead past them.
 */
#include "base/reader.h"
#include "validate/delta_parts.h"

#include <string.h>

static bool chained(const struct delta_name *listed, enum delta_side side)
{
    return listed->roles[side] >= VALIDATE_ROLE_CUT;
}

static int judge_listed(struct delta_check *check)
{
    struct verifier *verifier = &check->verifier;
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < check->count; i++) {
        const struct delta_name *listed = &check->names[i];
        if (listed->nodes[DELTA_NEW] == NULL)
            continue;
        size_t index = (size_t)(listed->nodes[DELTA_NEW] - verifier->zone->nodes);
        if (!validate_nsec_judge(verifier, verifier->findings, index, listed->next))
            continue;
        if (wrong++ == 0)
            first = index;
    }
    validate_nsec_report_ttl(verifier, wrong, first);
    return BASE_OK;
}

struct next_of {
    const uint8_t *expected;
    bool found, equal;
};

static int visit_next(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                      size_t length)
{
    (void)ttl;
    struct next_of *next = context;
    size_t used;
    if (type != DNS_TYPE_NSEC || next->found)
        return BASE_OK;
    next->found = true;
    next->equal =
        dns_name_check(rdata, length, &used) == BASE_OK && dns_name_equal(rdata, next->expected);
    return BASE_OK;
}

/* The NSEC of a name that the change leaves as it is. */
static int judge_unlisted(struct delta_check *check, const uint8_t *name, const uint8_t *expected)
{
    struct verifier *verifier = &check->verifier;
    struct next_of next = {.expected = expected};
    int error = check->view->records(check->view->context, name, visit_next, &next);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    char text[DNS_NAME_TEXT];
    if (!next.equal)
        validate_report_type(verifier, verifier->findings, VERIFY_NSEC_NEXT, name, DNS_TYPE_NSEC,
                             "the change leaves the NSEC as it is, but the next name is now %s",
                             dns_name_text(text, expected));
    return BASE_OK;
}

/* Where a name came into the chain or went, the one before it must point elsewhere. */
static int judge_neighbours(struct delta_check *check)
{
    const struct delta_name *gap = NULL; /* whose last name is the one before; NULL: a listed one */
    for (size_t i = 0; i < check->count; i++) {
        const struct delta_name *listed = &check->names[i];
        bool changed = chained(listed, DELTA_OLD) != chained(listed, DELTA_NEW);
        if (changed && gap != NULL) {
            const uint8_t *expected = chained(listed, DELTA_NEW) ? listed->name : listed->next;
            int error = judge_unlisted(check, gap->gap.last, expected);
            if (error != BASE_OK)
                return error;
            gap = NULL; /* once is enough */
        }
        if (listed->gap.last != NULL)
            gap = listed;
        else if (chained(listed, DELTA_NEW))
            gap = NULL;
    }
    return BASE_OK;
}

int delta_check_nsec(struct delta_check *check)
{
    int error = judge_listed(check);
    return error == BASE_OK ? judge_neighbours(check) : error;
}
