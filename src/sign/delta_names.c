/* The names that a change touches, and those that are looked at for them: see delta_parts.h. */
#include "base/error.h"
#include "sign/delta_parts.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST 256

/* --- the table --- */

int delta_names_init(struct delta_job *delta)
{
    delta->table_size = TABLE_FIRST;
    delta->table = calloc(delta->table_size, sizeof(struct delta_name *));
    return delta->table != NULL ? BASE_OK : BASE_ENOMEM;
}

void delta_names_free(struct delta_job *delta)
{
    free(delta->table);
    free(delta->names);
    free(delta->links);
}

/* The slot of a name: its own, or the free one where it belongs. */
static struct delta_name **slot_of(const struct delta_job *delta, const uint8_t *name)
{
    size_t at = dns_name_hash(name) & (delta->table_size - 1);
    while (delta->table[at] != NULL && !dns_name_equal(delta->table[at]->name, name))
        at = (at + 1) & (delta->table_size - 1);
    return &delta->table[at];
}

static int grow_table(struct delta_job *delta)
{
    struct delta_name **old = delta->table;
    size_t size = delta->table_size;
    struct delta_name **table = calloc(2 * size, sizeof(struct delta_name *));
    if (table == NULL)
        return BASE_ENOMEM;
    delta->table = table;
    delta->table_size = 2 * size;
    for (size_t i = 0; i < size; i++) {
        if (old[i] != NULL)
            *slot_of(delta, old[i]->name) = old[i];
    }
    free(old);
    return BASE_OK;
}

static unsigned state_of_type(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_NS:
        return DELTA_LIVE | DELTA_NS;
    case DNS_TYPE_DNAME:
        return DELTA_LIVE | DELTA_DNAME;
    case DNS_TYPE_DS:
        return DELTA_LIVE | DELTA_DS;
    case DNS_TYPE_NSEC:
        return DELTA_NSEC;
    default:
        return sign_type_dropped(type) ? 0 : DELTA_LIVE;
    }
}

static int note_type(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                     size_t length)
{
    uint8_t *state = context;
    *state |= (uint8_t)(DELTA_OWNER | state_of_type(type));
    return BASE_OK;
}

static int make_name(struct delta_job *delta, const uint8_t *name, struct delta_name **out)
{
    const struct zone_view *view = delta->view;
    uint8_t key[DNS_KEY_MAX], owner[DNS_NAME_MAX];
    struct delta_name *made = base_arena_zalloc(&delta->arena, sizeof(*made));
    if (made == NULL)
        return BASE_ENOMEM;
    int error = view->owner(view->context, name, owner);
    if (error == BASE_OK)
        error = view->records(view->context, name, note_type, &made->was);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    const uint8_t *written = made->was != 0 ? owner : name;
    made->is = made->was & (uint8_t) ~(DELTA_NSEC | DELTA_OWNER);
    made->key_length = (uint16_t)dns_name_key(key, name, view->apex_labels);
    made->key = base_arena_dup(&delta->arena, key, made->key_length);
    made->name = base_arena_dup(&delta->arena, written, dns_name_length(written));
    if (made->key == NULL || made->name == NULL)
        return BASE_ENOMEM;
    *out = made;
    return BASE_OK;
}

int delta_look(struct delta_job *delta, const uint8_t *name, struct delta_name **out)
{
    struct delta_name **slot = slot_of(delta, name);
    if (*slot == NULL) {
        if (2 * delta->table_count >= delta->table_size) {
            int error = grow_table(delta);
            if (error != BASE_OK)
                return error;
            slot = slot_of(delta, name);
        }
        int error = make_name(delta, name, slot);
        if (error != BASE_OK)
            return error;
        delta->table_count++;
    }
    *out = *slot;
    return BASE_OK;
}

/* --- records --- */

int delta_append_rr(struct delta_job *delta, struct delta_records *records, const struct dns_rr *rr)
{
    if (records->count == records->capacity) {
        size_t capacity = records->capacity != 0 ? 2 * records->capacity : 8;
        const struct dns_rr **rrs =
            base_arena_alloc(&delta->arena, capacity * sizeof(struct dns_rr *));
        if (rrs == NULL)
            return BASE_ENOMEM;
        if (records->count > 0)
            memcpy(rrs, records->rrs, records->count * sizeof(struct dns_rr *));
        records->rrs = rrs;
        records->capacity = capacity;
    }
    records->rrs[records->count++] = rr;
    return BASE_OK;
}

