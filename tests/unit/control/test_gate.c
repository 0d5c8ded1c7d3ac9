/*
 * The gate for changes against the gate for whole zones: random zones, random edits, and random
 * damage to the change. What the one says of the change, the other must say of the whole zone that
 * the change leads to. KENTER_GATE_ROUNDS sets how many rounds, for a longer look.
 */
#include "../sign/zones.h"

#include "validate/delta.h"
#include "zone/diff.h"

#define RECORDS_MAX 600

/* A record of a fragment that is being put together. */
struct item {
    uint8_t owner[DNS_NAME_MAX];
    uint8_t rdata[1024];
    uint32_t ttl;
    uint16_t type, length;
};

struct fragment {
    struct item items[RECORDS_MAX];
    size_t count;
};

static void append(struct fragment *fragment, const uint8_t *owner, uint16_t type, uint32_t ttl,
                   const uint8_t *rdata, size_t length)
{
    assert_true(fragment->count < RECORDS_MAX && length <= sizeof(fragment->items[0].rdata));
    struct item *item = &fragment->items[fragment->count++];
    memcpy(item->owner, owner, dns_name_length(owner));
    memcpy(item->rdata, rdata, length);
    item->ttl = ttl;
    item->type = type;
    item->length = (uint16_t)length;
}

static void append_node(struct fragment *fragment, const struct zone *zone,
                        const struct zone_node *node)
{
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        for (unsigned k = 0; k < rrset->count; k++) {
            const struct dns_rr *rr = zone->rrs[rrset->first_rr + k];
            append(fragment, node->name, rr->type, rr->ttl, rr->rdata, rr->length);
        }
    }
}

static struct zone *build(const struct fragment *fragment, const uint8_t *apex)
{
    struct zone_batch_writer writer;
    assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
    for (size_t i = 0; i < fragment->count; i++) {
        const struct item *item = &fragment->items[i];
        assert_int_equal(
            zone_batch_add(&writer, item->owner, item->type, item->ttl, item->rdata, item->length),
            BASE_OK);
    }
    struct dns_zonefile file = {.batches = writer.batch};
    memcpy(file.origin, apex, dns_name_length(apex));
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 10);
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    base_findings_free(&findings);
    return zone;
}

/*
 * The names that a change lists.
 */
struct names {
    const uint8_t *names[RECORDS_MAX];
    size_t count;
};

static bool listed(const struct names *names, const uint8_t *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (dns_name_equal(names->names[i], name))
            return true;
    }
    return false;
}

static void list(struct names *names, const uint8_t *name)
{
    if (!listed(names, name))
        names->names[names->count++] = name;
}

static int note_difference(void *context, enum zone_change change, const uint8_t *owner,
                           const struct dns_rr *rr)
{
    list(context, owner);
    return BASE_OK;
}

static unsigned occludes(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *node = zone_find(zone, name, NULL);
    return node == NULL ? 0 : node->flags & (ZONE_CUT | ZONE_DNAME | ZONE_BELOW | ZONE_UNDER_DNAME);
}

static void list_below(struct names *names, const struct zone *zone, const uint8_t *name)
{
    for (size_t i = 0; i < zone->node_count; i++) {
        if (dns_name_within(zone->nodes[i].name, name))
            list(names, zone->nodes[i].name);
    }
}

/* The names at which two versions differ, the apex, and all below where a cut or DNAME differs. */
static void list_differences(struct names *names, struct zone *from, struct zone *to)
{
    struct zone_diff_options options = {.ignore_dnssec = false};
    names->count = 0;
    list(names, from->apex);
    assert_int_equal(zone_diff(from, to, &options, note_difference, names), BASE_OK);
    size_t count = names->count;
    for (size_t i = 1; i < count; i++) {
        const uint8_t *name = names->names[i];
        if (occludes(from, name) != occludes(to, name)) {
            list_below(names, from, name);
            list_below(names, to, name);
        }
    }
}

static void take(struct fragment *fragment, const struct zone *zone, const struct names *names)
{
    fragment->count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct zone_node *node = zone_find(zone, names->names[i], NULL);
        if (node != NULL)
            append_node(fragment, zone, node);
    }
}

