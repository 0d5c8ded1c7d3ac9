/* Proofs that something is not there: NSEC (RFC 4035 section 3.1.3) and NSEC3 (RFC 5155 section
 * 7.2). What the image does not hold (a zone that is not wholly signed) is left out. */
#include "serve/internal.h"

static int put_proof(struct serve_work *work, const struct image_name *name, uint16_t type)
{
    struct image_rrset rrset;
    int error = image_rrset(name, type, &rrset);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_OK : error;
    if (!serve_first_time(work, &rrset))
        return BASE_OK;
    if (work->proof_count == SERVE_PROOFS) {
        work->truncated = true;
        return BASE_OK;
    }
    work->proofs[work->proof_count++] = (struct serve_proof){.rrset = rrset,
                                                             .labels = name->labels,
                                                             .labels_length = name->labels_length,
                                                             .apex = work->zone.apex,
                                                             .apex_length = work->zone.apex_length};
    return BASE_OK;
}

int serve_put_proofs(struct serve_work *work)
{
    for (unsigned i = 0; i < work->proof_count && !work->truncated; i++) {
        const struct serve_proof *proof = &work->proofs[i];
        uint8_t name[DNS_NAME_MAX];
        if ((size_t)proof->labels_length + proof->apex_length > DNS_NAME_MAX)
            return BASE_EFORMAT;
        memcpy(name, proof->labels, proof->labels_length);
        memcpy(name + proof->labels_length, proof->apex, proof->apex_length);
        struct serve_owner owner = {.name = name};
        int error = serve_put(work, DNS_SECTION_AUTHORITY, &owner, &proof->rrset, true);
        if (error != BASE_OK && error != BASE_ESPACE)
            return error;
    }
    work->proof_count = 0;
    return BASE_OK;
}

/* --- NSEC --- */

/* The NSEC that covers a name which does not exist, or has only names below it: that of what comes
 * before; below a cut or a DNAME nothing has one, so that of the cut itself. */
static int cover_nsec(struct serve_work *work, const struct image_place *place)
{
    struct image_name name = place->name;
    uint8_t wire[DNS_NAME_MAX + 1], key[DNS_KEY_MAX];
    if (name.occluder > 1) {
        memcpy(wire, name.labels, name.labels_length);
        wire[name.labels_length] = 0;
        size_t length = dns_name_key(key, wire, 0);
        length = serve_key_prefix(key, length, name.occluder - 1u);
        int error = image_get(work->worker->reader, &work->zone, key, length, &name);
        if (error != BASE_OK)
            return error == BASE_ENOENT ? BASE_EFORMAT : error;
    } else if (name.occluder == 1) { /* a DNAME at the apex */
        int error = image_get(work->worker->reader, &work->zone, work->key, 0, &name);
        if (error != BASE_OK)
            return error;
    }
    return put_proof(work, &name, DNS_TYPE_NSEC);
}

static int prove_nsec(struct serve_work *work, const struct image_place *place)
{
    return place->match == IMAGE_EXACT ? put_proof(work, &place->name, DNS_TYPE_NSEC)
                                       : cover_nsec(work, place);
}

/* --- NSEC3 --- */

static int set_hasher(struct serve_work *work)
{
    struct serve_worker *worker = work->worker;
    const struct image_zone *zone = &work->zone;
    if (worker->nsec3 != NULL && worker->nsec3_iterations == zone->iterations &&
        worker->nsec3_salt_length == zone->salt_length &&
        memcmp(worker->nsec3_salt, zone->salt, zone->salt_length) == 0)
        return BASE_OK;
    crypto_nsec3_free(worker->nsec3);
    worker->nsec3 = NULL;
    worker->nsec3_apex_known = false;
    worker->nsec3_iterations = zone->iterations;
    worker->nsec3_salt_length = zone->salt_length;
    memcpy(worker->nsec3_salt, zone->salt, zone->salt_length);
    return crypto_nsec3_new(zone->iterations, zone->salt, zone->salt_length, &worker->nsec3);
}

/* The apex is in nearly every proof: its hash is kept. */
static int hash_name(struct serve_work *work, const uint8_t *name, uint8_t out[CRYPTO_NSEC3_SIZE])
{
    struct serve_worker *worker = work->worker;
    bool apex = name == serve_ancestor(work, 0);
    int error = set_hasher(work);
    if (error != BASE_OK)
        return error;
    if (apex && worker->nsec3_apex_known && dns_name_equal(worker->nsec3_apex, work->zone.apex)) {
        memcpy(out, worker->nsec3_apex_hash, CRYPTO_NSEC3_SIZE);
        return BASE_OK;
    }
    error = crypto_nsec3_hash(worker->nsec3, name, out);
    if (error == BASE_OK && apex) {
        memcpy(worker->nsec3_apex, work->zone.apex, work->zone.apex_length);
        memcpy(worker->nsec3_apex_hash, out, CRYPTO_NSEC3_SIZE);
        worker->nsec3_apex_known = true;
    }
    return error;
}

