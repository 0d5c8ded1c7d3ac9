/*
 * All signatures of a zone: what must be signed is, by each algorithm, and nothing else is
 * (RFC 4035 section 2.2).
 */
#include "base/reader.h"
#include "base/thread.h"
#include "validate/zone_rrsig.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Findings about dates that are told one by one; a summary tells the rest. */
#define DATES_KEPT 20

enum date_state { DATES_GOOD, DATES_SOON, DATES_EXPIRED, DATES_FUTURE, DATES_REVERSED };
#define DATE_STATES 5

#define NO_PROBLEM (-1)

/* What was found about one signature. */
struct outcome {
    struct validate_rrsig rrsig;
    int problem; /* enum base_finding_code or NO_PROBLEM */
    enum date_state dates;
    size_t key;      /* with VERIFY_RRSIG_BAD: the one it should verify with */
    const char *why; /* with VERIFY_RRSIG_UNUSABLE_KEY */
};

/* A worker's share of the statistics. */
struct tally {
    size_t signatures, rrsets;
    size_t dates[DATE_STATES];
    int64_t earliest_expiry, latest_expiry, latest_inception;
};

struct worker {
    struct validate_worker tools;
    struct tally tally;
    size_t unreported; /* signatures since the last progress */
};

struct run {
    struct verifier *verifier;
    struct worker *workers;
    atomic_size_t done;
};

/* Where one RRset is being judged. */
struct judgement {
    struct run *run;
    struct worker *worker;
    struct base_findings *findings;
    struct validate_set set;
    unsigned owner_labels; /* as the labels field counts: without root and "*" */
    unsigned spent;        /* crypto operations */
    uint32_t covered;      /* bits of algorithms with a valid signature */
    uint32_t seen;         /* … with any signature */
};

/* RRSIG times count modulo 2^32; the meaning next to now is the right one (RFC 4034 section
 * 3.1.5). */
static int64_t absolute_time(const struct verifier *verifier, uint32_t time)
{
    return verifier->options->now + (int32_t)(time - verifier->now);
}

static enum date_state judge_dates(const struct verifier *verifier,
                                   const struct validate_rrsig *rrsig)
{
    if ((int32_t)(rrsig->expiration - rrsig->inception) < 0)
        return DATES_REVERSED;
    if ((int32_t)(rrsig->expiration - verifier->now) < 0)
        return DATES_EXPIRED;
    if ((int32_t)(verifier->now - rrsig->inception) < 0)
        return DATES_FUTURE;
    if (rrsig->expiration - verifier->now < verifier->options->margin)
        return DATES_SOON;
    return DATES_GOOD;
}

static void count_dates(struct worker *worker, const struct verifier *verifier,
                        const struct outcome *outcome)
{
    struct tally *tally = &worker->tally;
    int64_t expiry = absolute_time(verifier, outcome->rrsig.expiration);
    int64_t inception = absolute_time(verifier, outcome->rrsig.inception);
    if (tally->signatures == 0 || expiry < tally->earliest_expiry)
        tally->earliest_expiry = expiry;
    if (tally->signatures == 0 || expiry > tally->latest_expiry)
        tally->latest_expiry = expiry;
    if (tally->signatures == 0 || inception > tally->latest_inception)
        tally->latest_inception = inception;
    tally->dates[outcome->dates]++;
    tally->signatures++;
}

/* May this key verify this RRset? NULL when it may, else why not. */
static const char *why_not_usable(const struct validate_key *key, uint16_t type)
{
    if (key->usable)
        return NULL;
    if (key->rr->rdata[2] != 3)
        return "its protocol is not 3";
    if (!(key->flags & VALIDATE_FLAG_ZONE_KEY))
        return "it lacks the zone flag";
    if (!key->parsed)
        return "its DNSKEY is malformed";
    /* A revoked key proves its own revocation, nothing else (RFC 5011 section 2.1). */
    return type == DNS_TYPE_DNSKEY ? NULL : "it is revoked";
}

