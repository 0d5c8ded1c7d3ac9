/* A version from a change of the published one: see internal.h. */
#include "control/internal.h"

#include "base/error.h"
#include "validate/delta.h"
#include "zone/check.h"
#include "zone/diff.h"

#include <stdlib.h>
#include <string.h>

/* --- who may change what (the rules of a zone, the first that fits decides) --- */

struct asker {
    const struct config_template *as;
    const struct serve_link_head *head;
};

static bool is_who(const struct config_match *match, const struct serve_link_head *head)
{
    struct config_acl acl = {.matches = match, .count = 1};
    return config_acl_allows(&acl, &head->peer, head->key[0] != 0 ? head->key : NULL,
                             head->identity[0] != 0 ? head->identity : NULL);
}

static bool is_below(const uint8_t *name, const uint8_t *top)
{
    unsigned labels = dns_name_labels(name), top_labels = dns_name_labels(top);
    return labels >= top_labels && dns_name_equal(dns_name_parent(name, labels - top_labels), top);
}

static bool has_type(const struct config_update_rule *rule, uint16_t type)
{
    for (size_t i = 0; i < rule->type_count; i++) {
        if (rule->types[i] == type)
            return true;
    }
    return rule->type_count == 0;
}

static bool in_scope(const struct config_update_rule *rule, const uint8_t *name)
{
    switch (rule->scope) {
    case CONFIG_SCOPE_NAME:
        return dns_name_equal(name, rule->name);
    case CONFIG_SCOPE_BELOW:
        return is_below(name, rule->name);
    default:
        return true;
    }
}

static bool allows(void *context, const uint8_t *name, uint16_t type)
{
    const struct asker *asker = context;
    for (size_t i = 0; i < asker->as->update_count; i++) {
        const struct config_update_rule *rule = &asker->as->update[i];
        if (has_type(rule, type) && in_scope(rule, name) && is_who(&rule->who, asker->head))
            return rule->grant;
    }
    return false;
}

/* --- from changes to edits --- */

static void judge_update(struct control_job *job, struct control_change *change,
                         const struct zone_view *view)
{
    struct asker asker = {job->zone->as, &change->head};
    struct source_update_request request = {.message = change->message,
                                            .length = change->length,
                                            .view = view,
                                            .allows = allows,
                                            .context = &asker};
    struct source_update_result result;
    int error = source_update(&request, &job->edits, &result);
    job->image_damaged |= error == BASE_EFORMAT;
    change->rcode = error == BASE_OK ? result.rcode : DNS_RCODE_SERVFAIL;
    snprintf(change->why, sizeof(change->why), "%s",
             error == BASE_OK ? result.why : base_strerror(error));
}

static int judge_api(struct control_job *job, struct control_change *change,
                     const struct zone_view *view)
{
    static const enum source_change_kind kinds[] = {
        [API_ADD] = SOURCE_ADD, [API_DELETE] = SOURCE_DELETE, [API_SET] = SOURCE_SET};
    const struct api_change *asked = &change->request->change;
    struct source_change *items = calloc(asked->count, sizeof(*items));
    if (items == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < asked->count; i++) {
        const struct api_edit *edit = &asked->edits[i];
        items[i] = (struct source_change){.kind = kinds[edit->action],
                                          .owner = edit->owner,
                                          .rdata = edit->rdata,
                                          .ttl = edit->ttl,
                                          .type = edit->type,
                                          .length = edit->length};
    }
    int error = source_change(view, items, asked->count, &job->edits, &change->findings);
    free(items);
    return error;
}

static int judge(struct control_job *job, struct control_change *change,
                 const struct zone_view *view)
{
    if (change->kind == CONTROL_UPDATE) {
        judge_update(job, change, view);
        return BASE_OK;
    }
    return judge_api(job, change, view);
}

/* --- what a change does, for the one who asked --- */

struct difference {
    json_t *removed, *added;
};

static int note_difference(void *context, enum zone_change kind, const uint8_t *owner,
                           const struct dns_rr *rr)
{
    struct difference *difference = context;
    json_t *record = api_record(owner, rr->ttl, rr->type, rr->rdata, rr->length);
    json_t *list = kind == ZONE_REMOVED ? difference->removed : difference->added;
    return record != NULL && json_array_append_new(list, record) == 0 ? BASE_OK : BASE_ENOMEM;
}

