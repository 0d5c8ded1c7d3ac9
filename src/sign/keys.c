/*
 * Which keys are in the DNSKEY RRset, and which of them sign what. A signature by a key that is not
 * published is as bad as none, so the first decides over the second.
 */
#include "base/error.h"
#include "base/reader.h"
#include "sign/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *role_name(enum crypto_key_role role)
{
    return role == CRYPTO_KSK ? "KSK" : role == CRYPTO_ZSK ? "ZSK" : "CSK";
}

const char *sign_key_text(const struct crypto_zone_key *key, char out[32])
{
    snprintf(out, 32, "%s %u/%u", role_name(key->role), (unsigned)key->algorithm,
             (unsigned)key->tag);
    return out;
}

static struct base_place key_place(const struct crypto_zone_key *key)
{
    return (struct base_place){.file = key->path};
}

bool sign_key_published(const struct crypto_zone_key *key, base_time now)
{
    return key->publish <= now && (key->remove == 0 || now < key->remove);
}

static bool key_active(const struct crypto_zone_key *key, base_time now)
{
    return key->activate <= now && (key->inactive == 0 || now < key->inactive);
}

/* Says why a key of the zone makes no signatures. */
static void explain_timing(struct sign_job *job, const struct crypto_zone_key *key)
{
    base_time now = job->request->now;
    struct base_place place = key_place(key);
    char name[32], when[BASE_TIME_TEXT];
    sign_key_text(key, name);
    if (key->activate > now) {
        base_time_iso(key->activate, when);
        base_findings_add(job->findings, SIGN_KEY_INACTIVE, &place,
                          "key %s does not sign yet: it becomes active at %s", name, when);
    } else if (key->inactive != 0 && now >= key->inactive) {
        base_time_iso(key->inactive, when);
        base_findings_add(job->findings, SIGN_KEY_INACTIVE, &place,
                          "key %s does not sign any more: it was retired at %s", name, when);
    } else if (key->remove != 0 && now >= key->remove) {
        base_time_iso(key->remove, when);
        base_findings_add(job->findings, SIGN_KEY_UNPUBLISHED, &place,
                          "key %s is active but was removed from the DNSKEY set at %s; it is not "
                          "used",
                          name, when);
    } else {
        base_time_iso(key->publish, when);
        base_findings_add(job->findings, SIGN_KEY_UNPUBLISHED, &place,
                          "key %s is active but enters the DNSKEY set only at %s; it is not used",
                          name, when);
    }
}

/* True when the key can sign; explains when it cannot. */
static bool key_usable(struct sign_job *job, const struct crypto_zone_key *key)
{
    base_time now = job->request->now;
    struct base_place place = key_place(key);
    char name[32];
    if (!key_active(key, now) || !sign_key_published(key, now)) {
        explain_timing(job, key);
        return false;
    }
    const struct crypto_algorithm_info *info = crypto_algorithm(key->algorithm);
    if (info == NULL || !info->sign) {
        base_findings_add(job->findings, SIGN_KEY_ALGORITHM, &place,
                          "key %s is of algorithm %u (%s), with which nothing is signed any more",
                          sign_key_text(key, name), (unsigned)key->algorithm,
                          info != NULL ? info->name : "unknown");
        return false;
    }
    if (key->key == NULL) {
        base_findings_add(job->findings, SIGN_KEY_NO_PRIVATE, &place,
                          "the private half of active key %s is not there; the key is published "
                          "and does not sign",
                          sign_key_text(key, name));
        return false;
    }
    return true;
}

bool sign_same_public_key(const struct crypto_zone_key *key, const struct dns_rr *rr)
{
    /* Flags may differ: REVOKE is set on a key that stays the same. */
    return rr->length == key->dnskey_length && rr->length > 4 &&
           memcmp(rr->rdata + 2, key->dnskey + 2, rr->length - 2u) == 0;
}

static const struct zone_rrset *apex_rrset(const struct zone *zone, uint16_t type)
{
    return zone->node_count > 0 ? zone_rrset(zone, &zone->nodes[0], type) : NULL;
}

static int collect_foreign(struct sign_job *job)
{
    const struct zone *zone = job->zone;
    const struct sign_request *request = job->request;
    const struct zone_rrset *set = apex_rrset(zone, DNS_TYPE_DNSKEY);
    if (set == NULL)
        return BASE_OK;
    job->keys.foreign = base_arena_alloc(&job->arena, set->count * sizeof(struct dns_rr *));
    if (job->keys.foreign == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < set->count; i++) {
        const struct dns_rr *rr = zone->rrs[set->first_rr + i];
        bool ours = rr->length <= 4;
        for (size_t k = 0; k < request->key_count && !ours; k++)
            ours = sign_same_public_key(&request->keys[k], rr);
        if (ours)
            continue;
        job->keys.foreign[job->keys.foreign_count++] = rr;
        char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
        struct base_place place = zone_place(zone, zone->apex, rr, owner, type);
        base_findings_add(job->findings, SIGN_FOREIGN_KEY, &place,
                          "DNSKEY %u/%u is not among our keys and stays in the zone",
                          (unsigned)rr->rdata[3], (unsigned)crypto_key_tag(rr->rdata, rr->length));
    }
    return BASE_OK;
}

