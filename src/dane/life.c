/* The change of a certificate under TLSA: see life.h. */
#include "dane/life.h"

#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOOK_SERVERS 15  /* seconds between looks, while servers are waited for */
#define LOOK_CACHES  300 /* while caches are */

const char *dane_life_step_name(enum dane_life_step step)
{
    static const char *const names[] = {"refused", "publish", "servers", "caches",
                                        "switch",  "remove",  "done"};
    return (unsigned)step < sizeof(names) / sizeof(names[0]) ? names[step] : "?";
}

void dane_life_begin(struct dane_life_state *state)
{
    *state = (struct dane_life_state){.ttl = state->ttl};
}

/* --- records and certificates --- */

static bool same_data(const struct dane_tlsa *record, const struct dane_der *certificate)
{
    uint8_t *data;
    size_t length;
    if (dane_tlsa_make(record->selector, record->matching, certificate->data, certificate->length,
                       &data, &length) != BASE_OK)
        return false;
    bool same = length == record->length && memcmp(data, record->data, length) == 0;
    free(data);
    return same;
}

bool dane_life_leans(const struct dane_tlsa *record, const struct dane_life_chain *chain)
{
    bool leaf = record->usage == DANE_EE || record->usage == DANE_PKIX_EE;
    if (leaf)
        return chain->count > 0 && same_data(record, &chain->certificates[0]);
    for (size_t i = 1; i < chain->count; i++) {
        if (same_data(record, &chain->certificates[i]))
            return true;
    }
    return false;
}

/* Copies of records, which are judged together. */
static size_t judge(const struct dane_tlsa *records, size_t count, unsigned usages,
                    struct dane_tlsa out[DANE_LIFE_RECORDS], size_t *usable)
{
    size_t taken = count < DANE_LIFE_RECORDS ? count : DANE_LIFE_RECORDS;
    if (taken > 0)
        memcpy(out, records, taken * sizeof(*out));
    *usable = dane_tlsa_judge(out, taken, usages);
    return taken;
}

enum dane_life_match dane_life_match(const struct dane_tlsa *records, size_t count,
                                     const struct dane_life_chain *chain, unsigned usages)
{
    struct dane_tlsa judged[DANE_LIFE_RECORDS];
    size_t usable, taken = judge(records, count, usages, judged, &usable);
    for (size_t i = 0; i < taken; i++) {
        if (judged[i].unusable == DANE_USABLE && dane_life_leans(&judged[i], chain))
            return DANE_LIFE_MATCH;
    }
    return usable > 0 ? DANE_LIFE_NO_MATCH : DANE_LIFE_NOTHING;
}

/* With the new record beside them, would records that count now count no more? A stronger digest
 * puts weaker ones out of use (RFC 7671 section 9), and the certificate that is shown may lean on
 * one of these. */
static bool displaces(const struct dane_life_server *server, const struct dane_life_wanted *wanted)
{
    struct dane_tlsa before[DANE_LIFE_RECORDS], after[DANE_LIFE_RECORDS];
    size_t usable, kept = judge(server->records, server->count, wanted->usages, before, &usable);
    if (wanted->switched || kept + 2 > DANE_LIFE_RECORDS)
        return kept + 2 > DANE_LIFE_RECORDS;
    memcpy(after, before, kept * sizeof(*after));
    size_t all = kept;
    if (wanted->next_record != NULL)
        after[all++] = *wanted->next_record;
    if (wanted->current_record != NULL)
        after[all++] = *wanted->current_record;
    dane_tlsa_judge(after, all, wanted->usages);
    for (size_t i = 0; i < all; i++) {
        bool was = i < kept ? before[i].unusable == DANE_USABLE : true;
        if (was && after[i].unusable != DANE_USABLE)
            return true;
    }
    return false;
}

/* --- what the servers say --- */

struct survey {
    size_t answered, with_records; /* the latter: no aliases */
    const struct dane_life_server *silent, *astray, *lacks_next, *lacks_current, *broken,
        *displaced, *extra;
    bool any_set;
};

static bool same_alias(const struct dane_life_server *one, const struct dane_life_server *other)
{
    if (one->alias == NULL || other->alias == NULL)
        return one->alias == other->alias;
    return strcasecmp(one->alias, other->alias) == 0;
}

/* The first server of a hop that answers says whether there is an alias, and where it leads. NULL:
 * none does. */
static const struct dane_life_server *speaker(const struct dane_life_server *servers, size_t count,
                                              unsigned hop)
{
    for (size_t i = 0; i < count; i++) {
        if (servers[i].hop == hop && servers[i].answered)
            return &servers[i];
    }
    return NULL;
}

static bool has_extra(const struct dane_life_wanted *wanted, const struct dane_life_server *server)
{
    for (size_t i = 0; i < server->count; i++) {
        if (!dane_life_leans(&server->records[i], &wanted->next))
            return true;
    }
    return false;
}

