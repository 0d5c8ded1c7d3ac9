/*
 * Why a signature does not verify. What may have been signed in place of what came is guessed and
 * tried: where the signature verifies over the guess, the difference is the cause. The tries are
 * failed verifications like others and end with their budget; they are made once, when the look-up
 * is judged, and change no verdict.
 */
#include "validate/lookup_parts.h"
#include "validate/rrset_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

#define LEFT_OUT    8 /* records, of each of which it is tried whether it is one too many */
#define OTHER_KEYS  3
#define OTHER_NAMES 2
#define OTHER_SETS  2
#define OTHER_TIMES 3
#define RDATA_SHOWN 120
#define RDATA_TEXT  ((size_t)1024 * 1024)

struct search {
    struct validate_lookup *lookup;
    const struct lookup_mismatch *mismatch;
    const struct validate_group *group;
    const uint8_t *rdata; /* of the RRSIG */
    struct validate_zone_keys *keys;
    struct validate_item *items;
    size_t count;
    uint8_t head[VALIDATE_RRSIG_HEAD], owner[DNS_NAME_MAX], signer[DNS_NAME_MAX];
    struct validate_signed is; /* as the records say; points to the above */
    bool by_signer;            /* the cause is how it was signed, not what happened later */
};

static unsigned field_labels(const struct search *search)
{
    return search->rdata[3];
}

static uint32_t field_ttl(const struct search *search)
{
    return base_load_u32(search->rdata + 4);
}

static bool verifies(struct search *search, struct validate_zone_key *key,
                     const struct validate_signed *what)
{
    struct validate_lookup *lookup = search->lookup;
    struct validate_work *work = &lookup->work;
    if (!key->fit || lookup->error != BASE_OK ||
        work->verifications >= work->budgets.verifications ||
        work->failed_verifications >= work->budgets.failed_verifications)
        return false;
    int error = validate_signed_try(work, key, what, search->mismatch->record);
    if (error == BASE_ENOMEM)
        lookup->error = error;
    return error == BASE_OK;
}

static bool is_named(const struct search *search, const struct validate_zone_key *key)
{
    return key->tag == search->mismatch->signature->tag &&
           key->algorithm == search->mismatch->signature->algorithm;
}

/* With the keys that the signature names. */
static bool explains(struct search *search, const struct validate_signed *what)
{
    for (size_t i = 0; i < search->keys->count; i++) {
        if (is_named(search, &search->keys->keys[i]) &&
            verifies(search, &search->keys->keys[i], what))
            return true;
    }
    return false;
}

static const char *rdata_text(struct search *search, const struct dns_record *record)
{
    struct base_buf text;
    base_buf_init(&text, RDATA_TEXT);
    dns_rdata_to_text(&text, record->type, record->rdata, record->length, DNS_TEXT_PLAIN);
    const char *string = base_buf_string(&text);
    const char *kept =
        lookup_format(search->lookup, "%.*s%s", RDATA_SHOWN, string == NULL ? "" : string,
                      text.length > RDATA_SHOWN ? "..." : "");
    base_buf_free(&text);
    return kept;
}

/*
 * The records in other forms and orders. NULL: no memory.
 */
static struct validate_item *new_items(struct search *search, size_t count)
{
    return lookup_alloc(search->lookup, &search->lookup->pass.arena,
                        count * sizeof(*search->items));
}

/* As they came. `twice`: duplicates are kept. */
static struct validate_item *received(struct search *search, bool twice, size_t *count)
{
    struct validate_item *items = new_items(search, search->group->count);
    *count = 0;
    for (size_t i = 0; items != NULL && i < search->group->count; i++) {
        struct validate_group alone = *search->group;
        struct validate_item *item;
        size_t one;
        alone.records += i;
        alone.count = 1;
        if (!lookup_ok(search->lookup,
                       validate_group_items(&alone, &search->lookup->pass.arena, &item, &one)))
            return NULL;
        bool before = false;
        for (size_t k = 0; k < *count; k++)
            before = before || validate_item_compare(item, &items[k]) == 0;
        if (twice || !before)
            items[(*count)++] = *item;
    }
    return items;
}

static bool same_order(const struct validate_item *a, const struct validate_item *b, size_t count)
{
    size_t same = 0;
    while (same < count && validate_item_compare(&a[same], &b[same]) == 0)
        same++;
    return same == count;
}

