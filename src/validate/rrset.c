/* RRsets and their signatures: RFC 4035 section 5.3, RFC 6840 section 5. */
#include "validate/rrset_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

#define SIGNED_OCTETS ((size_t)4 * 1024 * 1024)

void validate_work_spend(struct validate_work *work, const char *budget, unsigned limit,
                         const uint8_t *name, uint16_t type)
{
    if (work->spent != NULL)
        return;
    work->spent = budget;
    work->spent_limit = limit;
    if (name != NULL)
        work->spent_at = base_arena_dup(work->arena, name, dns_name_length(name));
    work->spent_type = type;
}

bool validate_algorithm_supported(const struct validate_work *work, unsigned algorithm)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    return info != NULL && (info->validate || (work->legacy && info->legacy));
}

/*
 * The canonical form of an RRset's data: made once, used for each signature.
 */
int validate_item_compare(const void *a, const void *b)
{
    const struct validate_item *x = a, *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = shorter == 0 ? 0 : memcmp(x->data, y->data, shorter);
    return order != 0 ? order : (int)x->length - (int)y->length;
}

int validate_group_items(const struct validate_group *group, struct base_arena *arena,
                         struct validate_item **out, size_t *count)
{
    struct validate_item *items = base_arena_alloc(arena, group->count * sizeof(*items));
    if (items == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < group->count; i++) {
        const struct dns_record *record = group->records[i];
        uint8_t *data = base_arena_alloc(arena, record->length);
        if (data == NULL)
            return BASE_ENOMEM;
        if (record->length > 0)
            dns_rdata_canonical(record->type, record->rdata, record->length, data);
        items[i] = (struct validate_item){.data = data, .length = record->length, .record = record};
    }
    qsort(items, group->count, sizeof(*items), validate_item_compare);
    size_t kept = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (kept == 0 || validate_item_compare(&items[kept - 1], &items[i]) != 0)
            items[kept++] = items[i];
    }
    *out = items;
    *count = kept;
    return BASE_OK;
}

int validate_group_records(const struct validate_group *group, uint32_t ttl,
                           struct base_arena *arena, struct validate_records *out)
{
    struct validate_item *items;
    size_t count;
    int error = validate_group_items(group, arena, &items, &count);
    if (error != BASE_OK)
        return error;
    struct validate_rdata *rdata = base_arena_alloc(arena, count * sizeof(*rdata));
    if (rdata == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++)
        rdata[i] = (struct validate_rdata){.data = items[i].record->rdata,
                                           .length = items[i].record->length};
    *out = (struct validate_records){
        .name = group->name, .type = group->type, .ttl = ttl, .rdata = rdata, .count = count};
    return BASE_OK;
}

/*
 * One check.
 */
struct check {
    struct validate_work *work;
    struct validate_group *group;
    const struct validate_zone_keys *keys;
    bool trusted_only;
    struct validate_item *items; /* NULL: not made yet */
    size_t item_count;
    unsigned tries;   /* of this RRset */
    bool over;        /* the budget of this RRset is spent */
    bool over_tag;    /* a key was left out because too many have its tag */
    bool over_number; /* there are more signatures than are looked at */
};

/* Time in RRSIG is modulo 2^32 (RFC 4034 section 3.1.5). */
static base_time unfold(base_time now, uint32_t field)
{
    return now + (int32_t)(field - (uint32_t)now);
}

static unsigned owner_labels(const uint8_t *name)
{
    return dns_name_labels(name) - (dns_name_is_wildcard(name) ? 1 : 0);
}