static void tell_difference(struct control_job *job, const struct zone *from, const struct zone *to)
{
    struct control_change *change = job->changes;
    if (change == NULL || change->kind != CONTROL_API_CHANGE)
        return;
    struct difference difference = {json_array(), json_array()};
    struct zone_diff_options options = {.ignore_dnssec = true, .ignore_serial = true};
    zone_diff(from, to, &options, note_difference, &difference);
    change->removed = difference.removed;
    change->added = difference.added;
}

/* --- signing it --- */

static int sign(struct control_job *job, struct control_worker *worker,
                const struct zone_view *view)
{
    struct crypto_keydir keys;
    int error = control_provide_keys(job, worker, job->is_signed, &keys);
    if (error != BASE_OK)
        return error;
    struct sign_edit *edits = calloc(job->edits.count + 1, sizeof(*edits));
    for (size_t i = 0; edits != NULL && i < job->edits.count; i++) {
        const struct source_edit *from = &job->edits.items[i];
        edits[i] = (struct sign_edit){.owner = from->owner,
                                      .rdata = from->rdata,
                                      .ttl = from->ttl,
                                      .type = from->type,
                                      .length = from->length,
                                      .add = from->add};
    }
    const struct control_refresh *refresh = job->resign;
    struct sign_delta_request request = {.view = view,
                                         .edits = edits,
                                         .edit_count = job->edits.count,
                                         .refresh = refresh != NULL ? refresh->names : NULL,
                                         .refresh_count = refresh != NULL ? refresh->count : 0,
                                         .policy = refresh != NULL ? &refresh->policy
                                                                   : &job->policy->sign,
                                         .keys = keys.keys,
                                         .key_count = keys.count,
                                         .now = job->now};
    struct sign_delta_result result;
    error = edits != NULL ? sign_delta(&request, &job->findings, &result) : BASE_ENOMEM;
    free(edits);
    crypto_keydir_free(&keys);
    control_keys_used(job, worker, error);
    if (error != BASE_OK)
        return error;
    job->delta = result.delta;
    job->has_delta = true;
    job->is_signed = true;
    job->serial = result.serial;
    job->signatures_made = result.signatures_made;
    job->signatures_kept = result.signatures_kept;
    if (result.earliest_expiry != 0 &&
        (job->earliest_expiry == 0 || result.earliest_expiry < job->earliest_expiry))
        job->earliest_expiry = result.earliest_expiry;
    if (refresh != NULL)
        control_refresh_plan(job);
    job->outcome = result.nothing ? CONTROL_CURRENT : CONTROL_PUBLISHED;
    if (!result.nothing) {
        job->names += job->delta.after->node_count - job->delta.before->node_count;
        job->records += job->delta.after->rr_count - job->delta.before->rr_count;
    }
    return BASE_OK;
}

/* NULL, or why not. */
static const char *objection(const struct control_job *job, base_time earliest_expiry,
                             const struct base_findings *verdict)
{
    if (base_findings_bad(verdict))
        return "the independent verifier rejects what should be published";
    if (job->next_resign != 0 && earliest_expiry != 0 && earliest_expiry <= job->next_resign)
        return "a signature expires before it would be made anew";
    return NULL;
}

/* False: the outcome says why not. What the verifier could not read is nobody's fault who asked. */
static bool passes_gate(struct control_job *job, const struct zone_view *view)
{
    struct validate_zone_options options = {
        .now = job->now, .threads = 1, .refuse_collisions = true};
    struct validate_delta_result result;
    struct base_findings verdict;
    const char *why_not = NULL;
    base_findings_init(&verdict, 20);
    int error = validate_delta(view, &job->delta, &options, &verdict, &result);
    if (error != BASE_OK)
        control_job_unreadable(job, error);
    else
        why_not = objection(job, result.earliest_expiry, &verdict);
    if (why_not != NULL) {
        job->outcome = CONTROL_REFUSED;
        job->image_damaged = true; /* perhaps: what it was made from had passed */
        control_job_report(job, GATE_REFUSED, NULL, "%s", why_not);
        base_findings_absorb(&job->findings, &verdict);
    }
    base_findings_free(&verdict);
    return error == BASE_OK && why_not == NULL;
}

static bool dry(const struct control_job *job)
{
    return job->changes != NULL && job->changes->kind == CONTROL_API_CHANGE &&
           job->changes->dry_run;
}