static void survey_records(const struct dane_life_wanted *wanted,
                           const struct dane_life_server *server, struct survey *survey)
{
    survey->with_records++;
    survey->any_set |= server->count > 0;
    if (dane_life_match(server->records, server->count, &wanted->next, wanted->usages) !=
        DANE_LIFE_MATCH)
        survey->lacks_next = server;
    const struct dane_life_chain *shown = wanted->switched ? &wanted->next : &wanted->current;
    enum dane_life_match match =
        dane_life_match(server->records, server->count, shown, wanted->usages);
    if (shown->count > 0 && match == DANE_LIFE_NO_MATCH)
        survey->broken = server;
    if (!wanted->switched && wanted->current.count > 0 && match != DANE_LIFE_MATCH)
        survey->lacks_current = server;
    if (displaces(server, wanted))
        survey->displaced = server;
    if (has_extra(wanted, server))
        survey->extra = server;
}

static void survey_servers(const struct dane_life_wanted *wanted,
                           const struct dane_life_server *servers, size_t count,
                           struct survey *survey)
{
    for (size_t i = 0; i < count; i++) {
        const struct dane_life_server *server = &servers[i];
        if (!server->answered) {
            survey->silent = server;
            continue;
        }
        survey->answered++;
        if (!same_alias(server, speaker(servers, count, server->hop)))
            survey->astray = server;
        else if (server->alias == NULL)
            survey_records(wanted, server, survey);
    }
}

static uint64_t hash_text(uint64_t seed, const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u + seed;
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)tolower((unsigned char)*text)) * 0x100000001b3u;
    return hash * hash;
}

/* The list of servers, whatever their order, and where the aliases lead. While no server of a hop
 * answers its alias is not known, which counts as another one. */
static uint64_t mark(const struct dane_life_server *servers, size_t count)
{
    uint64_t all = count;
    for (size_t i = 0; i < count; i++) {
        all += hash_text(servers[i].hop, servers[i].name);
        if (servers[i].alias != NULL && speaker(servers, count, servers[i].hop) == &servers[i])
            all += hash_text(servers[i].hop, servers[i].alias);
    }
    return all;
}

static void remember(const struct dane_life_wanted *wanted, const struct dane_life_server *servers,
                     size_t count, const struct survey *survey, base_time now,
                     struct dane_life_state *state)
{
    for (size_t i = 0; i < count; i++) {
        if (!servers[i].answered || (servers[i].count == 0 && servers[i].alias == NULL))
            continue;
        if (servers[i].ttl > state->ttl)
            state->ttl = servers[i].ttl;
        if (servers[i].alias == NULL &&
            dane_life_match(servers[i].records, servers[i].count, &wanted->next, wanted->usages) !=
                DANE_LIFE_MATCH)
            state->old_seen = true;
    }
    uint64_t list = mark(servers, count);
    bool missing = survey->lacks_next != NULL || survey->lacks_current != NULL ||
                   survey->astray != NULL || survey->with_records == 0;
    /* A server that was not asked before may have given out the former set until now. */
    if (missing || list != state->servers)
        state->complete_since = 0;
    state->servers = list;
    if (state->complete_since > now)
        state->complete_since = now; /* the clock went back */
    if (!missing && survey->answered == count && state->complete_since == 0)
        state->complete_since = now;
}

/* --- what to do --- */

static uint32_t horizon(const struct dane_life_wanted *wanted, const struct dane_life_state *state)
{
    uint32_t ttl = state->ttl;
    if (!state->old_seen && wanted->ttl == 0 && ttl < DANE_LIFE_TTL_UNKNOWN)
        ttl = DANE_LIFE_TTL_UNKNOWN;
    if (wanted->ttl > ttl)
        ttl = wanted->ttl;
    return ttl;
}

static void say(struct dane_life_advice *out, enum dane_life_step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct dane_life_advice *out, enum dane_life_step step, const char *format, ...)
{
    va_list args;
    out->step = step;
    va_start(args, format);
    vsnprintf(out->reason, sizeof(out->reason), format, args);
    va_end(args);
}

static void disagree(const struct dane_life_wanted *wanted, const struct survey *survey,
                     struct dane_life_advice *out)
{
    const struct dane_life_server *server = survey->astray;
    if (server != NULL)
        say(out, DANE_LIFE_SERVERS,
            "the servers do not agree on the alias at %s: %s has %s%s, the others have something "
            "else",
            wanted->where, server->name, server->alias != NULL ? "one to " : "none",
            server->alias != NULL ? server->alias : "");
    else
        say(out, DANE_LIFE_SERVERS, "%s has no authoritative server that could be asked",
            wanted->where);
}

