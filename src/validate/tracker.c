/* The states of trust anchors over time: RFC 5011 section 4. */
#include "validate/tracker.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

#define FLAG_ZONE    0x0100
#define FLAG_REVOKED 0x0080
#define FLAG_SEP     0x0001

#define HOUR 3600
#define DAY  86400

const char *validate_tracked_state_name(enum validate_tracked_state state)
{
    static const char *const names[] = {"pending", "valid", "missing", "revoked", "removed"};
    return names[state];
}

static bool is_trusted(const struct validate_tracked *key)
{
    return key->state == VALIDATE_TRACKED_VALID || key->state == VALIDATE_TRACKED_MISSING;
}

uint16_t validate_tracked_tag(const struct validate_tracked *key)
{
    return key->type == DNS_TYPE_DS ? base_load_u16(key->rdata)
                                    : crypto_key_tag(key->rdata, key->length);
}

uint8_t validate_tracked_algorithm(const struct validate_tracked *key)
{
    return key->type == DNS_TYPE_DS ? key->rdata[2] : key->rdata[3];
}

static void tell(const struct validate_tracker *tracker, struct base_findings *findings,
                 enum base_finding_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(const struct validate_tracker *tracker, struct base_findings *findings,
                 enum base_finding_code code, const char *format, ...)
{
    char zone[DNS_NAME_TEXT];
    struct base_place place = {.owner = dns_name_text(zone, tracker->zone), .type = "DNSKEY"};
    va_list args;
    va_start(args, format);
    base_findings_addv(findings, code, base_finding_info(code)->severity, &place, format, args);
    va_end(args);
}

static void drop(struct validate_tracker *tracker, size_t index)
{
    free((void *)tracker->keys[index].rdata);
    tracker->count--;
    memmove(&tracker->keys[index], &tracker->keys[index + 1],
            (tracker->count - index) * sizeof(tracker->keys[0]));
}

void validate_tracker_free(struct validate_tracker *tracker)
{
    while (tracker->count > 0)
        drop(tracker, tracker->count - 1);
}

static int add(struct validate_tracker *tracker, const struct validate_tracked *key)
{
    uint8_t *rdata = malloc(key->length);
    if (rdata == NULL)
        return BASE_ENOMEM;
    memcpy(rdata, key->rdata, key->length);
    tracker->keys[tracker->count] = *key;
    tracker->keys[tracker->count++].rdata = rdata;
    return BASE_OK;
}

int validate_tracker_init(struct validate_tracker *tracker, const struct validate_anchors *anchors,
                          const uint8_t *zone, base_time now)
{
    struct validate_tracker made = {.count = 0};
    const struct validate_anchor *anchor = validate_anchors_closest(anchors, zone, now);
    if (anchor == NULL || !dns_name_equal(anchor->name, zone))
        return BASE_ENOENT;
    memcpy(made.zone, zone, dns_name_length(zone));
    int error = BASE_OK;
    for (size_t i = 0; i < anchor->count && error == BASE_OK; i++) {
        const struct validate_anchor_record *record = &anchor->records[i];
        if (!validate_anchor_valid(record, now))
            continue;
        if (made.count == VALIDATE_TRACKED_MAX) {
            error = BASE_ELIMIT;
            break;
        }
        error = add(&made, &(struct validate_tracked){.state = VALIDATE_TRACKED_VALID,
                                                      .type = record->type,
                                                      .length = record->length,
                                                      .rdata = record->rdata,
                                                      .since = now});
    }
    if (error != BASE_OK) {
        validate_tracker_free(&made);
        return error;
    }
    *tracker = made;
    return BASE_OK;
}

/* A key of the set that is seen; `rdata` is without the flag REVOKE. */
struct seen {
    uint8_t rdata[CRYPTO_DNSKEY_MAX];
    uint16_t length;
    uint16_t flags; /* with it */
    bool signs;
};

/* False for keys that are none of DNSSEC, or longer than any that we validate. */
static bool see_key(const struct validate_tracker_set *set, size_t index, struct seen *out)
{
    const struct validate_rdata *key = &set->keys[index];
    if (key->length < 5 || key->length > CRYPTO_DNSKEY_MAX || key->data[2] != 3)
        return false;
    memcpy(out->rdata, key->data, key->length);
    out->length = key->length;
    out->flags = base_load_u16(key->data);
    out->signs = set->signs[index];
    base_store_u16(out->rdata, out->flags & (uint16_t)~FLAG_REVOKED);
    return (out->flags & FLAG_ZONE) != 0;
}

static bool is_revoked(const struct seen *seen)
{
    return (seen->flags & FLAG_REVOKED) != 0;
}

static bool same_key(const struct validate_tracker *tracker, const struct validate_tracked *key,
                     const struct seen *seen)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t length;
    if (key->type == DNS_TYPE_DNSKEY)
        return key->length == seen->length && memcmp(key->rdata, seen->rdata, key->length) == 0;
    return key->rdata[2] == seen->rdata[3] &&
           base_load_u16(key->rdata) == crypto_key_tag(seen->rdata, seen->length) &&
           crypto_ds_digest(key->rdata[3], tracker->zone, seen->rdata, seen->length, digest,
                            &length) == BASE_OK &&
           length == (size_t)key->length - 4 && memcmp(digest, key->rdata + 4, length) == 0;
}