int delta_append(struct delta_job *delta, struct delta_records *records, uint16_t type,
                 uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct dns_rr *rr = sign_new_rr(&delta->arena, type, ttl, length);
    if (rr == NULL)
        return BASE_ENOMEM;
    rr->canonical = 0; /* nobody looked */
    if (length > 0)
        memcpy(rr->rdata, rdata, length);
    return delta_append_rr(delta, records, rr);
}

struct loading {
    struct delta_job *delta;
    struct delta_name *name;
};

static int load_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                       size_t length)
{
    struct loading *loading = context;
    struct delta_name *name = loading->name;
    int error = delta_append(loading->delta, &name->before, type, ttl, rdata, length);
    if (error == BASE_OK && !sign_type_dropped(type))
        error =
            delta_append_rr(loading->delta, &name->after, name->before.rrs[name->before.count - 1]);
    return error;
}

/* Reads all records of a name; what is after is what was before. */
static int load(struct delta_job *delta, struct delta_name *name)
{
    if (name->loaded)
        return BASE_OK;
    name->loaded = true;
    if ((name->was & DELTA_OWNER) == 0)
        return BASE_OK;
    struct loading loading = {delta, name};
    return delta->view->records(delta->view->context, name->name, load_record, &loading);
}

int delta_spend(struct delta_job *delta)
{
    return delta->spent++ < delta->limit ? BASE_OK : BASE_ELIMIT;
}

/* Makes a name part of the change. */
static int write_name(struct delta_job *delta, struct delta_name *name)
{
    if (name->written)
        return BASE_OK;
    int error = delta_spend(delta);
    if (error == BASE_OK)
        error = load(delta, name);
    if (error != BASE_OK)
        return error;
    if (delta->count == delta->capacity) {
        size_t capacity = delta->capacity != 0 ? 2 * delta->capacity : 32;
        struct delta_name **names = realloc(delta->names, capacity * sizeof(struct delta_name *));
        if (names == NULL)
            return BASE_ENOMEM;
        delta->names = names;
        delta->capacity = capacity;
    }
    delta->names[delta->count++] = name;
    name->written = true;
    return BASE_OK;
}

int delta_touch(struct delta_job *delta, const uint8_t *name, struct delta_name **out)
{
    struct delta_name *found;
    int error = delta_look(delta, name, &found);
    if (error == BASE_OK)
        error = write_name(delta, found);
    if (error == BASE_OK && out != NULL)
        *out = found;
    return error;
}

/* --- edits --- */

struct edit {
    struct delta_name *name;
    const struct dns_rr *rr;
    size_t order;
    bool add;
};

static int compare_records(const struct dns_rr *a, const struct dns_rr *b)
{
    return a->type != b->type ? (int)a->type - (int)b->type : dns_rdata_compare(a, b);
}

static int compare_keys(const struct delta_name *a, const struct delta_name *b)
{
    size_t least = a->key_length < b->key_length ? a->key_length : b->key_length;
    int order = memcmp(a->key, b->key, least);
    return order != 0 ? order : (int)a->key_length - (int)b->key_length;
}

static int compare_edits(const void *x, const void *y)
{
    const struct edit *a = x, *b = y;
    int order = a->name == b->name ? 0 : compare_keys(a->name, b->name);
    if (order == 0)
        order = compare_records(a->rr, b->rr);
    return order != 0 ? order : a->order < b->order ? -1 : a->order > b->order;
}

/* Is it nothing that an edit can change? What the signer makes stands for itself, and a zone always
 * has its SOA. */
static bool left_out(const struct delta_job *delta, const struct delta_name *name,
                     const struct dns_rr *rr, bool add)
{
    if (sign_type_dropped(rr->type))
        return true;
    if (!delta_is_apex(name))
        return false;
    switch (rr->type) {
    case DNS_TYPE_SOA:
        return !add;
    case DNS_TYPE_ZONEMD:
        return true;
    case DNS_TYPE_DNSKEY:
    case DNS_TYPE_CDS:
    case DNS_TYPE_CDNSKEY:
        return sign_record_of_keys(delta->request->keys, delta->request->key_count, rr);
    default:
        return false;
    }
}

