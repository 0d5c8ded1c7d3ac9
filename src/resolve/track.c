/*
 * Following the trust anchor of a zone (RFC 5011): asks for its keys when it is time, keeps the
 * state in a file, and lets look-ups lean on the keys that are trusted now. What is tracked is the
 * root's anchor, or the first one when there is none of the root; other anchors stay as given.
 */
#include "base/clock.h"
#include "base/error.h"
#include "resolve/internal.h"
#include "validate/signals.h"
#include "validate/tracker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND       UINT64_C(1000000000)
#define LONGEST_WAIT ((base_time)86400) /* then the clock is looked at again */

/* Anchors of before, which look-ups under way may still use. */
struct retired {
    struct validate_anchors *anchors;
    struct retired *next;
};

struct resolve_tracking {
    struct resolve_context *context;
    const struct validate_anchors *given;
    struct validate_anchors *anchors; /* in use */
    struct retired *retired;
    struct validate_tracker tracker;
    struct base_findings findings; /* since they were last taken */
    struct net_timer timer;        /* the deadline while asking, else when to ask */
    struct resolve_ticket *ticket; /* while asking */
    bool asking;
    char path[];
};

static const struct validate_anchor *tracked_anchor(const struct validate_anchors *anchors)
{
    size_t count = 0;
    const struct validate_anchor *list =
        anchors != NULL ? validate_anchors_list(anchors, &count) : NULL;
    const struct validate_anchor *found = count > 0 ? &list[0] : NULL;
    for (size_t i = 0; i < count; i++) {
        if (list[i].name[0] == 0)
            found = &list[i];
    }
    return found;
}

/* --- anchors --- */

static int copy_anchor(const struct validate_anchor *from, struct validate_anchors *to)
{
    int error = BASE_OK;
    for (size_t i = 0; i < from->count && error == BASE_OK; i++) {
        const struct validate_anchor_record *record = &from->records[i];
        error = validate_anchors_add(to, from->name, record->type, record->rdata, record->length,
                                     record->from, record->until);
    }
    return error;
}

/* Those that were given, but of the tracked zone those that are trusted now. */
static int fill_anchors(const struct resolve_tracking *tracking, struct validate_anchors *anchors)
{
    size_t count;
    int error = BASE_OK;
    const struct validate_anchor *list = validate_anchors_list(tracking->given, &count);
    for (size_t i = 0; i < count && error == BASE_OK; i++) {
        if (!dns_name_equal(list[i].name, tracking->tracker.zone))
            error = copy_anchor(&list[i], anchors);
    }
    const struct validate_negative_anchor *negatives =
        validate_anchors_negatives(tracking->given, &count);
    for (size_t i = 0; i < count && error == BASE_OK; i++)
        error = validate_anchors_add_negative(anchors, negatives[i].name, negatives[i].until,
                                              negatives[i].reason);
    if (error == BASE_OK)
        error = validate_tracker_anchors(&tracking->tracker, anchors);
    return error;
}

static void free_retired(struct resolve_tracking *tracking)
{
    while (tracking->retired != NULL) {
        struct retired *first = tracking->retired;
        tracking->retired = first->next;
        validate_anchors_free(first->anchors);
        free(first);
    }
}

static const struct validate_anchor *anchor_of(const struct resolve_tracking *tracking,
                                               const struct validate_anchors *anchors)
{
    size_t count;
    const struct validate_anchor *list = validate_anchors_list(anchors, &count);
    for (size_t i = 0; i < count; i++) {
        if (dns_name_equal(list[i].name, tracking->tracker.zone))
            return &list[i];
    }
    return NULL;
}

/* Are the tracked zone's anchors the same ones, in the same order? */
static bool same_anchors(const struct resolve_tracking *tracking,
                         const struct validate_anchors *anchors)
{
    const struct validate_anchor *a = anchor_of(tracking, tracking->anchors),
                                 *b = anchor_of(tracking, anchors);
    if (a == NULL || b == NULL || a->count != b->count)
        return a == NULL && b == NULL;
    for (size_t i = 0; i < a->count; i++) {
        const struct validate_anchor_record *x = &a->records[i], *y = &b->records[i];
        if (x->type != y->type || x->length != y->length ||
            memcmp(x->rdata, y->rdata, x->length) != 0)
            return false;
    }
    return true;
}

/* Look-ups that begin from now on lean on the new anchors, and on nothing that was found by the
 * old ones. */