static int compare_short_first(const void *a, const void *b)
{
    const struct validate_item *x = a, *y = b;
    return x->length != y->length ? (int)x->length - (int)y->length : validate_item_compare(a, b);
}

static bool try_items(struct search *search, const struct validate_item *items, size_t count)
{
    struct validate_signed what = search->is;
    what.items = items;
    what.count = count;
    return items != NULL && explains(search, &what);
}

/*
 * Guesses. Each gives what it found, or NULL.
 */
static const char *wrong_length(struct search *search)
{
    const struct crypto_algorithm_info *info =
        crypto_algorithm(search->mismatch->signature->algorithm);
    size_t length = search->mismatch->record->length - VALIDATE_RRSIG_HEAD -
                    dns_name_length(search->rdata + VALIDATE_RRSIG_HEAD);
    if (info == NULL || info->signature_size == 0 || info->signature_size == length)
        return NULL;
    return lookup_format(search->lookup,
                         "it has %zu octets, and signatures of algorithm %u have %u", length,
                         info->number, info->signature_size);
}

/* Names are signed in lower case (RFC 4034 section 6.2). */
static const char *letters(struct search *search)
{
    struct validate_item *items = new_items(search, search->count);
    bool rdata = false, owner = !dns_name_is_lower(search->group->name),
         signer = !dns_name_is_lower(search->rdata + VALIDATE_RRSIG_HEAD);
    for (size_t i = 0; items != NULL && i < search->count; i++) {
        const struct validate_item *item = &search->items[i];
        rdata = rdata || memcmp(item->data, item->record->rdata, item->length) != 0;
        items[i] = *item;
        items[i].data = item->record->rdata;
    }
    if (items == NULL || !(rdata || owner || signer))
        return NULL;
    qsort(items, search->count, sizeof(*items), validate_item_compare);
    for (unsigned which = 7; which > 0; which--) {
        bool useless =
            ((which & 4) && !rdata) || ((which & 2) && !owner) || ((which & 1) && !signer);
        if (useless)
            continue;
        struct validate_signed what = search->is;
        if (which & 4)
            what.items = items;
        if (which & 2)
            what.owner = search->group->name;
        if (which & 1)
            what.signer = search->rdata + VALIDATE_RRSIG_HEAD;
        if (!explains(search, &what))
            continue;
        search->by_signer = true;
        return lookup_format(search->lookup,
                             "it was made over names with capital letters, which must be signed in "
                             "lower case");
    }
    return NULL;
}

/* The signature says that the name comes from a wildcard. */
static const char *wildcard(struct search *search)
{
    const uint8_t *name = search->group->name;
    unsigned own = dns_name_labels(name) - (dns_name_is_wildcard(name) ? 1 : 0);
    if (field_labels(search) >= own)
        return NULL;
    struct validate_signed what = search->is;
    uint8_t owner[DNS_NAME_MAX], head[VALIDATE_RRSIG_HEAD];
    dns_name_lower(owner, name);
    what.owner = owner;
    if (explains(search, &what)) {
        search->by_signer = true;
        return lookup_format(search->lookup,
                             "it was made over the name %s, though by its labels field (%u) it is "
                             "over the wildcard %s",
                             lookup_text(search->lookup, name), field_labels(search),
                             lookup_text(search->lookup, search->owner));
    }
    memcpy(head, search->rdata, sizeof(head));
    head[3] = (uint8_t)own;
    what.head = head;
    if (!explains(search, &what))
        return NULL;
    return lookup_format(search->lookup, "its labels field was changed from %u to %u", own,
                         field_labels(search));
}