static struct validate_tracked *find(struct validate_tracker *tracker, const struct seen *seen)
{
    for (size_t i = 0; i < tracker->count; i++)
        if (same_key(tracker, &tracker->keys[i], seen))
            return &tracker->keys[i];
    return NULL;
}

/* The key that a DS stands for was seen: from now on the key itself is tracked, and all DS of it
 * are done with. */
static int settle(struct validate_tracker *tracker, struct validate_tracked **found,
                  const struct seen *seen)
{
    struct validate_tracked *key = *found;
    if (key->type == DNS_TYPE_DNSKEY)
        return BASE_OK;
    uint8_t *rdata = malloc(seen->length);
    if (rdata == NULL)
        return BASE_ENOMEM;
    memcpy(rdata, seen->rdata, seen->length);
    free((void *)key->rdata);
    key->type = DNS_TYPE_DNSKEY;
    key->length = seen->length;
    key->rdata = rdata;
    for (size_t i = tracker->count; i-- > 0;) {
        struct validate_tracked *other = &tracker->keys[i];
        if (other != key && same_key(tracker, other, seen)) {
            drop(tracker, i);
            if (other < key)
                key--;
        }
    }
    *found = key;
    return BASE_OK;
}

static void enter(struct validate_tracked *key, enum validate_tracked_state state, base_time now)
{
    key->state = state;
    key->since = now;
    key->due = state == VALIDATE_TRACKED_REVOKED ? now + VALIDATE_REMOVE_HOLD_DOWN : 0;
}

/* Keys that sign a set in which they are revoked are not trusted any more, whoever else signs it
 * (RFC 5011 section 2.1). */
static int take_revocations(struct validate_tracker *tracker,
                            const struct validate_tracker_set *set, base_time now,
                            struct base_findings *findings)
{
    struct seen seen;
    for (size_t i = 0; i < set->count; i++) {
        if (!see_key(set, i, &seen) || !is_revoked(&seen) || !seen.signs)
            continue;
        struct validate_tracked *key = find(tracker, &seen);
        if (key == NULL || (!is_trusted(key) && key->state != VALIDATE_TRACKED_PENDING))
            continue;
        int error = settle(tracker, &key, &seen);
        if (error != BASE_OK)
            return error;
        tell(tracker, findings, ANCHORS_KEY_REVOKED, "the key with tag %u is revoked from now on",
             validate_tracked_tag(key));
        enter(key, VALIDATE_TRACKED_REVOKED, now);
    }
    return BASE_OK;
}

