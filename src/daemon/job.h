/*
 * The work on one zone: from its file to a signed file that passed the gate. Knows no clock, no
 * loop and no other zone, so that jobs run side by side.
 */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "base/clock.h"
#include "base/finding.h"
#include "daemon/serving.h"
#include "dns/name.h"
#include "sign/policy.h"

enum daemon_outcome {
    DAEMON_PUBLISHED, /* a new version was written */
    DAEMON_CURRENT,   /* the published version is still right; nothing was written */
    DAEMON_REFUSED,   /* findings say why; what was published stays */
};

struct daemon_job {
    /* in */
    uint8_t zone[DNS_NAME_MAX];
    const char *source;    /* the zone file; NULL: it is gone, keep the last good version alive */
    const char *published; /* the signed file */
    const char *keys;      /* key directory */
    const struct sign_policy *policy;
    base_time now;
    unsigned threads;
    struct daemon_serving
        *serving; /* which is given what passed the gate; NULL: nothing is served */
    /* out */
    enum daemon_outcome outcome;
    bool last_good;  /* the source was unusable, the last good content was re-signed */
    base_time next;  /* when to look again at the latest; 0: only when the source changes */
    uint32_t serial; /* of what is published now */
    size_t names, signatures_made, signatures_kept, keys_made;
    struct base_findings findings; /* init and free are the caller's */
};

/* Runs the job. Every failure ends in `outcome` and `findings`; nothing is thrown away. */
void daemon_job_run(struct daemon_job *job);

#endif