static uint32_t algorithm_bit(const struct verifier *verifier, unsigned algorithm)
{
    for (unsigned i = 0; i < verifier->algorithm_count; i++) {
        if (verifier->algorithms[i] == algorithm)
            return 1u << i;
    }
    return 0;
}

static void note_valid(struct judgement *judgement, struct outcome *outcome, size_t index)
{
    struct verifier *verifier = judgement->run->verifier;
    struct validate_key *key = &verifier->keys[index];
    judgement->worker->tools.good[index]++;
    if (outcome->dates > DATES_SOON)
        return;
    if (key->usable)
        judgement->covered |= algorithm_bit(verifier, key->algorithm);
    /* Only the thread that has the apex comes here with DNSKEY. */
    if (judgement->set.rrset->type == DNS_TYPE_DNSKEY && (judgement->set.node->flags & ZONE_APEX)) {
        key->signs_self = true;
        key->signs_dnskey = key->usable;
    }
}

/* Tries one key. *problem gets better with what is found: nothing usable, wrong length, does not
 * verify, none. */
static int try_key(struct judgement *judgement, struct outcome *outcome, size_t index)
{
    struct verifier *verifier = judgement->run->verifier;
    judgement->spent++;
    int error = validate_rrsig_verify(verifier, &judgement->worker->tools, &outcome->rrsig,
                                      &judgement->set, index);
    if (error == BASE_OK) {
        outcome->problem = NO_PROBLEM;
        note_valid(judgement, outcome, index);
    } else if (error == BASE_EMISMATCH) {
        outcome->problem = VERIFY_RRSIG_BAD;
        outcome->key = index;
    } else if (error == BASE_EFORMAT) {
        if (outcome->problem != VERIFY_RRSIG_BAD)
            outcome->problem = VERIFY_RRSIG_LENGTH;
    } else {
        return error;
    }
    return BASE_OK;
}

/* Tries the keys of the algorithm and tag, from `key` on. */
static int try_keys(struct judgement *judgement, struct outcome *outcome,
                    const struct validate_key *key)
{
    struct verifier *verifier = judgement->run->verifier;
    const struct validate_key *end = verifier->keys + verifier->key_count;
    outcome->problem = VERIFY_RRSIG_UNUSABLE_KEY;
    unsigned tried = 0;
    for (;
         key < end && key->algorithm == outcome->rrsig.algorithm && key->tag == outcome->rrsig.tag;
         key++) {
        const char *why = why_not_usable(key, judgement->set.rrset->type);
        if (why != NULL) {
            outcome->why = why;
            continue;
        }
        if (judgement->spent == VALIDATE_RRSET_VERIFICATIONS || tried == VALIDATE_TAG_KEYS) {
            outcome->problem = VERIFY_BUDGET;
            return BASE_OK;
        }
        tried++;
        int error = try_key(judgement, outcome, (size_t)(key - verifier->keys));
        if (error != BASE_OK || outcome->problem == NO_PROBLEM)
            return error;
    }
    if (outcome->problem == VERIFY_RRSIG_BAD)
        judgement->worker->tools.bad[outcome->key]++;
    return BASE_OK;
}

static int judge_crypto(struct judgement *judgement, struct outcome *outcome)
{
    struct verifier *verifier = judgement->run->verifier;
    const struct validate_key *key =
        validate_key_find(verifier, outcome->rrsig.algorithm, outcome->rrsig.tag);
    if (key == NULL) {
        /* Without any DNSKEY that is said once, not for each signature. */
        outcome->problem = verifier->key_count > 0 ? VERIFY_RRSIG_UNKNOWN_KEY : NO_PROBLEM;
        return BASE_OK;
    }
    if (!key->supported) {
        /* Not ours to judge: that it is there must do. */
        outcome->problem = NO_PROBLEM;
        if (outcome->dates <= DATES_SOON)
            judgement->covered |= algorithm_bit(verifier, key->algorithm);
        return BASE_OK;
    }
    return try_keys(judgement, outcome, key);
}

