/*
 * From a question to the RRsets that answer it: the algorithm of RFC 1034 section 4.3.2 with
 * wildcards (RFC 4592), DNAME (RFC 6672) and DNSSEC. See internal.h.
 */
#include "serve/internal.h"

/* What one round of following the question has come to. */
enum outcome { DONE, FOLLOW };

size_t serve_key_prefix(const uint8_t *key, size_t length, unsigned labels)
{
    size_t at = 0;
    while (labels > 0 && at < length)
        labels -= key[at++] == 0;
    return at;
}

bool serve_first_time(struct serve_work *work, const struct image_rrset *rrset)
{
    for (unsigned i = 0; i < work->given_count; i++) {
        if (work->given[i] == rrset->records)
            return false;
    }
    if (work->given_count < SERVE_PROOFS)
        work->given[work->given_count++] = rrset->records;
    return true;
}

int serve_put(struct serve_work *work, enum dns_section section, struct serve_owner *owner,
              const struct image_rrset *rrset, bool needed)
{
    if (work->truncated)
        return BASE_ESPACE;
    int error = serve_packet_rrset(work->packet, section, owner, rrset, true, work->query->dnssec,
                                   SERVE_TTL_KEEP);
    if (error == BASE_ESPACE) {
        work->truncated = needed;
        work->partial = true;
    }
    return error;
}

/* The same where being full has been noted and is no failure. */
static int put_noted(struct serve_work *work, enum dns_section section, struct serve_owner *owner,
                     const struct image_rrset *rrset)
{
    int error = serve_put(work, section, owner, rrset, true);
    return error == BASE_ESPACE ? BASE_OK : error;
}

/* What the answer counts as for rate limiting, unless that is the question's name. */
static void set_subject(struct serve_work *work, const uint8_t *name)
{
    work->subject = dns_name_hash(name);
    work->subject_known = true;
}

/* --- nothing there --- */

static int put_soa(struct serve_work *work)
{
    struct image_place apex;
    struct image_rrset soa;
    int error = image_find_often(work->worker->reader, &work->zone, work->key, 0, &apex);
    if (error == BASE_OK)
        error =
            apex.match == IMAGE_EXACT ? image_rrset(&apex.name, DNS_TYPE_SOA, &soa) : BASE_ENOENT;
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    struct serve_owner owner = {.name = work->zone.apex};
    error = work->truncated
                ? BASE_ESPACE
                : serve_packet_rrset(work->packet, DNS_SECTION_AUTHORITY, &owner, &soa, true,
                                     work->query->dnssec, work->zone.negative_ttl);
    if (error == BASE_ESPACE) {
        work->truncated = true;
        return BASE_OK;
    }
    return error;
}

static int no_data(struct serve_work *work, const struct image_place *place)
{
    int error = put_soa(work);
    return error == BASE_OK ? serve_deny_type(work, place) : error;
}

/* --- data --- */

/* The RRset of RFC 8482 section 4.1: any one; not the NSEC, as long as there is another. */
static int any_rrset(const struct image_name *name, struct image_rrset *rrset)
{
    int found = BASE_ENOENT;
    for (unsigned i = 0; i < name->rrset_count; i++) {
        struct image_rrset candidate;
        int error = image_rrset_at(name, i, &candidate);
        if (error != BASE_OK)
            return error;
        if (candidate.count == 0 || (found == BASE_OK && candidate.type == DNS_TYPE_NSEC))
            continue;
        *rrset = candidate;
        found = BASE_OK;
        if (candidate.type != DNS_TYPE_NSEC)
            break;
    }
    return found;
}

/* RRSIGs as an RRset: all of the name, by UDP those of one type (RFC 8482 section 7). */
static int put_signatures(struct serve_work *work, const struct image_name *name, bool *any)
{
    *any = false;
    for (unsigned i = 0; i < name->rrset_count && !(work->udp && *any); i++) {
        struct image_rrset rrset;
        int error = image_rrset_at(name, i, &rrset);
        if (error != BASE_OK)
            return error;
        if (rrset.signatures == 0)
            continue;
        *any = true;
        if (serve_packet_rrset(work->packet, DNS_SECTION_ANSWER, &work->owner, &rrset, false, true,
                               SERVE_TTL_KEEP) != BASE_OK) {
            work->truncated = true;
            break;
        }
    }
    return BASE_OK;
}