static int find_nsec3(struct serve_work *work, const uint8_t *name, bool *match,
                      struct image_name *found)
{
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    int error = hash_name(work, name, hash);
    if (error == BASE_OK)
        error = image_find_nsec3(work->worker->reader, &work->zone, hash, match, found);
    return error == BASE_ENOENT ? BASE_EFORMAT : error;
}

/* Puts the NSEC3 that matches or covers a name. */
static int prove_nsec3(struct serve_work *work, const uint8_t *name)
{
    bool match;
    struct image_name found;
    int error = find_nsec3(work, name, &match, &found);
    return error == BASE_OK ? put_proof(work, &found, DNS_TYPE_NSEC3) : error;
}

/* The closest encloser that can be proved, at most `*labels` deep, and that the next closer name is
 * covered. With opt-out some names that exist have no NSEC3. `closer`: what has been found for the
 * name one label deeper. */
static int prove_encloser(struct serve_work *work, unsigned *labels, struct image_name *closer)
{
    for (unsigned at = *labels;; at--) {
        bool match;
        struct image_name found;
        int error = find_nsec3(work, serve_ancestor(work, at), &match, &found);
        if (error != BASE_OK)
            return error;
        if (match) {
            *labels = at;
            error = put_proof(work, &found, DNS_TYPE_NSEC3);
            return error == BASE_OK ? put_proof(work, closer, DNS_TYPE_NSEC3) : error;
        }
        if (at == 0)
            return BASE_OK; /* not even the apex: nothing can be proved */
        *closer = found;
    }
}

/* The same for a name of which nothing has been looked for. */
static int prove_absent(struct serve_work *work, unsigned *labels)
{
    bool match;
    struct image_name closer;
    int error = find_nsec3(work, serve_ancestor(work, *labels + 1), &match, &closer);
    return error == BASE_OK ? prove_encloser(work, labels, &closer) : error;
}

/* The NSEC3 that matches a name with so many labels; without one, that it is not needed. */
static int prove_present(struct serve_work *work, unsigned labels)
{
    bool match;
    struct image_name found;
    int error = find_nsec3(work, serve_ancestor(work, labels), &match, &found);
    if (error != BASE_OK)
        return error;
    if (match)
        return put_proof(work, &found, DNS_TYPE_NSEC3);
    if (labels == 0)
        return BASE_OK;
    labels--;
    return prove_encloser(work, &labels, &found);
}

static bool wildcard_below(const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    size_t length = dns_name_length(name);
    if (length + 2 > DNS_NAME_MAX)
        return false;
    out[0] = 1;
    out[1] = '*';
    memcpy(out + 2, name, length);
    return true;
}

/* The NSEC3 for the wildcard below the ancestor with so many labels. */
static int prove_wildcard(struct serve_work *work, unsigned labels)
{
    uint8_t wildcard[DNS_NAME_MAX];
    if (!wildcard_below(serve_ancestor(work, labels), wildcard))
        return BASE_OK;
    return prove_nsec3(work, wildcard);
}

/* --- the cases --- */

int serve_deny_type(struct serve_work *work, const struct image_place *place)
{
    if (!work->dnssec)
        return BASE_OK;
    if (work->zone.denial == IMAGE_NSEC)
        return prove_nsec(work, place);
    return prove_present(work, work->labels);
}

int serve_deny_name(struct serve_work *work, const struct image_place *place,
                    const struct image_place *wildcard)
{
    if (!work->dnssec)
        return BASE_OK;
    if (work->zone.denial == IMAGE_NSEC) {
        int error = prove_nsec(work, place);
        return error == BASE_OK ? prove_nsec(work, wildcard) : error;
    }
    unsigned labels = place->shared;
    int error = prove_absent(work, &labels);
    return error == BASE_OK ? prove_wildcard(work, labels) : error;
}

int serve_deny_closer(struct serve_work *work, const struct image_place *place)
{
    if (!work->dnssec)
        return BASE_OK;
    if (work->zone.denial == IMAGE_NSEC)
        return prove_nsec(work, place);
    return prove_nsec3(work, serve_ancestor(work, place->shared + 1));
}

int serve_deny_wildcard_type(struct serve_work *work, const struct image_place *place,
                             const struct image_place *wildcard)
{
    if (!work->dnssec)
        return BASE_OK;
    if (work->zone.denial == IMAGE_NSEC) {
        int error = prove_nsec(work, place);
        return error == BASE_OK ? prove_nsec(work, wildcard) : error;
    }
    unsigned labels = place->shared;
    int error = prove_absent(work, &labels);
    return error == BASE_OK ? prove_wildcard(work, labels) : error;
}

int serve_deny_ds(struct serve_work *work, const struct image_name *cut, unsigned labels)
{
    if (!work->dnssec)
        return BASE_OK;
    if (work->zone.denial == IMAGE_NSEC)
        return put_proof(work, cut, DNS_TYPE_NSEC);
    return prove_present(work, labels);
}