static int judge_signature(struct judgement *judgement, const struct dns_rr *rr,
                           struct outcome *outcome)
{
    struct verifier *verifier = judgement->run->verifier;
    *outcome = (struct outcome){.problem = VERIFY_RRSIG_MALFORMED};
    if (!validate_rrsig_parse(rr, &outcome->rrsig))
        return BASE_OK;
    judgement->seen |= algorithm_bit(verifier, outcome->rrsig.algorithm);
    outcome->dates = judge_dates(verifier, &outcome->rrsig);
    count_dates(judgement->worker, verifier, outcome);
    if (!dns_name_equal(outcome->rrsig.signer, verifier->zone->apex)) {
        outcome->problem = VERIFY_RRSIG_SIGNER;
        return BASE_OK;
    }
    if (outcome->rrsig.labels != judgement->owner_labels) {
        outcome->problem = VERIFY_RRSIG_LABELS;
        return BASE_OK;
    }
    return judge_crypto(judgement, outcome);
}

/*
 * Telling what was found.
 */
static void report_dates(struct judgement *judgement, const struct outcome *outcome,
                         enum base_severity severity)
{
    static const enum base_finding_code codes[DATE_STATES] = {
        [DATES_SOON] = VERIFY_RRSIG_SOON,
        [DATES_EXPIRED] = VERIFY_RRSIG_EXPIRED,
        [DATES_FUTURE] = VERIFY_RRSIG_FUTURE,
        [DATES_REVERSED] = VERIFY_RRSIG_DATES,
    };
    static const char *const texts[DATE_STATES] = {
        [DATES_SOON] = "expires on",
        [DATES_EXPIRED] = "expired on",
        [DATES_FUTURE] = "is not valid before",
        [DATES_REVERSED] = "has an inception after its expiration, which is",
    };
    const struct verifier *verifier = judgement->run->verifier;
    enum base_finding_code code = codes[outcome->dates];
    if (severity == BASE_ERROR && outcome->dates != DATES_REVERSED &&
        judgement->findings->by_code[code] >= DATES_KEPT) {
        base_findings_count(judgement->findings, code);
        return;
    }
    int64_t time =
        absolute_time(verifier, outcome->dates == DATES_FUTURE ? outcome->rrsig.inception
                                                               : outcome->rrsig.expiration);
    int64_t distance = time - verifier->options->now;
    char date[BASE_TIME_TEXT], duration[BASE_TIME_TEXT], type[DNS_TYPE_TEXT];
    base_time_iso(time, date);
    base_duration_text(distance < 0 ? -distance : distance, duration);
    validate_report_as(verifier, judgement->findings, code, severity, judgement->set.node->name,
                       outcome->rrsig.rr, "the signature over %s by key %u %s %s (%s%s%s)",
                       dns_type_text(type, outcome->rrsig.covered), outcome->rrsig.tag,
                       texts[outcome->dates], date, distance < 0 ? "" : "in ", duration,
                       distance < 0 ? " ago" : "");
}

static void report_bad(struct judgement *judgement, const struct outcome *outcome)
{
    struct run *run = judgement->run;
    char cause[VALIDATE_CAUSE_TEXT] = "";
    if (judgement->findings->by_code[VERIFY_RRSIG_BAD] < VALIDATE_DIAGNOSES)
        validate_rrsig_diagnose(run->verifier, &judgement->worker->tools, &outcome->rrsig,
                                &judgement->set, outcome->key, cause);
    char type[DNS_TYPE_TEXT];
    validate_report(run->verifier, judgement->findings, VERIFY_RRSIG_BAD, judgement->set.node->name,
                    outcome->rrsig.rr, "the signature over %s by key %u does not verify: %s",
                    dns_type_text(type, outcome->rrsig.covered), outcome->rrsig.tag,
                    cause[0] != '\0' ? cause
                                     : "data or signature were changed after signing, or another "
                                       "key signed");
}

