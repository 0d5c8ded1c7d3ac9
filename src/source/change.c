/* Changes that come as records, from the API: see update.h. What a person does by mistake is told
 * in a finding, not passed over. */
#include "base/error.h"
#include "source/overlay.h"
#include "source/rules.h"

#include <stdio.h>

#define CHANGES_MAX 100000

struct run {
    const struct zone_view *view;
    struct source_edits *edits;
    struct base_findings *findings;
    uint32_t stamp;
};

static void report(struct run *run, enum base_finding_code code, const uint8_t *owner,
                   uint16_t type, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(struct run *run, enum base_finding_code code, const uint8_t *owner,
                   uint16_t type, const char *format, ...)
{
    char owner_text[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    struct base_place place = {
        .owner = dns_name_text(owner_text, owner),
        .type = type != DNS_TYPE_ANY ? dns_type_text(type_text, type) : NULL,
    };
    va_list args;
    va_start(args, format);
    base_findings_addv(run->findings, code, base_finding_info(code)->severity, &place, format,
                       args);
    va_end(args);
}

static bool at_apex(const struct run *run, const uint8_t *owner)
{
    return dns_name_equal(owner, run->view->apex);
}

/*
 * Each change by itself.
 */
static bool is_whole_name(const struct source_change *change)
{
    return change->kind == SOURCE_DELETE && change->type == DNS_TYPE_ANY && change->rdata == NULL;
}

static void check_type(struct run *run, const struct source_change *change)
{
    bool adds = change->kind != SOURCE_DELETE;
    char type[DNS_TYPE_TEXT];
    dns_type_text(type, change->type);
    const char *why = source_rules_forbid(change->type, at_apex(run, change->owner), adds);
    if (dns_type_is_meta(change->type))
        report(run, UPDATE_TYPE, change->owner, change->type, "no record can have the type %s",
               type);
    else if (why != NULL)
        report(run, UPDATE_FORBIDDEN, change->owner, change->type, "%s: %s", type, why);
    else if (change->type == DNS_TYPE_SOA && (!adds || !at_apex(run, change->owner)))
        report(run, UPDATE_SOA, change->owner, change->type,
               adds ? "an SOA can only be at the zone's apex"
                    : "the SOA of a zone can be replaced, but not deleted");
}

static void check_values(struct run *run, const struct source_change *change)
{
    struct dns_rdata_problem problem = {.message = "there is none"};
    if (change->ttl > DNS_TTL_MAX && change->kind != SOURCE_DELETE)
        report(run, UPDATE_TTL, change->owner, change->type, "the TTL is %u; the largest is %u",
               change->ttl, DNS_TTL_MAX);
    if (change->rdata == NULL && change->kind == SOURCE_DELETE)
        return;
    if (change->rdata == NULL ||
        dns_rdata_check(change->type, change->rdata, change->length, &problem) != BASE_OK) {
        char type[DNS_TYPE_TEXT];
        report(run, UPDATE_DATA, change->owner, change->type, "the data of the %s record: %s",
               dns_type_text(type, change->type), problem.message);
    }
}

static void check_change(struct run *run, const struct source_change *change)
{
    char apex[DNS_NAME_TEXT];
    if (!dns_name_within(change->owner, run->view->apex)) {
        report(run, UPDATE_OUT_OF_ZONE, change->owner, change->type,
               "the name is not in the zone %s", dns_name_text(apex, run->view->apex));
        return;
    }
    if (is_whole_name(change))
        return;
    check_type(run, change);
    if (!dns_type_is_meta(change->type))
        check_values(run, change);
}

/*
 * Doing them.
 */
static int add(struct run *run, struct source_name *name, const struct source_change *change)
{
    int error = BASE_OK;
    if (change->type == DNS_TYPE_SOA)
        error =
            source_rules_make_room(run->edits, name, change->type, change->rdata, change->length);
    if (error == BASE_OK)
        error = source_overlay_add(run->edits, name, change->type, change->ttl, change->rdata,
                                   change->length);
    if (error == BASE_ELIMIT) {
        report(run, UPDATE_TOO_MUCH, change->owner, change->type,
               "a name can have %d types and an RRset %d records", SOURCE_TYPES_MAX,
               SOURCE_RECORDS_MAX);
        return BASE_OK;
    }
    return error;
}

static int delete_name(struct run *run, struct source_name *name)
{
    int error = BASE_OK;
    bool apex = at_apex(run, name->owner);
    for (unsigned i = 0; i < name->set_count && error == BASE_OK; i++) {
        if (!source_rules_stays(name->sets[i]->type, apex))
            error = source_overlay_empty(run->edits, name->sets[i]);
    }
    return error;
}

static int delete_what(struct run *run, struct source_name *name,
                       const struct source_change *change)
{
    size_t before = source_overlay_changes(run->edits);
    struct source_set *set = source_overlay_set(name, change->type);
    struct source_record *record = NULL;
    int error = BASE_OK;
    if (is_whole_name(change))
        error = delete_name(run, name);
    else if (set != NULL && change->rdata == NULL)
        error = source_overlay_empty(run->edits, set);
    else if (set != NULL)
        record = source_overlay_find(run->edits, set, change->rdata, change->length);
    if (record != NULL)
        error = source_overlay_remove(run->edits, record, false);
    if (error == BASE_OK && source_overlay_changes(run->edits) == before)
        report(run, UPDATE_NOTHING, change->owner, change->type,
               "there is nothing like this to delete");
    return error;
}

/* The first "set" of an RRset takes out what none of them names. */
static int replace(struct run *run, struct source_name *name, const struct source_change *changes,
                   size_t count)
{
    struct source_set *set = source_overlay_set(name, changes->type);
    if (set == NULL || set->stamp == run->stamp)
        return BASE_OK;
    set->stamp = run->stamp;
    uint32_t keep = source_overlay_stamp(run->edits);
    for (size_t i = 0; i < count; i++) {
        const struct source_change *change = &changes[i];
        struct source_record *record = NULL;
        if (change->kind == SOURCE_SET && change->type == set->type &&
            dns_name_equal(change->owner, name->owner))
            record = source_overlay_find(run->edits, set, change->rdata, change->length);
        if (record != NULL)
            record->stamp = keep;
    }
    struct source_record *next;
    for (struct source_record *record = set->first; record != NULL; record = next) {
        next = record->next;
        bool quiet = set->type == DNS_TYPE_SOA;
        int error =
            record->stamp == keep ? BASE_OK : source_overlay_remove(run->edits, record, quiet);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static int apply(struct run *run, const struct source_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct source_change *change = &changes[i];
        struct source_name *name;
        int error = source_overlay_name(run->edits, run->view, change->owner, &name);
        if (error == BASE_OK && change->kind == SOURCE_DELETE)
            error = delete_what(run, name, change);
        else if (error == BASE_OK && change->kind == SOURCE_SET)
            error = replace(run, name, change, count - i);
        if (error == BASE_OK && change->kind != SOURCE_DELETE)
            error = add(run, name, change);
        if (error != BASE_OK)
            return error;
        struct source_set *set = source_overlay_set(name, change->type);
        if (change->kind == SOURCE_SET && set != NULL)
            set->stamp = run->stamp; /* the next one is added to this one */
    }
    return BASE_OK;
}

/*
 * The outcome.
 */
static void check_alone(struct run *run, const struct source_name *name, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    uint32_t count = source_overlay_count(name, type);
    if (count > 1)
        report(run, UPDATE_SEVERAL, name->owner, type,
               "there would be %u %s records at the name, which can have one", count,
               dns_type_text(text, type));
}

static void check_cname(struct run *run, const struct source_name *name)
{
    if (source_overlay_count(name, DNS_TYPE_CNAME) == 0)
        return;
    for (unsigned i = 0; i < name->set_count; i++) {
        const struct source_set *set = name->sets[i];
        char type[DNS_TYPE_TEXT];
        if (set->count == 0 || source_rules_beside_cname(set->type))
            continue;
        report(run, UPDATE_CNAME, name->owner, DNS_TYPE_CNAME,
               "the name would have a CNAME and also %s", dns_type_text(type, set->type));
        return;
    }
}

static int check_edit(struct run *run, const struct source_edit *edit)
{
    struct source_name *name;
    int error = source_overlay_name(run->edits, run->view, edit->owner, &name);
    if (error != BASE_OK)
        return error;
    bool again = name->stamp == run->stamp;
    name->stamp = run->stamp;
    if (!again) {
        check_alone(run, name, DNS_TYPE_CNAME);
        check_alone(run, name, DNS_TYPE_DNAME);
        check_cname(run, name);
        if (at_apex(run, edit->owner) && source_overlay_count(name, DNS_TYPE_NS) == 0)
            report(run, UPDATE_NO_NAMESERVER, edit->owner, DNS_TYPE_NS,
                   "the zone would have no NS record at its apex");
    }
    if (!edit->add || (again && edit->type != DNS_TYPE_DNAME && edit->type != DNS_TYPE_NS))
        return BASE_OK;
    const char *why = NULL;
    error = source_rules_occluded(run->edits, run->view, edit, &why);
    if (error == BASE_OK && why != NULL)
        report(run, UPDATE_OCCLUDED, edit->owner, edit->type, "%s", why);
    return error;
}

static int check_outcome(struct run *run)
{
    struct source_edits *edits = run->edits;
    size_t changes = source_overlay_changes(edits);
    if (changes > CHANGES_MAX) {
        report(run, UPDATE_TOO_MUCH, run->view->apex, DNS_TYPE_ANY,
               "%zu records would change; at most %d can at once", changes, CHANGES_MAX);
        return BASE_OK;
    }
    for (size_t i = edits->count - changes; i < edits->count; i++) {
        int error = check_edit(run, &edits->items[i]);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

int source_change(const struct zone_view *view, const struct source_change *changes, size_t count,
                  struct source_edits *edits, struct base_findings *findings)
{
    struct run run = {.view = view, .edits = edits, .findings = findings};
    size_t bad = findings->totals[BASE_ERROR];
    source_overlay_begin(edits);
    run.stamp = source_overlay_stamp(edits);
    for (size_t i = 0; i < count; i++)
        check_change(&run, &changes[i]);
    int error = BASE_OK;
    if (findings->totals[BASE_ERROR] == bad)
        error = apply(&run, changes, count);
    if (error == BASE_OK && findings->totals[BASE_ERROR] == bad)
        error = check_outcome(&run);
    if (error == BASE_OK && findings->totals[BASE_ERROR] > bad)
        error = BASE_EREFUSED;
    if (error != BASE_OK)
        source_overlay_undo(edits);
    return error;
}
