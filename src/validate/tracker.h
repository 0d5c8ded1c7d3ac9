/*
 * Following a zone's trust anchors as the zone changes them (RFC 5011). Pure: a DNSKEY set that was
 * seen, and now, make the next state out of the last one; findings tell of each change. The state
 * is kept in a text file, so that hold-down times survive restarts.
 *
 * The zone is asked when `next` has come; validate_tracker_reply takes what came, or
 * validate_tracker_see a set whose signatures the caller has verified, and validate_tracker_fail
 * that nothing came.
 */
#ifndef VALIDATE_TRACKER_H
#define VALIDATE_TRACKER_H

#include "validate/anchors.h"
#include "validate/lookup.h"
#include "validate/result.h"

#define VALIDATE_ADD_HOLD_DOWN    (30 * 86400) /* seconds; RFC 5011 section 2.4.1 */
#define VALIDATE_REMOVE_HOLD_DOWN (30 * 86400) /* section 2.4.2 */
#define VALIDATE_TRACKED_MAX      24

enum validate_tracked_state {
    VALIDATE_TRACKED_PENDING, /* new; trusted when it is still there after the hold-down time */
    VALIDATE_TRACKED_VALID,
    VALIDATE_TRACKED_MISSING, /* trusted, but not in the DNSKEY set */
    VALIDATE_TRACKED_REVOKED,
    VALIDATE_TRACKED_REMOVED, /* revoked and gone; known so that it cannot come back */
};
const char *validate_tracked_state_name(enum validate_tracked_state state); /* "pending" */

struct validate_tracked {
    enum validate_tracked_state state;
    uint16_t type; /* DNSKEY, without the flag REVOKE; or DS, as long as its key was not seen */
    uint16_t length;
    const uint8_t *rdata; /* the tracker's */
    base_time since;      /* of the state */
    base_time due;        /* PENDING, REVOKED: when the hold-down time ends; else 0 */
};

uint16_t validate_tracked_tag(const struct validate_tracked *key);
uint8_t validate_tracked_algorithm(const struct validate_tracked *key);

struct validate_tracker {
    uint8_t zone[DNS_NAME_MAX];
    struct validate_tracked keys[VALIDATE_TRACKED_MAX];
    size_t count;
    base_time queried;     /* when a good DNSKEY set was last seen; 0: never */
    base_time next;        /* when to ask; 0: at once */
    base_time expires;     /* of the signature over the last good set */
    uint32_t original_ttl; /* of the last good set */
};

/* Starts with the anchors of `zone` that are valid at `now`. BASE_ENOENT: there are none;
 * BASE_ELIMIT: more than VALIDATE_TRACKED_MAX; BASE_ENOMEM. validate_tracker_free afterwards. */
int validate_tracker_init(struct validate_tracker *tracker, const struct validate_anchors *anchors,
                          const uint8_t *zone, base_time now);
void validate_tracker_free(struct validate_tracker *tracker); /* empties it */

/* The DNSKEY set of the zone. */
struct validate_tracker_set {
    const struct validate_rdata *keys;
    const bool *signs; /* by key: a good signature of it over the set, in time */
    size_t count;
    uint32_t original_ttl;
    base_time expires; /* of those signatures, the earliest */
};
/* Takes a set in. BASE_EMISMATCH: no trusted key signs it; then nothing but revocations, which keys
 * say of themselves, was taken from it, and `next` is that of a failure. BASE_ENOMEM: the state may
 * have changed in part, and seeing the set again completes it. */
int validate_tracker_see(struct validate_tracker *tracker, const struct validate_tracker_set *set,
                         base_time now, struct base_findings *findings);
/* The same with what came for a query for the zone's DNSKEY set; verifies its signatures, within
 * budgets. Also BASE_ENOENT: there was no set in it, which counts as no answer. */
int validate_tracker_reply(struct validate_tracker *tracker, const struct validate_reply *reply,
                           bool legacy, base_time now, struct base_findings *findings);
/* No answer: sets when to try again (RFC 5011 section 2.3). */
void validate_tracker_fail(struct validate_tracker *tracker, base_time now);

/* Adds the keys that are trusted now. BASE_ENOMEM; BASE_ELIMIT as of validate_anchors_add. */
int validate_tracker_anchors(const struct validate_tracker *tracker,
                             struct validate_anchors *anchors);

/* The state as text: lines of words, the last one a digest of those before. */
void validate_tracker_write(const struct validate_tracker *tracker, struct base_buf *out);
/* BASE_EREFUSED: a finding says what is damaged; *tracker is untouched. BASE_ENOMEM. `file` is for
 * findings. */
int validate_tracker_read(struct validate_tracker *tracker, const char *file, const char *text,
                          size_t length, struct base_findings *findings);
/* The same with a file, replaced so that it is always the old one or the new one. BASE_EIO, see
 * errno (also ENOENT: there is no state yet). */
int validate_tracker_save(const struct validate_tracker *tracker, const char *path);
int validate_tracker_load(struct validate_tracker *tracker, const char *path,
                          struct base_findings *findings);

#endif