/* What the fields alone say; NOT_TRIED when they say nothing against it. */
static enum validate_signature_verdict judge_fields(const struct validate_work *work,
                                                    const struct validate_group *group,
                                                    const uint8_t *zone,
                                                    const struct validate_signature *signature)
{
    if (!dns_name_equal(signature->signer, zone) || !dns_name_within(group->name, zone))
        return VALIDATE_SIGNATURE_SIGNER;
    if (signature->labels > owner_labels(group->name) ||
        signature->labels < dns_name_labels(zone) || signature->inception > signature->expiration)
        return VALIDATE_SIGNATURE_MALFORMED;
    if (!validate_algorithm_supported(work, signature->algorithm))
        return VALIDATE_SIGNATURE_UNSUPPORTED;
    if (signature->expiration + (base_time)work->skew < work->now)
        return VALIDATE_SIGNATURE_EXPIRED;
    if (signature->inception - (base_time)work->skew > work->now)
        return VALIDATE_SIGNATURE_FUTURE;
    return VALIDATE_SIGNATURE_NOT_TRIED;
}

static void read_signature(const struct validate_work *work, const struct dns_record *record,
                           struct validate_signature *out)
{
    const uint8_t *rdata = record->rdata;
    *out = (struct validate_signature){.algorithm = rdata[2],
                                       .labels = rdata[3],
                                       .original_ttl = base_load_u32(rdata + 4),
                                       .expiration = unfold(work->now, base_load_u32(rdata + 8)),
                                       .inception = unfold(work->now, base_load_u32(rdata + 12)),
                                       .tag = base_load_u16(rdata + 16),
                                       .signer = rdata + VALIDATE_RRSIG_HEAD,
                                       .rdata = {rdata, record->length}};
}

int validate_rrset_look(struct validate_work *work, const struct validate_group *group,
                        const uint8_t *zone, const struct validate_signature **out, size_t *count)
{
    size_t number = group->signature_count;
    if (number > VALIDATE_SIGNATURES_SHOWN)
        number = VALIDATE_SIGNATURES_SHOWN;
    struct validate_signature *signatures =
        base_arena_alloc(work->arena, number * sizeof(*signatures));
    if (signatures == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < number; i++) {
        read_signature(work, group->signatures[i], &signatures[i]);
        signatures[i].verdict = judge_fields(work, group, zone, &signatures[i]);
    }
    *out = signatures;
    *count = number;
    return BASE_OK;
}

size_t validate_signed_owner(const uint8_t *name, unsigned labels, uint8_t out[DNS_NAME_MAX])
{
    unsigned own = owner_labels(name);
    if (labels >= own)
        return dns_name_lower(out, name);
    const uint8_t *encloser = dns_name_parent(name, dns_name_labels(name) - labels);
    out[0] = 1;
    out[1] = '*';
    return 2 + dns_name_lower(out + 2, encloser);
}

static int write_signed(const struct validate_signed *what, struct base_buf *data)
{
    uint8_t fixed[10];
    base_buf_reset(data);
    base_buf_append(data, what->head, VALIDATE_RRSIG_HEAD);
    base_buf_append(data, what->signer, dns_name_length(what->signer));
    base_store_u16(fixed, what->type);
    base_store_u16(fixed + 2, DNS_CLASS_IN);
    base_store_u32(fixed + 4, what->ttl);
    size_t owner = dns_name_length(what->owner);
    for (size_t i = 0; i < what->count; i++) {
        base_store_u16(fixed + 8, what->items[i].length);
        base_buf_append(data, what->owner, owner);
        base_buf_append(data, fixed, sizeof(fixed));
        base_buf_append(data, what->items[i].data, what->items[i].length);
    }
    return data->error;
}

