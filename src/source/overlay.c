/* The edits gathered so far, and the zone as they leave it: see overlay.h. */
#include "source/overlay.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

/* What it takes to have a change undone. */
struct step {
    struct source_record *record;
    uint32_t ttl; /* of the set, before */
    bool present; /* before */
};

/* Open addressing; a power of two of slots, at most half of them taken. */
struct table {
    void **slots;
    size_t count, size;
};

struct overlay {
    struct table names, records;
    struct step *steps; /* since source_overlay_begin */
    size_t step_count, step_capacity;
    size_t item_capacity, items_before;
    uint32_t stamp;
    uint8_t scratch[DNS_RDATA_MAX];
};

static struct overlay *overlay_of(const struct source_edits *edits)
{
    return edits->index;
}

int source_edits_init(struct source_edits *edits)
{
    *edits = (struct source_edits){.items = NULL};
    base_arena_init(&edits->arena, 0);
    edits->index = calloc(1, sizeof(struct overlay));
    return edits->index != NULL ? BASE_OK : BASE_ENOMEM;
}

void source_edits_free(struct source_edits *edits)
{
    struct overlay *overlay = overlay_of(edits);
    if (overlay != NULL) {
        free(overlay->names.slots);
        free(overlay->records.slots);
        free(overlay->steps);
        free(overlay);
    }
    free(edits->items);
    base_arena_free(&edits->arena);
    *edits = (struct source_edits){.items = NULL};
}

static int append(struct source_edits *edits, const struct source_edit *edit)
{
    struct overlay *overlay = overlay_of(edits);
    if (edits->count == overlay->item_capacity) {
        size_t capacity = overlay->item_capacity > 0 ? overlay->item_capacity * 2 : 16;
        struct source_edit *items = realloc(edits->items, capacity * sizeof(*items));
        if (items == NULL)
            return BASE_ENOMEM;
        edits->items = items;
        overlay->item_capacity = capacity;
    }
    edits->items[edits->count++] = *edit;
    return BASE_OK;
}

int source_edits_append(struct source_edits *edits, const struct source_edit *edit)
{
    struct source_edit copy = *edit;
    copy.owner = base_arena_dup(&edits->arena, edit->owner, dns_name_length(edit->owner));
    copy.rdata = base_arena_dup(&edits->arena, edit->rdata, edit->length);
    if (copy.owner == NULL || copy.rdata == NULL)
        return BASE_ENOMEM;
    return append(edits, &copy);
}

/*
 * Tables.
 */
