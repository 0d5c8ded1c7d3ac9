/*
 * One UPDATE message (RFC 2136): its prerequisites, its pre-scan, who may, and what it changes.
 * docs/design/update.md tells what was decided where the RFC leaves a choice.
 */
#include "source/update.h"

#include "base/error.h"
#include "source/overlay.h"
#include "source/rules.h"

#include <stdio.h>
#include <string.h>

/* Changes of one message; more are refused. */
#define CHANGES_MAX 65536
/* DNAME records that one message may add: each is looked at together with all that is below. */
#define DNAMES_MAX 64

struct update {
    const struct source_update_request *request;
    const struct zone_view *view;
    struct source_edits *edits;
    struct source_update_result *result;
    struct dns_message message;
};

/*
 * Refusing: sets rcode and reason. Functions here return BASE_OK and leave the rcode to tell; only
 * trouble of our own is an error.
 */
static void refuse(struct update *update, uint16_t rcode, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct update *update, uint16_t rcode, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(update->result->why, sizeof(update->result->why), format, args);
    va_end(args);
    update->result->rcode = rcode;
}

static bool refused(const struct update *update)
{
    return update->result->rcode != DNS_RCODE_NOERROR;
}

static void refuse_record(struct update *update, uint16_t rcode, const struct dns_record *record,
                          const char *what)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    if (record->type == DNS_TYPE_ANY)
        refuse(update, rcode, "%.160s: %s", dns_name_text(name, record->name), what);
    else
        refuse(update, rcode, "%.160s %s: %s", dns_name_text(name, record->name),
               dns_type_text(type, record->type), what);
}

static int name_of(struct update *update, const uint8_t *owner, struct source_name **out)
{
    return source_overlay_name(update->edits, update->view, owner, out);
}

/*
 * The header and the zone section (section 2.3, 3.1).
 */
static void check_zone_section(struct update *update)
{
    const struct dns_message *message = &update->message;
    if ((message->flags & DNS_FLAG_QR) || DNS_OPCODE(message->flags) != DNS_OPCODE_UPDATE) {
        refuse(update, DNS_RCODE_FORMERR, "the message is no UPDATE request");
        return;
    }
    if (message->counts[DNS_SECTION_QUESTION] != 1) {
        refuse(update, DNS_RCODE_FORMERR, "the zone section names %zu zones instead of one",
               message->counts[DNS_SECTION_QUESTION]);
        return;
    }
    const struct dns_question *zone = &message->questions[0];
    char name[DNS_NAME_TEXT];
    if (zone->type != DNS_TYPE_SOA)
        refuse(update, DNS_RCODE_FORMERR, "the type in the zone section is %u instead of SOA",
               zone->type);
    else if (zone->class != DNS_CLASS_IN || !dns_name_equal(zone->name, update->view->apex))
        refuse(update, DNS_RCODE_NOTAUTH, "%.160s, class %u, is not the zone that is updated here",
               dns_name_text(name, zone->name), zone->class);
}

static bool check_inside(struct update *update, const struct dns_record *record)
{
    if (dns_name_within(record->name, update->view->apex))
        return true;
    refuse_record(update, DNS_RCODE_NOTZONE, record, "the name is not in the zone");
    return false;
}

/*
 * Prerequisites (section 2.4, 3.2).
 */
static int check_exists(struct update *update, const struct dns_record *record)
{
    struct source_name *name;
    int error = name_of(update, record->name, &name);
    if (error != BASE_OK)
        return error;
    bool any = record->type == DNS_TYPE_ANY;
    bool exists = any ? name->used > 0 : source_overlay_count(name, record->type) > 0;
    if (exists == (record->class == DNS_CLASS_ANY))
        return BASE_OK;
    if (any && exists)
        refuse_record(update, DNS_RCODE_YXDOMAIN, record, "the name is in use, and must not be");
    else if (any)
        refuse_record(update, DNS_RCODE_NXDOMAIN, record, "the name must be in use, and is not");
    else if (exists)
        refuse_record(update, DNS_RCODE_YXRRSET, record, "the RRset exists, and must not");
    else
        refuse_record(update, DNS_RCODE_NXRRSET, record, "the RRset must exist, and does not");
    return BASE_OK;
}

