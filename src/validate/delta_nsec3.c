/*
 * The NSEC3 chain of a change: listed hashes and those before the ones that came or went; and for
 * each listed name, and each name above it, that it has its record, or none.
 */
#include "base/codec.h"
#include "base/reader.h"
#include "validate/delta_parts.h"

#include <string.h>

#define HASH_SIZE CRYPTO_NSEC3_SIZE
#define HASH_TEXT (BASE_BASE32HEX_SIZE(HASH_SIZE) + 1)

/* Names of the chain that are looked at to see what is below one that lost its record. */
#define BELOW_MAX 10000

struct run {
    struct delta_check *check;
    struct crypto_nsec3 *hasher;
    struct validate_nsec3_parameters parameters;
    size_t wrong_ttl;
    const struct zone_node *first_wrong_ttl;
};

static const char *hash_text(char out[HASH_TEXT], const uint8_t *hash)
{
    out[base_base32hex_encode(out, hash, HASH_SIZE)] = '\0';
    return out;
}

static const struct dns_rr *record_of(const struct zone *zone, const struct zone_node *node)
{
    const struct zone_rrset *rrset = zone_rrset(zone, node, DNS_TYPE_NSEC3);
    return zone->rrs[rrset->first_rr];
}

static const struct dns_rr *listed_record(const struct run *run, const struct delta_hash *listed,
                                          enum delta_side side)
{
    const struct zone_delta *delta = run->check->delta;
    const struct zone *zone = side == DELTA_OLD ? delta->before : delta->after;
    return listed->nodes[side] != NULL ? record_of(zone, listed->nodes[side]) : NULL;
}

/* An NSEC3 of the view, as far as it matters. */
struct seen {
    uint8_t flags;
    uint8_t next[HASH_SIZE];
    struct base_arena *arena;
    const uint8_t *bitmap;
    size_t bitmap_length;
    bool found;
};

static int visit_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                        size_t length)
{
    (void)ttl;
    struct seen *seen = context;
    if (type != DNS_TYPE_NSEC3 || seen->found)
        return BASE_OK;
    struct dns_rr *rr = base_arena_alloc(seen->arena, DNS_RR_SIZE(length));
    if (rr == NULL)
        return BASE_ENOMEM;
    *rr = (struct dns_rr){.length = (uint16_t)length, .type = type};
    memcpy(rr->rdata, rdata, length);
    struct validate_nsec3_rdata parsed;
    if (!validate_nsec3_parse(rr, &parsed))
        return BASE_EFORMAT;
    seen->found = true;
    seen->flags = parsed.flags;
    memcpy(seen->next, parsed.next, HASH_SIZE);
    seen->bitmap = parsed.bitmap;
    seen->bitmap_length = parsed.bitmap_length;
    return BASE_OK;
}

static int see(struct run *run, const uint8_t *hash, struct seen *seen)
{
    const struct zone_view *view = run->check->view;
    *seen = (struct seen){.arena = &run->check->arena};
    int error = view->hash_records(view->context, hash, visit_record, seen);
    return error == BASE_ENOENT ? BASE_OK : error;
}

/*
 * The ring.
 */