/* Takes an edit into the list, unless it is left out. */
static int take_edit(struct delta_job *delta, const struct sign_edit *from, struct edit *to,
                     bool *taken)
{
    if (!dns_name_within(from->owner, delta->apex) || dns_type_is_meta(from->type) ||
        from->ttl > DNS_TTL_MAX ||
        dns_rdata_check(from->type, from->rdata, from->length, NULL) != BASE_OK)
        return BASE_EINVAL;
    struct dns_rr *rr = sign_new_rr(&delta->arena, from->type, from->ttl, from->length);
    if (rr == NULL)
        return BASE_ENOMEM;
    rr->canonical = 0;
    if (from->length > 0)
        memcpy(rr->rdata, from->rdata, from->length);
    int error = delta_look(delta, from->owner, &to->name);
    if (error != BASE_OK)
        return error;
    to->rr = rr;
    to->add = from->add;
    *taken = !left_out(delta, to->name, rr, from->add);
    return BASE_OK;
}

/* The last of the edits of one record, or for the SOA, of all: there is only one. */
static size_t same_record(const struct edit *edits, size_t count, const struct edit **last)
{
    bool soa = edits[0].rr->type == DNS_TYPE_SOA && delta_is_apex(edits[0].name);
    size_t same = 1;
    *last = &edits[0];
    for (; same < count; same++) {
        if (soa ? edits[same].rr->type != DNS_TYPE_SOA
                : compare_records(edits[0].rr, edits[same].rr) != 0)
            break;
        if (edits[same].order > (*last)->order)
            *last = &edits[same];
    }
    return same;
}

/* Merges what is there with the edits of a name. */
static int merge_records(struct delta_job *delta, const struct delta_name *name,
                         const struct edit *edits, size_t count, struct delta_records *out)
{
    const struct delta_records *old = &name->after;
    size_t i = 0, j = 0;
    int error = BASE_OK;
    while (error == BASE_OK && (i < old->count || j < count)) {
        bool replaces = i < old->count && j < count && old->rrs[i]->type == DNS_TYPE_SOA &&
                        edits[j].rr->type == DNS_TYPE_SOA && delta_is_apex(name);
        int order = i == old->count ? 1
                    : j == count    ? -1
                    : replaces      ? 0
                                    : compare_records(old->rrs[i], edits[j].rr);
        if (order < 0) {
            error = delta_append_rr(delta, out, old->rrs[i++]);
            continue;
        }
        const struct edit *last;
        j += same_record(&edits[j], count - j, &last);
        if (last->add)
            error = delta_append_rr(delta, out, order == 0 && !replaces ? old->rrs[i] : last->rr);
        i += order == 0;
    }
    return error;
}

/* The TTL that the RRset of a type takes from the record added last. */
static bool edited_ttl(const struct edit *edits, size_t count, uint16_t type, uint32_t *ttl)
{
    const struct edit *last = NULL;
    for (size_t i = 0; i < count && edits[i].rr->type <= type; i++) {
        if (edits[i].rr->type == type && edits[i].add &&
            (last == NULL || edits[i].order > last->order))
            last = &edits[i];
    }
    if (last != NULL)
        *ttl = last->rr->ttl;
    return last != NULL;
}

static int level_ttls(struct delta_job *delta, const struct edit *edits, size_t count,
                      struct delta_records *records)
{
    bool known = false;
    uint32_t ttl = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct dns_rr *rr = records->rrs[i];
        if (i == 0 || records->rrs[i - 1]->type != rr->type)
            known = edited_ttl(edits, count, rr->type, &ttl);
        if (!known || rr->ttl == ttl)
            continue;
        struct dns_rr *copy = base_arena_dup(&delta->arena, rr, DNS_RR_SIZE(rr->length));
        if (copy == NULL)
            return BASE_ENOMEM;
        copy->ttl = ttl;
        records->rrs[i] = copy;
    }
    return BASE_OK;
}

static bool same_records(const struct delta_records *a, const struct delta_records *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct dns_rr *x = a->rrs[i], *y = b->rrs[i];
        if (x != y && (x->ttl != y->ttl || x->type != y->type || x->length != y->length ||
                       memcmp(x->rdata, y->rdata, x->length) != 0))
            return false;
    }
    return true;
}