static int check_prerequisite(struct update *update, const struct dns_record *record)
{
    if (record->ttl != 0) {
        refuse_record(update, DNS_RCODE_FORMERR, record, "a prerequisite with a TTL");
        return BASE_OK;
    }
    if (!check_inside(update, record))
        return BASE_OK;
    bool empty = record->class == DNS_CLASS_ANY || record->class == DNS_CLASS_NONE;
    if (empty && record->length != 0)
        refuse_record(update, DNS_RCODE_FORMERR, record, "this prerequisite must not have data");
    else if (!empty && record->class != DNS_CLASS_IN)
        refuse_record(update, DNS_RCODE_FORMERR, record,
                      "a prerequisite of a class that is neither the zone's nor ANY nor NONE");
    else if (record->type != DNS_TYPE_ANY && dns_type_is_meta(record->type))
        refuse_record(update, DNS_RCODE_FORMERR, record, "no RRset can have this type");
    else if (record->type == DNS_TYPE_ANY && !empty)
        refuse_record(update, DNS_RCODE_FORMERR, record, "data of type ANY");
    else if (empty)
        return check_exists(update, record);
    return BASE_OK;
}

/* One record of an RRset that must be exactly as told: marks it. */
static int match_record(struct update *update, const struct dns_record *record, uint32_t stamp)
{
    struct source_name *name;
    int error = name_of(update, record->name, &name);
    if (error != BASE_OK)
        return error;
    struct source_set *set = source_overlay_set(name, record->type);
    struct source_record *found =
        set == NULL ? NULL : source_overlay_find(update->edits, set, record->rdata, record->length);
    if (found == NULL) {
        refuse_record(update, DNS_RCODE_NXRRSET, record,
                      "the RRset lacks a record that the prerequisites name");
        return BASE_OK;
    }
    if (set->stamp != stamp) {
        set->stamp = stamp;
        set->matched = 0;
    }
    set->matched += found->stamp != stamp;
    found->stamp = stamp;
    return BASE_OK;
}

/* RRsets that must exist with exactly these records (section 2.4.2). */
static int check_values(struct update *update, const struct dns_record *records, size_t count)
{
    uint32_t stamp = source_overlay_stamp(update->edits);
    for (size_t i = 0; i < count && !refused(update); i++) {
        int error =
            records[i].class == DNS_CLASS_IN ? match_record(update, &records[i], stamp) : BASE_OK;
        if (error != BASE_OK)
            return error;
    }
    for (size_t i = 0; i < count && !refused(update); i++) {
        struct source_name *name;
        if (records[i].class != DNS_CLASS_IN)
            continue;
        int error = name_of(update, records[i].name, &name);
        if (error != BASE_OK)
            return error;
        const struct source_set *set = source_overlay_set(name, records[i].type);
        if (set == NULL || set->matched != set->count)
            refuse_record(update, DNS_RCODE_NXRRSET, &records[i],
                          "the RRset has more records than the prerequisites name");
    }
    return BASE_OK;
}

static int check_prerequisites(struct update *update)
{
    size_t count;
    const struct dns_record *records =
        dns_message_section(&update->message, DNS_SECTION_ANSWER, &count);
    for (size_t i = 0; i < count && !refused(update); i++) {
        int error = check_prerequisite(update, &records[i]);
        if (error != BASE_OK)
            return error;
    }
    return refused(update) ? BASE_OK : check_values(update, records, count);
}

/*
 * Pre-scan (section 3.4.1).
 */
static const char *prescan_class(const struct dns_record *record)
{
    bool any = record->type == DNS_TYPE_ANY;
    bool meta = dns_type_is_meta(record->type);
    switch (record->class) {
    case DNS_CLASS_IN:
        return meta ? "no record can have this type" : NULL;
    case DNS_CLASS_ANY:
        if (record->ttl != 0)
            return "a deletion with a TTL";
        if (record->length != 0)
            return "a deletion of an RRset with data";
        return meta && !any ? "no RRset can have this type" : NULL;
    case DNS_CLASS_NONE:
        if (record->ttl != 0)
            return "a deletion with a TTL";
        if (meta)
            return "no record can have this type";
        /* Without data the reader of messages has not looked whether that is possible. */
        if (record->length == 0 && dns_rdata_check(record->type, record->rdata, 0, NULL) != BASE_OK)
            return "a deletion of a record without its data";
        return NULL;
    default:
        return "the class is neither the zone's nor ANY nor NONE";
    }
}