/* The name comes from a wildcard, and the signature does not say so. */
static const char *labels(struct search *search)
{
    const uint8_t *name = search->group->name;
    unsigned own = dns_name_labels(name) - (dns_name_is_wildcard(name) ? 1 : 0);
    unsigned least = dns_name_labels(search->mismatch->chain->name);
    if (field_labels(search) != own)
        return NULL;
    for (unsigned count = own; count-- > least && own - count <= 2;) {
        struct validate_signed what = search->is;
        uint8_t owner[DNS_NAME_MAX], head[VALIDATE_RRSIG_HEAD];
        validate_signed_owner(name, count, owner);
        what.owner = owner;
        memcpy(head, search->rdata, sizeof(head));
        for (unsigned kept = 0; kept < 2; kept++) {
            head[3] = (uint8_t)(kept == 1 ? own : count);
            what.head = head;
            if (!explains(search, &what))
                continue;
            search->by_signer = kept == 1;
            if (kept == 1)
                return lookup_format(
                    search->lookup,
                    "it was made over the wildcard %s, though its labels field says "
                    "%u in place of %u",
                    lookup_text(search->lookup, owner), own, count);
            return lookup_format(search->lookup,
                                 "it was made over the wildcard %s: its labels field was changed "
                                 "from %u to %u",
                                 lookup_text(search->lookup, owner), count, own);
        }
    }
    return NULL;
}

static const char *duplicates(struct search *search)
{
    if (search->group->count == search->count)
        return NULL;
    size_t count;
    struct validate_item *items = received(search, true, &count);
    bool found = try_items(search, items, count);
    if (!found && items != NULL) {
        qsort(items, count, sizeof(*items), validate_item_compare);
        found = try_items(search, items, count);
    }
    if (!found)
        return NULL;
    search->by_signer = true;
    return lookup_format(search->lookup,
                         "it was made over a set that has a record twice, which must count once");
}

static const char *one_too_many(struct search *search)
{
    if (search->count < 2 || search->count > LEFT_OUT)
        return NULL;
    struct validate_item *items = new_items(search, search->count);
    for (size_t left_out = 0; items != NULL && left_out < search->count; left_out++) {
        size_t kept = 0;
        for (size_t i = 0; i < search->count; i++) {
            if (i != left_out)
                items[kept++] = search->items[i];
        }
        if (try_items(search, items, kept))
            return lookup_format(search->lookup,
                                 "the record %s was added to the set after it was signed",
                                 rdata_text(search, search->items[left_out].record));
    }
    return NULL;
}

/* The same set came in another answer, too. */
static const char *other_copy(struct search *search)
{
    unsigned tried = 0;
    for (const struct lookup_packet *packet = search->lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++) {
            const struct validate_group *other = &packet->message.groups[i];
            struct validate_item *items;
            size_t count;
            if (other == search->group || other->count == 0 || other->type != search->group->type ||
                !dns_name_equal(other->name, search->group->name) || tried++ == OTHER_SETS ||
                !lookup_ok(search->lookup, validate_group_items(other, &search->lookup->pass.arena,
                                                                &items, &count)))
                continue;
            if (!try_items(search, items, count))
                continue;
            for (size_t k = 0; k < count; k++) {
                if (bsearch(&items[k], search->items, search->count, sizeof(*items),
                            validate_item_compare) == NULL)
                    return lookup_format(
                        search->lookup,
                        "the record %s, which was signed and came in another answer, is "
                        "missing",
                        rdata_text(search, items[k].record));
            }
            return lookup_format(
                search->lookup,
                "records were added to the set that was signed, which came whole in "
                "another answer");
        }
    }
    return NULL;
}

static const char *order(struct search *search)
{
    size_t count;
    struct validate_item *items = search->count < 2 ? NULL : received(search, false, &count);
    for (unsigned which = 0; items != NULL && which < 3; which++) {
        for (size_t i = 0; which == 1 && i < count / 2; i++) {
            struct validate_item last = items[count - 1 - i];
            items[count - 1 - i] = items[i];
            items[i] = last;
        }
        if (which == 2)
            qsort(items, count, sizeof(*items), compare_short_first);
        if (same_order(items, search->items, count) || !try_items(search, items, count))
            continue;
        search->by_signer = true;
        return lookup_format(
            search->lookup, "it was made over the records in another order than the canonical one");
    }
    return NULL;
}

static bool try_ttl(struct search *search, uint32_t ttl, bool in_field)
{
    uint8_t head[VALIDATE_RRSIG_HEAD];
    memcpy(head, search->rdata, sizeof(head));
    if (in_field)
        base_store_u32(head + 4, ttl);
    struct validate_signed what = search->is;
    what.head = head;
    what.ttl = ttl;
    return ttl != field_ttl(search) && explains(search, &what);
}

