/* From a result to blocks: see show_model.h. */
#include "resolve/show_model.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define RECORDS_SHOWN 8   /* of one RRset */
#define RDATA_SHOWN   300 /* characters of one record */

#define FLAG_SEP    0x0001 /* RFC 4034 section 2.1.1 */
#define FLAG_REVOKE 0x0080 /* RFC 5011 section 7 */
#define FLAG_ZONE   0x0100

struct maker {
    const struct validate_result *result;
    struct show_model *model;
    size_t *block_of; /* of each node: the zone's block */
    bool failed;
};

static const char *printed(struct maker *maker, const char *text)
{
    if (text == NULL)
        maker->failed = true;
    return text == NULL ? "" : text;
}

#define TEXT(maker, ...) printed(maker, base_arena_printf(&(maker)->model->arena, __VA_ARGS__))

static const char *name_text(struct maker *maker, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    return name == NULL ? "?" : TEXT(maker, "%s", dns_name_text(text, name));
}

/* --- blocks and rows --- */

static size_t add_block(struct maker *maker, const char *title, const uint8_t *zone, size_t parent)
{
    struct show_model *model = maker->model;
    size_t index = model->count++;
    struct show_block *block = &model->blocks[index];
    *block = (struct show_block){
        .title = title,
        .zone = zone,
        .parent = parent,
        .link = "",
        .first_child = SHOW_NO_BLOCK,
        .last_child = SHOW_NO_BLOCK,
        .next = SHOW_NO_BLOCK,
    };
    if (parent == SHOW_NO_BLOCK)
        return index;
    struct show_block *above = &model->blocks[parent];
    if (above->last_child == SHOW_NO_BLOCK)
        above->first_child = index;
    else
        model->blocks[above->last_child].next = index;
    above->last_child = index;
    return index;
}

static void add_row(struct maker *maker, size_t index, enum show_row_kind kind, enum show_tone tone,
                    const char *label, const char *text)
{
    struct show_block *block = &maker->model->blocks[index];
    if (block->row_count == block->row_room) {
        size_t room = block->row_room == 0 ? 8 : block->row_room * 2;
        struct show_row *rows = base_arena_alloc(&maker->model->arena, room * sizeof(*rows));
        if (rows == NULL) {
            maker->failed = true;
            return;
        }
        if (block->row_count > 0)
            memcpy(rows, block->rows, block->row_count * sizeof(*rows));
        block->rows = rows;
        block->row_room = room;
    }
    block->rows[block->row_count++] = (struct show_row){kind, tone, label, text};
}

/* --- facts --- */

static const char *digest_name(unsigned type)
{
    switch (type) {
    case 1:
        return "SHA-1";
    case 2:
        return "SHA-256";
    case 4:
        return "SHA-384";
    default:
        return "digest of an unknown type";
    }
}

/* A record in few words: DS without its digest, keys without their octets. */
static const char *record_text(struct maker *maker, uint16_t type,
                               const struct validate_rdata *rdata)
{
    char algorithm[SHOW_ALGORITHM_TEXT];
    if (type == DNS_TYPE_DS && rdata->length >= 4)
        return TEXT(maker, "%u %s %s", base_load_u16(rdata->data),
                    show_algorithm(algorithm, rdata->data[2]), digest_name(rdata->data[3]));
    struct base_buf text;
    base_buf_init(&text, (size_t)16 * DNS_RDATA_MAX);
    dns_rdata_to_text(&text, type, rdata->data, rdata->length, DNS_TEXT_PLAIN);
    const char *whole = base_buf_string(&text);
    const char *out = strlen(whole) > RDATA_SHOWN ? TEXT(maker, "%.*s ...", RDATA_SHOWN, whole)
                                                  : TEXT(maker, "%s", whole);
    maker->failed |= text.error != BASE_OK;
    base_buf_free(&text);
    return out;
}

/* The owner is part of what NSEC and NSEC3 say. */
static void add_records(struct maker *maker, size_t block, const char *label,
                        const struct validate_records *set)
{
    bool denies = set->type == DNS_TYPE_NSEC || set->type == DNS_TYPE_NSEC3;
    for (size_t i = 0; i < set->count && i < RECORDS_SHOWN; i++) {
        const char *text = record_text(maker, set->type, &set->rdata[i]);
        add_row(maker, block, SHOW_ROW_FACT, SHOW_PLAIN, label,
                denies ? TEXT(maker, "%s %s", name_text(maker, set->name), text) : text);
    }
    if (set->count > RECORDS_SHOWN)
        add_row(maker, block, SHOW_ROW_REMARK, SHOW_FAINT, "",
                TEXT(maker, "and %zu more", set->count - RECORDS_SHOWN));
}