static int renew_anchors(struct resolve_tracking *tracking)
{
    struct resolve_context *context = tracking->context;
    struct validate_anchors *anchors = NULL;
    struct retired *old = malloc(sizeof(*old));
    int error = old == NULL ? BASE_ENOMEM : validate_anchors_new(&anchors);
    if (error == BASE_OK)
        error = fill_anchors(tracking, anchors);
    if (error != BASE_OK || same_anchors(tracking, anchors)) {
        validate_anchors_free(anchors);
        free(old);
        return error;
    }
    *old = (struct retired){tracking->anchors, tracking->retired};
    tracking->retired = old;
    tracking->anchors = anchors;
    context->options.validate.anchors = anchors;
    resolve_clear(context);
    return BASE_OK;
}

/* What look-ups under the old anchors have kept meanwhile goes when the last of them is over. */
static void clean_up(struct resolve_tracking *tracking)
{
    if (tracking->retired == NULL || tracking->context->job_count > 0)
        return;
    free_retired(tracking);
    resolve_clear(tracking->context);
}

/* --- asking --- */

static void save(struct resolve_tracking *tracking)
{
    errno = 0;
    int error = validate_tracker_save(&tracking->tracker, tracking->path);
    struct base_place place = {.file = tracking->path};
    if (error != BASE_OK)
        base_findings_add(&tracking->findings, ANCHORS_STATE_UNSAVED, &place,
                          "the state cannot be written: %s",
                          error == BASE_EIO ? strerror(errno) : base_strerror(error));
}

static void set_timer(struct resolve_tracking *tracking)
{
    base_time wait = tracking->tracker.next - resolve_now(tracking->context);
    wait = wait < 1 ? 1 : wait > LONGEST_WAIT ? LONGEST_WAIT : wait;
    net_loop_set(tracking->context->loop, &tracking->timer,
                 base_clock_monotonic() + (uint64_t)wait * SECOND);
}

static void take(struct resolve_tracking *tracking, const struct validate_reply *reply)
{
    struct resolve_context *context = tracking->context;
    struct base_place place = {.file = tracking->path};
    base_time now = resolve_now(context);
    tracking->asking = false;
    tracking->ticket = NULL;
    int error = validate_tracker_reply(&tracking->tracker, reply, context->options.validate.legacy,
                                       now, &tracking->findings);
    if (error == BASE_EMISMATCH)
        base_findings_add(&tracking->findings, ANCHORS_SET_UNSIGNED, &place,
                          "no trusted key signs the DNSKEY set that came");
    else if (error == BASE_ENOENT)
        base_findings_add(&tracking->findings, ANCHORS_NOT_SEEN, &place,
                          "the keys of the tracked zone cannot be had: %s",
                          reply->why != NULL                     ? reply->why
                          : reply->kind == VALIDATE_REPLY_PACKET ? "no DNSKEY set came"
                                                                 : "nobody answered");
    else if (error != BASE_OK)
        validate_tracker_fail(&tracking->tracker, now);
    save(tracking);
    if (renew_anchors(tracking) != BASE_OK)
        tracking->tracker.next = now; /* without memory: again, soon */
    set_timer(tracking);
}

static void came(void *context, const struct validate_reply *reply)
{
    take(context, reply);
}

static void not_wanted(void *context, const struct validate_reply *reply)
{
    (void)context;
    (void)reply;
}

/* RFC 8145 section 5: a query whose name tells the tags, for those who count them. */
static void signal_tags(struct resolve_tracking *tracking)
{
    struct resolve_context *context = tracking->context;
    uint16_t tags[RESOLVE_TAGS_MAX];
    uint8_t name[DNS_NAME_MAX];
    size_t count = validate_anchors_tags(tracking->anchors, tracking->tracker.zone,
                                         resolve_now(context), tags, RESOLVE_TAGS_MAX);
    if (count > RESOLVE_TAGS_MAX)
        count = RESOLVE_TAGS_MAX;
    if (context->options.signal_tags &&
        validate_signal_name(tracking->tracker.zone, tags, count, name) > 0)
        resolve_ask_source(context, name, VALIDATE_SIGNAL_TYPE, not_wanted, NULL, NULL);
}

static void ask(struct resolve_tracking *tracking)
{
    struct resolve_context *context = tracking->context;
    struct resolve_ticket *ticket = NULL;
    tracking->asking = true;
    net_loop_set(context->loop, &tracking->timer,
                 base_clock_monotonic() + context->options.timeout_ms * (SECOND / 1000));
    signal_tags(tracking);
    int error = resolve_ask_source(context, tracking->tracker.zone, DNS_TYPE_DNSKEY, came, tracking,
                                   &ticket);
    if (error != BASE_OK)
        take(tracking, &(struct validate_reply){.kind = VALIDATE_REPLY_FAILED, .why = "no memory"});
    else if (tracking->asking) /* it may have come already */
        tracking->ticket = ticket;
}