static int grow(struct table *table, uint64_t (*hash_of)(const void *entry))
{
    if (table->count * 2 < table->size)
        return BASE_OK;
    size_t size = table->size > 0 ? table->size * 2 : 64;
    void **slots = calloc(size, sizeof(*slots));
    if (slots == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < table->size; i++) {
        if (table->slots[i] == NULL)
            continue;
        size_t at = hash_of(table->slots[i]) & (size - 1);
        while (slots[at] != NULL)
            at = (at + 1) & (size - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->size = size;
    return BASE_OK;
}

static void put(struct table *table, void *entry, uint64_t hash)
{
    size_t at = hash & (table->size - 1);
    while (table->slots[at] != NULL)
        at = (at + 1) & (table->size - 1);
    table->slots[at] = entry;
    table->count++;
}

static uint64_t name_hash(const void *entry)
{
    return ((const struct source_name *)entry)->hash;
}

static uint64_t record_hash(const void *entry)
{
    return ((const struct source_record *)entry)->hash;
}

static struct source_name *find_name(const struct table *table, const uint8_t *owner, uint32_t hash)
{
    if (table->size == 0)
        return NULL;
    for (size_t at = hash & (table->size - 1); table->slots[at] != NULL;
         at = (at + 1) & (table->size - 1)) {
        struct source_name *name = table->slots[at];
        if (name->hash == hash && dns_name_equal(name->owner, owner))
            return name;
    }
    return NULL;
}

static uint64_t hash_rdata(const struct source_set *set, const uint8_t *rdata, size_t length)
{
    const uint64_t multiplier = 0x9e3779b97f4a7c15ull;
    uint64_t hash = ((uint64_t)set->name->hash << 16 | set->type) * multiplier;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ rdata[i]) * multiplier;
    return hash ^ hash >> 29 ^ hash >> 47;
}

/*
 * Names and sets.
 */

/* The place of a type among the sets: where it is, or would be. */
static unsigned place_of(const struct source_name *name, uint16_t type)
{
    unsigned low = 0, high = name->set_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (name->sets[middle]->type < type)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct source_set *source_overlay_set(const struct source_name *name, uint16_t type)
{
    unsigned at = place_of(name, type);
    return at < name->set_count && name->sets[at]->type == type ? name->sets[at] : NULL;
}

uint32_t source_overlay_count(const struct source_name *name, uint16_t type)
{
    const struct source_set *set = source_overlay_set(name, type);
    return set != NULL ? set->count : 0;
}

static int make_set(struct source_edits *edits, struct source_name *name, uint16_t type,
                    struct source_set **out)
{
    unsigned at = place_of(name, type);
    if (name->set_count == name->set_capacity) {
        unsigned capacity = name->set_capacity > 0 ? name->set_capacity * 2 : 4;
        struct source_set **sets = base_arena_alloc(&edits->arena, capacity * sizeof(*sets));
        if (sets == NULL)
            return BASE_ENOMEM;
        if (name->set_count > 0)
            memcpy(sets, name->sets, name->set_count * sizeof(*sets));
        name->sets = sets;
        name->set_capacity = capacity;
    }
    struct source_set *set = base_arena_zalloc(&edits->arena, sizeof(*set));
    if (set == NULL)
        return BASE_ENOMEM;
    set->name = name;
    set->type = type;
    memmove(name->sets + at + 1, name->sets + at, (name->set_count - at) * sizeof(*name->sets));
    name->sets[at] = set;
    name->set_count++;
    *out = set;
    return BASE_OK;
}

/*
 * Records.
 */
static struct source_record *look_up(struct source_edits *edits, const struct source_set *set,
                                     const uint8_t *rdata, size_t length)
{
    struct overlay *overlay = overlay_of(edits);
    const struct table *table = &overlay->records;
    dns_rdata_canonical(set->type, rdata, length, overlay->scratch);
    uint64_t hash = hash_rdata(set, overlay->scratch, length);
    if (table->size == 0)
        return NULL;
    for (size_t at = hash & (table->size - 1); table->slots[at] != NULL;
         at = (at + 1) & (table->size - 1)) {
        struct source_record *record = table->slots[at];
        if (record->hash == hash && record->set == set && record->length == length &&
            memcmp(record->canonical, overlay->scratch, length) == 0)
            return record;
    }
    return NULL;
}

struct source_record *source_overlay_find(struct source_edits *edits, const struct source_set *set,
                                          const uint8_t *rdata, size_t length)
{
    struct source_record *record = look_up(edits, set, rdata, length);
    return record != NULL && record->present ? record : NULL;
}

/* A record that is not present yet. */
static int make_record(struct source_edits *edits, struct source_set *set, const uint8_t *rdata,
                       size_t length, struct source_record **out)
{
    struct overlay *overlay = overlay_of(edits);
    int error = grow(&overlay->records, record_hash);
    struct source_record *record =
        error == BASE_OK ? base_arena_zalloc(&edits->arena, sizeof(*record)) : NULL;
    if (record == NULL)
        return BASE_ENOMEM;
    record->rdata = record->canonical = base_arena_dup(&edits->arena, rdata, length);
    if (record->rdata == NULL)
        return BASE_ENOMEM;
    dns_rdata_canonical(set->type, rdata, length, overlay->scratch);
    if (length > 0 && memcmp(overlay->scratch, rdata, length) != 0) {
        record->canonical = base_arena_dup(&edits->arena, overlay->scratch, length);
        if (record->canonical == NULL)
            return BASE_ENOMEM;
    }
    record->set = set;
    record->length = (uint16_t)length;
    record->hash = hash_rdata(set, record->canonical, length);
    put(&overlay->records, record, record->hash);
    *out = record;
    return BASE_OK;
}

static bool makes_use(uint16_t type)
{
    return type != DNS_TYPE_RRSIG && type != DNS_TYPE_NSEC;
}

static void link_record(struct source_record *record)
{
    struct source_set *set = record->set;
    record->present = true;
    record->previous = set->last;
    record->next = NULL;
    if (set->last != NULL)
        set->last->next = record;
    else
        set->first = record;
    set->last = record;
    set->count++;
    set->name->used += makes_use(set->type);
}

static void unlink_record(struct source_record *record)
{
    struct source_set *set = record->set;
    record->present = false;
    if (record->previous != NULL)
        record->previous->next = record->next;
    else
        set->first = record->next;
    if (record->next != NULL)
        record->next->previous = record->previous;
    else
        set->last = record->previous;
    set->count--;
    set->name->used -= makes_use(set->type);
}

/*
 * Reading names from the view.
 */
struct loading {
    struct source_edits *edits;
    struct source_name *name;
};

static int load_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                       size_t length)
{
    struct loading *loading = context;
    if (length > DNS_RDATA_MAX)
        return BASE_EFORMAT;
    struct source_set *set = source_overlay_set(loading->name, type);
    int error = BASE_OK;
    if (set == NULL)
        error = make_set(loading->edits, loading->name, type, &set);
    struct source_record *record = NULL;
    if (error == BASE_OK && look_up(loading->edits, set, rdata, length) == NULL)
        error = make_record(loading->edits, set, rdata, length, &record);
    if (error != BASE_OK || record == NULL)
        return error;
    set->ttl = ttl;
    link_record(record);
    return BASE_OK;
}

/* Makes what was read halfway look as if it had never been asked for. */
static void forget(struct source_name *name)
{
    for (unsigned i = 0; i < name->set_count; i++) {
        while (name->sets[i]->first != NULL)
            unlink_record(name->sets[i]->first);
    }
}

int source_overlay_name(struct source_edits *edits, const struct zone_view *view,
                        const uint8_t *owner, struct source_name **out)
{
    struct overlay *overlay = overlay_of(edits);
    uint32_t hash = dns_name_hash(owner);
    struct source_name *name = find_name(&overlay->names, owner, hash);
    if (name != NULL) {
        *out = name;
        return BASE_OK;
    }
    int error = grow(&overlay->names, name_hash);
    if (error != BASE_OK)
        return error;
    name = base_arena_zalloc(&edits->arena, sizeof(*name));
    if (name == NULL)
        return BASE_ENOMEM;
    name->owner = base_arena_dup(&edits->arena, owner, dns_name_length(owner));
    if (name->owner == NULL)
        return BASE_ENOMEM;
    name->hash = hash;
    struct loading loading = {edits, name};
    error = view->records(view->context, owner, load_record, &loading);
    if (error != BASE_OK && error != BASE_ENOENT) {
        forget(name);
        return error;
    }
    put(&overlay->names, name, hash);
    *out = name;
    return BASE_OK;
}

/*
 * Changes.
 */
static int note_step(struct source_edits *edits, struct source_record *record)
{
    struct overlay *overlay = overlay_of(edits);
    if (overlay->step_count == overlay->step_capacity) {
        size_t capacity = overlay->step_capacity > 0 ? overlay->step_capacity * 2 : 16;
        struct step *steps = realloc(overlay->steps, capacity * sizeof(*steps));
        if (steps == NULL)
            return BASE_ENOMEM;
        overlay->steps = steps;
        overlay->step_capacity = capacity;
    }
    overlay->steps[overlay->step_count++] =
        (struct step){record, record->set->ttl, record->present};
    return BASE_OK;
}

static int append_edit(struct source_edits *edits, const struct source_record *record, uint32_t ttl,
                       bool add)
{
    struct source_edit edit = {.owner = record->set->name->owner,
                               .rdata = record->rdata,
                               .ttl = ttl,
                               .type = record->set->type,
                               .length = record->length,
                               .add = add};
    return append(edits, &edit);
}

int source_overlay_add(struct source_edits *edits, struct source_name *name, uint16_t type,
                       uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct source_set *set = source_overlay_set(name, type);
    int error = BASE_OK;
    if (set == NULL && name->set_count >= SOURCE_TYPES_MAX)
        return BASE_ELIMIT;
    if (set == NULL)
        error = make_set(edits, name, type, &set);
    if (error != BASE_OK)
        return error;
    struct source_record *record = look_up(edits, set, rdata, length);
    if (record != NULL && record->present && set->ttl == ttl)
        return BASE_OK;
    if (set->count >= SOURCE_RECORDS_MAX)
        return BASE_ELIMIT;
    if (record == NULL)
        error = make_record(edits, set, rdata, length, &record);
    if (error == BASE_OK)
        error = note_step(edits, record);
    if (error == BASE_OK)
        error = append_edit(edits, record, ttl, true);
    if (error != BASE_OK)
        return error;
    if (!record->present)
        link_record(record);
    set->ttl = ttl;
    return BASE_OK;
}

int source_overlay_remove(struct source_edits *edits, struct source_record *record, bool quiet)
{
    int error = note_step(edits, record);
    if (error == BASE_OK && !quiet)
        error = append_edit(edits, record, record->set->ttl, false);
    if (error == BASE_OK)
        unlink_record(record);
    return error;
}

int source_overlay_empty(struct source_edits *edits, struct source_set *set)
{
    while (set->first != NULL) {
        int error = source_overlay_remove(edits, set->first, false);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

uint32_t source_overlay_stamp(struct source_edits *edits)
{
    return ++overlay_of(edits)->stamp;
}

void source_overlay_begin(struct source_edits *edits)
{
    struct overlay *overlay = overlay_of(edits);
    overlay->step_count = 0;
    overlay->items_before = edits->count;
}

size_t source_overlay_changes(const struct source_edits *edits)
{
    return edits->count - overlay_of(edits)->items_before;
}

void source_overlay_undo(struct source_edits *edits)
{
    struct overlay *overlay = overlay_of(edits);
    while (overlay->step_count > 0) {
        const struct step *step = &overlay->steps[--overlay->step_count];
        struct source_record *record = step->record;
        if (record->present && !step->present)
            unlink_record(record);
        else if (!record->present && step->present)
            link_record(record);
        record->set->ttl = step->ttl;
    }
    edits->count = overlay->items_before;
}