int validate_signed_try(struct validate_work *work, struct validate_zone_key *key,
                        const struct validate_signed *what, const struct dns_record *record)
{
    if (key->verifier == NULL) {
        int error = crypto_verifier_new(key->rdata, key->length, work->legacy, &key->verifier);
        if (error == BASE_EFORMAT || error == BASE_EUNSUPPORTED) {
            key->fit = false;
            return BASE_EFORMAT;
        }
        if (error != BASE_OK)
            return error;
    }
    work->scratch.limit = SIGNED_OCTETS;
    int error = write_signed(what, &work->scratch);
    if (error == BASE_ESPACE)
        return BASE_EMISMATCH;
    if (error != BASE_OK)
        return error;
    const uint8_t *signature = record->rdata + VALIDATE_RRSIG_HEAD;
    signature += dns_name_length(signature);
    work->verifications++;
    error = crypto_verify(key->verifier, work->scratch.data, work->scratch.length, signature,
                          (size_t)(record->rdata + record->length - signature));
    if (error == BASE_OK)
        return BASE_OK;
    work->failed_verifications++;
    /* The library has more than one way to say no, and foreign octets may find any of them. */
    return error == BASE_ENOMEM ? error : BASE_EMISMATCH;
}

/* May there be one more try? */
static bool afford(struct check *check)
{
    struct validate_work *work = check->work;
    const struct validate_budgets *budgets = &work->budgets;
    if (check->tries >= budgets->rrset_verifications)
        check->over = true;
    if (work->verifications >= budgets->verifications)
        validate_work_spend(work, "verifications", budgets->verifications, check->group->name,
                            check->group->type);
    if (work->failed_verifications >= budgets->failed_verifications)
        validate_work_spend(work, "failed_verifications", budgets->failed_verifications,
                            check->group->name, check->group->type);
    return !check->over && work->spent == NULL;
}

/* As validate_signed_try, and BASE_ELIMIT. */
static int try_key(struct check *check, const struct dns_record *record,
                   struct validate_zone_key *key)
{
    if (!afford(check))
        return BASE_ELIMIT;
    if (check->items == NULL) {
        int error = validate_group_items(check->group, check->work->arena, &check->items,
                                         &check->item_count);
        if (error != BASE_OK)
            return error;
    }
    uint8_t owner[DNS_NAME_MAX], signer[DNS_NAME_MAX];
    validate_signed_owner(check->group->name, record->rdata[3], owner);
    dns_name_lower(signer, record->rdata + VALIDATE_RRSIG_HEAD);
    struct validate_signed what = {.head = record->rdata,
                                   .signer = signer,
                                   .owner = owner,
                                   .type = check->group->type,
                                   .ttl = base_load_u32(record->rdata + 4),
                                   .items = check->items,
                                   .count = check->item_count};
    unsigned before = check->work->verifications;
    int error = validate_signed_try(check->work, key, &what, record);
    check->tries += check->work->verifications - before;
    return error;
}