/* The zone that the change leads to. */
static struct zone *replace(const struct zone *from, const struct names *names,
                            const struct fragment *after)
{
    static struct fragment all;
    all.count = 0;
    for (size_t i = 0; i < from->node_count; i++) {
        if (!listed(names, from->nodes[i].name))
            append_node(&all, from, &from->nodes[i]);
    }
    for (size_t i = 0; i < after->count; i++) {
        const struct item *item = &after->items[i];
        append(&all, item->owner, item->type, item->ttl, item->rdata, item->length);
    }
    return build(&all, from->apex);
}

/*
 * Judging.
 */
enum verdict { GOOD, BAD, UNSUPPORTED };

static const struct validate_zone_options options = {.now = NOW, .threads = 1};

static enum verdict judge_whole(struct zone *zone, char *text)
{
    struct base_findings findings;
    struct validate_zone_result result;
    base_findings_init(&findings, 20);
    assert_int_equal(validate_zone(zone, &options, &findings, &result), BASE_OK);
    enum verdict verdict = base_findings_bad(&findings) ? BAD : GOOD;
    text[0] = '\0';
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].severity == BASE_ERROR)
            snprintf(text, 1000, "%s: %s",
                     findings.items[i].place.owner ? findings.items[i].place.owner : "",
                     findings.items[i].message);
    base_findings_free(&findings);
    return verdict;
}

/* *strict: only what the contract asks for beyond what the whole zone shows. */
static enum verdict judge_delta(struct zone *from, struct zone *before, struct zone *after,
                                bool *strict, char *text)
{
    struct zone_view view;
    struct zone_delta delta = {before, after};
    struct validate_delta_result result;
    struct base_findings findings;
    base_findings_init(&findings, 20);
    zone_view_of(from, &view);
    int error = validate_delta(&view, &delta, &options, &findings, &result);
    assert_true(error == BASE_OK || error == BASE_EUNSUPPORTED);
    enum verdict verdict = base_findings_bad(&findings) ? BAD : GOOD;
    if (verdict == GOOD && error == BASE_EUNSUPPORTED)
        verdict = UNSUPPORTED;
    *strict = findings.totals[BASE_ERROR] ==
              findings.by_code[VERIFY_DELTA_BELOW] + findings.by_code[VERIFY_DELTA_SERIAL];
    text[0] = '\0';
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].severity == BASE_ERROR)
            snprintf(text, 1000, "%s: %s",
                     findings.items[i].place.owner ? findings.items[i].place.owner : "",
                     findings.items[i].message);
    base_findings_free(&findings);
    return verdict;
}

/*
 * Signing anew what was damaged, so that nothing but the logic can find it.
 */
static bool covers(const struct item *item, const uint8_t *owner, uint16_t type)
{
    return item->type == DNS_TYPE_RRSIG && base_load_u16(item->rdata) == type &&
           dns_name_equal(item->owner, owner);
}

static void drop(struct fragment *fragment, size_t index)
{
    fragment->items[index] = fragment->items[--fragment->count];
}

static int by_canonical(const void *left, const void *right)
{
    const struct item *a = *(const struct item *const *)left;
    const struct item *b = *(const struct item *const *)right;
    uint8_t x[1024], y[1024];
    dns_rdata_canonical(a->type, a->rdata, a->length, x);
    dns_rdata_canonical(b->type, b->rdata, b->length, y);
    size_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(x, y, least);
    return order != 0 ? order : (int)a->length - (int)b->length;
}

