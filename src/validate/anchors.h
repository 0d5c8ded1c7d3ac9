/*
 * Trust anchors: where chains begin, and negative ones (RFC 7646), where they are told to end.
 */
#ifndef VALIDATE_ANCHORS_H
#define VALIDATE_ANCHORS_H

#include "base/clock.h"
#include "base/finding.h"
#include "dns/rdata.h"

struct validate_anchors;

struct validate_anchor_record {
    uint16_t type; /* DS or DNSKEY */
    uint16_t length;
    const uint8_t *rdata;
    base_time from, until; /* 0: not bounded. The XML of IANA says such things */
};

/* All anchors of one name. */
struct validate_anchor {
    const uint8_t *name;
    const struct validate_anchor_record *records;
    size_t count;
};

struct validate_negative_anchor {
    const uint8_t *name;
    base_time until;    /* never 0 */
    const char *reason; /* "" when none was given */
};

int validate_anchors_new(struct validate_anchors **out); /* none yet. BASE_ENOMEM */
void validate_anchors_free(struct validate_anchors *anchors);
/* Both keys of the root that are built in: 20326 and 38696, as DS. */
int validate_anchors_add_root(struct validate_anchors *anchors);
/* BASE_EFORMAT: no DS or DNSKEY rdata; BASE_ENOMEM. Adding one twice has no effect. */
int validate_anchors_add(struct validate_anchors *anchors, const uint8_t *name, uint16_t type,
                         const uint8_t *rdata, size_t length, base_time from, base_time until);
/* Reads anchors from text in any of these forms, told apart by their content: zone-file lines of DS
 * and DNSKEY (Unbound's trust-anchor-file; also the state that auto-trust-anchor-file keeps),
 * BIND's trust-anchors, trusted-keys and managed-keys, the XML of IANA's root-anchors. `file` is
 * for findings (anchors.*). BASE_EREFUSED: findings say why, nothing was added. */
int validate_anchors_read(struct validate_anchors *anchors, const char *file, const char *text,
                          size_t length, struct base_findings *findings);
int validate_anchors_read_file(struct validate_anchors *anchors, const char *path,
                               struct base_findings *findings);
/* BASE_EINVAL: `until` is 0; `reason` may be NULL. */
int validate_anchors_add_negative(struct validate_anchors *anchors, const uint8_t *name,
                                  base_time until, const char *reason);

/* The anchor at `name` or its closest ancestor that has one valid at `now`; NULL: none. */
const struct validate_anchor *validate_anchors_closest(const struct validate_anchors *anchors,
                                                       const uint8_t *name, base_time now);
bool validate_anchor_valid(const struct validate_anchor_record *record, base_time now);
/* The negative anchor that covers `name` at `now` and is not above a positive one that is closer;
 * NULL: none. */
const struct validate_negative_anchor *
validate_anchors_negative(const struct validate_anchors *anchors, const uint8_t *name,
                          base_time now);
/* All of them, for showing. */
const struct validate_anchor *validate_anchors_list(const struct validate_anchors *anchors,
                                                    size_t *count);
const struct validate_negative_anchor *
validate_anchors_negatives(const struct validate_anchors *anchors, size_t *count);
/* Key tags of the anchors of `name` valid at `now`, ascending (RFC 8145); returns their number,
 * which may be more than `most`. */
size_t validate_anchors_tags(const struct validate_anchors *anchors, const uint8_t *name,
                             base_time now, uint16_t *tags, size_t most);

#endif
