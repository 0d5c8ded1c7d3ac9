/* What a zone may become by an edit: see rules.h. */
#include "source/rules.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define TYPE_WKS 11
#define WKS_HEAD 5 /* address and protocol */

static bool made_at_apex(uint16_t type)
{
    return type == DNS_TYPE_DNSKEY || type == DNS_TYPE_CDS || type == DNS_TYPE_CDNSKEY ||
           type == DNS_TYPE_ZONEMD;
}

const char *source_rules_forbid(uint16_t type, bool apex, bool add)
{
    if (dns_type_is_dnssec(type))
        return "signatures and denial records are made by Kenter and cannot be edited";
    if (apex && made_at_apex(type))
        return "at the apex this is made by Kenter from keys and policy and cannot be edited";
    if (add && apex && type == DNS_TYPE_DS)
        return "DS belongs to the parent and cannot be at the zone's apex";
    return NULL;
}

bool source_rules_stays(uint16_t type, bool apex)
{
    return dns_type_is_dnssec(type) ||
           (apex && (type == DNS_TYPE_SOA || type == DNS_TYPE_NS || made_at_apex(type)));
}

bool source_rules_beside_cname(uint16_t type)
{
    return type == DNS_TYPE_CNAME || type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC ||
           type == DNS_TYPE_KEY;
}

bool source_rules_fits(const struct source_name *name, uint16_t type)
{
    if (type != DNS_TYPE_CNAME)
        return source_rules_beside_cname(type) || source_overlay_count(name, DNS_TYPE_CNAME) == 0;
    for (unsigned i = 0; i < name->set_count; i++) {
        if (name->sets[i]->count > 0 && !source_rules_beside_cname(name->sets[i]->type))
            return false;
    }
    return true;
}

#define SOA_TAIL 20 /* serial, refresh, retry, expire, minimum */

bool source_rules_soa_goes_on(const struct source_name *name, const uint8_t *rdata, size_t length)
{
    const struct source_set *set = source_overlay_set(name, DNS_TYPE_SOA);
    if (set == NULL || set->first == NULL || set->first->length < SOA_TAIL || length < SOA_TAIL)
        return false;
    uint32_t has = base_load_u32(set->first->rdata + set->first->length - SOA_TAIL);
    uint32_t comes = base_load_u32(rdata + length - SOA_TAIL);
    return comes != has && (int32_t)(comes - has) > 0;
}

static bool replaces(uint16_t type, const struct source_record *there, const uint8_t *rdata,
                     size_t length)
{
    if (type == TYPE_WKS)
        return length >= WKS_HEAD && there->length >= WKS_HEAD &&
               memcmp(there->rdata, rdata, WKS_HEAD) == 0;
    return true;
}

int source_rules_make_room(struct source_edits *edits, struct source_name *name, uint16_t type,
                           const uint8_t *rdata, size_t length)
{
    if (type != DNS_TYPE_CNAME && type != DNS_TYPE_DNAME && type != DNS_TYPE_SOA &&
        type != TYPE_WKS)
        return BASE_OK;
    struct source_set *set = source_overlay_set(name, type);
    const struct source_record *same =
        set != NULL ? source_overlay_find(edits, set, rdata, length) : NULL;
    struct source_record *next;
    for (struct source_record *record = set != NULL ? set->first : NULL; record != NULL;
         record = next) {
        next = record->next;
        if (record == same || !replaces(type, record, rdata, length))
            continue;
        int error = source_overlay_remove(edits, record, type == DNS_TYPE_SOA);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/*
 * DNAME.
 */
static bool strictly_below(const uint8_t *name, const uint8_t *above)
{
    return dns_name_within(name, above) && !dns_name_equal(name, above);
}

/* Does a name of the view that an edit has not emptied lie below? */
static int covers_published(struct source_edits *edits, const struct zone_view *view,
                            const uint8_t *owner, bool *covers)
{
    uint8_t at[DNS_NAME_MAX], next[DNS_NAME_MAX];
    memcpy(at, owner, dns_name_length(owner));
    *covers = false;
    for (;;) {
        int error = view->after(view->context, at, next);
        if (error == BASE_ENOENT || (error == BASE_OK && !strictly_below(next, owner)))
            return BASE_OK;
        struct source_name *name = NULL;
        if (error == BASE_OK)
            error = source_overlay_name(edits, view, next, &name);
        if (error != BASE_OK)
            return error;
        if (name->used > 0) {
            *covers = true;
            return BASE_OK;
        }
        memcpy(at, next, dns_name_length(next));
    }
}

static int covers_names(struct source_edits *edits, const struct zone_view *view,
                        const uint8_t *owner, bool *covers)
{
    int error = covers_published(edits, view, owner, covers);
    for (size_t i = 0; error == BASE_OK && !*covers && i < edits->count; i++) {
        struct source_name *name;
        if (!edits->items[i].add || !strictly_below(edits->items[i].owner, owner))
            continue;
        error = source_overlay_name(edits, view, edits->items[i].owner, &name);
        *covers = error == BASE_OK && name->used > 0;
    }
    return error;
}

static int below_dname(struct source_edits *edits, const struct zone_view *view,
                       const uint8_t *owner, bool *below)
{
    unsigned labels = dns_name_labels(owner);
    *below = false;
    for (unsigned up = 1; up + view->apex_labels <= labels && !*below; up++) {
        struct source_name *above;
        int error = source_overlay_name(edits, view, dns_name_parent(owner, up), &above);
        if (error != BASE_OK)
            return error;
        *below = source_overlay_count(above, DNS_TYPE_DNAME) > 0;
    }
    return BASE_OK;
}

int source_rules_occluded(struct source_edits *edits, const struct zone_view *view,
                          const struct source_edit *edit, const char **why)
{
    struct source_name *name;
    int error = source_overlay_name(edits, view, edit->owner, &name);
    if (error != BASE_OK)
        return error;
    *why = NULL;
    if (source_overlay_count(name, edit->type) == 0)
        return BASE_OK; /* gone again */
    bool found;
    error = below_dname(edits, view, edit->owner, &found);
    if (error != BASE_OK || found) {
        *why = found ? "there is a DNAME above, and so nothing can be here" : NULL;
        return error;
    }
    bool dname = source_overlay_count(name, DNS_TYPE_DNAME) > 0;
    if (dname && !dns_name_equal(edit->owner, view->apex) &&
        source_overlay_count(name, DNS_TYPE_NS) > 0) {
        *why = "NS and DNAME cannot stand at one name below the apex";
        return BASE_OK;
    }
    if (edit->type != DNS_TYPE_DNAME)
        return BASE_OK;
    error = covers_names(edits, view, edit->owner, &found);
    *why = error == BASE_OK && found ? "there are names below, which the DNAME would hide" : NULL;
    return error;
}