static void sign_anew(struct fragment *fragment, const uint8_t *owner, uint16_t type,
                      const uint8_t *apex, const struct crypto_zone_key *key)
{
    const struct item *set[200];
    unsigned count = 0;
    uint8_t own[DNS_NAME_MAX];
    memcpy(own, owner, dns_name_length(owner)); /* `owner` may be an item that moves */
    for (size_t i = fragment->count; i-- > 0;) {
        if (covers(&fragment->items[i], own, type))
            drop(fragment, i);
    }
    uint32_t ttl = UINT32_MAX;
    for (size_t i = 0; i < fragment->count; i++) {
        const struct item *item = &fragment->items[i];
        if (item->type != type || !dns_name_equal(item->owner, own) || count == 200)
            continue;
        bool again = false;
        for (unsigned k = 0; k < count; k++)
            again |= by_canonical(&set[k], &item) == 0;
        ttl = item->ttl < ttl ? item->ttl : ttl;
        if (!again)
            set[count++] = item;
    }
    if (count == 0)
        return;
    qsort(set, count, sizeof(set[0]), by_canonical);
    struct base_buf data;
    base_buf_init(&data, 1 << 20);
    base_buf_u16(&data, type);
    uint8_t head[2] = {key->algorithm, (uint8_t)(dns_name_labels(own) - dns_name_is_wildcard(own))};
    base_buf_append(&data, head, 2);
    base_buf_u32(&data, ttl);
    base_buf_u32(&data, NOW + 86400 * 14);
    base_buf_u32(&data, NOW - 3600);
    base_buf_u16(&data, key->tag);
    base_buf_append(&data, apex, dns_name_length(apex));
    uint8_t rrsig[600];
    size_t rrsig_length = data.length;
    memcpy(rrsig, data.data, rrsig_length);
    uint8_t name[DNS_NAME_MAX];
    size_t name_length = dns_name_lower(name, own);
    for (unsigned i = 0; i < count; i++) {
        uint8_t canonical[1024];
        dns_rdata_canonical(type, set[i]->rdata, set[i]->length, canonical);
        base_buf_append(&data, name, name_length);
        base_buf_u16(&data, type);
        base_buf_u16(&data, 1);
        base_buf_u32(&data, ttl);
        base_buf_u16(&data, set[i]->length);
        base_buf_append(&data, canonical, set[i]->length);
    }
    struct crypto_signer *signer;
    size_t length;
    assert_int_equal(crypto_signer_new(key->key, &signer), BASE_OK);
    assert_int_equal(crypto_sign(signer, data.data, data.length, rrsig + rrsig_length, &length),
                     BASE_OK);
    crypto_signer_free(signer);
    append(fragment, own, DNS_TYPE_RRSIG, ttl, rrsig, rrsig_length + length);
    base_buf_free(&data);
}

/*
 * Damage.
 */
struct damage {
    struct fragment after;
    struct names names;
    struct zone *from;
    const struct crypto_zone_key *key;
    uint64_t seed;
    bool sign;
    unsigned kind;
};
#define KINDS 16

static struct item *any_item(struct damage *damage, uint16_t type)
{
    size_t start = next_random(&damage->seed) % damage->after.count;
    for (size_t i = 0; i < damage->after.count; i++) {
        struct item *item = &damage->after.items[(start + i) % damage->after.count];
        if (type == 0 ? item->type != DNS_TYPE_RRSIG : item->type == type)
            return item;
    }
    return NULL;
}

static struct item *any_denial(struct damage *damage)
{
    struct item *item = any_item(damage, DNS_TYPE_NSEC);
    return item != NULL ? item : any_item(damage, DNS_TYPE_NSEC3);
}

static void signed_anew(struct damage *damage, const uint8_t *owner, uint16_t type)
{
    if (damage->sign)
        sign_anew(&damage->after, owner, type, damage->from->apex, damage->key);
}

static void drop_record(struct damage *damage, struct item *item)
{
    uint8_t owner[DNS_NAME_MAX];
    uint16_t type = item->type;
    memcpy(owner, item->owner, DNS_NAME_MAX);
    drop(&damage->after, (size_t)(item - damage->after.items));
    signed_anew(damage, owner, type);
}

static void drop_owner(struct damage *damage, const uint8_t *owner)
{
    uint8_t own[DNS_NAME_MAX];
    memcpy(own, owner, DNS_NAME_MAX);
    for (size_t i = damage->after.count; i-- > 0;) {
        if (dns_name_equal(damage->after.items[i].owner, own))
            drop(&damage->after, i);
    }
}

static void set_next(struct damage *damage, struct item *item)
{
    uint8_t rdata[1024];
    size_t used;
    const struct zone *from = damage->from;
    if (item->type == DNS_TYPE_NSEC) {
        const uint8_t *next = from->nodes[next_random(&damage->seed) % from->node_count].name;
        size_t length = dns_name_length(next);
        assert_int_equal(dns_name_check(item->rdata, item->length, &used), BASE_OK);
        memcpy(rdata, next, length);
        memcpy(rdata + length, item->rdata + used, item->length - used);
        item->length = (uint16_t)(item->length - used + length);
        memcpy(item->rdata, rdata, item->length);
    } else {
        const struct item *other = any_item(damage, DNS_TYPE_NSEC3);
        size_t at = 6u + item->rdata[4];
        memcpy(item->rdata + at, other->rdata + at, 20);
    }
    signed_anew(damage, item->owner, item->type);
}