static void after_switch(const struct dane_life_wanted *wanted, const struct survey *survey,
                         struct dane_life_advice *out)
{
    if (survey->lacks_next != NULL && survey->lacks_next->count == 0) {
        out->add_next = true;
        say(out, DANE_LIFE_PUBLISH,
            "%s has no record at %s, so senders that ask it do not authenticate the server",
            survey->lacks_next->name, wanted->where);
    } else if (survey->lacks_next != NULL) {
        out->add_next = true;
        say(out, DANE_LIFE_PUBLISH,
            "%s has no record at %s that matches the certificate that is shown: senders that hold "
            "its set deliver nothing. Publish the record now, or show the former certificate until "
            "that is safe",
            survey->lacks_next->name, wanted->where);
    } else if (survey->silent != NULL) {
        say(out, DANE_LIFE_SERVERS,
            "%s does not answer, so it is not known whether it has the "
            "record of the new certificate",
            survey->silent->name);
    } else if (survey->astray != NULL || survey->with_records == 0) {
        disagree(wanted, survey, out);
    } else if (survey->extra != NULL) {
        say(out, DANE_LIFE_REMOVE,
            "the new certificate is shown and every server has its record: records at %s that do "
            "not match it may be taken out, which ends the way back to the former certificate",
            wanted->where);
    } else {
        say(out, DANE_LIFE_DONE,
            "every server has the record of the certificate that is shown, "
            "and no other");
    }
}

static void ask_to_publish(const struct dane_life_wanted *wanted, const struct survey *survey,
                           struct dane_life_advice *out)
{
    const struct dane_life_server *server =
        survey->lacks_next != NULL ? survey->lacks_next : survey->lacks_current;
    if (survey->broken != NULL)
        say(out, DANE_LIFE_PUBLISH,
            "delivery is broken already: %s gives records at %s of which none matches the "
            "certificate that is shown",
            survey->broken->name, wanted->where);
    else
        say(out, DANE_LIFE_PUBLISH,
            "%s has no record at %s for the %s certificate yet: senders that hold its set would "
            "refuse a server that shows it",
            server->name, wanted->where, survey->lacks_next != NULL ? "next" : "present");
}

static void wait_or_switch(const struct dane_life_wanted *wanted, const struct survey *survey,
                           base_time now, const struct dane_life_state *state,
                           struct dane_life_advice *out)
{
    uint32_t ttl = horizon(wanted, state);
    char when[BASE_TIME_TEXT];
    if (state->complete_since != 0)
        out->safe_at = state->complete_since + ttl + DANE_LIFE_MARGIN;
    if (survey->silent != NULL) {
        say(out, DANE_LIFE_SERVERS,
            "%s does not answer: it may give out the former set, or come back with it",
            survey->silent->name);
    } else if (out->safe_at == 0) {
        disagree(wanted, survey, out);
    } else if (now < out->safe_at) {
        base_time_iso(out->safe_at, when);
        say(out, DANE_LIFE_CACHES,
            "every server has the records, but senders may hold the former set at %s until %s "
            "(its TTL is %u s%s)",
            wanted->where, when, ttl,
            state->old_seen || wanted->ttl != 0 ? "" : ", taken for a day as it was never seen");
        out->next_look = out->safe_at - now < LOOK_CACHES ? out->safe_at : now + LOOK_CACHES;
    } else {
        out->switch_safe = true;
        out->next_look = now + LOOK_CACHES;
        say(out, DANE_LIFE_SWITCH,
            "every server has the records and no sender can hold an older set: the next "
            "certificate may be shown");
    }
}

void dane_life_look(const struct dane_life_wanted *wanted, const struct dane_life_server *servers,
                    size_t count, base_time now, struct dane_life_state *state,
                    struct dane_life_advice *out)
{
    struct survey survey = {0};
    survey_servers(wanted, servers, count, &survey);
    *out = (struct dane_life_advice){.next_look = now + LOOK_SERVERS};
    remember(wanted, servers, count, &survey, now, state);
    out->add_next = survey.lacks_next != NULL && wanted->next_record != NULL;
    out->add_current = survey.lacks_current != NULL && wanted->current_record != NULL;
    if (wanted->switched) {
        after_switch(wanted, &survey, out);
    } else if (survey.displaced != NULL && (out->add_next || out->add_current)) {
        out->add_next = out->add_current = false;
        say(out, DANE_LIFE_REFUSED,
            "with the new record beside those of %s, some of them would count no more, since "
            "senders look only at the strongest digest of each usage and selector (RFC 7671 "
            "section 9): make the record with the matching type of those that are there",
            survey.displaced->name);
    } else if (out->add_next && !survey.any_set && wanted->current.count == 0) {
        out->add_next = false;
        say(out, DANE_LIFE_REFUSED,
            "there are no records at %s yet: with one for the next certificate alone, senders "
            "would refuse the server as long as it shows the present one, which has to be known",
            wanted->where);
    } else if (survey.lacks_next != NULL || survey.lacks_current != NULL) {
        ask_to_publish(wanted, &survey, out);
    } else {
        wait_or_switch(wanted, &survey, now, state, out);
    }
}