/* Goes on with another name. */
static enum outcome follow(struct serve_work *work, const uint8_t *target, uint16_t place)
{
    if (++work->hops > SERVE_HOPS_MAX || work->truncated)
        return DONE;
    size_t length = dns_name_length(target);
    memmove(work->name, target, length);
    work->owner = (struct serve_owner){.name = work->name, .pointer = place};
    return FOLLOW;
}

static int put_alias(struct serve_work *work, const struct image_rrset *cname,
                     enum outcome *outcome)
{
    size_t used, length = image_record_length(cname->records);
    const uint8_t *target = cname->records + IMAGE_RECORD_HEAD;
    if (dns_name_check(target, length, &used) != BASE_OK || used != length)
        return BASE_EFORMAT;
    *outcome = DONE;
    if (serve_put(work, DNS_SECTION_ANSWER, &work->owner, cname, true) == BASE_OK)
        *outcome = follow(work, target, 0);
    return BASE_OK;
}

/* Answers from an existing name, or from the wildcard that stands for it. *given: something was
 * put. */
static int from_name(struct serve_work *work, const struct image_name *name, bool *given,
                     enum outcome *outcome)
{
    struct image_rrset rrset;
    uint16_t type = work->query->type;
    *outcome = DONE;
    *given = true;
    int error;
    if (type == DNS_TYPE_RRSIG) {
        error = put_signatures(work, name, given);
        if (error != BASE_OK || *given)
            return error;
        *given = true;
        error = BASE_ENOENT;
    } else {
        error = type == DNS_TYPE_ANY ? any_rrset(name, &rrset) : image_rrset(name, type, &rrset);
    }
    if (error == BASE_OK) {
        error = put_noted(work, DNS_SECTION_ANSWER, &work->owner, &rrset);
        serve_first_time(work, &rrset);
        return error;
    }
    if (error == BASE_ENOENT) {
        error = image_rrset(name, DNS_TYPE_CNAME, &rrset);
        if (error == BASE_OK) {
            /* Round in a circle. */
            if (!serve_first_time(work, &rrset))
                return BASE_OK;
            return put_alias(work, &rrset, outcome);
        }
    }
    *given = false;
    return error == BASE_ENOENT ? BASE_OK : error;
}

/* --- wildcards --- */

static int find_wildcard(struct serve_work *work, const struct image_place *place,
                         struct image_place *wildcard)
{
    uint8_t key[DNS_KEY_MAX + 2];
    size_t length = serve_key_prefix(work->key, work->key_length, place->shared);
    memcpy(key, work->key, length);
    key[length] = '*';
    key[length + 1] = 0;
    return image_find_often(work->worker->reader, &work->zone, key, length + 2, wildcard);
}

/* A name that does not exist. */
static int absent(struct serve_work *work, const struct image_place *place, enum outcome *outcome)
{
    struct image_place wildcard;
    int error = find_wildcard(work, place, &wildcard);
    if (error != BASE_OK)
        return error;
    *outcome = DONE;
    if (wildcard.match == IMAGE_ABSENT) {
        work->rcode = DNS_RCODE_NXDOMAIN;
        set_subject(work, work->zone.apex);
        error = put_soa(work);
        return error == BASE_OK ? serve_deny_name(work, place, &wildcard) : error;
    }
    if (wildcard.match == IMAGE_EXACT) {
        /* Before an alias leads to another name. */
        bool given;
        if (!work->subject_known)
            set_subject(work, serve_ancestor(work, place->shared));
        error = serve_deny_closer(work, place);
        if (error == BASE_OK)
            error = from_name(work, &wildcard.name, &given, outcome);
        if (error != BASE_OK || given)
            return error;
    }
    error = put_soa(work);
    return error == BASE_OK ? serve_deny_wildcard_type(work, place, &wildcard) : error;
}