static const char *ttl_changed(struct search *search, uint32_t ttl)
{
    return lookup_format(search->lookup, "its original TTL was changed from %u to %u s", ttl,
                         field_ttl(search));
}

static const char *original_ttl(struct search *search)
{
    uint32_t ttl = search->group->ttl, own = search->mismatch->record->ttl;
    if (try_ttl(search, ttl, true))
        return ttl_changed(search, ttl);
    if (own != ttl && try_ttl(search, own, true))
        return ttl_changed(search, own);
    if (!try_ttl(search, ttl, false))
        return NULL;
    search->by_signer = true;
    return lookup_format(
        search->lookup,
        "the records were signed with a TTL of %u s, but its original TTL says %u s", ttl,
        field_ttl(search));
}

/* When the TTL that came was counted down or changed as well. */
static const char *usual_ttl(struct search *search)
{
    static const uint32_t usual[] = {3600, 300, 86400, 60, 900, 1800, 7200, 14400, 43200, 172800};
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (usual[i] != search->group->ttl && try_ttl(search, usual[i], true))
            return ttl_changed(search, usual[i]);
    }
    return NULL;
}

/* Zones are signed in one go, so that other signatures show what the times were. */
static const char *times(struct search *search)
{
    uint8_t tried[OTHER_TIMES][8];
    size_t count = 0;
    struct validate_signed what = search->is;
    uint8_t head[VALIDATE_RRSIG_HEAD];
    memcpy(head, search->rdata, sizeof(head));
    what.head = head;
    for (const struct lookup_packet *packet = search->lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++) {
            const struct validate_group *other = &packet->message.groups[i];
            const uint8_t *rdata =
                other->signature_count == 0 ? search->rdata : other->signatures[0]->rdata;
            bool known = memcmp(rdata + 8, search->rdata + 8, 8) == 0;
            for (size_t k = 0; k < count; k++)
                known = known || memcmp(rdata + 8, tried[k], 8) == 0;
            if (known || count == OTHER_TIMES ||
                !dns_name_equal(rdata + VALIDATE_RRSIG_HEAD, search->rdata + VALIDATE_RRSIG_HEAD))
                continue;
            memcpy(tried[count++], rdata + 8, 8);
            memcpy(head + 8, rdata + 8, 8);
            if (explains(search, &what))
                return lookup_format(search->lookup,
                                     "its inception or expiration was changed: as it was made they "
                                     "are the same as of other signatures of the zone");
        }
    }
    return NULL;
}

static const char *other_key(struct search *search)
{
    unsigned tried = 0;
    struct validate_signed what = search->is;
    uint8_t head[VALIDATE_RRSIG_HEAD];
    memcpy(head, search->rdata, sizeof(head));
    what.head = head;
    for (size_t i = 0; i < search->keys->count && tried < OTHER_KEYS; i++) {
        struct validate_zone_key *key = &search->keys->keys[i];
        if (is_named(search, key) || key->algorithm != search->mismatch->signature->algorithm)
            continue;
        tried++;
        for (unsigned kept = 0; kept < 2; kept++) {
            base_store_u16(head + 16, kept == 1 ? search->mismatch->signature->tag : key->tag);
            if (!verifies(search, key, &what))
                continue;
            search->by_signer = kept == 1;
            return lookup_format(
                search->lookup, "it was made by the key with tag %u, and %s", key->tag,
                kept == 1 ? "the signer wrote the wrong tag" : "its tag was changed");
        }
    }
    return NULL;
}

/* It may be of another name of the answer. */
static const char *other_owner(struct search *search)
{
    const struct validate_group *tried[OTHER_NAMES];
    size_t count = 0;
    for (const struct lookup_packet *packet = search->lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++) {
            const struct validate_group *other = &packet->message.groups[i];
            bool known = dns_name_equal(other->name, search->group->name) || other->count == 0 ||
                         dns_name_labels(other->name) < field_labels(search);
            for (size_t k = 0; k < count; k++)
                known = known || dns_name_equal(other->name, tried[k]->name);
            if (known || count == OTHER_NAMES)
                continue;
            tried[count++] = other;
            uint8_t owner[DNS_NAME_MAX];
            validate_signed_owner(other->name, field_labels(search), owner);
            struct validate_signed what = search->is;
            what.owner = owner;
            size_t items;
            struct validate_item *own = NULL;
            bool found = explains(search, &what);
            if (!found && other->type == search->group->type &&
                lookup_ok(search->lookup,
                          validate_group_items(other, &search->lookup->pass.arena, &own, &items))) {
                what.items = own;
                what.count = items;
                found = explains(search, &what);
            }
            if (found)
                return lookup_format(search->lookup, "it was made over %s %s",
                                     lookup_text(search->lookup, other->name),
                                     own == NULL ? "with the same data" : "and its data");
        }
    }
    return NULL;
}