/* `lost`: no key of the zone is trusted. */
static void add_key(struct maker *maker, size_t block, const struct validate_key_note *key,
                    bool anchor, bool lost)
{
    char algorithm[SHOW_ALGORITHM_TEXT];
    bool revoked = (key->flags & FLAG_REVOKE) != 0, unfit = (key->flags & FLAG_ZONE) == 0;
    const char *role = "";
    if (key->trusted && key->signs)
        role = ": vouched for, signs the keys";
    else if (key->trusted && !anchor)
        role = ": vouched for, does not sign the keys";
    else if (key->signs)
        role = ": signs the keys, nothing vouches for it";
    else if (lost && (key->flags & FLAG_SEP) != 0)
        role = ": nothing vouches for it";
    enum show_tone tone = key->trusted && key->signs ? SHOW_GOOD : SHOW_PLAIN;
    add_row(maker, block, SHOW_ROW_FACT, revoked || (unfit && !anchor) ? SHOW_DOUBT : tone,
            anchor ? "anchor" : "key",
            TEXT(maker, "%u %s%s%s%s%s", key->tag, show_algorithm(algorithm, key->algorithm),
                 (key->flags & FLAG_SEP) != 0 ? " SEP" : "", revoked ? ", revoked" : "",
                 unfit && !anchor ? ", not a zone key" : "", role));
}

static const char *signature_fault(struct maker *maker, const struct validate_node *node,
                                   const struct validate_signature *signature)
{
    char when[SHOW_WHEN_TEXT];
    base_time now = maker->result->now;
    switch (signature->verdict) {
    case VALIDATE_SIGNATURE_GOOD:
        return TEXT(maker, "until %s", show_when(when, signature->expiration, now));
    case VALIDATE_SIGNATURE_NOT_TRIED:
        return node->status == VALIDATE_SECURE ? "not needed, not tried" : "not tried";
    case VALIDATE_SIGNATURE_EXPIRED:
        return TEXT(maker, "expired %s", show_when(when, signature->expiration, now));
    case VALIDATE_SIGNATURE_FUTURE:
        return TEXT(maker, "not valid before %s", show_when(when, signature->inception, now));
    case VALIDATE_SIGNATURE_NO_KEY:
        return "the zone publishes no such key";
    case VALIDATE_SIGNATURE_MISMATCH:
        return "does not fit the data";
    case VALIDATE_SIGNATURE_SIGNER:
        /* By the right zone: then it is the zone's keys that do not count. */
        return node->zone != NULL && signature->signer != NULL &&
                       dns_name_equal(node->zone, signature->signer)
                   ? "by a zone whose keys are not proved"
                   : "by a zone that may not sign this";
    case VALIDATE_SIGNATURE_UNSUPPORTED:
        return "of an algorithm that is not supported";
    case VALIDATE_SIGNATURE_MALFORMED:
        return "malformed";
    case VALIDATE_SIGNATURE_KEY_UNFIT:
        return "by a key that may not sign";
    case VALIDATE_SIGNATURE_BUDGET:
        return "not tried, since a budget was spent";
    }
    return "";
}

static enum show_tone signature_tone(enum validate_signature_verdict verdict)
{
    switch (verdict) {
    case VALIDATE_SIGNATURE_GOOD:
        return SHOW_GOOD;
    case VALIDATE_SIGNATURE_NOT_TRIED:
        return SHOW_FAINT;
    case VALIDATE_SIGNATURE_UNSUPPORTED:
        return SHOW_DOUBT;
    default:
        return SHOW_BAD;
    }
}

/* The set that the signature belongs to is not told; of several sets it says nothing more. */
static void add_signatures(struct maker *maker, size_t block, const struct validate_node *node)
{
    for (size_t i = 0; i < node->signature_count; i++) {
        const struct validate_signature *signature = &node->signatures[i];
        char algorithm[SHOW_ALGORITHM_TEXT], signer[DNS_NAME_TEXT];
        /* A signer is worth a word only where it is not the zone of the block. */
        bool named = signature->signer != NULL &&
                     (maker->model->blocks[block].zone == NULL ||
                      !dns_name_equal(signature->signer, maker->model->blocks[block].zone));
        add_row(maker, block, SHOW_ROW_PROOF, signature_tone(signature->verdict), "signed",
                TEXT(maker, "by %u %s%s%s, %s", signature->tag,
                     show_algorithm(algorithm, signature->algorithm), named ? " of " : "",
                     named ? dns_name_text(signer, signature->signer) : "",
                     signature_fault(maker, node, signature)));
    }
    if (node->signature_count == 0 && node->status == VALIDATE_BOGUS && node->set_count > 0)
        add_row(maker, block, SHOW_ROW_PROOF, SHOW_BAD, "signed", "not at all");
}