static size_t lower_bound(const struct delta_check *check, const uint8_t *hash)
{
    size_t low = 0, high = check->hash_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(check->hashes[middle].hash, hash, HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct delta_hash *find_hash(const struct delta_check *check, const uint8_t *hash)
{
    size_t at = lower_bound(check, hash);
    return at < check->hash_count && memcmp(check->hashes[at].hash, hash, HASH_SIZE) == 0
               ? &check->hashes[at]
               : NULL;
}

/* Does a hash lie between two others on the ring? When they are the same, all others do. */
static bool between(const uint8_t *from, const uint8_t *hash, const uint8_t *to)
{
    bool wraps = memcmp(from, to, HASH_SIZE) >= 0;
    bool behind = memcmp(hash, from, HASH_SIZE) > 0, before = memcmp(hash, to, HASH_SIZE) < 0;
    return wraps ? behind || before : behind && before;
}

/* The hash that the view has next to one in a direction, when it lies between the two; else NULL.
 * In between, all are unlisted. */
static int edge_of_gap(struct run *run, bool after, const uint8_t *from, const uint8_t *to,
                       const uint8_t **out)
{
    const struct zone_view *view = run->check->view;
    uint8_t hash[HASH_SIZE];
    int error = after ? view->hash_after(view->context, from, hash)
                      : view->hash_before(view->context, to, hash);
    *out = NULL;
    if (error == BASE_ENOENT || (error == BASE_OK && !between(from, hash, to)))
        return BASE_OK;
    if (error == BASE_OK && (*out = base_arena_dup(&run->check->arena, hash, HASH_SIZE)) == NULL)
        error = BASE_ENOMEM;
    return error;
}

static int find_gaps(struct run *run)
{
    struct delta_check *check = run->check;
    for (size_t i = 0; i < check->hash_count; i++) {
        struct delta_hash *listed = &check->hashes[i];
        const uint8_t *to = check->hashes[(i + 1) % check->hash_count].hash;
        int error = edge_of_gap(run, true, listed->hash, to, &listed->first);
        if (error == BASE_OK && listed->first != NULL)
            error = edge_of_gap(run, false, listed->hash, to, &listed->last);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static void link_ring(struct delta_check *check)
{
    size_t count = check->hash_count;
    if (count == 0)
        return;
    /* Twice round, since the first round may begin where nothing is known yet. */
    for (size_t i = 2 * count; i-- > 0;) {
        struct delta_hash *listed = &check->hashes[i % count];
        const struct delta_hash *behind = &check->hashes[(i + 1) % count];
        listed->next = listed->first != NULL              ? listed->first
                       : behind->nodes[DELTA_NEW] != NULL ? behind->hash
                                                          : behind->next;
    }
    for (size_t i = 0; i < 2 * count; i++) {
        struct delta_hash *listed = &check->hashes[i % count];
        const struct delta_hash *front = &check->hashes[(i + count - 1) % count];
        listed->previous = front->last != NULL               ? front->last
                           : front->nodes[DELTA_NEW] != NULL ? front->hash
                                                             : front->previous;
    }
}

/* The record of the new chain that covers a hash which is not in it; NULL: the chain is empty. */
static int find_cover(struct run *run, const uint8_t *hash, const uint8_t **out)
{
    struct delta_check *check = run->check;
    *out = NULL;
    if (check->hash_count == 0)
        return edge_of_gap(run, false, hash, hash, out);
    size_t at = lower_bound(check, hash);
    const struct delta_hash *front =
        &check->hashes[(at + check->hash_count - 1) % check->hash_count];
    if (memcmp(front->hash, hash, HASH_SIZE) == 0) { /* the only listed one is this hash */
        *out = front->previous;
        return BASE_OK;
    }
    int error = edge_of_gap(run, false, front->hash, hash, out);
    if (error == BASE_OK && *out == NULL)
        *out = front->nodes[DELTA_NEW] != NULL ? front->hash : front->previous;
    return error;
}

static int flags_of(struct run *run, const uint8_t *hash, uint8_t *flags)
{
    const struct delta_hash *listed = find_hash(run->check, hash);
    const struct dns_rr *rr = listed != NULL ? listed_record(run, listed, DELTA_NEW) : NULL;
    if (rr != NULL) {
        *flags = rr->length > 1 ? rr->rdata[1] : 0;
        return BASE_OK;
    }
    struct seen seen;
    int error = see(run, hash, &seen);
    *flags = seen.flags;
    return error;
}

/*
 * Listed records.
 */
static bool same_parameters(const struct validate_nsec3_parameters *a,
                            const struct validate_nsec3_parameters *b)
{
    return a->algorithm == b->algorithm && a->iterations == b->iterations &&
           a->salt_length == b->salt_length && memcmp(a->salt, b->salt, a->salt_length) == 0;
}

static void judge_record(struct run *run, const struct delta_hash *listed)
{
    struct verifier *verifier = &run->check->verifier;
    const struct zone_node *node = listed->nodes[DELTA_NEW];
    const struct zone_rrset *rrset = zone_rrset(verifier->zone, node, DNS_TYPE_NSEC3);
    const struct dns_rr *rr = verifier->zone->rrs[rrset->first_rr];
    struct validate_nsec3_rdata rdata;
    char next[HASH_TEXT], expected[HASH_TEXT];
    if (!validate_nsec3_parse(rr, &rdata)) {
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_MALFORMED, node->name, rr,
                        "the NSEC3 does not hold parameters and a next hash of %d octets",
                        HASH_SIZE);
        return;
    }
    if (!same_parameters(&rdata.parameters, &run->parameters))
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_FOREIGN, node->name, rr,
                        "the parameters of this NSEC3 are not those of the NSEC3PARAM");
    if (rdata.flags & ~1)
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_FLAGS, node->name, rr,
                        "the NSEC3 has flags %u; only 1 (opt-out) is known", rdata.flags);
    if (rrset->count > 1)
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_SEVERAL, node->name, rr,
                        "there is more than one NSEC3 of this chain");
    if (memcmp(rdata.next, listed->next, HASH_SIZE) != 0)
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_NEXT, node->name, rr,
                        "the NSEC3 points at %s; the next hash is %s", hash_text(next, rdata.next),
                        hash_text(expected, listed->next));
    if (verifier->negative_ttl_known && rrset->ttl != verifier->negative_ttl &&
        run->wrong_ttl++ == 0)
        run->first_wrong_ttl = node;
}