/* Does a signature over another set show that the key is the right one (1), or that it is not (-1)?
 */
static int judges_key(struct search *search, const struct validate_group *other)
{
    for (const struct validate_checked *checked = other->checked; checked != NULL;
         checked = checked->next) {
        for (size_t i = 0; i < checked->signature_count; i++) {
            const struct validate_signature *signature = &checked->signatures[i];
            if (signature->tag != search->mismatch->signature->tag ||
                signature->algorithm != search->mismatch->signature->algorithm ||
                !dns_name_equal(signature->signer, search->mismatch->signature->signer))
                continue;
            if (signature->verdict == VALIDATE_SIGNATURE_GOOD)
                return 1;
            if (signature->verdict == VALIDATE_SIGNATURE_MISMATCH)
                return -1;
        }
    }
    return 0;
}

static const char *wrong_key(struct search *search)
{
    unsigned bad = 0;
    for (const struct lookup_packet *packet = search->lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++) {
            const struct validate_group *other = &packet->message.groups[i];
            int sign = other == search->group ? 0 : judges_key(search, other);
            if (sign > 0)
                return NULL;
            bad += sign < 0 ? 1 : 0;
        }
    }
    if (bad == 0)
        return NULL;
    return lookup_format(search->lookup,
                         "no signature by that key does; it seems that another key with the same "
                         "tag signs, which %s does not publish",
                         lookup_text(search->lookup, search->mismatch->chain->name));
}

static const char *same_tag(struct search *search)
{
    unsigned named = 0;
    for (size_t i = 0; i < search->keys->count; i++)
        named += is_named(search, &search->keys->keys[i]) ? 1 : 0;
    if (named < 2)
        return NULL;
    return lookup_format(search->lookup,
                         "none of the %u keys with that tag made it, or data or signature were "
                         "altered",
                         named);
}

/* Those with evidence at hand first, then from the likely to the rare. */
static const char *(*const guesses[])(struct search *) = {
    wrong_length, letters,   wildcard, duplicates,  one_too_many, other_copy, original_ttl, order,
    times,        other_key, labels,   other_owner, wrong_key,    usual_ttl,  same_tag,
};

static void find_cause(struct validate_lookup *lookup, struct lookup_finding *finding)
{
    const struct lookup_mismatch *mismatch = finding->mismatch;
    struct search search = {.lookup = lookup,
                            .mismatch = mismatch,
                            .group = mismatch->group,
                            .rdata = mismatch->record->rdata,
                            .keys = &mismatch->chain->keys};
    if (!lookup_ok(lookup, validate_group_items(mismatch->group, &lookup->pass.arena, &search.items,
                                                &search.count)))
        return;
    memcpy(search.head, search.rdata, sizeof(search.head));
    validate_signed_owner(mismatch->group->name, search.rdata[3], search.owner);
    dns_name_lower(search.signer, search.rdata + VALIDATE_RRSIG_HEAD);
    search.is = (struct validate_signed){.head = search.head,
                                         .signer = search.signer,
                                         .owner = search.owner,
                                         .type = mismatch->group->type,
                                         .ttl = field_ttl(&search),
                                         .items = search.items,
                                         .count = search.count};
    const char *why = NULL;
    for (size_t i = 0; why == NULL && i < sizeof(guesses) / sizeof(guesses[0]); i++)
        why = guesses[i](&search);
    if (why != NULL)
        lookup_tell_mismatch(lookup, finding, why, search.by_signer);
}

void lookup_find_causes(struct validate_lookup *lookup)
{
    for (size_t i = 0; i < lookup->pass.finding_count && lookup->error == BASE_OK; i++) {
        if (lookup->pass.findings[i].mismatch != NULL)
            find_cause(lookup, &lookup->pass.findings[i]);
    }
}