/* Puts the bitmap of another denial record in. */
static void set_bitmap(struct damage *damage, struct item *item)
{
    const struct item *other = any_item(damage, item->type);
    size_t at = 0, from = 0;
    if (item->type == DNS_TYPE_NSEC) {
        assert_int_equal(dns_name_check(item->rdata, item->length, &at), BASE_OK);
        assert_int_equal(dns_name_check(other->rdata, other->length, &from), BASE_OK);
    } else {
        at = from = 26u + item->rdata[4];
    }
    uint8_t bitmap[256];
    size_t length = other->length - from;
    memcpy(bitmap, other->rdata + from, length);
    memcpy(item->rdata + at, bitmap, length);
    item->length = (uint16_t)(at + length);
    signed_anew(damage, item->owner, item->type);
}

/* A name as the version before had it, or one record of it. */
static void put_back(struct damage *damage, bool one)
{
    const uint8_t *name = damage->names.names[next_random(&damage->seed) % damage->names.count];
    const struct zone_node *node = zone_find(damage->from, name, NULL);
    static struct fragment old;
    old.count = 0;
    if (node == NULL)
        return;
    append_node(&old, damage->from, node);
    if (!one)
        drop_owner(damage, name);
    size_t first = next_random(&damage->seed) % old.count;
    for (size_t i = one ? first : 0; i < (one ? first + 1 : old.count); i++) {
        const struct item *item = &old.items[i];
        append(&damage->after, item->owner, item->type, item->ttl, item->rdata, item->length);
        if (one && item->type != DNS_TYPE_RRSIG)
            signed_anew(damage, item->owner, item->type);
    }
}

/* A name that nothing else of the change knows of. */
static void new_name(struct damage *damage, uint16_t type)
{
    static const uint8_t labels[][6] = {"\2a0", "\2b1", "\2zz", "\1*", "\3new"};
    uint8_t owner[DNS_NAME_MAX], rdata[64] = {192, 0, 2, 77};
    size_t at = 0;
    unsigned depth = 1 + next_random(&damage->seed) % 3;
    for (unsigned i = 0; i < depth; i++) {
        const uint8_t *label = labels[next_random(&damage->seed) % 5];
        memcpy(owner + at, label, label[0] + 1u);
        at += label[0] + 1u;
    }
    memcpy(owner + at, damage->from->apex, dns_name_length(damage->from->apex));
    if (zone_find(damage->from, owner, NULL) != NULL && !listed(&damage->names, owner))
        return;
    size_t length = 4;
    if (type == DNS_TYPE_NS || type == DNS_TYPE_DNAME) {
        length = dns_name_length((const uint8_t *)"\2ns\7example\3net");
        memcpy(rdata, "\2ns\7example\3net", length);
    }
    append(&damage->after, owner, type, 3600, rdata, length);
    uint8_t *copy = damage->after.items[damage->after.count - 1].owner;
    if (!listed(&damage->names, owner))
        damage->names.names[damage->names.count++] = copy;
    if (type != DNS_TYPE_NS)
        signed_anew(damage, owner, type);
}