/* A key as the check for collisions sees it. */
struct tagged {
    uint16_t tag;
    const struct crypto_zone_key *key; /* NULL: foreign */
};

/* Whatever their algorithms: key directories and people know keys by their tags, too. */
static int check_collisions(struct sign_job *job)
{
    const struct sign_keys *keys = &job->keys;
    size_t count = keys->published_count + keys->foreign_count;
    struct tagged *all = base_arena_alloc(&job->arena, (count + 1) * sizeof(*all));
    if (all == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < keys->published_count; i++)
        all[i] = (struct tagged){keys->published[i]->tag, keys->published[i]};
    for (size_t i = 0; i < keys->foreign_count; i++) {
        const struct dns_rr *rr = keys->foreign[i];
        all[keys->published_count + i] =
            (struct tagged){crypto_key_tag(rr->rdata, rr->length), NULL};
    }
    int status = BASE_OK;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (all[i].tag == all[j].tag) {
                struct base_place place = {.file = all[j].key ? all[j].key->path : NULL};
                base_findings_add(job->findings, SIGN_KEY_TAG_COLLISION, &place,
                                  "two keys of the DNSKEY set have the tag %u%s%s",
                                  (unsigned)all[i].tag,
                                  all[i].key && all[i].key->path ? "; the other is " : "",
                                  all[i].key && all[i].key->path ? all[i].key->path : "");
                status = BASE_EREFUSED;
            }
    return status;
}

static int compare_signers(const void *a, const void *b)
{
    const struct crypto_zone_key *x = ((const struct sign_signer *)a)->key;
    const struct crypto_zone_key *y = ((const struct sign_signer *)b)->key;
    if (x->algorithm != y->algorithm)
        return x->algorithm < y->algorithm ? -1 : 1;
    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    return memcmp(x->id, y->id, sizeof(x->id));
}

/* The previous version must have published exactly this key: a tag alone can mislead. */
static bool in_previous(const struct sign_job *job, const struct crypto_zone_key *key)
{
    const struct zone_rrset *set =
        job->previous ? apex_rrset(job->previous, DNS_TYPE_DNSKEY) : NULL;
    for (unsigned i = 0; set != NULL && i < set->count; i++) {
        const struct dns_rr *rr = job->previous->rrs[set->first_rr + i];
        if (rr->length == key->dnskey_length && memcmp(rr->rdata, key->dnskey, rr->length) == 0)
            return true;
    }
    return false;
}

/*
 * Keys of which none was published before are the sign of an empty or wrong key directory. The DS
 * at the parent is of the old keys, and caches hold their DNSKEY set: the zone would be bogus for
 * everybody, so it takes a person to say that this is meant.
 */
static int check_continuity(const struct sign_job *job)
{
    const struct sign_keys *keys = &job->keys;
    if (job->previous == NULL || job->request->new_keys ||
        apex_rrset(job->previous, DNS_TYPE_DNSKEY) == NULL)
        return BASE_OK;
    for (size_t i = 0; i < keys->published_count; i++)
        if (in_previous(job, keys->published[i]))
            return BASE_OK;
    char owner[DNS_NAME_TEXT];
    base_findings_add(job->findings, SIGN_KEYS_ALL_NEW, NULL,
                      "the previous version of %s was signed with other keys: none of those given "
                      "is in its DNSKEY set",
                      dns_name_text(owner, job->zone->apex));
    return BASE_EREFUSED;
}

/*
 * Within one algorithm both roles must be filled: every RRset is signed by every algorithm of the
 * DNSKEY set (RFC 4035 section 2.2, RFC 6840 section 5.11). Where one role has no key, the keys of
 * the other take it over, which validators do not mind: to them all are zone keys.
 */