/* The whole zone with the edits in it, where a change alone cannot be signed. */
static bool publish_whole(struct control_job *job, struct control_worker *worker)
{
    struct zone *content = NULL;
    int error = control_load_published(job, worker, &job->previous);
    if (error == BASE_OK && job->previous == NULL)
        error = BASE_ENOENT;
    if (error == BASE_OK)
        error = control_apply(job->previous, &job->edits, job->threads, &job->findings, &content);
    if (error != BASE_OK) {
        job->outcome = error == BASE_EREFUSED ? CONTROL_REFUSED : CONTROL_FAILED;
        control_job_report(job, SYSTEM_FAILED, NULL, "the change could not be made: %s",
                           base_strerror(error));
        return false;
    }
    bool write = control_whole_publish(job, worker, content);
    if (write)
        tell_difference(job, job->previous, job->result);
    return write && !dry(job);
}

/* Who asked is told what the source loses, and that it stays published all the same. */
static void tell_kept(struct control_job *job)
{
    struct control_change *change = job->changes;
    char owner[DNS_NAME_TEXT];
    if (change == NULL || change->kind != CONTROL_API_CHANGE)
        return;
    change->removed = json_array();
    for (size_t i = 0; i < job->own_edits; i++) {
        const struct source_edit *edit = &job->edits.items[i];
        if (edit->add)
            continue;
        json_array_append_new(change->removed, api_record(edit->owner, edit->ttl, edit->type,
                                                          edit->rdata, edit->length));
        const struct base_place place = {.owner = dns_name_text(owner, edit->owner)};
        base_findings_add(&change->findings, TLSA_STAYS, &place,
                          "the record stays published: it is of a certificate whose records are "
                          "kept");
    }
}

/* What is published is right, since it is kept in any case; but the source is another one now. */
static bool write_source_only(struct control_job *job)
{
    if (job->own_edits == 0 || job->own_edits == job->edits.count)
        return false;
    tell_kept(job);
    if (dry(job))
        return false;
    job->task.record = control_job_record_edits;
    job->task.store = NULL;
    return true;
}

bool control_change_publish(struct control_job *job, struct control_worker *worker,
                            const struct zone_view *view)
{
    int error = sign(job, worker, view);
    bool whole = error == BASE_ELIMIT || error == BASE_EUNSUPPORTED;
    if (whole && job->resign == NULL)
        return publish_whole(job, worker);
    /* Neither is it to be expected that nothing of what is due can be made anew. */
    if (whole || (error == BASE_OK && job->resign != NULL && job->outcome == CONTROL_CURRENT))
        return control_resign_whole(job, worker);
    job->image_damaged |= error == BASE_EFORMAT;
    if (error != BASE_OK) {
        if (!base_findings_bad(&job->findings))
            control_job_report(job, SYSTEM_FAILED, NULL, "%s", base_strerror(error));
        job->outcome = error == BASE_EREFUSED ? CONTROL_REFUSED : CONTROL_FAILED;
        return false;
    }
    if (job->outcome == CONTROL_CURRENT)
        return write_source_only(job);
    if (!passes_gate(job, view))
        return false;
    tell_difference(job, job->delta.before, job->delta.after);
    if (job->delta.after->soa != NULL) {
        job->soa_ttl = job->delta.after->soa->ttl;
        job->soa_length = job->delta.after->soa->length;
        memcpy(job->soa, job->delta.after->soa->rdata, job->soa_length);
    }
    return !dry(job);
}

/* A zone that is not signed here. */
static bool publish_as_is(struct control_job *job, struct control_worker *worker,
                          const struct zone_view *view)
{
    bool whole;
    int error = job->fetched == NULL ? control_pass_serial(job, view) : BASE_OK;
    if (error != BASE_OK) {
        job->outcome = CONTROL_FAILED;
        control_job_report(job, SYSTEM_FAILED, NULL, "%s", base_strerror(error));
        return false;
    }
    bool write = control_pass_publish(job, view, &whole);
    if (whole && job->fetched != NULL) {
        /* As if it had come with the whole zone: it is checked as such. */
        job->fetched->edits = job->edits;
        job->fetched->has_edits = true;
        job->edits = (struct source_edits){.items = NULL};
        job->has_edits = false;
        job->task.run = control_whole_run;
        return control_whole_run(&job->task, worker);
    }
    if (whole)
        return publish_whole(job, worker);
    if (write)
        tell_difference(job, job->delta.before, job->delta.after);
    return write && !dry(job);
}