/* An unlisted record before one that came or went must point at what is there now. */
static int judge_previous(struct run *run, const struct delta_hash *listed)
{
    struct verifier *verifier = &run->check->verifier;
    bool was = listed->nodes[DELTA_OLD] != NULL, is = listed->nodes[DELTA_NEW] != NULL;
    if (was == is || listed->previous == NULL || find_hash(run->check, listed->previous) != NULL)
        return BASE_OK;
    const uint8_t *expected = is ? listed->hash : listed->next;
    struct seen seen;
    int error = see(run, listed->previous, &seen);
    char hash[HASH_TEXT], text[HASH_TEXT];
    if (error == BASE_OK && memcmp(seen.next, expected, HASH_SIZE) != 0)
        validate_report_type(
            verifier, verifier->findings, VERIFY_NSEC3_NEXT, verifier->zone->apex, DNS_TYPE_NSEC3,
            "the change leaves the NSEC3 of hash %s as it is, but the next hash is "
            "now %s",
            hash_text(hash, listed->previous), hash_text(text, expected));
    return error;
}

/* Where the flag of opt-out goes, names that the change does not list may lose their excuse. */
static int judge_flags(struct run *run, const struct delta_hash *listed)
{
    const struct dns_rr *old = listed_record(run, listed, DELTA_OLD);
    const struct dns_rr *new = listed_record(run, listed, DELTA_NEW);
    uint8_t was = old != NULL && old->length > 1 ? old->rdata[1] : 0;
    uint8_t is = new != NULL &&new->length > 1 ? new->rdata[1] : 0;
    int error = BASE_OK;
    if (new == NULL && listed->previous != NULL)
        error = flags_of(run, listed->previous, &is);
    if (old == NULL) {
        const struct zone_view *view = run->check->view;
        uint8_t hash[HASH_SIZE];
        struct seen seen = {.flags = 0};
        error = view->hash_before(view->context, listed->hash, hash);
        if (error == BASE_OK)
            error = see(run, hash, &seen);
        else if (error == BASE_ENOENT)
            error = BASE_OK;
        was = seen.flags;
    }
    if (error == BASE_OK && (was & 1) && !(is & 1))
        run->check->unsupported = true;
    return error;
}

static int judge_listed(struct run *run)
{
    struct verifier *verifier = &run->check->verifier;
    for (size_t i = 0; i < run->check->hash_count; i++) {
        const struct delta_hash *listed = &run->check->hashes[i];
        if (listed->nodes[DELTA_NEW] != NULL)
            judge_record(run, listed);
        int error = judge_previous(run, listed);
        if (error == BASE_OK)
            error = judge_flags(run, listed);
        if (error != BASE_OK)
            return error;
    }
    if (run->wrong_ttl > 0)
        validate_report(verifier, verifier->findings, VERIFY_NSEC_TTL, run->first_wrong_ttl->name,
                        record_of(verifier->zone, run->first_wrong_ttl),
                        "the TTL of %zu NSEC3 is not %u, the smaller of the SOA's TTL and minimum",
                        run->wrong_ttl, verifier->negative_ttl);
    return BASE_OK;
}