/* Tries the keys that fit a signature's algorithm and tag. */
static int try_signature(struct check *check, const struct dns_record *record,
                         struct validate_signature *signature)
{
    unsigned tried = 0;
    enum validate_signature_verdict verdict = VALIDATE_SIGNATURE_NO_KEY;
    for (size_t i = 0; i < check->keys->count; i++) {
        struct validate_zone_key *key = &check->keys->keys[i];
        if (key->tag != signature->tag || key->algorithm != signature->algorithm)
            continue;
        if (check->trusted_only && !key->trusted) {
            if (verdict == VALIDATE_SIGNATURE_NO_KEY)
                verdict = VALIDATE_SIGNATURE_NOT_TRIED;
            continue;
        }
        int error = BASE_EFORMAT;
        if (key->fit) {
            if (tried == check->work->budgets.tag_keys) {
                check->over_tag = true;
                verdict = VALIDATE_SIGNATURE_BUDGET;
                break;
            }
            tried++;
            error = try_key(check, record, key);
        }
        if (error == BASE_OK) {
            key->signs = key->signs || check->trusted_only;
            signature->verdict = VALIDATE_SIGNATURE_GOOD;
            return BASE_OK;
        }
        if (error == BASE_ELIMIT) {
            verdict = VALIDATE_SIGNATURE_BUDGET;
            break;
        }
        if (error == BASE_EMISMATCH)
            verdict = VALIDATE_SIGNATURE_MISMATCH;
        else if (error != BASE_EFORMAT)
            return error;
        else if (verdict != VALIDATE_SIGNATURE_MISMATCH)
            verdict = VALIDATE_SIGNATURE_KEY_UNFIT;
    }
    signature->verdict = verdict;
    return BASE_OK;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What a good signature says of the RRset. */
static int settle(struct check *check, struct validate_checked *checked,
                  const struct validate_signature *signature)
{
    const struct validate_work *work = check->work;
    const struct validate_group *group = check->group;
    base_time left = signature->expiration - work->now;
    checked->good = true;
    checked->labels = signature->labels;
    checked->expiry = signature->expiration;
    checked->ttl = smaller(group->ttl, signature->original_ttl);
    if (left < (base_time)checked->ttl)
        checked->ttl = left > 0 ? (uint32_t)left : 0;
    checked->skewed = left < 0 || signature->inception > work->now;
    if (signature->labels >= owner_labels(group->name))
        return BASE_OK;
    uint8_t owner[DNS_NAME_MAX];
    size_t length = validate_signed_owner(group->name, signature->labels, owner);
    checked->wildcard = base_arena_dup(work->arena, owner, length);
    return checked->wildcard == NULL ? BASE_ENOMEM : BASE_OK;
}

static int try_all(struct check *check, struct validate_checked *checked,
                   struct validate_signature *signatures)
{
    for (size_t i = 0; i < checked->signature_count; i++) {
        struct validate_signature *signature = &signatures[i];
        if (signature->verdict != VALIDATE_SIGNATURE_NOT_TRIED)
            continue;
        int error = try_signature(check, check->group->signatures[i], signature);
        if (error != BASE_OK)
            return error;
        if (signature->verdict == VALIDATE_SIGNATURE_GOOD) {
            checked->best = i;
            return settle(check, checked, signature);
        }
        if (check->over || check->work->spent != NULL)
            break;
    }
    return BASE_OK;
}

/* A budget that kept a good signature from being found is spent for the whole look-up. */
static void spend_own(struct check *check)
{
    const struct validate_budgets *budgets = &check->work->budgets;
    const struct validate_group *group = check->group;
    if (check->over)
        validate_work_spend(check->work, "rrset_verifications", budgets->rrset_verifications,
                            group->name, group->type);
    else if (check->over_tag)
        validate_work_spend(check->work, "tag_keys", budgets->tag_keys, group->name, group->type);
    else if (check->over_number)
        validate_work_spend(check->work, "rrset_verifications", VALIDATE_SIGNATURES_SHOWN,
                            group->name, group->type);
}

int validate_rrset_check(struct validate_work *work, struct validate_group *group,
                         const struct validate_zone_keys *keys, bool trusted_only,
                         const struct validate_checked **out)
{
    for (const struct validate_checked *known = group->checked; known != NULL;
         known = known->next) {
        if (dns_name_equal(known->zone, keys->zone)) {
            *out = known;
            return BASE_OK;
        }
    }
    struct check check = {.work = work, .group = group, .keys = keys, .trusted_only = trusted_only};
    check.over_number = group->signature_count > VALIDATE_SIGNATURES_SHOWN;
    struct validate_checked *checked = base_arena_zalloc(work->arena, sizeof(*checked));
    if (checked == NULL)
        return BASE_ENOMEM;
    const struct validate_signature *signatures;
    int error =
        validate_rrset_look(work, group, keys->zone, &signatures, &checked->signature_count);
    if (error != BASE_OK)
        return error;
    checked->zone = base_arena_dup(work->arena, keys->zone, dns_name_length(keys->zone));
    if (checked->zone == NULL)
        return BASE_ENOMEM;
    checked->signatures = signatures;
    if (group->count > 0)
        error = try_all(&check, checked, (struct validate_signature *)(uintptr_t)signatures);
    if (error != BASE_OK)
        return error;
    if (!checked->good)
        spend_own(&check);
    checked->next = group->checked;
    group->checked = checked;
    *out = checked;
    return BASE_OK;
}