static void prescan(struct update *update, const struct dns_record *record)
{
    if (!check_inside(update, record))
        return;
    const char *wrong = prescan_class(record);
    if (wrong != NULL)
        refuse_record(update, DNS_RCODE_FORMERR, record, wrong);
}

/*
 * Permission (section 3.3), and what nobody may.
 */
static void ask(struct update *update, const uint8_t *owner, uint16_t type)
{
    const struct source_update_request *request = update->request;
    struct dns_record record = {.name = owner, .type = type};
    if (request->allows != NULL && !request->allows(request->context, owner, type))
        refuse_record(update, DNS_RCODE_REFUSED, &record, "the sender may not change this");
}

/* A name as a whole: asks for each type that would go. What this message itself adds before is
 * asked for where it is added. */
static int ask_for_all(struct update *update, const struct dns_record *record)
{
    struct source_name *name;
    int error = name_of(update, record->name, &name);
    bool apex = dns_name_equal(record->name, update->view->apex);
    for (unsigned i = 0; error == BASE_OK && i < name->set_count && !refused(update); i++) {
        const struct source_set *set = name->sets[i];
        if (set->count > 0 && !source_rules_stays(set->type, apex))
            ask(update, record->name, set->type);
    }
    return error;
}

static int check_permission(struct update *update, const struct dns_record *record)
{
    bool apex = dns_name_equal(record->name, update->view->apex);
    if (record->type == DNS_TYPE_ANY)
        return ask_for_all(update, record);
    const char *why = source_rules_forbid(record->type, apex, record->class == DNS_CLASS_IN);
    if (why != NULL)
        refuse_record(update, DNS_RCODE_REFUSED, record, why);
    else
        ask(update, record->name, record->type);
    return BASE_OK;
}

static int check_updates(struct update *update, const struct dns_record *records, size_t count)
{
    for (size_t i = 0; i < count && !refused(update); i++)
        prescan(update, &records[i]);
    int error = BASE_OK;
    for (size_t i = 0; i < count && !refused(update) && error == BASE_OK; i++)
        error = check_permission(update, &records[i]);
    return error;
}

/*
 * The changes (section 3.4.2).
 */
static int add_record(struct update *update, struct source_name *name,
                      const struct dns_record *record)
{
    if (!source_rules_fits(name, record->type))
        return BASE_OK; /* CNAME and other data: ignored (section 3.4.2.2) */
    if (record->type == DNS_TYPE_SOA &&
        !source_rules_soa_goes_on(name, record->rdata, record->length))
        return BASE_OK;
    /* RFC 2181 section 8: a TTL with the topmost bit counts as 0. */
    uint32_t ttl = record->ttl > DNS_TTL_MAX ? 0 : record->ttl;
    int error =
        source_rules_make_room(update->edits, name, record->type, record->rdata, record->length);
    if (error == BASE_OK)
        error = source_overlay_add(update->edits, name, record->type, ttl, record->rdata,
                                   record->length);
    if (error == BASE_ELIMIT) {
        refuse_record(update, DNS_RCODE_REFUSED, record,
                      "more types at one name, or records in one RRset, than Kenter takes");
        return BASE_OK;
    }
    return error;
}

static int delete_record(struct update *update, struct source_name *name, bool apex,
                         const struct dns_record *record)
{
    struct source_set *set = source_overlay_set(name, record->type);
    if (set == NULL || record->type == DNS_TYPE_SOA)
        return BASE_OK;
    if (apex && record->type == DNS_TYPE_NS && set->count == 1)
        return BASE_OK; /* the last NS of the zone stays */
    struct source_record *found =
        source_overlay_find(update->edits, set, record->rdata, record->length);
    return found != NULL ? source_overlay_remove(update->edits, found, false) : BASE_OK;
}