/* --- cuts and DNAMEs --- */

static int refer(struct serve_work *work, const struct image_name *cut, unsigned labels)
{
    const uint8_t *name = serve_ancestor(work, labels);
    struct serve_owner owner = {.name = name};
    struct image_rrset ns, ds;
    if (work->hops == 0)
        set_subject(work, name);
    int error = image_rrset(cut, DNS_TYPE_NS, &ns);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    error = put_noted(work, DNS_SECTION_AUTHORITY, &owner, &ns);
    if (error == BASE_OK && work->dnssec) {
        error = image_rrset(cut, DNS_TYPE_DS, &ds);
        if (error == BASE_OK)
            error = put_noted(work, DNS_SECTION_AUTHORITY, &owner, &ds);
        else if (error == BASE_ENOENT)
            error = serve_deny_ds(work, cut, labels);
    }
    if (error == BASE_OK)
        error = serve_put_proofs(work);
    return error == BASE_OK && !work->truncated ? serve_glue(work, &ns, name) : error;
}

/* The name with its end, an ancestor, exchanged for the target. False: too long. */
static bool rewrite(const struct serve_work *work, unsigned labels, const uint8_t *target,
                    uint8_t out[DNS_NAME_MAX])
{
    size_t kept = (size_t)(serve_ancestor(work, labels) - work->name);
    size_t length = dns_name_length(target);
    if (kept + length > DNS_NAME_MAX)
        return false;
    memcpy(out, work->name, kept);
    memcpy(out + kept, target, length);
    return true;
}

static int redirect(struct serve_work *work, const struct image_name *name, unsigned labels,
                    enum outcome *outcome)
{
    struct image_rrset dname;
    uint8_t target[DNS_NAME_MAX];
    size_t used;
    int error = image_rrset(name, DNS_TYPE_DNAME, &dname);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    const uint8_t *rdata = dname.records + IMAGE_RECORD_HEAD;
    if (dns_name_check(rdata, image_record_length(dname.records), &used) != BASE_OK)
        return BASE_EFORMAT;
    struct serve_owner owner = {.name = serve_ancestor(work, labels)};
    *outcome = DONE;
    if (serve_first_time(work, &dname)) {
        error = put_noted(work, DNS_SECTION_ANSWER, &owner, &dname);
        if (error != BASE_OK || work->truncated)
            return error;
    }
    if (!rewrite(work, labels, rdata, target)) {
        work->rcode = DNS_RCODE_YXDOMAIN;
        return BASE_OK;
    }
    uint16_t place;
    if (serve_packet_alias(work->packet, &work->owner, image_record_ttl(dname.records), target,
                           &place) != BASE_OK) {
        work->truncated = true;
        return BASE_OK;
    }
    if (work->query->type != DNS_TYPE_CNAME && work->query->type != DNS_TYPE_ANY)
        *outcome = follow(work, target, place);
    return BASE_OK;
}

/* --- the rounds --- */

/* Looks for the topmost cut or DNAME at or above the name. *labels: where it is; *top: what is
 * there. False in *found: there is none. */
static int find_top(struct serve_work *work, const struct image_place *place, bool *found,
                    unsigned *labels, struct image_name *top)
{
    *found = false;
    if (place->name.occluder == 0)
        return BASE_OK;
    *labels = place->name.occluder - 1u;
    unsigned shared = place->match == IMAGE_EXACT ? work->labels : place->previous;
    if (shared < *labels)
        return BASE_OK;
    *found = true;
    if (place->match == IMAGE_EXACT && *labels == work->labels) {
        *top = place->name;
        return BASE_OK;
    }
    size_t length = serve_key_prefix(work->key, work->key_length, *labels);
    int error = image_get(work->worker->reader, &work->zone, work->key, length, top);
    return error == BASE_ENOENT ? BASE_EFORMAT : error;
}