static void do_damage(struct damage *damage)
{
    struct item *item = any_item(damage, 0), *denial = any_denial(damage);
    damage->kind = next_random(&damage->seed) % KINDS;
    damage->sign = next_random(&damage->seed) % 4 != 0;
    size_t at = 0;
    switch (damage->kind) {
    case 0: /* a name of the change left out */
        at = 1 + next_random(&damage->seed) % (damage->names.count + 1);
        if (at < damage->names.count) {
            drop_owner(damage, damage->names.names[at]);
            damage->names.names[at] = damage->names.names[--damage->names.count];
        }
        break;
    case 1:
        drop_record(damage, item);
        break;
    case 2: /* an octet */
        item->rdata[next_random(&damage->seed) % (item->length + 1)] ^=
            (uint8_t)(1u << next_random(&damage->seed) % 8);
        if (dns_rdata_check(item->type, item->rdata, item->length, NULL) != BASE_OK)
            damage->kind = KINDS;
        else
            signed_anew(damage, item->owner, item->type);
        break;
    case 3:
        if (denial != NULL)
            set_next(damage, denial);
        break;
    case 4:
        if (denial != NULL)
            set_bitmap(damage, denial);
        break;
    case 5: /* a signature goes */
        item = any_item(damage, DNS_TYPE_RRSIG);
        if (item != NULL)
            drop(&damage->after, (size_t)(item - damage->after.items));
        break;
    case 6:
        put_back(damage, true);
        break;
    case 7:
        put_back(damage, false);
        break;
    case 8: /* a denial record goes, with its signature */
        if (denial != NULL)
            drop_record(damage, denial);
        break;
    case 9:
        new_name(damage, DNS_TYPE_A);
        break;
    case 10:
        new_name(damage, DNS_TYPE_NS);
        break;
    case 11:
        new_name(damage, DNS_TYPE_DNAME);
        break;
    case 12:
        item->ttl += 1;
        signed_anew(damage, item->owner, item->type);
        break;
    case 13:
        drop_owner(damage, item->owner);
        break;
    case 14: /* an octet of a signature, often of its fields */
        item = any_item(damage, DNS_TYPE_RRSIG);
        if (item != NULL)
            item->rdata[2 + next_random(&damage->seed) %
                                (next_random(&damage->seed) % 2 ? 16u : item->length - 2u)] ^=
                (uint8_t)(1u << next_random(&damage->seed) % 8);
        if (item == NULL || dns_rdata_check(item->type, item->rdata, item->length, NULL) != BASE_OK)
            damage->kind = KINDS;
        break;
    case 15: /* a signature where there is nothing to sign, or none was */
        sign_anew(&damage->after, item->owner, item->type, damage->from->apex, damage->key);
        break;
    }
    if (damage->after.count == 0)
        damage->kind = KINDS;
}

/*
 * Rounds.
 */
#define LINES 14

static void edit(char **lines, unsigned edits, uint64_t *seed)
{
    for (unsigned i = 0; i < edits; i++) {
        struct base_buf buf;
        base_buf_init(&buf, 4096);
        if (next_random(seed) % 3 != 0)
            random_line(&buf, seed);
        unsigned at = next_random(seed) % LINES;
        free(lines[at]);
        lines[at] = strdup(base_buf_string(&buf));
        base_buf_free(&buf);
    }
}

static struct zone *zone_of(char *const *lines)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_text(&buf, RANDOM_HEAD);
    for (unsigned i = 0; i < LINES; i++)
        base_buf_text(&buf, lines[i]);
    struct zone *zone = zone_from_text(base_buf_string(&buf), "example.");
    base_buf_free(&buf);
    return zone;
}

static struct zone *sign(char *const *lines, struct zone *previous,
                         const struct sign_policy *policy, const struct crypto_zone_key *key)
{
    struct zone *zone = zone_of(lines);
    struct sign_request request = {.zone = zone,
                                   .policy = policy,
                                   .keys = key,
                                   .key_count = 1,
                                   .previous = previous,
                                   .now = NOW,
                                   .threads = 1};
    struct sign_result result;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    assert_int_equal(sign_zone(&request, &findings, &result), BASE_OK);
    base_findings_free(&findings);
    zone_release(zone);
    return result.zone;
}

struct counts {
    size_t changes, damages, good, bad, unsupported, by_kind[KINDS + 1];
};

static bool serial_forward(const struct zone *from, const struct zone *to)
{
    return to->soa != NULL && (int32_t)(to->serial - from->serial) > 0;
}