static int delete_set(struct update *update, struct source_name *name, bool apex, uint16_t type)
{
    struct source_set *set = source_overlay_set(name, type);
    return set == NULL || source_rules_stays(type, apex) ? BASE_OK
                                                         : source_overlay_empty(update->edits, set);
}

static int apply_record(struct update *update, const struct dns_record *record)
{
    struct source_name *name;
    int error = name_of(update, record->name, &name);
    if (error != BASE_OK)
        return error;
    bool apex = dns_name_equal(record->name, update->view->apex);
    if (record->class == DNS_CLASS_IN)
        return add_record(update, name, record);
    if (record->class == DNS_CLASS_NONE)
        return delete_record(update, name, apex, record);
    if (record->type != DNS_TYPE_ANY)
        return delete_set(update, name, apex, record->type);
    for (unsigned i = 0; i < name->set_count && error == BASE_OK; i++)
        error = delete_set(update, name, apex, name->sets[i]->type);
    return error;
}

static int apply(struct update *update, const struct dns_record *records, size_t count)
{
    for (size_t i = 0; i < count && !refused(update); i++) {
        int error = apply_record(update, &records[i]);
        if (error != BASE_OK)
            return error;
        if (source_overlay_changes(update->edits) > CHANGES_MAX)
            refuse(update, DNS_RCODE_REFUSED, "the message changes more than %d records",
                   CHANGES_MAX);
    }
    return BASE_OK;
}

/* What the zone may not become: judged when all is done, so that the order within the message does
 * not matter. */
static int check_outcome(struct update *update)
{
    struct source_edits *edits = update->edits;
    unsigned dnames = 0;
    for (size_t i = edits->count - source_overlay_changes(edits); i < edits->count; i++) {
        const struct source_edit *edit = &edits->items[i];
        struct dns_record record = {.name = edit->owner, .type = edit->type};
        if (!edit->add)
            continue;
        if (edit->type == DNS_TYPE_DNAME && ++dnames > DNAMES_MAX) {
            refuse(update, DNS_RCODE_REFUSED, "the message adds more than %d DNAME", DNAMES_MAX);
            return BASE_OK;
        }
        const char *why = NULL;
        int error = source_rules_occluded(edits, update->view, edit, &why);
        if (error != BASE_OK)
            return error;
        if (why != NULL) {
            refuse_record(update, DNS_RCODE_REFUSED, &record, why);
            return BASE_OK;
        }
    }
    return BASE_OK;
}

static int judge(struct update *update)
{
    check_zone_section(update);
    if (refused(update))
        return BASE_OK;
    int error = check_prerequisites(update);
    size_t count;
    const struct dns_record *records =
        dns_message_section(&update->message, DNS_SECTION_AUTHORITY, &count);
    if (error == BASE_OK && !refused(update))
        error = check_updates(update, records, count);
    if (error == BASE_OK && !refused(update))
        error = apply(update, records, count);
    if (error == BASE_OK && !refused(update))
        error = check_outcome(update);
    return error;
}

int source_update(const struct source_update_request *request, struct source_edits *edits,
                  struct source_update_result *result)
{
    *result = (struct source_update_result){.rcode = DNS_RCODE_NOERROR};
    struct update update = {
        .request = request, .view = request->view, .edits = edits, .result = result};
    struct base_arena arena;
    base_arena_init(&arena, 0);
    source_overlay_begin(edits);
    int error = dns_message_parse(request->message, request->length, &arena, &update.message);
    if (error == BASE_EFORMAT || error == BASE_ELIMIT) {
        refuse(&update, DNS_RCODE_FORMERR, "the message is malformed%s",
               error == BASE_ELIMIT ? ": it unfolds to too much" : "");
        error = BASE_OK;
    } else if (error == BASE_OK) {
        error = judge(&update);
    }
    base_arena_free(&arena);
    if (error != BASE_OK || refused(&update))
        source_overlay_undo(edits);
    result->changes = source_overlay_changes(edits);
    return error;
}
