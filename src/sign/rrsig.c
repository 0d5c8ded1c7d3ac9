/*
 * The signatures of one RRset (RFC 4034 section 3): kept from the previous version where they are
 * still good, else made.
 */
#include "base/error.h"
#include "base/reader.h"
#include "sign/internal.h"

#include <string.h>

#define RRSIG_FIXED 18 /* octets before the signer's name */

/* Spreads expirations. Fixed for ever, unlike dns_name_hash: the same name must get the same share
 * in every version. FNV-1a with a final mix, over the lower-case name. */
static uint32_t name_share(const uint8_t *name, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ name[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

struct sign_owner sign_owner_make(const uint8_t *name, const struct zone_node *previous)
{
    unsigned labels = dns_name_labels(name) - dns_name_is_wildcard(name);
    return (struct sign_owner){name, (uint8_t)labels, previous};
}

/* When new signatures of a name expire; the name in lower case. */
static uint32_t expiration(const struct sign_job *job, const uint8_t *name, size_t length)
{
    const struct sign_policy *policy = job->policy;
    uint32_t early = policy->jitter != 0 ? name_share(name, length) % policy->jitter : 0;
    return (uint32_t)(job->request->now + policy->validity - early);
}

size_t sign_role_count(const struct sign_job *job, unsigned role)
{
    switch (role) {
    case SIGN_BY_ZONE:
        return job->keys.zone_count;
    case SIGN_BY_KEYS:
        return job->keys.keys_count;
    case SIGN_BY_ALL:
        return job->keys.keys_count + job->keys.revoked_count;
    default:
        return 0;
    }
}

static bool in_role(const struct sign_signer *signer, const struct sign_set *set)
{
    switch (set->role) {
    case SIGN_BY_ZONE:
        return signer->by_zone;
    case SIGN_BY_KEYS:
        return signer->by_keys;
    case SIGN_BY_ALL:
        return signer->by_keys || signer->revoked;
    default:
        return false;
    }
}

static bool same_rdata(const struct dns_rr *a, const struct dns_rr *b)
{
    if (a == b)
        return true;
    if (a->length != b->length)
        return false;
    if (memcmp(a->rdata, b->rdata, a->length) == 0)
        return true;
    return !(a->canonical && b->canonical) && dns_rdata_compare(a, b) == 0;
}

bool sign_set_unchanged(const struct sign_job *job, const struct sign_owner *owner,
                        const struct sign_set *set)
{
    if (owner->previous == NULL)
        return false;
    const struct zone *previous = job->previous;
    const struct zone_rrset *old = zone_rrset(previous, owner->previous, set->type);
    if (old == NULL || old->ttl != set->ttl || old->count != set->count)
        return false;
    for (unsigned i = 0; i < set->count; i++)
        if (!same_rdata(previous->rrs[old->first_rr + i], set->rrs[i]))
            return false;
    return true;
}

/* Seconds from `now` to a time of an RRSIG, in serial arithmetic (RFC 4034 section 3.1.5). */
static int64_t until(const struct sign_job *job, uint32_t time)
{
    return (int32_t)(time - (uint32_t)job->request->now);
}

/* Is this signature of the previous version as good as a new one? The content it covers is known
 * to be the same. */
static bool is_good(const struct sign_job *job, const struct sign_owner *owner,
                    const struct sign_set *set, const struct crypto_zone_key *key,
                    const struct dns_rr *rr)
{
    const uint8_t *rdata = rr->rdata;
    if (rr->length <= RRSIG_FIXED + job->apex_length || rr->ttl != set->ttl)
        return false;
    if (base_load_u16(rdata) != set->type || rdata[2] != key->algorithm ||
        base_load_u16(rdata + 16) != key->tag)
        return false;
    if (rdata[3] != owner->labels || base_load_u32(rdata + 4) != set->ttl ||
        memcmp(rdata + RRSIG_FIXED, job->apex, job->apex_length) != 0)
        return false;
    int64_t left = until(job, base_load_u32(rdata + 8));
    return until(job, base_load_u32(rdata + 12)) <= -(int64_t)job->policy->doubt &&
           left > (int64_t)job->policy->refresh && left <= (int64_t)job->policy->validity;
}

static const struct dns_rr *find_kept(const struct sign_job *job, const struct sign_owner *owner,
                                      const struct sign_set *set, const struct sign_signer *signer)
{
    if (!signer->in_previous)
        return NULL;
    const struct zone_rrset *sigs = zone_rrset(job->previous, owner->previous, DNS_TYPE_RRSIG);
    for (unsigned i = 0; sigs != NULL && i < sigs->count; i++) {
        const struct dns_rr *rr = job->previous->rrs[sigs->first_rr + i];
        if (is_good(job, owner, set, signer->key, rr))
            return rr;
        if (base_load_u16(rr->rdata) > set->type)
            break; /* they are in order of the type covered */
    }
    return NULL;
}

/* What is signed (RFC 4034 section 3.1.8.1): the RRSIG's fields, then the records in canonical form
 * and order. Algorithm and tag are filled in for each key. */
static int build_data(const struct sign_job *job, struct base_buf *data,
                      const struct sign_owner *owner, const struct sign_set *set)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length = dns_name_lower(name, owner->name);
    base_buf_reset(data);
    base_buf_u16(data, set->type);
    base_buf_u8(data, 0);
    base_buf_u8(data, owner->labels);
    base_buf_u32(data, set->ttl);
    base_buf_u32(data, expiration(job, name, length));
    base_buf_u32(data, job->inception);
    base_buf_u16(data, 0);
    base_buf_append(data, job->apex, job->apex_length);
    for (unsigned i = 0; i < set->count; i++) {
        const struct dns_rr *rr = set->rrs[i];
        uint8_t *at = base_buf_reserve(data, length + 10u + rr->length);
        if (at == NULL)
            break;
        memcpy(at, name, length);
        uint8_t *fixed = at + length;
        base_store_u16(fixed, set->type);
        base_store_u16(fixed + 2, DNS_CLASS_IN);
        base_store_u32(fixed + 4, set->ttl);
        base_store_u16(fixed + 8, rr->length);
        if (rr->canonical)
            memcpy(fixed + 10, rr->rdata, rr->length);
        else
            dns_rdata_canonical(rr->type, rr->rdata, rr->length, fixed + 10);
        data->length += length + 10u + rr->length;
    }
    return data->error;
}

/* The signature may come only when the worker is flushed. */
static int make_signature(const struct sign_job *job, struct sign_worker *worker, size_t signer,
                          const struct sign_set *set, const struct dns_rr **out)
{
    const struct crypto_zone_key *key = job->keys.signers[signer].key;
    struct base_buf *data = &worker->data;
    data->data[2] = key->algorithm;
    base_store_u16(data->data + 16, key->tag);
    size_t head = RRSIG_FIXED + job->apex_length;
    size_t length = crypto_signer_signature_size(worker->signers[signer]);
    struct dns_rr *rr = sign_new_rr(&worker->arena, DNS_TYPE_RRSIG, set->ttl, head + length);
    if (rr == NULL)
        return BASE_ENOMEM;
    memcpy(rr->rdata, data->data, head);
    int status =
        crypto_sign_later(worker->signers[signer], data->data, data->length, rr->rdata + head);
    if (status == BASE_OK)
        *out = rr;
    return status;
}

/* Signatures of one set are by keys with different tags, so their order is known before they are:
 * the tag comes first. */
static void insert_sorted(const struct dns_rr **sigs, size_t count, const struct dns_rr *rr)
{
    while (count > 0 && dns_rdata_compare(sigs[count - 1], rr) > 0) {
        sigs[count] = sigs[count - 1];
        count--;
    }
    sigs[count] = rr;
}

int sign_set_signatures(struct sign_job *job, struct sign_worker *worker,
                        const struct sign_owner *owner, const struct sign_set *set, bool unchanged,
                        const struct dns_rr **out)
{
    size_t count = 0;
    bool built = false;
    for (size_t i = 0; i < job->keys.count; i++) {
        const struct sign_signer *signer = &job->keys.signers[i];
        if (!in_role(signer, set))
            continue;
        const struct dns_rr *rr = unchanged ? find_kept(job, owner, set, signer) : NULL;
        if (rr != NULL) {
            worker->kept++;
        } else {
            int status = built ? BASE_OK : build_data(job, &worker->data, owner, set);
            if (status == BASE_OK)
                status = make_signature(job, worker, i, set, &rr);
            if (status != BASE_OK)
                return status;
            built = true;
            worker->made++;
        }
        base_time left = until(job, base_load_u32(rr->rdata + 8));
        if (job->request->now + left < worker->earliest)
            worker->earliest = job->request->now + left;
        insert_sorted(out, count++, rr);
    }
    return BASE_OK;
}

int sign_worker_flush(const struct sign_job *job, struct sign_worker *worker)
{
    for (size_t i = 0; i < job->keys.count; i++) {
        int status = crypto_sign_flush(worker->signers[i]);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}