static void add_note(struct maker *maker, size_t block, const struct validate_node *node)
{
    if (node->note != NULL && node->note[0] != '\0')
        add_row(maker, block, SHOW_ROW_REMARK, show_tone_of_status(node->status), "", node->note);
}

/* "DS 4711", "DS 4711, 815", "no DS" */
static const char *link_text(struct maker *maker, const struct validate_node *node)
{
    const char *text = "";
    size_t tags = 0;
    for (size_t i = 0; i < node->set_count && tags < 4; i++) {
        for (size_t j = 0; j < node->sets[i].count && tags < 4; j++) {
            const struct validate_rdata *rdata = &node->sets[i].rdata[j];
            if (node->sets[i].type != DNS_TYPE_DS || rdata->length < 4)
                continue;
            unsigned tag = base_load_u16(rdata->data);
            text = tags++ == 0 ? TEXT(maker, "DS %u", tag) : TEXT(maker, "%s, %u", text, tag);
        }
    }
    return tags == 0 ? "DS" : text;
}

/* --- nodes --- */

static size_t find_zone(const struct maker *maker, const uint8_t *zone)
{
    for (size_t i = 0; zone != NULL && i < maker->model->count; i++) {
        const struct show_block *block = &maker->model->blocks[i];
        if (!block->data && block->zone != NULL && dns_name_equal(block->zone, zone))
            return i;
    }
    return SHOW_NO_BLOCK;
}

/* The block of the node above; SHOW_NO_BLOCK: there is none. */
static size_t block_above(const struct maker *maker, const struct validate_node *node, size_t index)
{
    return node->parent < index ? maker->block_of[node->parent] : SHOW_NO_BLOCK;
}

static size_t place_anchor(struct maker *maker, const struct validate_node *node)
{
    size_t block = add_block(maker, name_text(maker, node->name), node->name, SHOW_NO_BLOCK);
    maker->model->blocks[block].status = node->status;
    bool negative = node->kind == VALIDATE_NODE_NEGATIVE;
    if (negative)
        add_row(maker, block, SHOW_ROW_FACT, SHOW_DOUBT, "anchor",
                "negative: security was told to end here");
    for (size_t i = 0; !negative && i < node->set_count; i++) {
        if (node->sets[i].type == DNS_TYPE_DS || node->key_count == 0)
            add_records(maker, block, "anchor", &node->sets[i]);
    }
    bool by_key = node->set_count == 0 || node->sets[0].type != DNS_TYPE_DS;
    for (size_t i = 0; by_key && i < node->key_count; i++)
        add_key(maker, block, &node->keys[i], true, false);
    add_note(maker, block, node);
    return block;
}

static size_t place_keys(struct maker *maker, const struct validate_node *node, size_t above)
{
    size_t block = above;
    if (block == SHOW_NO_BLOCK || maker->model->blocks[block].zone == NULL ||
        !dns_name_equal(maker->model->blocks[block].zone, node->name))
        block = add_block(maker, name_text(maker, node->name), node->name, above);
    maker->model->blocks[block].status = node->status;
    for (size_t i = 0; i < node->key_count; i++)
        add_key(maker, block, &node->keys[i], false, node->status == VALIDATE_BOGUS);
    if (node->key_count == 0)
        add_row(maker, block, SHOW_ROW_FACT, show_tone_of_status(node->status), "key", "none");
    add_signatures(maker, block, node);
    add_note(maker, block, node);
    return block;
}

static size_t place_delegation(struct maker *maker, const struct validate_node *node, size_t above)
{
    size_t block = add_block(maker, name_text(maker, node->name), node->name, above);
    struct show_block *made = &maker->model->blocks[block];
    bool none = node->kind == VALIDATE_NODE_NO_DS;
    made->link = none ? "no DS" : link_text(maker, node);
    made->link_tone = show_tone_of_status(node->status);
    made->status = node->status;
    if (none && node->status == VALIDATE_SECURE) {
        made->status = VALIDATE_INSECURE;
        made->link_tone = SHOW_DOUBT;
    }
    if (none)
        add_row(maker, block, SHOW_ROW_FACT, made->link_tone, "DS",
                node->status == VALIDATE_BOGUS ? "none came, and no proof that there is none"
                                               : "none: security ends here");
    for (size_t i = 0; i < node->set_count; i++)
        add_records(maker, block,
                    none ? (node->sets[i].type == DNS_TYPE_NSEC3 ? "NSEC3" : "NSEC") : "DS",
                    &node->sets[i]);
    add_signatures(maker, block, node);
    add_note(maker, block, node);
    return block;
}