/* Hashed owners that are none. */
static void judge_owners(struct run *run)
{
    struct verifier *verifier = &run->check->verifier;
    for (size_t i = 0; i < verifier->zone->node_count; i++) {
        const struct zone_node *node = &verifier->zone->nodes[i];
        uint8_t hash[HASH_SIZE];
        if (zone_rrset(verifier->zone, node, DNS_TYPE_NSEC3) != NULL &&
            !delta_hash_of(run->check, node->name, hash))
            validate_report(verifier, verifier->findings, VERIFY_NSEC3_OWNER, node->name,
                            record_of(verifier->zone, node),
                            "the owner is not one label of %zu base32hex characters below the apex",
                            (size_t)BASE_BASE32HEX_SIZE(HASH_SIZE));
    }
}

/*
 * Names.
 */
struct want {
    const uint8_t *name;
    const struct delta_name *listed; /* may be NULL */
    uint8_t hash[HASH_SIZE];
    enum validate_role role;
    bool chained; /* else an empty non-terminal, or nothing */
    bool empty;
};

/* The types of a name that the change does not list, as an RRset each. */
struct types {
    struct zone_rrset rrsets[64];
    unsigned count;
    bool more;
};

static int visit_type(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                      size_t length)
{
    (void)ttl;
    (void)rdata;
    (void)length;
    struct types *types = context;
    if (types->count > 0 && types->rrsets[types->count - 1].type == type)
        return BASE_OK;
    if (types->count == sizeof(types->rrsets) / sizeof(types->rrsets[0]))
        types->more = true;
    else
        types->rrsets[types->count++] = (struct zone_rrset){.type = type, .count = 1};
    return BASE_OK;
}

static int judge_bitmap(struct run *run, const struct want *want, const uint8_t *bitmap,
                        size_t length, const struct zone_node *owner)
{
    struct verifier *verifier = &run->check->verifier;
    struct validate_bitmap_want types = {.zone = verifier->zone, .role = want->role};
    struct types unlisted = {.count = 0};
    struct zone fake = {.rrsets = unlisted.rrsets};
    struct zone_node node = {.name = want->name};
    if (want->chained && want->listed != NULL) {
        types.node = want->listed->nodes[DELTA_NEW];
    } else if (want->chained) {
        const struct zone_view *view = run->check->view;
        int error = view->records(view->context, want->name, visit_type, &unlisted);
        if (error != BASE_OK && error != BASE_ENOENT)
            return error;
        if (unlisted.more) {
            run->check->unsupported = true;
            return BASE_OK;
        }
        node.rrset_count = (uint16_t)unlisted.count;
        types.zone = &fake;
        types.node = &node;
    }
    char why[VALIDATE_BITMAP_TEXT] = "has a malformed type bitmap", name[DNS_NAME_TEXT];
    enum validate_bitmap_result result = validate_bitmap_compare(&types, bitmap, length, why);
    if (result == VALIDATE_BITMAP_EQUAL)
        return BASE_OK;
    validate_report_type(
        verifier, verifier->findings,
        result == VALIDATE_BITMAP_OTHER ? VERIFY_NSEC3_BITMAP : VERIFY_NSEC3_MALFORMED,
        owner != NULL ? owner->name : want->name, DNS_TYPE_NSEC3, "the NSEC3 of %s%s %s",
        dns_name_text(name, want->name), want->empty ? ", an empty non-terminal," : "", why);
    return BASE_OK;
}

/* Is all that is below a name, which has lost its record or never had one, insecure delegations?
 * What was there before has been judged with the version before, unless the name had a record. */
