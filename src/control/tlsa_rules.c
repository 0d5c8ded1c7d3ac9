/*
 * What TLSA records of a service are kept, and what is seen of them: see tlsa.h. Functions of the
 * certificates, of records and of the time; what is safe is decided by dane/life.h.
 *
 * Each record has a role: of the certificate that is shown now, of the next one, or of a former
 * one. One that has been in every cache is settled: a server may show a certificate that such a
 * record matches, and nothing else may be shown safely.
 */
#include "control/tlsa.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_SOON 15   /* seconds between looks while servers are waited for, at first */
#define LOOK_LATE 300  /* and later */
#define LOOK_IDLE 3600 /* while nothing is waited for */
#define SILENCE   600  /* a server that says nothing for so long is told of */

/* --- certificates --- */

bool control_tlsa_derive(const struct config_tlsa *config, struct control_tlsa_file *file)
{
    struct dane_material *material = &file->material;
    file->chain = material->count > 0
                      ? (struct dane_life_chain){material->certificates, material->count}
                      : (struct dane_life_chain){&material->key, 1};
    size_t at = config->usage == DANE_TA ? file->chain.count - 1 : 0;
    if (material->count == 0 &&
        (config->selector == DANE_CERTIFICATE || config->usage == DANE_TA)) {
        snprintf(file->why, sizeof(file->why),
                 "it has a key only, and the record is to be made from a certificate");
        return false;
    }
    if (config->usage == DANE_TA && at == 0) {
        snprintf(file->why, sizeof(file->why),
                 "it has one certificate only, and usage 2 is about a CA behind it");
        return false;
    }
    uint8_t *data;
    size_t length;
    const struct dane_der *from = &file->chain.certificates[at];
    int error = dane_tlsa_make(config->selector, config->matching, from->data, from->length, &data,
                               &length);
    if (error != BASE_OK || length + 3 > sizeof(file->rdata)) {
        snprintf(file->why, sizeof(file->why), "no record can be made from it: %s",
                 base_strerror(error != BASE_OK ? error : BASE_ELIMIT));
        if (error == BASE_OK)
            free(data);
        return false;
    }
    file->rdata[0] = config->usage;
    file->rdata[1] = config->selector;
    file->rdata[2] = config->matching;
    memcpy(file->rdata + 3, data, length);
    file->length = (uint8_t)(length + 3);
    free(data);
    return true;
}

/* The end of the certificate; 0: it is a bare key. False: it cannot be read. */
static bool find_end(struct control_tlsa_file *file)
{
    struct dane_certificate_info info;
    if (file->material.count == 0)
        return true;
    if (dane_certificate_describe(file->material.certificates[0].data,
                                  file->material.certificates[0].length, &info) != BASE_OK) {
        snprintf(file->why, sizeof(file->why), "its certificate cannot be read");
        return false;
    }
    file->until = info.until;
    return true;
}

static bool has_expired(const struct control_tlsa_file *file, base_time now)
{
    return file->until != 0 && file->until <= now;
}

static void note_expiry(struct control_tlsa_file *file, base_time until)
{
    char when[BASE_TIME_TEXT];
    base_time_iso(until, when);
    snprintf(file->why, sizeof(file->why), "its certificate expired at %s", when);
}

static bool same_record(const struct control_tlsa_file *a, const struct control_tlsa_file *b)
{
    return a->length == b->length && memcmp(a->rdata, b->rdata, a->length) == 0;
}

void control_tlsa_take(struct control_tlsa_service *service, struct control_tlsa_file *file,
                       const uint8_t *data, size_t length, const char *problem, base_time now)
{
    struct control_tlsa_file got = {.path = file->path};
    char why[200];
    file->read = true;
    file->there = data != NULL;
    if (data == NULL) {
        snprintf(file->why, sizeof(file->why), "%s", problem);
        return;
    }
    if (dane_material_read(data, length, &got.material, why) != BASE_OK) {
        snprintf(file->why, sizeof(file->why), "%s", why);
        return;
    }
    bool good = find_end(&got) && control_tlsa_derive(service->config, &got);
    bool expired = good && has_expired(&got, now);
    if (expired)
        note_expiry(&got, got.until);
    memcpy(file->why, got.why, sizeof(file->why));
    if (!good || (expired && file->length > 0 && !same_record(&got, file)) ||
        (expired && file->length == 0 && file == &service->next)) {
        dane_material_free(&got.material);
        return;
    }
    dane_material_free(&file->material);
    file->material = got.material;
    control_tlsa_derive(service->config, file);
    file->until = got.until;
}