/* What the fields say, for findings that are about one of them. */
static void report_field(struct judgement *judgement, const struct outcome *outcome,
                         enum base_severity severity)
{
    const struct verifier *verifier = judgement->run->verifier;
    const struct validate_rrsig *rrsig = &outcome->rrsig;
    char algorithm[VALIDATE_ALGORITHM_TEXT], name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    char text[DNS_NAME_TEXT + 200];
    switch (outcome->problem) {
    case VERIFY_RRSIG_SIGNER:
        snprintf(text, sizeof(text), "names %s as its signer instead of the zone",
                 dns_name_text(name, rrsig->signer));
        break;
    case VERIFY_RRSIG_LABELS:
        snprintf(text, sizeof(text), "says %u labels, but its owner has %u", rrsig->labels,
                 judgement->owner_labels);
        break;
    case VERIFY_RRSIG_UNKNOWN_KEY:
        snprintf(text, sizeof(text),
                 "is by a key of algorithm %s that the DNSKEY set does not have",
                 validate_algorithm_text(algorithm, rrsig->algorithm));
        break;
    case VERIFY_RRSIG_UNUSABLE_KEY:
        snprintf(text, sizeof(text), "cannot be used with this key: %s", outcome->why);
        break;
    case VERIFY_RRSIG_LENGTH:
        snprintf(text, sizeof(text), "has %zu octets, which is wrong for algorithm %s",
                 rrsig->signature_length, validate_algorithm_text(algorithm, rrsig->algorithm));
        break;
    default:
        snprintf(text, sizeof(text),
                 "was not verified: of one RRset %d signatures are, each with at most %d keys of "
                 "one tag",
                 VALIDATE_RRSET_VERIFICATIONS, VALIDATE_TAG_KEYS);
        break;
    }
    validate_report_as(verifier, judgement->findings, (enum base_finding_code)outcome->problem,
                       severity, judgement->set.node->name, rrsig->rr,
                       "the signature over %s by key %u %s", dns_type_text(type, rrsig->covered),
                       rrsig->tag, text);
}

static void report_problem(struct judgement *judgement, const struct outcome *outcome,
                           bool complete)
{
    switch (outcome->problem) {
    case NO_PROBLEM:
        return;
    case VERIFY_RRSIG_MALFORMED:
        validate_report(judgement->run->verifier, judgement->findings, VERIFY_RRSIG_MALFORMED,
                        judgement->set.node->name, outcome->rrsig.rr,
                        "an RRSIG ends before its signature");
        return;
    case VERIFY_RRSIG_BAD:
        report_bad(judgement, outcome);
        return;
    case VERIFY_RRSIG_UNKNOWN_KEY:
        /* Right in an algorithm rollover, where signatures come before the key (RFC 6781). */
        report_field(judgement, outcome, complete ? BASE_WARNING : BASE_ERROR);
        return;
    default:
        report_field(judgement, outcome, BASE_ERROR);
    }
}

static void report_ttls(struct judgement *judgement, const struct outcome *outcome)
{
    const struct validate_rrsig *rrsig = &outcome->rrsig;
    const struct verifier *verifier = judgement->run->verifier;
    uint32_t ttl = judgement->set.rrset->ttl;
    char type[DNS_TYPE_TEXT];
    if (rrsig->original_ttl != ttl)
        validate_report(verifier, judgement->findings, VERIFY_RRSIG_ORIGINAL_TTL,
                        judgement->set.node->name, rrsig->rr,
                        "the TTL of %s is %u, but the signature by key %u is for %u",
                        dns_type_text(type, rrsig->covered), ttl, rrsig->tag, rrsig->original_ttl);
    if (rrsig->rr->ttl != ttl)
        validate_report(verifier, judgement->findings, VERIFY_RRSIG_TTL, judgement->set.node->name,
                        rrsig->rr, "the TTL of the RRSIG over %s is %u, that of the RRset %u",
                        dns_type_text(type, rrsig->covered), rrsig->rr->ttl, ttl);
}