static void due(struct net_timer *timer)
{
    struct resolve_tracking *tracking =
        (struct resolve_tracking *)((char *)timer - offsetof(struct resolve_tracking, timer));
    if (tracking->asking) {
        struct resolve_ticket *ticket = tracking->ticket;
        if (ticket != NULL)
            resolve_ask_cancel(ticket);
        take(tracking, &(struct validate_reply){.kind = VALIDATE_REPLY_SILENCE});
        return;
    }
    if (!resolve_track_due(tracking))
        set_timer(tracking);
}

bool resolve_track_due(struct resolve_tracking *tracking)
{
    if (tracking == NULL)
        return false;
    clean_up(tracking);
    if (!tracking->asking && resolve_now(tracking->context) >= tracking->tracker.next)
        ask(tracking);
    return tracking->asking;
}

bool resolve_track_asking(const struct resolve_tracking *tracking)
{
    return tracking != NULL && tracking->asking;
}

/* --- beginning and end --- */

static int begin(struct resolve_tracking *tracking, const struct validate_anchor *anchor,
                 char why[RESOLVE_WHY])
{
    errno = 0;
    int error = validate_tracker_load(&tracking->tracker, tracking->path, &tracking->findings);
    if (error == BASE_EREFUSED) {
        /* A key that was revoked must not come back by accident, so nobody begins anew unasked. */
        snprintf(why, RESOLVE_WHY,
                 "the state of tracked anchors in %s is damaged; restore it, or remove it to start "
                 "from the configured anchors",
                 tracking->path);
        return BASE_EFORMAT;
    }
    if (error == BASE_EIO && errno == ENOENT) {
        error = validate_tracker_init(&tracking->tracker, tracking->given, anchor->name,
                                      resolve_now(tracking->context));
        if (error == BASE_ENOENT || error == BASE_ELIMIT) {
            snprintf(why, RESOLVE_WHY, "there is no anchor that can be tracked");
            return BASE_EFORMAT;
        }
    } else if (error == BASE_EIO) {
        snprintf(why, RESOLVE_WHY, "the state of tracked anchors in %s cannot be read: %s",
                 tracking->path, strerror(errno));
    } else if (error == BASE_OK && !dns_name_equal(tracking->tracker.zone, anchor->name)) {
        char text[DNS_NAME_TEXT];
        snprintf(why, RESOLVE_WHY, "%s has the state of another zone, %.100s", tracking->path,
                 dns_name_text(text, tracking->tracker.zone));
        error = BASE_EFORMAT;
    }
    return error;
}

int resolve_tracking_new(struct resolve_context *context, const char *path, char why[RESOLVE_WHY],
                         struct resolve_tracking **out)
{
    const struct validate_anchors *given = context->options.validate.anchors;
    const struct validate_anchor *anchor = tracked_anchor(given);
    if (anchor == NULL) {
        snprintf(why, RESOLVE_WHY, "there is no anchor that can be tracked");
        return BASE_EFORMAT;
    }
    size_t size = strlen(path) + 1;
    struct resolve_tracking *tracking = calloc(1, sizeof(*tracking) + size);
    if (tracking == NULL)
        return BASE_ENOMEM;
    memcpy(tracking->path, path, size);
    tracking->context = context;
    tracking->given = given;
    tracking->timer.due = due;
    base_findings_init(&tracking->findings, 16);
    int error = begin(tracking, anchor, why);
    if (error == BASE_OK)
        error = validate_anchors_new(&tracking->anchors);
    if (error == BASE_OK)
        error = fill_anchors(tracking, tracking->anchors);
    if (error != BASE_OK) {
        resolve_tracking_free(tracking);
        return error;
    }
    context->options.validate.anchors = tracking->anchors;
    set_timer(tracking);
    *out = tracking;
    return BASE_OK;
}

void resolve_tracking_free(struct resolve_tracking *tracking)
{
    if (tracking == NULL)
        return;
    if (tracking->timer.set)
        net_loop_unset(tracking->context->loop, &tracking->timer);
    validate_anchors_free(tracking->anchors);
    free_retired(tracking);
    validate_tracker_free(&tracking->tracker);
    base_findings_free(&tracking->findings);
    free(tracking);
}

/* --- for those who look --- */

const struct validate_tracker *resolve_tracker(const struct resolve_context *context)
{
    return context->tracking != NULL ? &context->tracking->tracker : NULL;
}

void resolve_track_findings(struct resolve_context *context, struct base_findings *into)
{
    if (context->tracking != NULL)
        base_findings_absorb(into, &context->tracking->findings);
}