static const char *data_title(struct maker *maker, const struct validate_node *node)
{
    char type[DNS_TYPE_TEXT];
    const char *name = name_text(maker, node->name);
    if (node->kind == VALIDATE_NODE_DENIAL && node->type == 0)
        return TEXT(maker, "%s: denied", name);
    dns_type_text(type, node->type);
    if (node->kind == VALIDATE_NODE_DENIAL)
        return TEXT(maker, "%s %s: denied", name, type);
    if (node->wildcard != NULL)
        return TEXT(maker, "%s %s, from %s", name, type, name_text(maker, node->wildcard));
    return TEXT(maker, "%s %s", name, type);
}

/* All that was found in a zone is one block below it. */
static size_t data_block(struct maker *maker, const struct validate_node *node, size_t zone)
{
    struct show_model *model = maker->model;
    size_t last = zone == SHOW_NO_BLOCK ? SHOW_NO_BLOCK : model->blocks[zone].first_child;
    for (; last != SHOW_NO_BLOCK; last = model->blocks[last].next) {
        if (model->blocks[last].data)
            return last;
    }
    const char *where =
        zone == SHOW_NO_BLOCK ? name_text(maker, node->zone) : model->blocks[zone].title;
    size_t block = add_block(
        maker,
        node->zone == NULL && zone == SHOW_NO_BLOCK ? "found" : TEXT(maker, "found in %s", where),
        node->zone, zone);
    model->blocks[block].data = true;
    return block;
}

static void place_data(struct maker *maker, const struct validate_node *node, size_t zone)
{
    size_t block = data_block(maker, node, zone);
    struct show_block *made = &maker->model->blocks[block];
    if (made->row_count == 0 || node->status > made->status)
        made->status = node->status;
    made->link = made->status == VALIDATE_SECURE  ? "signed"
                 : made->status == VALIDATE_BOGUS ? "not proved"
                                                  : "not signed";
    made->link_tone = show_tone_of_status(made->status);
    if (zone != SHOW_NO_BLOCK && made->zone == NULL)
        made->zone = maker->model->blocks[zone].zone;
    add_row(maker, block, SHOW_ROW_HEAD, show_tone_of_status(node->status), "",
            data_title(maker, node));
    for (size_t i = 0; i < node->set_count; i++) {
        char type[DNS_TYPE_TEXT];
        const char *label = TEXT(maker, "%s", dns_type_text(type, node->sets[i].type));
        add_records(maker, block, label, &node->sets[i]);
    }
    add_signatures(maker, block, node);
    add_note(maker, block, node);
}

static size_t place_node(struct maker *maker, const struct validate_node *node, size_t index)
{
    size_t above = block_above(maker, node, index);
    switch (node->kind) {
    case VALIDATE_NODE_ANCHOR:
    case VALIDATE_NODE_NEGATIVE:
        return place_anchor(maker, node);
    case VALIDATE_NODE_KEYS:
        return place_keys(maker, node, above);
    case VALIDATE_NODE_DS:
    case VALIDATE_NODE_NO_DS:
        return place_delegation(maker, node, above);
    default:
        if (above == SHOW_NO_BLOCK)
            above = find_zone(maker, node->zone);
        place_data(maker, node, above);
        return above;
    }
}

int show_model_make(const struct validate_result *result, struct show_model *model)
{
    struct maker maker = {.result = result, .model = model};
    memset(model, 0, sizeof(*model));
    base_arena_init(&model->arena, 0);
    /* A node makes two blocks at most: a zone's, and that of data. */
    size_t most = 2 * result->node_count + 1;
    model->blocks = base_arena_alloc(&model->arena, most * sizeof(*model->blocks));
    maker.block_of = base_arena_alloc(&model->arena, most * sizeof(*maker.block_of));
    model->order =
        base_arena_alloc(&model->arena, (result->finding_count + 1) * sizeof(*model->order));
    if (model->blocks == NULL || maker.block_of == NULL || model->order == NULL) {
        show_model_free(model);
        return BASE_ENOMEM;
    }
    show_finding_order(result, model->order);
    for (size_t i = 0; i < result->node_count; i++)
        maker.block_of[i] = place_node(&maker, &result->nodes[i], i);
    if (!maker.failed)
        return BASE_OK;
    show_model_free(model);
    return BASE_ENOMEM;
}

void show_model_free(struct show_model *model)
{
    base_arena_free(&model->arena);
    model->blocks = NULL;
    model->count = 0;
}