/* Applies the edits of one name, and touches it when that changes anything. */
static int edit_name(struct delta_job *delta, struct delta_name *name, const struct edit *edits,
                     size_t count)
{
    struct delta_records after = {0};
    int error = load(delta, name);
    if (error == BASE_OK)
        error = merge_records(delta, name, edits, count, &after);
    if (error == BASE_OK)
        error = level_ttls(delta, edits, count, &after);
    if (error != BASE_OK || same_records(&name->after, &after))
        return error;
    name->edited = true;
    name->after = after;
    name->is = 0;
    for (size_t i = 0; i < after.count; i++)
        name->is |= (uint8_t)state_of_type(after.rrs[i]->type);
    return write_name(delta, name);
}

int delta_edit(struct delta_job *delta)
{
    const struct sign_delta_request *request = delta->request;
    struct edit *edits = malloc((request->edit_count + 1) * sizeof(*edits));
    if (edits == NULL)
        return BASE_ENOMEM;
    size_t count = 0;
    int error = BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < request->edit_count; i++) {
        bool taken = false;
        edits[count].order = i;
        error = take_edit(delta, &request->edits[i], &edits[count], &taken);
        count += taken;
    }
    if (count > 1)
        qsort(edits, count, sizeof(*edits), compare_edits);
    for (size_t i = 0, end; error == BASE_OK && i < count; i = end) {
        for (end = i + 1; end < count && edits[end].name == edits[i].name;)
            end++;
        error = edit_name(delta, edits[i].name, &edits[i], end - i);
    }
    free(edits);
    return error;
}

/* --- what lies under what --- */

int delta_cover(struct delta_job *delta, const uint8_t *name, bool after, struct delta_name **out)
{
    unsigned labels = dns_name_labels(name);
    *out = NULL;
    for (unsigned depth = delta->view->apex_labels; depth < labels; depth++) {
        struct delta_name *above;
        int error = delta_look(delta, dns_name_parent(name, labels - depth), &above);
        if (error != BASE_OK)
            return error;
        if (delta_barrier(above, after ? above->is : above->was) != 0) {
            *out = above;
            return BASE_OK;
        }
    }
    return BASE_OK;
}

int delta_is_member(struct delta_job *delta, const struct delta_name *name, bool *member)
{
    struct delta_name *cover;
    *member = false;
    if ((name->is & DELTA_LIVE) == 0)
        return BASE_OK;
    if (delta->opt_out && !delta_is_apex(name) && (name->is & (DELTA_NS | DELTA_DS)) == DELTA_NS)
        return BASE_OK;
    int error = delta_cover(delta, name->name, true, &cover);
    *member = error == BASE_OK && cover == NULL;
    return error;
}

/* Touches all owners below a name. */
static int pull_below(struct delta_job *delta, const struct delta_name *top)
{
    const struct zone_view *view = delta->view;
    uint8_t name[DNS_NAME_MAX];
    int error = view->after(view->context, top->name, name);
    while (error == BASE_OK && dns_name_within(name, top->name)) {
        struct delta_name *below;
        error = delta_touch(delta, name, &below);
        if (error != BASE_OK)
            return error;
        below->pulled = true;
        error = view->after(view->context, name, name);
    }
    return error == BASE_ENOENT ? BASE_OK : error;
}

int delta_pull(struct delta_job *delta)
{
    size_t count = delta->count; /* what is pulled changes nothing by itself */
    for (size_t i = 0; i < count; i++) {
        const struct delta_name *name = delta->names[i];
        if (!name->edited || delta_barrier(name, name->was) == delta_barrier(name, name->is))
            continue;
        struct delta_name *before, *after;
        int error = delta_cover(delta, name->name, false, &before);
        if (error == BASE_OK)
            error = delta_cover(delta, name->name, true, &after);
        /* Below something else it makes no difference, and where that one comes or goes, it pulls
         * all this. */
        if (error == BASE_OK && before == NULL && after == NULL)
            error = pull_below(delta, name);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static int compare_names(const void *a, const void *b)
{
    return compare_keys(*(struct delta_name *const *)a, *(struct delta_name *const *)b);
}

void delta_names_sort(struct delta_job *delta)
{
    if (delta->count > 1)
        qsort(delta->names, delta->count, sizeof(struct delta_name *), compare_names);
}
