/*
 * Signing a change: see delta.h. The names that the change touches make two small zones, before
 * and after, and the second is signed with the first as the previous version, in the same way as a
 * whole zone; only where they stand in the denial chain is known from the view. So what is signed,
 * kept, in a bitmap, and when there is a new serial is decided in one place for both.
 */
#include "sign/delta.h"

#include "base/error.h"
#include "base/reader.h"
#include "sign/delta_parts.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 20000

/* --- the version before --- */

static const struct dns_rr *find_type(const struct delta_records *records, uint16_t type)
{
    for (size_t i = 0; i < records->count; i++) {
        if (records->rrs[i]->type == type)
            return records->rrs[i];
    }
    return NULL;
}

/* Is the version signed in a way that goes on? NSEC3 parameters are compared later. */
static int check_version(struct delta_job *delta)
{
    const struct zone_view *view = delta->view;
    const struct sign_policy *policy = delta->request->policy;
    const struct delta_records *top = &delta->top->before;
    uint8_t none[ZONE_VIEW_HASH] = {0};
    if (policy->zonemd != 0 || find_type(top, DNS_TYPE_ZONEMD) != NULL ||
        find_type(top, DNS_TYPE_SOA) == NULL || find_type(top, DNS_TYPE_RRSIG) == NULL ||
        (find_type(top, DNS_TYPE_NSEC) != NULL) == delta->nsec3)
        return BASE_EUNSUPPORTED;
    int error = view->hash_after(view->context, none, none);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    return (error == BASE_OK) == delta->nsec3 ? BASE_OK : BASE_EUNSUPPORTED;
}

static const struct dns_rr *apex_denial(const struct delta_job *delta)
{
    if (!delta->nsec3)
        return find_type(&delta->top->before, DNS_TYPE_NSEC);
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    if (crypto_nsec3_hash(delta->hasher, delta->apex, hash) != BASE_OK)
        return NULL;
    const struct delta_link *link = delta_link_find(delta, hash, sizeof(hash));
    return link != NULL ? find_type(&link->before, DNS_TYPE_NSEC3) : NULL;
}

/* Do the denial records of the version have the parameters and the TTL of new ones? */
static bool same_denial(const struct delta_job *delta, const struct sign_job *job)
{
    const struct sign_policy *policy = delta->request->policy;
    const struct dns_rr *denial = apex_denial(delta);
    if (denial == NULL || denial->ttl != job->denial_ttl)
        return false;
    if (!delta->nsec3)
        return true;
    const uint8_t *rdata = denial->rdata;
    return rdata[0] == 1 && (rdata[1] & 1) == delta->opt_out &&
           base_load_u16(rdata + 2) == policy->nsec3_iterations &&
           rdata[4] == policy->nsec3_salt_length &&
           memcmp(rdata + 5, policy->nsec3_salt, rdata[4]) == 0;
}

