/* Canonical form and order of rdata (RFC 4034 section 6): see rdata.h. */
#include "dns/rdata_table.h"

#include <string.h>

void dns_rdata_canonical(uint16_t type, const uint8_t *rdata, size_t length, uint8_t *out)
{
    if (out != rdata && length > 0)
        memcpy(out, rdata, length);
    if ((dns_rrtype_find(type)->flags & DNS_RRTYPE_LOWER) == 0)
        return;
    size_t at = 0;
    const uint8_t *name;
    while ((name = dns_rdata_next_name(type, rdata, length, &at)) != NULL)
        dns_name_lower(out + (name - rdata), name);
}

/* The stretches of a record's rdata that are names. No type whose names are lowered has more than
 * two. */
#define STRETCHES_MAX 2

struct lowered {
    const uint8_t *rdata;
    struct {
        size_t start, end;
    } names[STRETCHES_MAX];
};

static void find_names(const struct dns_rr *rr, struct lowered *out)
{
    memset(out, 0, sizeof(*out));
    out->rdata = rr->rdata;
    size_t at = 0;
    const uint8_t *name;
    for (unsigned i = 0; i < STRETCHES_MAX; i++) {
        name = dns_rdata_next_name(rr->type, rr->rdata, rr->length, &at);
        if (name == NULL)
            return;
        out->names[i].start = (size_t)(name - rr->rdata);
        out->names[i].end = out->names[i].start + dns_name_length(name);
    }
}

static uint8_t octet_at(const struct lowered *lowered, size_t at)
{
    for (unsigned i = 0; i < STRETCHES_MAX; i++) {
        if (at >= lowered->names[i].start && at < lowered->names[i].end)
            return dns_lower[lowered->rdata[at]];
    }
    return lowered->rdata[at];
}

static int compare_lowered(const struct dns_rr *a, const struct dns_rr *b, size_t common)
{
    struct lowered left, right;
    find_names(a, &left);
    find_names(b, &right);
    for (size_t i = 0; i < common; i++) {
        if (a->rdata[i] != b->rdata[i]) {
            int order = (int)octet_at(&left, i) - (int)octet_at(&right, i);
            if (order != 0)
                return order;
        }
    }
    return 0;
}

int dns_rdata_compare(const struct dns_rr *a, const struct dns_rr *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int order = common == 0 ? 0 : memcmp(a->rdata, b->rdata, common);
    if (order != 0 && !(a->canonical && b->canonical) &&
        (dns_rrtype_find(a->type)->flags & DNS_RRTYPE_LOWER) != 0)
        order = compare_lowered(a, b, common);
    return order != 0 ? order : (int)a->length - (int)b->length;
}