static int leads_to_insecure_only(struct run *run, const struct want *want, bool had, bool *only)
{
    struct delta_check *check = run->check;
    *only = true;
    for (size_t i = delta_lower_bound(check, want->name); i < check->count && *only; i++) {
        if (!dns_name_within(check->names[i].name, want->name))
            break;
        *only = check->names[i].roles[DELTA_NEW] <= VALIDATE_ROLE_CUT;
    }
    const uint8_t *name = want->name;
    for (unsigned looked = 0; had && *only; looked++) {
        enum validate_role role;
        int error = delta_chain_after(check, name, &name);
        if (error != BASE_OK)
            return error;
        if (!dns_name_within(name, want->name) || dns_name_equal(name, check->view->apex))
            return BASE_OK;
        error = delta_role(check, DELTA_NEW, name, &role);
        if (error != BASE_OK)
            return error;
        *only = role <= VALIDATE_ROLE_CUT;
        if (looked == BELOW_MAX) {
            check->unsupported = true;
            return BASE_OK;
        }
    }
    return BASE_OK;
}

static int judge_missing(struct run *run, const struct want *want, bool had)
{
    struct verifier *verifier = &run->check->verifier;
    bool optional = want->chained && want->role == VALIDATE_ROLE_CUT;
    int error = want->empty ? leads_to_insecure_only(run, want, had, &optional) : BASE_OK;
    const uint8_t *cover = NULL;
    uint8_t flags = 0;
    if (error == BASE_OK && optional)
        error = find_cover(run, want->hash, &cover);
    if (error == BASE_OK && cover != NULL)
        error = flags_of(run, cover, &flags);
    if (error != BASE_OK || (flags & 1))
        return error;
    char text[HASH_TEXT];
    validate_report_type(verifier, verifier->findings, VERIFY_NSEC3_MISSING, want->name,
                         DNS_TYPE_NSEC3, "the %s has no NSEC3; its hash is %s%s",
                         want->empty ? "empty non-terminal" : "name", hash_text(text, want->hash),
                         optional ? ", which no NSEC3 with the opt-out flag covers" : "");
    return BASE_OK;
}

static int judge_unlisted_hash(struct run *run, const struct want *want)
{
    struct verifier *verifier = &run->check->verifier;
    struct seen seen;
    int error = see(run, want->hash, &seen);
    if (error != BASE_OK)
        return error;
    bool wanted = want->chained || want->empty;
    if (wanted && seen.found)
        return judge_bitmap(run, want, seen.bitmap, seen.bitmap_length, NULL);
    if (wanted)
        return judge_missing(run, want, false);
    if (seen.found)
        validate_report_type(verifier, verifier->findings, VERIFY_NSEC3_STRAY, want->name,
                             DNS_TYPE_NSEC3,
                             "the name is gone, but the change leaves its NSEC3 where it was");
    return BASE_OK;
}

static int judge_want(struct run *run, const struct want *want)
{
    struct delta_hash *listed = find_hash(run->check, want->hash);
    if (listed == NULL)
        return judge_unlisted_hash(run, want);
    if (!want->chained && !want->empty) {
        listed->unwanted = true;
        return BASE_OK;
    }
    listed->wanted = true;
    const struct dns_rr *rr = listed_record(run, listed, DELTA_NEW);
    struct validate_nsec3_rdata rdata;
    if (rr == NULL)
        return judge_missing(run, want, listed->nodes[DELTA_OLD] != NULL);
    if (!validate_nsec3_parse(rr, &rdata))
        return BASE_OK; /* was told */
    return judge_bitmap(run, want, rdata.bitmap, rdata.bitmap_length, listed->nodes[DELTA_NEW]);
}

/* A listed name, or one above it. */
static int judge_name(struct run *run, const uint8_t *name)
{
    struct want want = {.name = name, .listed = delta_listed(run->check, name)};
    int error = delta_role(run->check, DELTA_NEW, name, &want.role);
    if (error != BASE_OK)
        return error;
    want.chained = want.role >= VALIDATE_ROLE_CUT;
    if (!want.chained) {
        const uint8_t *next;
        error = delta_chain_after(run->check, name, &next);
        if (error != BASE_OK)
            return error;
        want.empty = dns_name_within(next, name) && !dns_name_equal(next, name);
    }
    error = crypto_nsec3_hash(run->hasher, name, want.hash);
    return error == BASE_OK ? judge_want(run, &want) : error;
}