/* Is every key that is to be published in the DNSKEY set of the version? */
static bool keys_published(const struct delta_job *delta)
{
    const struct sign_delta_request *request = delta->request;
    const struct delta_records *top = &delta->top->before;
    for (size_t i = 0; i < request->key_count; i++) {
        const struct crypto_zone_key *key = &request->keys[i];
        bool found = !sign_key_published(key, request->now);
        for (size_t j = 0; j < top->count && !found; j++) {
            const struct dns_rr *rr = top->rrs[j];
            found = rr->type == DNS_TYPE_DNSKEY && rr->length == key->dnskey_length &&
                    memcmp(rr->rdata, key->dnskey, rr->length) == 0;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Is the version's SOA signed by just those keys that sign now? */
static bool same_signers(const struct delta_job *delta, const struct sign_job *job)
{
    const struct delta_records *top = &delta->top->before;
    size_t signatures = 0, ours = 0;
    for (size_t i = 0; i < top->count; i++) {
        const struct dns_rr *rr = top->rrs[i];
        if (rr->type != DNS_TYPE_RRSIG || rr->length < 18 ||
            base_load_u16(rr->rdata) != DNS_TYPE_SOA)
            continue;
        signatures++;
        for (size_t k = 0; k < job->keys.count; k++) {
            const struct sign_signer *signer = &job->keys.signers[k];
            ours += signer->by_zone && signer->key->algorithm == rr->rdata[2] &&
                    signer->key->tag == base_load_u16(rr->rdata + 16);
        }
    }
    return signatures == ours && ours == job->keys.zone_count;
}

static bool same_dnskeys(const struct sign_job *job)
{
    const struct sign_set *set = sign_apex_set(job, DNS_TYPE_DNSKEY);
    struct sign_owner owner = sign_owner_make(job->apex, &job->previous->nodes[0]);
    return set != NULL && sign_set_unchanged(job, &owner, set);
}

/* --- the small zones --- */

static int add_records(struct zone_batch_writer *writer, const uint8_t *owner,
                       const struct delta_records *records, size_t *count)
{
    for (size_t i = 0; i < records->count; i++) {
        const struct dns_rr *rr = records->rrs[i];
        int error = zone_batch_add(writer, owner, rr->type, rr->ttl, rr->rdata, rr->length);
        if (error != BASE_OK)
            return error;
    }
    *count += records->count;
    return BASE_OK;
}

static int add_all(struct delta_job *delta, bool after, struct zone_batch_writer *writer,
                   size_t *count)
{
    int error = BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < delta->count; i++) {
        const struct delta_name *name = delta->names[i];
        error = add_records(writer, name->name, after ? &name->after : &name->before, count);
    }
    for (size_t i = 0; error == BASE_OK && !after && delta->nsec3 && i < delta->link_count; i++) {
        struct sign_hash hash;
        uint8_t owner[DNS_NAME_MAX];
        struct sign_job job = {.apex_length = dns_name_length(delta->apex)};
        memcpy(hash.hash, delta->links[i].key, sizeof(hash.hash));
        memcpy(job.apex, delta->apex, job.apex_length);
        sign_hash_name(&job, &hash, owner);
        error = add_records(writer, owner, &delta->links[i].before, count);
    }
    return error;
}

/* A zone of the names before or after. */
static int build(struct delta_job *delta, bool after, struct base_findings *findings,
                 struct zone **out)
{
    struct zone_batch_writer writer;
    struct zone *zone;
    size_t count = 0;
    int error = zone_batch_writer_init(&writer, delta->apex);
    if (error != BASE_OK)
        return error;
    error = add_all(delta, after, &writer, &count);
    if (error != BASE_OK) {
        dns_batch_free(writer.batch);
        return error;
    }
    struct dns_zonefile file = {
        .batches = writer.batch, .rr_count = count, .run_count = writer.batch->run_count};
    memcpy(file.origin, delta->apex, dns_name_length(delta->apex));
    base_arena_init(&file.arena, 0);
    error = zone_build(&file, 1, findings, &zone);
    dns_zonefile_free(&file);
    if (error == BASE_OK && (zone->soa == NULL || zone->rr_count != count)) {
        zone_release(zone);
        error = after && base_findings_bad(findings) ? BASE_EREFUSED : BASE_EFORMAT;
    }
    if (error == BASE_OK)
        *out = zone;
    return error;
}

/* Gives the nodes after the flags that they have in the whole zone, and tells the names where they
 * are: both are in canonical order. */
static int place_nodes(struct delta_job *delta, struct zone *zone)
{
    const uint16_t depends = ZONE_CUT | ZONE_BELOW | ZONE_UNDER_DNAME;
    size_t at = 0;
    for (size_t i = 0; i < delta->count; i++) {
        struct delta_name *name = delta->names[i], *cover;
        if (name->after.count == 0)
            continue;
        if (at == zone->node_count || !dns_name_equal(zone->nodes[at].name, name->name))
            return BASE_EFORMAT;
        int error = delta_cover(delta, name->name, true, &cover);
        if (error != BASE_OK)
            return error;
        struct zone_node *node = &zone->nodes[at];
        node->flags &= (uint16_t)~depends;
        if (cover != NULL)
            node->flags |=
                delta_barrier(cover, cover->is) & DELTA_NS ? ZONE_BELOW : ZONE_UNDER_DNAME;
        else if ((delta_barrier(name, name->is) & DELTA_NS) != 0)
            node->flags |= ZONE_CUT;
        name->node = (uint32_t)at++;
    }
    return BASE_OK;
}

/* --- signing --- */

static int set_names(struct delta_job *delta, struct sign_job *job)
{
    const uint8_t **next =
        base_arena_zalloc(&delta->arena, job->zone->node_count * sizeof(uint8_t *));
    if (next == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < delta->link_count; i++) {
        const struct delta_link *link = &delta->links[i];
        if (link->is)
            next[link->name->node] = link->next;
    }
    job->next_names = next;
    return BASE_OK;
}

static int set_hashes(struct delta_job *delta, struct sign_job *job)
{
    const uint8_t **next =
        base_arena_alloc(&delta->arena, (delta->link_count + 1) * sizeof(uint8_t *));
    job->hashes = malloc((delta->link_count + 1) * sizeof(*job->hashes));
    if (next == NULL || job->hashes == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < delta->link_count; i++) {
        const struct delta_link *link = &delta->links[i];
        if (!link->is)
            continue;
        struct sign_hash *hash = &job->hashes[job->hash_count];
        *hash = (struct sign_hash){.depth = link->kept ? SIGN_HASH_KEPT : link->name == NULL};
        if (link->name != NULL)
            hash->node = link->name->node;
        memcpy(hash->hash, link->key, sizeof(hash->hash));
        next[job->hash_count++] = link->next;
    }
    job->next_hashes = next;
    return BASE_OK;
}

static int sign(struct delta_job *delta, struct sign_job *job)
{
    int status = sign_check_request(job);
    if (status == BASE_OK && !keys_published(delta))
        status = BASE_EUNSUPPORTED;
    if (status == BASE_OK)
        status = sign_choose_keys(job);
    if (status == BASE_OK)
        status = sign_make_apex(job);
    if (status == BASE_OK &&
        (!same_dnskeys(job) || !same_signers(delta, job) || !same_denial(delta, job)))
        status = BASE_EUNSUPPORTED;
    if (status == BASE_OK)
        status = sign_make_workers(job);
    if (status == BASE_OK)
        status = sign_scan(job);
    if (status == BASE_OK)
        status = delta->nsec3 ? set_hashes(delta, job) : set_names(delta, job);
    if (status == BASE_OK)
        status = sign_emit(job);
    if (status == BASE_OK)
        status = sign_finish(job);
    return status == BASE_OK ? sign_hand_over(job) : status;
}

/* --- the result: without the names that did not change --- */

static bool same_node(const struct zone *a, const struct zone_node *x, const struct zone *b,
                      const struct zone_node *y)
{
    if (x->rrset_count != y->rrset_count)
        return false;
    for (unsigned i = 0; i < x->rrset_count; i++) {
        const struct zone_rrset *s = &a->rrsets[x->first_rrset + i];
        const struct zone_rrset *t = &b->rrsets[y->first_rrset + i];
        if (s->type != t->type || s->count != t->count)
            return false;
        for (unsigned j = 0; j < s->count; j++) {
            const struct dns_rr *p = a->rrs[s->first_rr + j], *q = b->rrs[t->first_rr + j];
            if (p != q && (p->ttl != q->ttl || p->length != q->length ||
                           memcmp(p->rdata, q->rdata, p->length) != 0))
                return false;
        }
    }
    return true;
}

/* Does the node's name belong into the change? */
static int is_wanted(struct delta_job *delta, const struct zone *zone, const struct zone_node *node,
                     const struct zone *other, bool *wanted)
{
    struct delta_name *name;
    const struct zone_node *twin = zone_find(other, node->name, NULL);
    *wanted = twin == NULL || (node->flags & ZONE_APEX) != 0 || !same_node(zone, node, other, twin);
    if (*wanted)
        return BASE_OK;
    int error = delta_look(delta, node->name, &name);
    *wanted = error == BASE_OK && name->pulled;
    return error;
}

static void copy_nodes(const struct zone *from, const bool *wanted, struct zone *to)
{
    size_t node = 0, rrset = 0, rr = 0;
    for (size_t i = 0; i < from->node_count; i++) {
        if (!wanted[i])
            continue;
        const struct zone_node *old = &from->nodes[i];
        to->nodes[node] = *old;
        to->nodes[node++].first_rrset = (uint32_t)rrset;
        for (unsigned s = 0; s < old->rrset_count; s++) {
            const struct zone_rrset *set = &from->rrsets[old->first_rrset + s];
            to->rrsets[rrset] = *set;
            to->rrsets[rrset++].first_rr = (uint32_t)rr;
            memcpy(&to->rrs[rr], &from->rrs[set->first_rr], set->count * sizeof(*to->rrs));
            rr += set->count;
        }
    }
    to->soa = from->soa;
    to->serial = from->serial;
}

/* A zone of those of its nodes that are wanted. */
static int pick(struct zone *from, const bool *wanted, struct zone **out)
{
    size_t nodes = 0, rrsets = 0, rrs = 0;
    for (size_t i = 0; i < from->node_count; i++) {
        const struct zone_node *node = &from->nodes[i];
        nodes += wanted[i];
        rrsets += wanted[i] ? node->rrset_count : 0;
        for (unsigned s = 0; wanted[i] && s < node->rrset_count; s++)
            rrs += from->rrsets[node->first_rrset + s].count;
    }
    if (nodes == from->node_count) {
        *out = zone_hold(from);
        return BASE_OK;
    }
    struct zone *zone;
    int error = zone_make(from, nodes, rrsets, rrs, &zone);
    if (error != BASE_OK)
        return error;
    copy_nodes(from, wanted, zone);
    error = zone_share(zone, from);
    if (error != BASE_OK)
        zone_release(zone);
    else
        *out = zone;
    return error;
}

static int pick_changed(struct delta_job *delta, struct zone *zone, const struct zone *other,
                        struct zone **out)
{
    bool *wanted = malloc(zone->node_count + 1);
    if (wanted == NULL)
        return BASE_ENOMEM;
    int error = BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < zone->node_count; i++)
        error = is_wanted(delta, zone, &zone->nodes[i], other, &wanted[i]);
    if (error == BASE_OK)
        error = pick(zone, wanted, out);
    free(wanted);
    return error;
}

static int make_result(struct delta_job *delta, struct sign_job *job, struct zone *before,
                       struct sign_delta_result *result)
{
    struct sign_result all;
    struct zone_delta change = {NULL, NULL};
    bool nothing = job->unchanged;
    sign_fill_result(job, &all);
    int error = nothing ? BASE_OK : pick_changed(delta, before, all.zone, &change.before);
    if (error == BASE_OK && !nothing)
        error = pick_changed(delta, all.zone, before, &change.after);
    zone_release(all.zone);
    if (error != BASE_OK) {
        zone_delta_free(&change);
        return error;
    }
    *result = (struct sign_delta_result){.delta = change,
                                         .signatures_made = all.signatures_made,
                                         .signatures_kept = all.signatures_kept,
                                         .serial = all.serial,
                                         .earliest_expiry = all.earliest_expiry,
                                         .nothing = nothing};
    return BASE_OK;
}

static int sign_change(struct delta_job *delta, struct zone *before, struct zone *after,
                       struct base_findings *findings, struct sign_delta_result *result)
{
    const struct sign_delta_request *request = delta->request;
    struct sign_request whole = {.zone = after,
                                 .policy = request->policy,
                                 .keys = request->keys,
                                 .key_count = request->key_count,
                                 .previous = before,
                                 .now = request->now,
                                 .threads = 1};
    struct sign_job job;
    sign_job_init(&job, &whole, findings);
    int status = sign(delta, &job);
    if (status == BASE_OK)
        status = make_result(delta, &job, before, result);
    else if (status == BASE_ECRYPTO)
        base_findings_add(findings, SIGN_CRYPTO_FAILED, NULL, "signing stopped: %s",
                          base_strerror(status));
    sign_job_free(&job);
    return status;
}

/* --- the steps --- */

static int find_change(struct delta_job *delta)
{
    const struct sign_delta_request *request = delta->request;
    int error = delta_touch(delta, delta->apex, &delta->top);
    if (error == BASE_OK)
        error = check_version(delta);
    if (error == BASE_OK)
        error = delta_edit(delta);
    for (size_t i = 0; error == BASE_OK && i < request->refresh_count; i++) {
        error = dns_name_within(request->refresh[i], delta->apex)
                    ? delta_touch(delta, request->refresh[i], NULL)
                    : BASE_EINVAL;
    }
    if (error == BASE_OK)
        error = delta_pull(delta);
    if (error != BASE_OK)
        return error;
    delta_names_sort(delta);
    error = delta_chain(delta);
    delta_names_sort(delta); /* it may have touched others */
    return error;
}

static int make_change(struct delta_job *delta, struct base_findings *findings,
                       struct sign_delta_result *result)
{
    struct base_findings built;
    struct zone *before = NULL, *after = NULL;
    int error = find_change(delta);
    if (error != BASE_OK)
        return error;
    base_findings_init(&built, findings->per_code);
    error = build(delta, false, &built, &before);
    if (error == BASE_OK)
        error = build(delta, true, &built, &after);
    if (error == BASE_OK)
        error = place_nodes(delta, after);
    if (error == BASE_EREFUSED)
        base_findings_absorb(findings, &built);
    base_findings_free(&built);
    if (error == BASE_OK)
        error = sign_change(delta, before, after, findings, result);
    zone_release(before);
    zone_release(after);
    return error;
}

int sign_delta(const struct sign_delta_request *request, struct base_findings *findings,
               struct sign_delta_result *result)
{
    const struct sign_policy *policy = request->policy;
    struct delta_job delta = {
        .request = request,
        .view = request->view,
        .nsec3 = policy->denial == SIGN_NSEC3,
        .opt_out = policy->denial == SIGN_NSEC3 && policy->opt_out,
        .limit = request->names_max != 0 ? request->names_max : NAMES_MAX,
    };
    size_t length = dns_name_lower(delta.apex, request->view->apex);
    if (delta.nsec3 && length + 1 + 2 * 16 > DNS_NAME_MAX)
        return BASE_EUNSUPPORTED;
    base_arena_init(&delta.arena, 0);
    int error = delta_names_init(&delta);
    if (error == BASE_OK && delta.nsec3)
        error = crypto_nsec3_new(policy->nsec3_iterations, policy->nsec3_salt,
                                 policy->nsec3_salt_length, &delta.hasher);
    if (error == BASE_OK)
        error = make_change(&delta, findings, result);
    delta_names_free(&delta);
    crypto_nsec3_free(delta.hasher);
    base_arena_free(&delta.arena);
    return error;
}