static void report_coverage(struct judgement *judgement, unsigned count)
{
    const struct verifier *verifier = judgement->run->verifier;
    const struct zone_rrset *rrset = judgement->set.rrset;
    const struct dns_rr *rr = verifier->zone->rrs[rrset->first_rr];
    char type[DNS_TYPE_TEXT], algorithm[VALIDATE_ALGORITHM_TEXT];
    if (count == 0) {
        validate_report(verifier, judgement->findings, VERIFY_RRSET_UNSIGNED,
                        judgement->set.node->name, rr, "the %s RRset has no signature",
                        dns_type_text(type, rrset->type));
        return;
    }
    for (unsigned i = 0; i < verifier->algorithm_count; i++) {
        if ((judgement->covered | judgement->seen) & 1u << i)
            continue;
        validate_report(verifier, judgement->findings, VERIFY_RRSET_ALGORITHM,
                        judgement->set.node->name, rr,
                        "the %s RRset has no signature of algorithm %s, which the DNSKEY set has",
                        dns_type_text(type, rrset->type),
                        validate_algorithm_text(algorithm, verifier->algorithms[i]));
    }
}

/* An RRset that must be signed, and the RRSIG records that cover it. */
static int check_set(struct judgement *judgement, const struct dns_rr *const *rrs, size_t count)
{
    const struct verifier *verifier = judgement->run->verifier;
    struct outcome outcomes[VALIDATE_RRSET_SIGNATURES];
    size_t judged = count < VALIDATE_RRSET_SIGNATURES ? count : VALIDATE_RRSET_SIGNATURES;
    judgement->spent = judgement->covered = judgement->seen = 0;
    judgement->worker->tally.rrsets++;
    for (size_t i = 0; i < judged; i++) {
        int error = judge_signature(judgement, rrs[i], &outcomes[i]);
        if (error != BASE_OK)
            return error;
    }
    uint32_t all = (uint32_t)((UINT64_C(1) << verifier->algorithm_count) - 1);
    bool complete = all != 0 && judgement->covered == all;
    for (size_t i = 0; i < judged; i++) {
        outcomes[i].rrsig.rr = rrs[i];
        report_problem(judgement, &outcomes[i], complete);
        if (outcomes[i].problem == VERIFY_RRSIG_MALFORMED)
            continue;
        report_ttls(judgement, &outcomes[i]);
        if (outcomes[i].dates != DATES_GOOD)
            report_dates(judgement, &outcomes[i],
                         outcomes[i].dates == DATES_SOON || complete ? BASE_WARNING : BASE_ERROR);
    }
    if (judged < count)
        validate_report(verifier, judgement->findings, VERIFY_BUDGET, judgement->set.node->name,
                        rrs[judged], "%zu signatures cover one RRset; %zu were looked at", count,
                        judged);
    report_coverage(judgement, (unsigned)count);
    return BASE_OK;
}

/*
 * The walk over names.
 */
static bool must_be_signed(enum validate_role role, uint16_t type)
{
    switch (role) {
    case VALIDATE_ROLE_DATA:
        return true;
    case VALIDATE_ROLE_CUT:
    case VALIDATE_ROLE_CUT_SECURE:
        return type == DNS_TYPE_DS || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3;
    case VALIDATE_ROLE_NOTHING:
        return type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3;
    case VALIDATE_ROLE_HIDDEN:
        return false;
    }
    return false;
}

static uint16_t covered_type(const struct dns_rr *rr)
{
    return rr->length >= 2 ? base_load_u16(rr->rdata) : 0;
}

static unsigned signed_by(const struct dns_rr *rr)
{
    return rr->length >= 18 ? base_load_u16(rr->rdata + 16) : 0;
}