static bool is_signed(struct validate_tracker *tracker, const struct validate_tracker_set *set)
{
    struct seen seen;
    for (size_t i = 0; i < set->count; i++) {
        if (!see_key(set, i, &seen) || is_revoked(&seen) || !seen.signs)
            continue;
        const struct validate_tracked *key = find(tracker, &seen);
        if (key != NULL && is_trusted(key))
            return true;
    }
    return false;
}

/* Makes room for one more by forgetting the key that was removed longest ago. */
static bool make_room(struct validate_tracker *tracker)
{
    size_t oldest = tracker->count;
    if (tracker->count < VALIDATE_TRACKED_MAX)
        return true;
    for (size_t i = 0; i < tracker->count; i++)
        if (tracker->keys[i].state == VALIDATE_TRACKED_REMOVED &&
            (oldest == tracker->count || tracker->keys[i].since < tracker->keys[oldest].since))
            oldest = i;
    if (oldest == tracker->count)
        return false;
    drop(tracker, oldest);
    return true;
}

static int add_new(struct validate_tracker *tracker, const struct seen *seen,
                   const struct validate_tracker_set *set, base_time now,
                   struct base_findings *findings)
{
    unsigned tag = crypto_key_tag(seen->rdata, seen->length);
    if (!make_room(tracker)) {
        tell(tracker, findings, ANCHORS_KEYS_MANY,
             "the new key with tag %u is not tracked: %d keys are tracked already", tag,
             VALIDATE_TRACKED_MAX);
        return BASE_OK;
    }
    /* Section 2.4.1: thirty days, or as long as the set may be cached. */
    int64_t hold =
        set->original_ttl > VALIDATE_ADD_HOLD_DOWN ? set->original_ttl : VALIDATE_ADD_HOLD_DOWN;
    char due[BASE_TIME_TEXT];
    base_time_iso(now + hold, due);
    tell(tracker, findings, ANCHORS_KEY_SEEN,
         "the key with tag %u is new; it is trusted from %s on if it stays", tag, due);
    return add(tracker, &(struct validate_tracked){.state = VALIDATE_TRACKED_PENDING,
                                                   .type = DNS_TYPE_DNSKEY,
                                                   .length = seen->length,
                                                   .rdata = seen->rdata,
                                                   .since = now,
                                                   .due = now + hold});
}

/* What follows for a tracked key from being in a good set, not revoked. */
static void meet(struct validate_tracker *tracker, struct validate_tracked *key, base_time now,
                 struct base_findings *findings)
{
    if (key->state == VALIDATE_TRACKED_MISSING) {
        tell(tracker, findings, ANCHORS_KEY_BACK, "the key with tag %u is there again",
             validate_tracked_tag(key));
        enter(key, VALIDATE_TRACKED_VALID, now);
    } else if (key->state == VALIDATE_TRACKED_PENDING && now >= key->due) {
        tell(tracker, findings, ANCHORS_KEY_TRUSTED, "the key with tag %u is trusted from now on",
             validate_tracked_tag(key));
        enter(key, VALIDATE_TRACKED_VALID, now);
    }
}

static int take_keys(struct validate_tracker *tracker, const struct validate_tracker_set *set,
                     base_time now, struct base_findings *findings)
{
    struct seen seen;
    int error = BASE_OK;
    for (size_t i = 0; i < set->count && error == BASE_OK; i++) {
        if (!see_key(set, i, &seen) || is_revoked(&seen))
            continue;
        struct validate_tracked *key = find(tracker, &seen);
        if (key != NULL) {
            error = settle(tracker, &key, &seen);
            if (error == BASE_OK)
                meet(tracker, key, now, findings);
        } else if ((seen.flags & FLAG_SEP) != 0) {
            error = add_new(tracker, &seen, set, now, findings);
        }
    }
    return error;
}

static bool is_in(const struct validate_tracker *tracker, const struct validate_tracked *key,
                  const struct validate_tracker_set *set)
{
    struct seen seen;
    for (size_t i = 0; i < set->count; i++)
        if (see_key(set, i, &seen) && !is_revoked(&seen) && same_key(tracker, key, &seen))
            return true;
    return false;
}