static int fill_roles(struct sign_job *job, unsigned algorithm)
{
    struct sign_keys *keys = &job->keys;
    size_t by_keys = 0, by_zone = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct sign_signer *signer = &keys->signers[i];
        if (signer->key->algorithm == algorithm) {
            by_keys += signer->by_keys;
            by_zone += signer->by_zone;
        }
    }
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    const char *name = info != NULL ? info->name : "unknown";
    if (by_keys == 0 && by_zone == 0) {
        base_findings_add(job->findings, SIGN_ALGORITHM_INCOMPLETE, NULL,
                          "algorithm %u (%s) is in the DNSKEY set, but no active key of it is "
                          "there to sign with",
                          algorithm, name);
        return BASE_EREFUSED;
    }
    if (by_keys > 0 && by_zone > 0)
        return BASE_OK;
    for (size_t i = 0; i < keys->count; i++)
        if (keys->signers[i].key->algorithm == algorithm && !keys->signers[i].revoked)
            keys->signers[i].by_keys = keys->signers[i].by_zone = true;
    base_findings_add(job->findings, SIGN_ROLE_TAKEN_OVER, NULL,
                      "algorithm %u (%s) has no active %s: its %s signs everything", algorithm,
                      name, by_keys == 0 ? "KSK" : "ZSK", by_keys == 0 ? "ZSK" : "KSK");
    return BASE_OK;
}

static int check_algorithms(struct sign_job *job)
{
    struct sign_keys *keys = &job->keys;
    bool seen[256] = {false};
    /* A revoked key verifies nothing, so nobody misses signatures of its algorithm. */
    for (size_t i = 0; i < keys->published_count; i++)
        if ((keys->published[i]->flags & CRYPTO_KEY_REVOKED) == 0)
            seen[keys->published[i]->algorithm] = true;
    for (size_t i = 0; i < keys->foreign_count; i++)
        if ((base_load_u16(keys->foreign[i]->rdata) & CRYPTO_KEY_REVOKED) == 0)
            seen[keys->foreign[i]->rdata[3]] = true;
    int status = BASE_OK;
    for (unsigned algorithm = 0; algorithm < 256; algorithm++)
        if (seen[algorithm] && fill_roles(job, algorithm) != BASE_OK)
            status = BASE_EREFUSED;
    return status;
}

static int collect_own(struct sign_job *job)
{
    const struct sign_request *request = job->request;
    struct sign_keys *keys = &job->keys;
    int status = BASE_OK;
    for (size_t i = 0; i < request->key_count; i++) {
        const struct crypto_zone_key *key = &request->keys[i];
        char name[32], owner[DNS_NAME_TEXT];
        if (!dns_name_equal(key->zone, job->zone->apex)) {
            struct base_place place = key_place(key);
            base_findings_add(job->findings, SIGN_KEY_OTHER_ZONE, &place, "key %s is a key of %s",
                              sign_key_text(key, name), dns_name_text(owner, key->zone));
            status = BASE_EREFUSED;
            continue;
        }
        if (sign_key_published(key, request->now))
            keys->published[keys->published_count++] = key;
        if (!key_usable(job, key))
            continue;
        bool revoked = (key->flags & CRYPTO_KEY_REVOKED) != 0;
        keys->signers[keys->count++] = (struct sign_signer){
            .key = key,
            .by_keys = !revoked && (key->role & CRYPTO_KSK) != 0,
            .by_zone = !revoked && (key->role & CRYPTO_ZSK) != 0,
            .revoked = revoked,
            .in_previous = in_previous(job, key),
        };
    }
    if (keys->count > 1)
        qsort(keys->signers, keys->count, sizeof(*keys->signers), compare_signers);
    return status;
}

/* Is there a key that signs more than its own revocation? */
static bool can_sign(const struct sign_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!keys->signers[i].revoked)
            return true;
    return false;
}

int sign_choose_keys(struct sign_job *job)
{
    const struct sign_request *request = job->request;
    struct sign_keys *keys = &job->keys;
    size_t room = request->key_count + 1;
    keys->signers = base_arena_zalloc(&job->arena, room * sizeof(*keys->signers));
    keys->published = base_arena_alloc(&job->arena, room * sizeof(struct crypto_zone_key *));
    if (keys->signers == NULL || keys->published == NULL)
        return BASE_ENOMEM;
    int status = collect_own(job);
    if (status != BASE_OK)
        return status;
    if (!can_sign(keys)) {
        char owner[DNS_NAME_TEXT];
        base_findings_add(job->findings, SIGN_NO_KEY, NULL, "of %zu key%s of %s none can sign now",
                          request->key_count, request->key_count == 1 ? "" : "s",
                          dns_name_text(owner, job->zone->apex));
        return BASE_EREFUSED;
    }
    status = check_continuity(job);
    if (status == BASE_OK)
        status = collect_foreign(job);
    if (status != BASE_OK)
        return status;
    status = check_collisions(job);
    int complete = check_algorithms(job);
    if (status == BASE_OK)
        status = complete;
    for (size_t i = 0; i < keys->count; i++) {
        keys->keys_count += keys->signers[i].by_keys;
        keys->zone_count += keys->signers[i].by_zone;
        keys->revoked_count += keys->signers[i].revoked;
    }
    return status;
}