static void report_stray(struct judgement *judgement, enum base_finding_code code,
                         const struct dns_rr *const *rrs, size_t count, enum validate_role role)
{
    const char *what = "glue or occluded data";
    if (role >= VALIDATE_ROLE_CUT)
        what = "not authoritative at a delegation";
    for (size_t i = 0; i < count; i++) {
        char type[DNS_TYPE_TEXT];
        uint16_t covered = covered_type(rrs[i]);
        dns_type_text(type, covered);
        if (code == VERIFY_RRSIG_ORPHAN)
            validate_report(judgement->run->verifier, judgement->findings, code,
                            judgement->set.node->name, rrs[i],
                            "a signature by key %u covers %s, which is not there",
                            signed_by(rrs[i]), type);
        else
            validate_report(judgement->run->verifier, judgement->findings, code,
                            judgement->set.node->name, rrs[i],
                            "a signature by key %u covers %s, which is %s", signed_by(rrs[i]), type,
                            covered == DNS_TYPE_RRSIG ? "never signed" : what);
    }
}

/* RRSIG records are in canonical order, so by covered type, as the RRsets of a node are. */
static int check_node(struct judgement *judgement, const struct zone_node *node,
                      enum validate_role role)
{
    const struct zone *zone = judgement->run->verifier->zone;
    const struct zone_rrset *rrsigs = zone_rrset(zone, node, DNS_TYPE_RRSIG);
    static const struct dns_rr *const none[1];
    const struct dns_rr *const *rrs = rrsigs != NULL ? &zone->rrs[rrsigs->first_rr] : none;
    size_t count = rrsigs != NULL ? rrsigs->count : 0;
    size_t at = 0;
    judgement->set.node = node;
    judgement->owner_labels = dns_name_labels(node->name) - dns_name_is_wildcard(node->name);
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        size_t orphans = at;
        while (at < count && covered_type(rrs[at]) < rrset->type)
            at++;
        report_stray(judgement, VERIFY_RRSIG_ORPHAN, rrs + orphans, at - orphans, role);
        size_t from = at;
        while (at < count && covered_type(rrs[at]) == rrset->type)
            at++;
        judgement->set.rrset = rrset;
        if (rrset->type == DNS_TYPE_RRSIG || !must_be_signed(role, rrset->type)) {
            report_stray(judgement, VERIFY_RRSIG_STRAY, rrs + from, at - from, role);
            continue;
        }
        int error = check_set(judgement, rrs + from, at - from);
        if (error != BASE_OK)
            return error;
    }
    report_stray(judgement, VERIFY_RRSIG_ORPHAN, rrs + at, count - at, role);
    judgement->worker->unreported += count;
    return BASE_OK;
}

static void report_progress(struct run *run, struct worker *worker, bool caller)
{
    const struct validate_zone_options *options = run->verifier->options;
    size_t done = atomic_fetch_add(&run->done, worker->unreported) + worker->unreported;
    worker->unreported = 0;
    if (caller && options->progress != NULL)
        options->progress(options->progress_context, done, run->verifier->rrsigs);
}

static int check_slice(void *context, struct base_findings *findings, size_t from, size_t to,
                       unsigned worker)
{
    struct run *run = context;
    const struct verifier *verifier = run->verifier;
    struct judgement judgement = {
        .run = run, .worker = &run->workers[worker], .findings = findings};
    for (size_t i = from; i < to; i++) {
        int error = check_node(&judgement, &verifier->zone->nodes[i],
                               (enum validate_role)verifier->roles[i]);
        if (error != BASE_OK)
            return error;
        if (judgement.worker->unreported >= 256)
            report_progress(run, judgement.worker, worker == 0);
    }
    return BASE_OK;
}

static int check_digest(void *context, struct base_findings *findings)
{
    const struct run *run = context;
    return validate_digest_check(run->verifier, findings);
}

/*
 * Start and end.
 */
static void trim_dates(struct base_findings *findings)
{
    unsigned kept[BASE_FINDING_COUNT] = {0};
    size_t out = 0;
    for (size_t i = 0; i < findings->count; i++) {
        enum base_finding_code code = findings->items[i].code;
        bool dates = code == VERIFY_RRSIG_EXPIRED || code == VERIFY_RRSIG_FUTURE ||
                     code == VERIFY_RRSIG_SOON;
        if (!dates || kept[code]++ < DATES_KEPT)
            findings->items[out++] = findings->items[i];
    }
    findings->count = out;
}