/* What follows for tracked keys from not being in a good set. */
static void miss_keys(struct validate_tracker *tracker, const struct validate_tracker_set *set,
                      base_time now, struct base_findings *findings)
{
    for (size_t i = tracker->count; i-- > 0;) {
        struct validate_tracked *key = &tracker->keys[i];
        if (key->state == VALIDATE_TRACKED_REVOKED && now >= key->due) {
            tell(tracker, findings, ANCHORS_KEY_REMOVED, "the revoked key with tag %u is forgotten",
                 validate_tracked_tag(key));
            enter(key, VALIDATE_TRACKED_REMOVED, now);
        }
        if (is_in(tracker, key, set))
            continue;
        if (key->state == VALIDATE_TRACKED_PENDING) {
            tell(tracker, findings, ANCHORS_KEY_GONE,
                 "the key with tag %u went away before it was trusted", validate_tracked_tag(key));
            drop(tracker, i);
        } else if (key->state == VALIDATE_TRACKED_VALID && key->type == DNS_TYPE_DNSKEY) {
            tell(tracker, findings, ANCHORS_KEY_MISSING,
                 "the key with tag %u is not in the DNSKEY set any more",
                 validate_tracked_tag(key));
            enter(key, VALIDATE_TRACKED_MISSING, now);
        }
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Section 2.3: a share of TTL and of the time that signatures still hold, within bounds. */
static int64_t interval(const struct validate_tracker *tracker, base_time now, int64_t most,
                        int64_t share)
{
    int64_t wait = most;
    if (tracker->queried != 0) {
        wait = least(wait, tracker->original_ttl / share);
        wait = least(wait, (tracker->expires - now) / share);
    }
    return wait > HOUR ? wait : HOUR;
}

void validate_tracker_fail(struct validate_tracker *tracker, base_time now)
{
    tracker->next = now + interval(tracker, now, DAY, 10);
}

/* When to ask again; a hold-down time that ends before is not slept through. */
static void plan_next(struct validate_tracker *tracker, base_time now)
{
    tracker->next = now + interval(tracker, now, 15 * DAY, 2);
    for (size_t i = 0; i < tracker->count; i++) {
        base_time due = tracker->keys[i].due;
        if (due != 0 && due < tracker->next)
            tracker->next = due > now + HOUR ? due : now + HOUR;
    }
}

static size_t count_trusted(const struct validate_tracker *tracker)
{
    size_t count = 0;
    for (size_t i = 0; i < tracker->count; i++)
        count += is_trusted(&tracker->keys[i]);
    return count;
}

int validate_tracker_see(struct validate_tracker *tracker, const struct validate_tracker_set *set,
                         base_time now, struct base_findings *findings)
{
    bool any = count_trusted(tracker) > 0;
    int error = take_revocations(tracker, set, now, findings);
    bool good = is_signed(tracker, set);
    if (error == BASE_OK && good) {
        tracker->queried = now;
        tracker->original_ttl = set->original_ttl;
        tracker->expires = set->expires;
        error = take_keys(tracker, set, now, findings);
    }
    if (error != BASE_OK)
        return error;
    if (good)
        miss_keys(tracker, set, now, findings);
    if (any && count_trusted(tracker) == 0)
        tell(tracker, findings, ANCHORS_LOST, "all trusted keys are revoked");
    if (!good) {
        validate_tracker_fail(tracker, now);
        return BASE_EMISMATCH;
    }
    plan_next(tracker, now);
    return BASE_OK;
}

int validate_tracker_anchors(const struct validate_tracker *tracker,
                             struct validate_anchors *anchors)
{
    int error = BASE_OK;
    for (size_t i = 0; i < tracker->count && error == BASE_OK; i++)
        if (is_trusted(&tracker->keys[i]))
            error = validate_anchors_add(anchors, tracker->zone, tracker->keys[i].type,
                                         tracker->keys[i].rdata, tracker->keys[i].length, 0, 0);
    return error;
}