static int judge_names(struct run *run)
{
    struct delta_check *check = run->check;
    unsigned top = check->view->apex_labels;
    for (size_t i = 0; i < check->count; i++) {
        const uint8_t *name = check->names[i].name;
        unsigned labels = dns_name_labels(name);
        /* Those that the name before shares have been judged with it. */
        unsigned known = i > 0 ? dns_name_common(name, check->names[i - 1].name) : 0;
        unsigned depth = i == 0 ? labels : (known > top ? known : top) + 1;
        for (; depth <= labels; depth++) {
            int error = judge_name(run, dns_name_parent(name, labels - depth));
            if (error != BASE_OK)
                return error;
        }
    }
    return BASE_OK;
}

/* Listed records that are of no name looked at: they must be of names that have not changed. */
static void judge_rest(struct run *run)
{
    struct verifier *verifier = &run->check->verifier;
    for (size_t i = 0; i < run->check->hash_count; i++) {
        const struct delta_hash *listed = &run->check->hashes[i];
        const struct dns_rr *old = listed_record(run, listed, DELTA_OLD);
        const struct dns_rr *new = listed_record(run, listed, DELTA_NEW);
        struct validate_nsec3_rdata was, is;
        if (listed->wanted)
            continue;
        if (new != NULL && (listed->unwanted || old == NULL))
            validate_report(verifier, verifier->findings, VERIFY_NSEC3_STRAY,
                            listed->nodes[DELTA_NEW]->name, new,
                            "no authoritative name of the change has this hash");
        else if (new == NULL && !listed->unwanted)
            validate_report_type(verifier, verifier->findings, VERIFY_NSEC3_MISSING,
                                 listed->nodes[DELTA_OLD]->name, DNS_TYPE_NSEC3,
                                 "the NSEC3 goes, but the change has no name that it was for");
        else if (new != NULL && validate_nsec3_parse(old, &was) && validate_nsec3_parse(new, &is) &&
                 (was.bitmap_length != is.bitmap_length ||
                  memcmp(was.bitmap, is.bitmap, is.bitmap_length) != 0))
            validate_report(verifier, verifier->findings, VERIFY_NSEC3_BITMAP,
                            listed->nodes[DELTA_NEW]->name, new,
                            "the types of the NSEC3 change, but the change has no name that it is "
                            "for");
    }
}

static int judge(struct run *run)
{
    int error = find_gaps(run);
    if (error != BASE_OK)
        return error;
    link_ring(run->check);
    judge_owners(run);
    error = judge_listed(run);
    if (error == BASE_OK)
        error = judge_names(run);
    if (error == BASE_OK)
        judge_rest(run);
    return error;
}

int delta_check_nsec3(struct delta_check *check)
{
    const struct zone *zone = check->verifier.zone;
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_NSEC3PARAM);
    const struct dns_rr *rr = zone->rrs[rrset->first_rr];
    struct base_reader reader = base_reader_make(rr->rdata, rr->length);
    struct run run = {.check = check};
    run.parameters.algorithm = base_reader_u8(&reader);
    uint8_t flags = base_reader_u8(&reader);
    run.parameters.iterations = base_reader_u16(&reader);
    run.parameters.salt_length = base_reader_u8(&reader);
    run.parameters.salt = base_reader_bytes(&reader, run.parameters.salt_length);
    if (reader.failed || rrset->count != 1 || run.parameters.algorithm != 1 || flags != 0 ||
        run.parameters.iterations > VALIDATE_ITERATIONS_INSECURE) {
        check->unsupported = true;
        return BASE_OK;
    }
    int error = crypto_nsec3_new(run.parameters.iterations, run.parameters.salt,
                                 run.parameters.salt_length, &run.hasher);
    if (error == BASE_OK)
        error = judge(&run);
    crypto_nsec3_free(run.hasher);
    return error;
}
