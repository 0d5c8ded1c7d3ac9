/* Additional records: glue of referrals, addresses of the names that records point to. */
#include "serve/internal.h"

#define TARGETS_MAX 64 /* looked up for one RRset */

/* The name in the rdata of a record of these types; NULL when it has none that is whole. */
static const uint8_t *target_of(uint16_t type, const uint8_t *record)
{
    size_t at, used, length = image_record_length(record);
    switch (type) {
    case DNS_TYPE_NS:
        at = 0;
        break;
    case DNS_TYPE_MX:
    case DNS_TYPE_SVCB:
    case DNS_TYPE_HTTPS:
        at = 2;
        break;
    case DNS_TYPE_SRV:
        at = 6;
        break;
    default:
        return NULL;
    }
    const uint8_t *rdata = record + IMAGE_RECORD_HEAD;
    if (length <= at || dns_name_check(rdata + at, length - at, &used) != BASE_OK)
        return NULL;
    return rdata + at;
}

/* Puts the RRset of one type of a target. */
static int put_type(struct serve_work *work, const uint8_t *target, const struct image_name *name,
                    uint16_t type, bool needed)
{
    struct image_rrset rrset;
    int error = image_rrset(name, type, &rrset);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_OK : error;
    if (!serve_first_time(work, &rrset))
        return BASE_OK;
    struct serve_owner owner = {.name = target};
    error = serve_put(work, DNS_SECTION_ADDITIONAL, &owner, &rrset, needed);
    return error == BASE_ESPACE ? BASE_OK : error;
}

/* The addresses of a target within the zone, and `also` if it is not 0. */
static int put_target(struct serve_work *work, const uint8_t *target, uint16_t also, bool needed)
{
    uint8_t key[DNS_KEY_MAX];
    struct image_name name;
    size_t length = dns_name_key(key, target, work->zone.apex_labels);
    int error = image_get(work->worker->reader, &work->zone, key, length, &name);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_OK : error;
    error = put_type(work, target, &name, DNS_TYPE_A, needed);
    if (error == BASE_OK)
        error = put_type(work, target, &name, DNS_TYPE_AAAA, needed);
    if (error == BASE_OK && also != 0)
        error = put_type(work, target, &name, also, false);
    return error;
}

/* Those below the cut are needed to go on (RFC 9471 section 3.1); others may help. */
static int put_glue(struct serve_work *work, const struct image_rrset *ns, const uint8_t *cut,
                    bool inside)
{
    const uint8_t *record = ns->records;
    unsigned looked = 0;
    for (unsigned i = 0; i < ns->count && looked < TARGETS_MAX; i++) {
        const uint8_t *target = target_of(DNS_TYPE_NS, record);
        record += IMAGE_RECORD_HEAD + image_record_length(record);
        if (target == NULL || !dns_name_within(target, work->zone.apex) ||
            dns_name_within(target, cut) != inside)
            continue;
        looked++;
        int error = put_target(work, target, 0, inside);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

int serve_glue(struct serve_work *work, const struct image_rrset *ns, const uint8_t *cut)
{
    int error = put_glue(work, ns, cut, true);
    return error == BASE_OK && !work->truncated ? put_glue(work, ns, cut, false) : error;
}

int serve_additional(struct serve_work *work, const struct image_rrset *rrset)
{
    const uint8_t *record = rrset->records;
    for (unsigned i = 0; i < rrset->count && i < TARGETS_MAX; i++) {
        const uint8_t *target = target_of(rrset->type, record);
        bool service = rrset->type == DNS_TYPE_SVCB || rrset->type == DNS_TYPE_HTTPS;
        bool alias = service && target != NULL && base_load_u16(target - 2) == 0;
        record += IMAGE_RECORD_HEAD + image_record_length(record);
        /* The owner itself (RFC 9460 section 2.5.2). */
        if (target != NULL && service && !alias && target[0] == 0)
            target = work->owner.name;
        if (target == NULL || !dns_name_within(target, work->zone.apex))
            continue;
        int error = put_target(work, target, alias ? rrset->type : 0, false);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}