/* The zone to look in. DS belongs to the parent's side of a cut (RFC 4035 section 3.1.4.1). */
static int find_zone(struct serve_work *work)
{
    struct image_reader *reader = work->worker->reader;
    int error = image_zone_find(reader, work->name, false, &work->zone);
    if (error != BASE_OK)
        return error;
    unsigned labels = dns_name_labels(work->name);
    if (work->query->type == DNS_TYPE_DS && work->zone.apex_labels == labels) {
        struct image_zone parent;
        error = image_zone_find(reader, work->name, true, &parent);
        if (error == BASE_OK)
            work->zone = parent;
        else if (error != BASE_ENOENT)
            return error;
    }
    work->zones++;
    work->labels = labels - work->zone.apex_labels;
    work->key_length = dns_name_key(work->key, work->name, work->zone.apex_labels);
    work->dnssec = work->query->dnssec && work->zone.denial != IMAGE_UNSIGNED;
    return BASE_OK;
}

static int exact(struct serve_work *work, const struct image_place *place, enum outcome *outcome)
{
    bool given;
    int error = from_name(work, &place->name, &given, outcome);
    return error == BASE_OK && !given ? no_data(work, place) : error;
}

static int one_round(struct serve_work *work, enum outcome *outcome)
{
    struct image_place place;
    struct image_name top;
    bool below;
    unsigned labels;
    *outcome = DONE;
    int error = image_find(work->worker->reader, &work->zone, work->key, work->key_length, &place);
    if (error == BASE_OK)
        error = find_top(work, &place, &below, &labels, &top);
    if (error != BASE_OK)
        return error;
    if (below && (top.flags & ZONE_CUT) != 0 &&
        !(labels == work->labels && work->query->type == DNS_TYPE_DS))
        return refer(work, &top, labels);
    if (work->hops == 0)
        work->authoritative = true;
    if (below && (top.flags & ZONE_CUT) == 0 && labels < work->labels)
        return redirect(work, &top, labels, outcome);
    switch (place.match) {
    case IMAGE_EXACT:
        return exact(work, &place, outcome);
    case IMAGE_ENT:
        return no_data(work, &place);
    case IMAGE_ABSENT:
        break;
    }
    return absent(work, &place, outcome);
}

/* Adds what the answer's records point to. */
static int put_additional(struct serve_work *work)
{
    uint16_t type = work->query->type;
    bool points = type == DNS_TYPE_NS || type == DNS_TYPE_MX || type == DNS_TYPE_SRV ||
                  type == DNS_TYPE_SVCB || type == DNS_TYPE_HTTPS;
    if (!points || work->truncated || work->rcode != DNS_RCODE_NOERROR ||
        work->packet->counts[DNS_SECTION_ANSWER] == 0)
        return BASE_OK;
    for (unsigned i = 0; i < work->given_count; i++) {
        if (base_load_u16(work->given[i] + 2) != type)
            continue;
        /* Looked up again: only the address of the RRset was kept. */
        struct image_rrset rrset = {.records = work->given[i], .type = type};
        struct image_place place;
        int error =
            image_find(work->worker->reader, &work->zone, work->key, work->key_length, &place);
        if (error == BASE_OK && place.match == IMAGE_ABSENT)
            error = find_wildcard(work, &place, &place);
        if (error == BASE_OK)
            error = image_rrset(&place.name, type, &rrset);
        if (error != BASE_OK)
            return error == BASE_ENOENT ? BASE_OK : error;
        return serve_additional(work, &rrset);
    }
    return BASE_OK;
}

int serve_resolve(struct serve_work *work)
{
    enum outcome outcome;
    do {
        int error = find_zone(work);
        if (error == BASE_ENOENT && work->hops > 0)
            return serve_put_proofs(work); /* the rest is somebody else's */
        if (error != BASE_OK)
            return error;
        error = one_round(work, &outcome);
        if (error != BASE_OK) /* the zone is there, but something of it is not */
            return error == BASE_ENOENT ? BASE_EFORMAT : error;
    } while (outcome == FOLLOW);
    int error = serve_put_proofs(work);
    return error == BASE_OK ? put_additional(work) : error;
}