/* --- records --- */

struct dane_tlsa control_tlsa_of(const struct registry_tlsa_record *record)
{
    struct dane_tlsa out = {0};
    dane_tlsa_read(record->rdata, record->length, &out);
    return out;
}

static struct dane_tlsa of_file(const struct control_tlsa_file *file)
{
    struct dane_tlsa out = {0};
    dane_tlsa_read(file->rdata, file->length, &out);
    return out;
}

static struct registry_tlsa_record *find_role(struct registry_tlsa *state,
                                              enum registry_tlsa_role role)
{
    for (size_t i = 0; i < state->count; i++) {
        if (state->records[i].role == role)
            return &state->records[i];
    }
    return NULL;
}

const struct registry_tlsa_record *control_tlsa_record(const struct control_tlsa_service *service,
                                                       enum registry_tlsa_role role)
{
    return find_role((struct registry_tlsa *)&service->state, role);
}

static bool is_of(const struct registry_tlsa_record *record, const struct control_tlsa_file *file)
{
    return record != NULL && record->length == file->length &&
           memcmp(record->rdata, file->rdata, file->length) == 0;
}

static struct registry_tlsa_record *find_record(struct registry_tlsa *state,
                                                const struct control_tlsa_file *file)
{
    for (size_t i = 0; i < state->count; i++) {
        if (is_of(&state->records[i], file))
            return &state->records[i];
    }
    return NULL;
}

static void drop(struct registry_tlsa *state, size_t at)
{
    state->count--;
    memmove(&state->records[at], &state->records[at + 1],
            (state->count - at) * sizeof(state->records[0]));
}

/* Where there is no room left, the record that is old for the longest goes. */
static void make_room(struct registry_tlsa *state)
{
    size_t oldest = SIZE_MAX;
    if (state->count < REGISTRY_TLSA_RECORDS)
        return;
    for (size_t i = 0; i < state->count; i++) {
        if (state->records[i].role == REGISTRY_TLSA_OLD &&
            (oldest == SIZE_MAX || state->records[i].since < state->records[oldest].since))
            oldest = i;
    }
    drop(state, oldest); /* at most two are not old */
}

/* The record of a file gets a role; a new one is added. */
static void give_role(struct registry_tlsa *state, const struct control_tlsa_file *file,
                      enum registry_tlsa_role role, base_time now)
{
    struct registry_tlsa_record *record = find_record(state, file);
    if (record == NULL) {
        make_room(state);
        record = &state->records[state->count++];
        *record = (struct registry_tlsa_record){.length = file->length};
        memcpy(record->rdata, file->rdata, file->length);
    }
    record->role = (uint8_t)role;
    record->since = now;
}

static void retire(struct registry_tlsa_record *record, base_time now)
{
    if (record == NULL)
        return;
    record->role = REGISTRY_TLSA_OLD;
    record->since = now;
}

/* --- waiting --- */

static struct dane_life_state life_of(const struct registry_tlsa_wait *wait)
{
    return (struct dane_life_state){wait->since, wait->ttl, wait->old_seen, wait->servers};
}

static struct registry_tlsa_wait wait_of(const struct dane_life_state *life)
{
    return (struct registry_tlsa_wait){life->complete_since, life->ttl, life->old_seen,
                                       life->servers};
}

/* A new wait: caches may hold what was seen for either. */
static struct registry_tlsa_wait begin_wait(const struct registry_tlsa *state)
{
    uint32_t ttl = state->current.ttl > state->next.ttl ? state->current.ttl : state->next.ttl;
    return (struct registry_tlsa_wait){.ttl = ttl};
}

/* When every cache has what all servers have had; 0: not all have it. */
static base_time settles_at(const struct control_tlsa_service *service,
                            const struct registry_tlsa_wait *wait)
{
    uint32_t ttl = wait->ttl > service->config->ttl ? wait->ttl : service->config->ttl;
    return wait->since != 0 ? wait->since + ttl + DANE_LIFE_MARGIN : 0;
}