static void damage_and_judge(struct damage *damage, struct zone *before, uint64_t where,
                             struct counts *counts)
{
    do_damage(damage);
    if (damage->kind == KINDS)
        return;
    struct zone *after = build(&damage->after, damage->from->apex);
    struct zone *whole = replace(damage->from, &damage->names, &damage->after);
    static struct fragment old;
    take(&old, damage->from, &damage->names);
    struct zone *shown = build(&old, damage->from->apex);
    char why_whole[1000], why_delta[1000];
    bool strict;
    enum verdict wanted = judge_whole(whole, why_whole);
    enum verdict verdict = judge_delta(damage->from, shown, after, &strict, why_delta);
    bool wrong =
        (wanted == BAD && verdict == GOOD) || (wanted == GOOD && verdict == BAD && !strict);
    if (wanted == GOOD && verdict == BAD && strict)
        wrong = serial_forward(damage->from, whole) && damage->kind > 15;
    if (wrong) {
        char *text = dump_zone(damage->from, 0, DUMP_CONTENT);
        char *later = dump_zone(after, 0, DUMP_CONTENT);
        char *then = dump_zone(shown, 0, DUMP_CONTENT);
        fail_msg(
            "round %llu, kind %u%s: whole %s (%s), change %s (%s)\n%s\nbefore:\n%s\nafter:\n%s",
            (unsigned long long)where, damage->kind, damage->sign ? ", signed" : "",
            wanted == BAD ? "bad" : "good", why_whole, verdict == BAD ? "bad" : "good", why_delta,
            text, then, later);
    }
    counts->damages++;
    counts->good += verdict == GOOD;
    counts->bad += verdict == BAD;
    counts->unsupported += verdict == UNSUPPORTED;
    counts->by_kind[damage->kind] += verdict == BAD;
    zone_release(after);
    zone_release(whole);
    zone_release(shown);
}

static void judge_change(struct zone *from, struct zone *to, const struct crypto_zone_key *key,
                         unsigned damages, uint64_t *seed, uint64_t where, struct counts *counts)
{
    static struct fragment old, new;
    static struct names names;
    char why[1000];
    bool strict;
    list_differences(&names, from, to);
    take(&old, from, &names);
    take(&new, to, &names);
    struct zone *before = build(&old, from->apex), *after = build(&new, from->apex);
    enum verdict verdict = judge_delta(from, before, after, &strict, why);
    if (verdict != GOOD) {
        char *text = dump_zone(from, 0, DUMP_CONTENT), *later = dump_zone(to, 0, DUMP_CONTENT);
        fail_msg("round %llu: a good change is %s: %s\n%s\n%s", (unsigned long long)where,
                 verdict == BAD ? "bad" : "unsupported", why, text, later);
    }
    counts->changes++;
    for (unsigned i = 0; i < damages; i++) {
        static struct damage damage;
        damage = (struct damage){.from = from, .key = key, .seed = *seed};
        damage.after = new;
        damage.names = names;
        damage_and_judge(&damage, before, where, counts);
        *seed = damage.seed;
    }
    zone_release(before);
    zone_release(after);
}

static void run_round(uint64_t round, const struct crypto_zone_key *key, struct counts *counts)
{
    uint64_t seed = round * 7919 + 1;
    char *lines[LINES];
    for (unsigned i = 0; i < LINES; i++)
        lines[i] = strdup("");
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = round % 3 == 0 ? SIGN_NSEC : SIGN_NSEC3;
    policy.opt_out = round % 3 == 2;
    edit(lines, LINES, &seed);
    struct zone *from = sign(lines, NULL, &policy, key);
    for (unsigned step = 0; step < 4; step++) {
        edit(lines, 1 + next_random(&seed) % 4, &seed);
        struct zone *to = sign(lines, from, &policy, key);
        if (to->serial != from->serial)
            judge_change(from, to, key, 8, &seed, round, counts);
        zone_release(from);
        from = to;
    }
    zone_release(from);
    for (unsigned i = 0; i < LINES; i++)
        free(lines[i]);
}

static void test_equivalence(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct counts counts = {0};
    const char *more = getenv("KENTER_GATE_ROUNDS");
    uint64_t rounds = more != NULL ? strtoull(more, NULL, 10) : 30;
    const char *first = getenv("KENTER_GATE_FIRST");
    uint64_t start = first != NULL ? strtoull(first, NULL, 10) : 0;
    for (uint64_t round = start; round < start + rounds; round++)
        run_round(round, &key, &counts);
    print_message("%zu changes; %zu damaged: %zu good, %zu bad, %zu for the whole zone to judge\n",
                  counts.changes, counts.damages, counts.good, counts.bad, counts.unsupported);
    assert_true(counts.changes > rounds * 2 && counts.bad > counts.damages / 3);
    assert_true(counts.unsupported < counts.damages / 10);
    crypto_key_free(key.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equivalence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