static void add_tally(struct tally *sum, const struct tally *tally)
{
    if (tally->signatures == 0) {
        sum->rrsets += tally->rrsets;
        return;
    }
    if (sum->signatures == 0 || tally->earliest_expiry < sum->earliest_expiry)
        sum->earliest_expiry = tally->earliest_expiry;
    if (sum->signatures == 0 || tally->latest_expiry > sum->latest_expiry)
        sum->latest_expiry = tally->latest_expiry;
    if (sum->signatures == 0 || tally->latest_inception > sum->latest_inception)
        sum->latest_inception = tally->latest_inception;
    for (unsigned i = 0; i < DATE_STATES; i++)
        sum->dates[i] += tally->dates[i];
    sum->signatures += tally->signatures;
    sum->rrsets += tally->rrsets;
}

static void report_dates_summary(struct verifier *verifier, const struct tally *sum)
{
    static const struct {
        enum date_state state;
        enum base_severity severity;
        const char *text;
    } rows[] = {{DATES_EXPIRED, BASE_ERROR, "have expired"},
                {DATES_FUTURE, BASE_ERROR, "are not yet valid"},
                {DATES_SOON, BASE_WARNING, "expire soon"}};
    for (unsigned i = 0; i < 3; i++) {
        size_t count = sum->dates[rows[i].state];
        if (count <= DATES_KEPT)
            continue;
        char first[BASE_TIME_TEXT], last[BASE_TIME_TEXT];
        base_time_iso(sum->earliest_expiry, first);
        base_time_iso(sum->latest_expiry, last);
        validate_report_as(verifier, verifier->findings, VERIFY_DATES_SUMMARY, rows[i].severity,
                           verifier->zone->apex, NULL,
                           "%zu of the %zu signatures %s; the first of all expires on %s, the "
                           "last on %s",
                           count, sum->signatures, rows[i].text, first, last);
    }
}

static void collect(struct run *run)
{
    struct verifier *verifier = run->verifier;
    struct tally sum = {0};
    for (unsigned i = 0; i < verifier->threads; i++) {
        const struct worker *worker = &run->workers[i];
        add_tally(&sum, &worker->tally);
        for (size_t k = 0; k < verifier->key_count; k++) {
            verifier->keys[k].good += worker->tools.good[k];
            verifier->keys[k].bad += worker->tools.bad[k];
        }
    }
    verifier->result->signatures = sum.signatures;
    verifier->result->rrsets = sum.rrsets;
    verifier->result->earliest_expiry = sum.earliest_expiry;
    verifier->result->latest_inception = sum.latest_inception;
    report_dates_summary(verifier, &sum);
}

static void free_workers(struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < VALIDATE_KEYS_MAX; k++)
            crypto_verifier_free(workers[i].tools.verifiers[k]);
        base_buf_free(&workers[i].tools.data);
    }
    free(workers);
}

int validate_signatures_check(struct verifier *verifier)
{
    struct run run = {.verifier = verifier};
    run.workers = calloc(verifier->threads, sizeof(*run.workers));
    if (run.workers == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < verifier->threads; i++)
        base_buf_init(&run.workers[i].tools.data, SIZE_MAX / 2);
    for (size_t i = 0; i < verifier->key_count; i++) {
        run.workers[0].tools.verifiers[i] = verifier->keys[i].context;
        verifier->keys[i].context = NULL;
    }
    struct base_findings found;
    base_findings_init(&found, verifier->findings->per_code);
    struct validate_pass pass = {.count = verifier->zone->node_count,
                                 .slices_per_thread = 64,
                                 .work = check_slice,
                                 .first = check_digest,
                                 .context = &run};
    int error = validate_pass_run(verifier, &pass, &found);
    trim_dates(&found);
    base_findings_absorb(verifier->findings, &found);
    if (error == BASE_OK)
        collect(&run);
    if (error == BASE_OK && verifier->options->progress != NULL)
        verifier->options->progress(verifier->options->progress_context, verifier->rrsigs,
                                    verifier->rrsigs);
    free_workers(run.workers, verifier->threads);
    return error;
}