static bool is_settled(const struct control_tlsa_service *service,
                       const struct registry_tlsa_wait *wait, base_time now)
{
    base_time at = settles_at(service, wait);
    return at != 0 && at <= now;
}

static unsigned usages_of(const struct control_tlsa_service *service)
{
    return service->port == 25 ? DANE_USAGES_OPPORTUNISTIC : DANE_USAGES_ALL;
}

/* --- what the files ask for --- */

static bool same_tlsa(const struct dane_tlsa *a, const struct dane_tlsa *b)
{
    return a->usage == b->usage && a->selector == b->selector && a->matching == b->matching &&
           a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

/* What is published, and what is about to be. */
static void join_kept(const struct registry_tlsa *state, const struct control_tlsa_set *published,
                      struct control_tlsa_set *out)
{
    *out = *published;
    out->data = NULL;
    for (size_t i = 0; i < state->count && out->count < DANE_LIFE_RECORDS; i++) {
        struct dane_tlsa record = control_tlsa_of(&state->records[i]);
        bool there = false;
        for (size_t k = 0; k < published->count && !there; k++)
            there = same_tlsa(&published->records[k], &record);
        if (!there)
            out->records[out->count++] = record;
    }
}

/* May a record join the others? Else `refused` says why not. */
static bool may_join(struct control_tlsa_service *service, const struct control_tlsa_set *set,
                     const struct control_tlsa_file *added)
{
    struct dane_tlsa record = of_file(added);
    struct dane_life_server here = {.name = "kenterd",
                                    .answered = true,
                                    .records = set->records,
                                    .count = set->count,
                                    .ttl = set->ttl};
    struct dane_life_wanted wanted = {.current = service->current.chain,
                                      .next = added->chain,
                                      .next_record = &record,
                                      .usages = usages_of(service),
                                      .ttl = service->config->ttl,
                                      .where = service->where};
    struct dane_life_state none = {0};
    struct dane_life_advice advice;
    dane_life_look(&wanted, &here, 1, 0, &none, &advice);
    if (advice.step != DANE_LIFE_REFUSED)
        return true;
    snprintf(service->refused, sizeof(service->refused), "the record of the %s certificate: %s",
             added == &service->next ? "next" : "present", advice.reason);
    return false;
}

/* Would it count there? Not when a stronger digest is there (RFC 7671 section 9). */
static bool may_count(struct control_tlsa_service *service, const struct control_tlsa_set *set,
                      const struct control_tlsa_file *added)
{
    struct dane_tlsa all[DANE_LIFE_RECORDS + 1];
    memcpy(all, set->records, set->count * sizeof(all[0]));
    all[set->count] = of_file(added);
    dane_tlsa_judge(all, set->count + 1, usages_of(service));
    if (all[set->count].unusable == DANE_USABLE)
        return true;
    snprintf(service->refused, sizeof(service->refused),
             "the record of the %s certificate would not count: %s",
             added == &service->next ? "next" : "present",
             dane_unusable_text(all[set->count].unusable));
    return false;
}

/* Is there a record that every cache has, which this certificate matches? */
static bool is_expected(const struct control_tlsa_service *service, base_time now)
{
    const struct registry_tlsa *state = &service->state;
    for (size_t i = 0; i < state->count; i++) {
        const struct registry_tlsa_record *record = &state->records[i];
        struct dane_tlsa read = control_tlsa_of(record);
        bool everywhere = record->settled || (record->role == REGISTRY_TLSA_NEXT &&
                                              is_settled(service, &state->next, now));
        if (everywhere && dane_life_leans(&read, &service->current.chain))
            return true;
    }
    return false;
}

/* The first record of a service. Senders that hold records of the zone's source may refuse it. */
static bool begin(struct control_tlsa_service *service, const struct control_tlsa_set *published,
                  base_time now)
{
    struct registry_tlsa *state = &service->state;
    enum dane_life_match match = dane_life_match(published->records, published->count,
                                                 &service->current.chain, usages_of(service));
    if (match == DANE_LIFE_MATCH && !may_join(service, published, &service->current))
        return false;
    state->unsafe = match == DANE_LIFE_NO_MATCH;
    state->current = begin_wait(state);
    if (published->ttl > state->current.ttl)
        state->current.ttl = published->ttl;
    give_role(state, &service->current, REGISTRY_TLSA_CURRENT, now);
    state->changed_at = now;
    return true;
}

/* Another certificate is shown than before. Its record is published at once, come what may. */
static void switch_over(struct control_tlsa_service *service, base_time now)
{
    struct registry_tlsa *state = &service->state;
    struct registry_tlsa_record *next = find_role(state, REGISTRY_TLSA_NEXT);
    bool was_next = is_of(next, &service->current);
    bool expected = is_expected(service, now);
    if (was_next && is_settled(service, &state->next, now))
        next->settled = true;
    retire(find_role(state, REGISTRY_TLSA_CURRENT), now);
    give_role(state, &service->current, REGISTRY_TLSA_CURRENT, now);
    state->current = was_next ? state->next : begin_wait(state);
    if (was_next)
        state->next = begin_wait(state);
    state->unsafe = !expected;
    state->changed_at = now;
}

/* The same certificate, with a record of other parameters. Weaker ones do not count beside it, so
 * what they were known for does not, either. */
static void replace_record(struct control_tlsa_service *service, base_time now)
{
    struct registry_tlsa *state = &service->state;
    retire(find_role(state, REGISTRY_TLSA_CURRENT), now);
    give_role(state, &service->current, REGISTRY_TLSA_CURRENT, now);
    for (size_t i = 0; i < state->count; i++) {
        struct dane_tlsa read = control_tlsa_of(&state->records[i]);
        if (!dane_life_leans(&read, &service->current.chain))
            state->records[i].settled = false;
    }
    state->current = state->next = begin_wait(state);
}

static bool follow_current(struct control_tlsa_service *service,
                           const struct control_tlsa_set *published, base_time now)
{
    struct registry_tlsa *state = &service->state;
    struct registry_tlsa_record *record = find_role(state, REGISTRY_TLSA_CURRENT);
    if (service->current.length == 0 || is_of(record, &service->current) ||
        (service->current.why[0] != '\0' && record != NULL))
        return false;
    if (record == NULL)
        return service->current.why[0] == '\0' && begin(service, published, now);
    struct dane_tlsa read = control_tlsa_of(record);
    struct control_tlsa_set set;
    join_kept(state, published, &set);
    bool same_certificate = dane_life_leans(&read, &service->current.chain);
    if (same_certificate && !may_count(service, &set, &service->current))
        return false;
    if (same_certificate)
        replace_record(service, now);
    else
        switch_over(service, now);
    return true;
}

static bool follow_next(struct control_tlsa_service *service,
                        const struct control_tlsa_set *published, base_time now)
{
    struct registry_tlsa *state = &service->state;
    struct registry_tlsa_record *record = find_role(state, REGISTRY_TLSA_NEXT);
    const struct control_tlsa_file *next = &service->next;
    bool none = next->path == NULL || !next->there;
    if (!none && (next->why[0] != '\0' || next->length == 0))
        return false; /* it cannot be used: nothing changes */
    none = none || is_of(find_role(state, REGISTRY_TLSA_CURRENT), next);
    if (none ? record == NULL : is_of(record, next))
        return false;
    struct control_tlsa_set set;
    join_kept(state, published, &set);
    if (!none && !(may_count(service, &set, next) && may_join(service, &set, next)))
        return false;
    retire(record, now);
    if (!none)
        give_role(state, next, REGISTRY_TLSA_NEXT, now);
    state->next = begin_wait(state);
    return true;
}

bool control_tlsa_follow(struct control_tlsa_service *service,
                         const struct control_tlsa_set *published, base_time now)
{
    bool ready = service->current.read && (service->next.path == NULL || service->next.read);
    service->refused[0] = '\0';
    if (!ready || service->trouble != CONTROL_TLSA_WELL)
        return false;
    bool changed = follow_current(service, published, now);
    if (find_role(&service->state, REGISTRY_TLSA_CURRENT) != NULL)
        changed |= follow_next(service, published, now);
    return changed;
}

/* --- what the servers give --- */

static size_t list_servers(const struct control_tlsa_service *service,
                           struct dane_life_server out[CONTROL_TLSA_SERVERS])
{
    for (size_t i = 0; i < service->server_count; i++) {
        const struct control_tlsa_server *from = &service->servers[i];
        out[i] = (struct dane_life_server){.name = from->name,
                                           .answered = from->answered,
                                           .records = from->set.records,
                                           .count = from->set.count,
                                           .ttl = from->set.ttl};
    }
    return service->server_count;
}

/* Records of former certificates that nobody needs any more. */
static bool remove_old(struct control_tlsa_service *service, base_time now)
{
    struct registry_tlsa *state = &service->state;
    bool removed = false;
    for (size_t i = state->count; i-- > 0;) {
        const struct registry_tlsa_record *record = &state->records[i];
        if (record->role != REGISTRY_TLSA_OLD || record->since + service->config->keep > now)
            continue;
        drop(state, i);
        removed = true;
    }
    return removed;
}

/* When the first of the old records may go; 0: there is none. */
static base_time removal_due(const struct control_tlsa_service *service)
{
    const struct registry_tlsa *state = &service->state;
    base_time first = 0;
    for (size_t i = 0; i < state->count; i++) {
        base_time at = state->records[i].since + service->config->keep;
        if (state->records[i].role == REGISTRY_TLSA_OLD && (first == 0 || at < first))
            first = at;
    }
    base_time settled = settles_at(service, &state->current);
    return first != 0 && first < settled ? settled : first;
}

static void say_unsafe(const struct control_tlsa_service *service, base_time until, char *out,
                       size_t size)
{
    char changed[BASE_TIME_TEXT], when[BASE_TIME_TEXT] = "";
    base_time_iso(service->state.changed_at, changed);
    if (until != 0)
        base_time_iso(until, when);
    snprintf(
        out, size,
        "the certificate of %.200s was changed at %s, before every sender could know its record: "
        "those that hold the records of before may refuse the server %s%s",
        service->where, changed,
        until != 0 ? "until " : "until every name server has it and their TTL has passed", when);
}

/* The step and its reason when no next certificate is waited for. */
static void advise_present(const struct control_tlsa_service *service, base_time now,
                           struct dane_life_advice *advice)
{
    const struct registry_tlsa *state = &service->state;
    base_time settled = settles_at(service, &state->current), due = removal_due(service);
    char when[BASE_TIME_TEXT];
    advice->safe_at = state->unsafe ? settled : 0;
    if (advice->step == DANE_LIFE_DONE || advice->step == DANE_LIFE_REMOVE)
        advice->next_look = now + LOOK_IDLE;
    if (state->unsafe) {
        if (settled != 0)
            advice->step = DANE_LIFE_CACHES;
        say_unsafe(service, settled, advice->reason, sizeof(advice->reason));
    } else if (advice->step == DANE_LIFE_REMOVE && due != 0) {
        base_time_iso(due, when);
        snprintf(advice->reason, sizeof(advice->reason),
                 "every server has the record of the certificate that is shown; those of former "
                 "certificates are taken out after %s",
                 when);
    }
    if (due > now && due < advice->next_look)
        advice->next_look = due;
    if (settled > now && settled < advice->next_look)
        advice->next_look = settled;
}

/* A server that is behind is waited for: what is to be published is. */
static void advise_waiting(const struct control_tlsa_service *service, base_time now,
                           struct dane_life_advice *advice)
{
    struct dane_life_chain none = {NULL, 0};
    const struct control_tlsa_set *here =
        service->server_count > 0 ? &service->servers[0].set : NULL;
    const struct control_tlsa_file *files[] = {&service->current, &service->next};
    bool published = here != NULL;
    for (size_t i = 0; i < 2 && published; i++) {
        const struct registry_tlsa_record *record =
            control_tlsa_record(service, i == 0 ? REGISTRY_TLSA_CURRENT : REGISTRY_TLSA_NEXT);
        const struct dane_life_chain *chain = record != NULL ? &files[i]->chain : &none;
        published = chain->count == 0 || dane_life_match(here->records, here->count, chain,
                                                         usages_of(service)) == DANE_LIFE_MATCH;
    }
    if (advice->step == DANE_LIFE_PUBLISH && published)
        advice->step = DANE_LIFE_SERVERS;
    base_time changed = service->state.changed_at;
    const struct registry_tlsa_record *next = control_tlsa_record(service, REGISTRY_TLSA_NEXT);
    if (next != NULL && next->since > changed)
        changed = next->since;
    base_time wait = (now - changed) / 10;
    wait = wait < LOOK_SOON ? LOOK_SOON : wait > LOOK_LATE ? LOOK_LATE : wait;
    if (advice->step == DANE_LIFE_SERVERS || advice->step == DANE_LIFE_PUBLISH)
        advice->next_look = now + wait;
}

static bool settle(struct registry_tlsa_record *record)
{
    if (record == NULL || record->settled)
        return false;
    record->settled = true;
    return true;
}

/* How far the record of the certificate that is shown has come. */
static bool observe_current(struct control_tlsa_service *service,
                            const struct dane_life_server *servers, size_t count, base_time now,
                            struct dane_life_advice *advice)
{
    struct registry_tlsa *state = &service->state;
    struct dane_tlsa record = of_file(&service->current);
    struct dane_life_wanted wanted = {.next = service->current.chain,
                                      .next_record = &record,
                                      .switched = true,
                                      .usages = usages_of(service),
                                      .ttl = service->config->ttl,
                                      .where = service->where};
    struct dane_life_state life = life_of(&state->current);
    dane_life_look(&wanted, servers, count, now, &life, advice);
    state->current = wait_of(&life);
    if (!is_settled(service, &state->current, now))
        return false;
    bool changed = settle(find_role(state, REGISTRY_TLSA_CURRENT)) || state->unsafe;
    state->unsafe = false;
    return changed;
}

static bool observe_next(struct control_tlsa_service *service,
                         const struct dane_life_server *servers, size_t count, base_time now,
                         struct dane_life_advice *advice)
{
    struct registry_tlsa *state = &service->state;
    struct dane_tlsa current = of_file(&service->current), next = of_file(&service->next);
    struct dane_life_wanted wanted = {.current = service->current.chain,
                                      .next = service->next.chain,
                                      .current_record = &current,
                                      .next_record = &next,
                                      .usages = usages_of(service),
                                      .ttl = service->config->ttl,
                                      .where = service->where};
    struct dane_life_state life = life_of(&state->next);
    dane_life_look(&wanted, servers, count, now, &life, advice);
    state->next = wait_of(&life);
    return advice->switch_safe && settle(find_role(state, REGISTRY_TLSA_NEXT));
}

/* Without a certificate there is nothing to compare with. */
static void advise_blind(struct control_tlsa_service *service, base_time now)
{
    service->advice =
        (struct dane_life_advice){.step = DANE_LIFE_REFUSED, .next_look = now + LOOK_IDLE};
    snprintf(service->advice.reason, sizeof(service->advice.reason), "%.200s: %.240s",
             service->config->certificate,
             service->current.read ? service->current.why : "it has not been read yet");
}

static bool same_wait(const struct registry_tlsa_wait *a, const struct registry_tlsa_wait *b)
{
    return a->since == b->since && a->ttl == b->ttl && a->old_seen == b->old_seen &&
           a->servers == b->servers;
}

bool control_tlsa_observe(struct control_tlsa_service *service, base_time now, bool *records)
{
    struct registry_tlsa *state = &service->state;
    const struct registry_tlsa_wait waits[] = {state->current, state->next};
    struct dane_life_server servers[CONTROL_TLSA_SERVERS];
    size_t count = list_servers(service, servers);
    *records = false;
    if (!is_of(find_role(state, REGISTRY_TLSA_CURRENT), &service->current)) {
        advise_blind(service, now);
        if (service->refused[0] != '\0')
            snprintf(service->advice.reason, sizeof(service->advice.reason), "%.511s",
                     service->refused);
        return false;
    }
    struct dane_life_advice present, coming;
    bool changed = observe_current(service, servers, count, now, &present);
    bool removable = (present.step == DANE_LIFE_REMOVE || present.step == DANE_LIFE_DONE) &&
                     find_role(state, REGISTRY_TLSA_CURRENT)->settled;
    bool has_next = is_of(find_role(state, REGISTRY_TLSA_NEXT), &service->next);
    if (has_next)
        changed |= observe_next(service, servers, count, now, &coming);
    if (removable)
        *records = remove_old(service, now);
    if (has_next && !state->unsafe) {
        service->advice = coming;
    } else {
        advise_present(service, now, &present);
        service->advice = present;
    }
    advise_waiting(service, now, &service->advice);
    return changed || *records || !same_wait(&waits[0], &state->current) ||
           !same_wait(&waits[1], &state->next);
}

/* --- what is wrong --- */

static void judge_trouble(const struct control_tlsa_service *service,
                          const struct base_place *place, struct base_findings *findings)
{
    char zone[DNS_NAME_TEXT];
    dns_name_text(zone, service->zone);
    switch (service->trouble) {
    case CONTROL_TLSA_NO_ZONE:
        base_findings_add(findings, TLSA_NO_ZONE, place,
                          "there is no zone here that %s would be in", service->where);
        break;
    case CONTROL_TLSA_NOT_SIGNED:
        base_findings_add(findings, TLSA_NOT_SIGNED, place, "%s is not signed here", zone);
        break;
    case CONTROL_TLSA_CATALOG:
        base_findings_add(findings, TLSA_NO_ZONE, place, "%s is a catalog, which nobody resolves",
                          zone);
        break;
    case CONTROL_TLSA_DELEGATED:
        base_findings_add(findings, TLSA_DELEGATED, place,
                          "%s is below a delegation in %s: another zone, which is not here, has it",
                          service->where, zone);
        break;
    case CONTROL_TLSA_ALIAS:
        base_findings_add(findings, TLSA_ALIAS, place,
                          "%s has an alias (CNAME, or DNAME above it) for %s", zone,
                          service->where);
        break;
    default:
        break;
    }
}

static void judge_files(const struct control_tlsa_service *service, const struct base_place *place,
                        base_time now, struct base_findings *findings)
{
    struct control_tlsa_file current = service->current;
    if (current.why[0] == '\0' && has_expired(&current, now))
        note_expiry(&current, current.until);
    if (current.read && current.why[0] != '\0')
        base_findings_add(findings, TLSA_CERTIFICATE, place, "%s, the certificate of %s: %s",
                          current.path, service->where, current.why);
    if (service->next.read && service->next.there && service->next.why[0] != '\0')
        base_findings_add(findings, TLSA_NEXT, place, "%s, the next certificate of %s: %s",
                          service->next.path, service->where, service->next.why);
}

/* Servers that senders would fail with. */
static void judge_servers(const struct control_tlsa_service *service,
                          const struct base_place *place, base_time now,
                          struct base_findings *findings)
{
    bool late = service->silent_since != 0 && service->silent_since + SILENCE <= now;
    for (size_t i = 1; i < service->server_count; i++) {
        const struct control_tlsa_server *server = &service->servers[i];
        if (!server->answered) {
            if (late)
                base_findings_add(findings, TLSA_SILENT, place,
                                  "%s has not said for a while what it has at %s", server->name,
                                  service->where);
            continue;
        }
        if (!service->state.unsafe && service->current.chain.count > 0 &&
            dane_life_match(server->set.records, server->set.count, &service->current.chain,
                            usages_of(service)) == DANE_LIFE_NO_MATCH)
            base_findings_add(findings, TLSA_MISMATCH, place,
                              "%s gives records at %s of which none matches the certificate that "
                              "is shown",
                              server->name, service->where);
    }
}

void control_tlsa_judge(const struct control_tlsa_service *service, base_time now,
                        struct base_findings *findings)
{
    const struct base_place place = {.owner = service->where, .type = "TLSA"};
    judge_trouble(service, &place, findings);
    judge_files(service, &place, now, findings);
    if (service->refused[0] != '\0')
        base_findings_add(findings, TLSA_REFUSED, &place, "%s", service->refused);
    if (service->state.unsafe) {
        char text[DANE_LIFE_TEXT];
        say_unsafe(service, settles_at(service, &service->state.current), text, sizeof(text));
        base_findings_add(findings, TLSA_UNSAFE, &place, "%s", text);
    }
    if (service->also)
        base_findings_add(findings, TLSA_ALSO, &place,
                          "the zone's source has TLSA records of %s, too: both are published",
                          service->where);
    judge_servers(service, &place, now, findings);
}
