/* Does a primary's difference fit the version that is published? See update.h. What removes a
 * record that is not there, or leaves a zone that cannot be served, was made from another zone. */
#include "base/error.h"
#include "source/overlay.h"
#include "source/rules.h"

/* What signers make is not compared: the version that is published has our own. */
static bool is_of_signing(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_RRSIG:
    case DNS_TYPE_NSEC:
    case DNS_TYPE_NSEC3:
    case DNS_TYPE_NSEC3PARAM:
    case DNS_TYPE_DNSKEY:
    case DNS_TYPE_CDS:
    case DNS_TYPE_CDNSKEY:
    case DNS_TYPE_ZONEMD:
        return true;
    default:
        return false;
    }
}

static int refuse(struct base_findings *findings, const uint8_t *owner, uint16_t type,
                  const char *what)
{
    char owner_text[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    struct base_place place = {.owner = dns_name_text(owner_text, owner),
                               .type = dns_type_text(type_text, type)};
    base_findings_add(findings, FETCH_BAD_CONTENT, &place,
                      "the difference that a primary sent does not fit: %s %s %s", owner_text,
                      type_text, what);
    return BASE_EREFUSED;
}

static int follow(struct source_edits *after, const struct zone_view *view,
                  const struct source_edit *edit, struct base_findings *findings)
{
    struct source_name *name;
    int error = source_overlay_name(after, view, edit->owner, &name);
    if (error != BASE_OK)
        return error;
    if (edit->add)
        return source_overlay_add(after, name, edit->type, edit->ttl, edit->rdata, edit->length);
    struct source_set *set = source_overlay_set(name, edit->type);
    struct source_record *record =
        set != NULL ? source_overlay_find(after, set, edit->rdata, edit->length) : NULL;
    if (record == NULL || !record->present)
        return refuse(findings, edit->owner, edit->type, "is removed, and was not there");
    return source_overlay_remove(after, record, true);
}

/* The name as all edits leave it. */
static int look_at(struct source_edits *after, const struct zone_view *view, const uint8_t *owner,
                   struct base_findings *findings)
{
    struct source_name *name;
    int error = source_overlay_name(after, view, owner, &name);
    if (error != BASE_OK)
        return error;
    if (dns_name_equal(owner, view->apex) && source_overlay_count(name, DNS_TYPE_NS) == 0)
        return refuse(findings, owner, DNS_TYPE_NS, "is not left, and every zone has one");
    if (source_overlay_count(name, DNS_TYPE_CNAME) > 1)
        return refuse(findings, owner, DNS_TYPE_CNAME, "would be there more than once");
    if (source_overlay_count(name, DNS_TYPE_CNAME) == 1 && name->used > 1)
        return refuse(findings, owner, DNS_TYPE_CNAME, "would stand beside other records");
    return BASE_OK;
}

int source_difference_fits(const struct zone_view *view, const struct source_edits *difference,
                           bool catalog, struct base_findings *findings)
{
    struct source_edits after;
    int error = source_edits_init(&after);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < difference->count && error == BASE_OK; i++) {
        const struct source_edit *edit = &difference->items[i];
        if (edit->type != DNS_TYPE_SOA && !is_of_signing(edit->type))
            error = follow(&after, view, edit, findings);
    }
    for (size_t i = 0; i < difference->count && error == BASE_OK && !catalog; i++)
        error = look_at(&after, view, difference->items[i].owner, findings);
    source_edits_free(&after);
    return error;
}