/* The edits that a primary's difference is made of. */
static void take_fetched(struct control_job *job)
{
    job->edits = job->fetched->edits;
    job->has_edits = true;
    job->fetched->has_edits = false;
    job->source_known = true;
    job->source_serial = job->fetched->serial;
}

static int gather(struct control_job *job, const struct zone_view *view)
{
    if (job->fetched != NULL) {
        take_fetched(job);
        return source_difference_fits(view, &job->edits, job->is_catalog, &job->findings);
    }
    int error = source_edits_init(&job->edits);
    if (error != BASE_OK)
        return error;
    job->has_edits = true;
    for (struct control_change *change = job->changes; change != NULL && error == BASE_OK;
         change = change->next)
        error = judge(job, change, view);
    return error;
}

/* A zone that has never been published: its first records. */
static bool publish_first(struct control_job *job, struct control_worker *worker)
{
    struct zone *base = NULL, *content = NULL;
    struct zone_view view;
    int error =
        registry_load(job->control->registry, job->name, 1, &job->findings, &base, &job->edition);
    if (error == BASE_ENOENT)
        error = control_empty_zone(job->name, &base);
    if (error == BASE_OK) {
        zone_view_of(base, &view);
        error = gather(job, &view);
    }
    if (error == BASE_OK)
        error = control_apply(base, &job->edits, 1, &job->findings, &content);
    if (error == BASE_OK) {
        struct zone_check_options options = {
            .threads = 1, .refresh_margin = job->policy->signs ? job->policy->sign.refresh : 0};
        error = zone_check(content, &options, &job->findings);
        if (error == BASE_OK && base_findings_bad(&job->findings))
            error = BASE_EREFUSED;
    }
    bool write = false;
    if (error == BASE_OK) {
        tell_difference(job, base, content);
        write = control_whole_publish(job, worker, zone_hold(content)) && !dry(job);
    } else {
        job->outcome = error == BASE_EREFUSED ? CONTROL_REFUSED : CONTROL_FAILED;
        if (error != BASE_EREFUSED)
            control_job_report(job, SYSTEM_FAILED, NULL, "%s", base_strerror(error));
    }
    zone_release(base);
    zone_release(content);
    return write;
}

int control_change_begin(struct control_job *job, struct control_worker *worker,
                         struct image_reader **reader, struct image_zone *held,
                         struct zone_view *view)
{
    int error = control_worker_reader(worker, reader);
    if (error == BASE_OK)
        error = image_zone_get(*reader, job->name, held);
    if (error != BASE_OK)
        return error;
    image_view(*reader, held, view);
    job->serial = held->serial;
    job->next_resign = held->next_resign;
    job->earliest_expiry = held->earliest_expiry;
    job->names = held->nodes;
    job->records = held->records;
    job->is_signed = held->denial != IMAGE_UNSIGNED;
    return BASE_OK;
}

bool control_change_run(struct control_task *task, struct control_worker *worker)
{
    struct control_job *job = (struct control_job *)task;
    struct image_reader *reader;
    struct image_zone held;
    struct zone_view view;
    job->outcome = CONTROL_FAILED;
    int error = control_change_begin(job, worker, &reader, &held, &view);
    if (error == BASE_ENOENT && job->source == CONFIG_EDITS)
        return publish_first(job, worker);
    job->image_damaged |= error == BASE_EFORMAT;
    if (error != BASE_OK) {
        control_job_unreadable(job, error);
        return false;
    }
    error = gather(job, &view);
    if (error == BASE_OK)
        error = control_kept_change(job);
    job->image_damaged |= error == BASE_EFORMAT;
    if (error == BASE_EREFUSED) {
        job->outcome = CONTROL_REFUSED;
        return false;
    }
    if (error != BASE_OK) {
        control_job_report(job, SYSTEM_FAILED, NULL, "%s", base_strerror(error));
        return false;
    }
    if (job->edits.count == 0) {
        job->outcome = CONTROL_CURRENT;
        return false;
    }
    return job->policy->signs ? control_change_publish(job, worker, &view)
                              : publish_as_is(job, worker, &view);
}
