/* Questions about pairs that are being found out, and those who wait for them. */
#include "auth/pair_parts.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
/* Seconds that refusals and errors are kept, so that a peer who tries again and again costs one
 * look-up. */
#define KEEP_NO    30
#define KEEP_LATER 5

/* --- answers --- */

static void log_verdict(const struct pair_question *question,
                        const struct dane_pair_verdict *verdict)
{
    static const char *const states[] = {"yes", "no", "later"};
    base_log(question->server->log, base_clock_now(),
             verdict->state == DANE_PAIR_YES ? BASE_LOG_INFO : BASE_LOG_WARNING,
             "remote=%s direction=%s state=%s proof=%s ms=%" PRIu64 " reason=\"%s\"",
             question->remote,
             question->key[0] == 'i'   ? "in"
             : question->key[0] == 'r' ? "reuse"
                                       : "out",
             states[verdict->state], dane_proof_name(verdict->proof),
             (base_clock_monotonic() - question->started) / 1000000, verdict->reason);
}

static void question_free(struct pair_question *question)
{
    while (question->lookups) {
        struct pair_lookup *lookup = question->lookups;
        question->lookups = lookup->next;
        resolve_cancel(lookup->request);
        free(lookup);
    }
    while (question->waits) {
        struct pair_wait *wait = question->waits;
        question->waits = wait->next;
        free(wait);
    }
    pair_posh_end(question);
    dane_pair_free(question->pair);
    keyed_remove(&question->server->questions, &question->link);
    free(question);
}

static void keep(struct pair_question *question, const struct dane_pair_verdict *verdict,
                 base_time now)
{
    base_time left = verdict->state == DANE_PAIR_YES  ? verdict->expiry - now
                     : verdict->state == DANE_PAIR_NO ? KEEP_NO
                                                      : KEEP_LATER;
    if (left > 0)
        policy_cache_put(question->server->cache, question->key,
                         base_clock_monotonic() + (uint64_t)left * SECOND, verdict,
                         sizeof *verdict);
}

/* Tells all who wait, keeps the verdict, and ends the question. */
static void finish(struct pair_question *question, const struct dane_pair_verdict *verdict)
{
    struct pair_server *server = question->server;
    base_time now = resolve_now(server->context);
    log_verdict(question, verdict);
    server->counts.states[verdict->state]++;
    server->counts.proofs[verdict->proof]++;
    keep(question, verdict, now);
    for (struct pair_wait *wait = question->waits; wait; wait = wait->next) {
        if (!wait->connection)
            continue;
        wait->connection->waits--;
        dane_pair_reply_verdict(&wait->connection->output, wait->id, verdict, now);
        pair_wake(server, wait->connection);
    }
    question_free(question);
}

static void fail(struct pair_question *question, const char *why)
{
    struct dane_pair_verdict verdict = {.state = DANE_PAIR_LATER};
    snprintf(verdict.reason, sizeof verdict.reason, "%s", why);
    finish(question, &verdict);
}

/* --- what pairs ask for --- */

void pair_make_ready(struct pair_question *question)
{
    if (question->ready)
        return;
    question->ready = true;
    question->next_ready = question->server->ready;
    question->server->ready = question;
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct pair_lookup *lookup = context, **at;
    struct pair_question *question = lookup->question;
    for (at = &question->lookups; *at != lookup;)
        at = &(*at)->next;
    *at = lookup->next;
    /* Without a result (no memory) the question waits for its deadline. */
    if (result)
        dane_pair_answer(question->pair, lookup->id, result);
    validate_result_unref(result);
    free(lookup);
    pair_make_ready(question);
}

static int start_lookup(struct pair_question *question, const struct dane_pair_ask *ask)
{
    struct pair_lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return BASE_ENOMEM;
    *lookup = (struct pair_lookup){question->lookups, question, NULL, ask->id};
    int status = resolve_start(question->server->context, ask->name, ask->type, looked_up, lookup,
                               &lookup->request);
    if (status != BASE_OK)
        free(lookup);
    else
        question->lookups = lookup;
    return status;
}

static void step(struct pair_question *question)
{
    struct dane_pair_ask ask;
    int status = BASE_OK;
    while (status == BASE_OK && dane_pair_next(question->pair, &ask)) {
        if (ask.kind == DANE_PAIR_POSH)
            pair_posh_start(question, &ask);
        else
            status = start_lookup(question, &ask);
    }
    pair_posh_step(question);
    /* What has become ready by itself meanwhile is stepped again. */
    if (question->ready)
        return;
    const struct dane_pair_verdict *verdict = dane_pair_result(question->pair);
    if (verdict)
        finish(question, verdict);
    else if (status != BASE_OK)
        fail(question,
             status == BASE_ELIMIT ? "too many look-ups are under way" : base_strerror(status));
}

void pair_questions_step(struct pair_server *server)
{
    while (server->ready) {
        struct pair_question *question = server->ready;
        server->ready = question->next_ready;
        question->ready = false;
        step(question);
    }
}

struct find {
    uint64_t tag;
    struct pair_question *found;
};

static void find_one(void *context, struct keyed_link *link)
{
    struct find *find = context;
    struct pair_question *question = (struct pair_question *)link;
    if (question->posh.tag == find->tag)
        find->found = question;
}

struct pair_question *pair_question_of(struct pair_server *server, uint64_t tag)
{
    struct find find = {.tag = tag};
    if (tag != 0)
        keyed_each(&server->questions, find_one, &find);
    return find.found;
}

/* --- questions --- */

static int question_new(struct pair_server *server, const struct dane_pair_request *request,
                        const char *key, struct pair_question **out)
{
    if (server->questions.count >= server->options.questions)
        return BASE_ELIMIT;
    struct pair_question *question = calloc(1, sizeof *question);
    if (!question)
        return BASE_ENOMEM;
    struct dane_pair_question about = request->question;
    about.now = resolve_now(server->context);
    about.authorities = server->authorities;
    question->server = server;
    question->started = base_clock_monotonic();
    snprintf(question->key, sizeof question->key, "%s", key);
    snprintf(question->remote, sizeof question->remote, "%s", request->remote);
    question->link.key = question->key;
    int status = request->reuse ? dane_pair_reuse_new(&about, &question->pair)
                                : dane_pair_new(&about, &question->pair);
    if (status == BASE_OK)
        status = keyed_add(&server->questions, &question->link);
    if (status != BASE_OK) {
        dane_pair_free(question->pair);
        free(question);
        return status;
    }
    server->counts.pairs++;
    pair_make_ready(question);
    *out = question;
    return BASE_OK;
}

static void reply_metrics(struct pair_server *server, struct base_buf *out, int64_t id)
{
    const struct pair_counts *counts = &server->counts;
    struct resolve_counts lookups;
    resolve_counts(server->context, &lookups);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"requests", counts->requests},
        {"cache_hits", counts->hits},
        {"joined", counts->joined},
        {"pairs", counts->pairs},
        {"yes", counts->states[DANE_PAIR_YES]},
        {"no", counts->states[DANE_PAIR_NO]},
        {"later", counts->states[DANE_PAIR_LATER]},
        {"by_dane", counts->proofs[DANE_PROOF_DANE]},
        {"by_pkix", counts->proofs[DANE_PROOF_PKIX]},
        {"by_posh", counts->proofs[DANE_PROOF_POSH]},
        {"malformed", counts->malformed},
        {"refused", counts->refused},
        {"timeouts", counts->timeouts},
        {"posh_fetches", counts->fetches},
        {"posh_failures", counts->fetch_failures},
        {"connections", server->connection_count},
        {"questions", server->questions.count},
        {"cache_entries", policy_cache_count(server->cache)},
        {"cache_octets", policy_cache_octets(server->cache)},
        {"dns_queries", lookups.queries},
    };
    base_buf_printf(out, "{\"id\":%" PRId64 ",\"metrics\":{", id);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        base_buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", numbers[i].name,
                        numbers[i].value);
    base_buf_text(out, "}}\n");
}

static int wait_for(struct pair_question *question, struct pair_connection *connection, int64_t id)
{
    struct pair_wait *wait = malloc(sizeof *wait);
    if (!wait)
        return BASE_ENOMEM;
    *wait = (struct pair_wait){question->waits, connection, id};
    question->waits = wait;
    connection->waits++;
    return BASE_OK;
}

static int find_out(struct pair_server *server, struct pair_connection *connection,
                    const struct dane_pair_request *request)
{
    char key[DANE_PAIR_KEY];
    struct policy_cached cached;
    struct dane_pair_verdict verdict;
    if (!dane_pair_request_key(request, key))
        return BASE_ENOMEM;
    if (policy_cache_get(server->cache, key, base_clock_monotonic(), &cached)) {
        server->counts.hits++;
        memcpy(&verdict, cached.reply, sizeof verdict);
        dane_pair_reply_verdict(&connection->output, request->id, &verdict,
                                resolve_now(server->context));
        return BASE_OK;
    }
    struct pair_question *question = (struct pair_question *)keyed_find(&server->questions, key);
    int status = BASE_OK;
    if (question)
        server->counts.joined++;
    else
        status = question_new(server, request, key, &question);
    return status == BASE_OK ? wait_for(question, connection, request->id) : status;
}

void pair_ask(struct pair_server *server, struct pair_connection *connection, const char *line,
              size_t length)
{
    struct dane_pair_request request;
    char why[200];
    server->counts.requests++;
    int status = dane_pair_request_read(line, length, &request, why);
    request.question.no_posh |= server->options.no_posh;
    request.question.no_pkix |= server->options.no_pkix;
    if (status == BASE_EFORMAT) {
        server->counts.malformed++;
        dane_pair_reply_error(&connection->output, &request, why);
    } else if (status == BASE_OK && request.metrics) {
        reply_metrics(server, &connection->output, request.id);
    } else {
        if (status == BASE_OK)
            status = find_out(server, connection, &request);
        if (status != BASE_OK) {
            struct dane_pair_verdict later = {.state = DANE_PAIR_LATER};
            snprintf(later.reason, sizeof later.reason, "%s",
                     status == BASE_ELIMIT ? "too many questions are being found out"
                                           : base_strerror(status));
            server->counts.refused++;
            dane_pair_reply_verdict(&connection->output, request.id, &later, 0);
        }
    }
    dane_pair_request_free(&request);
}

struct leave {
    struct pair_connection *connection;
};

static void leave_one(void *context, struct keyed_link *link)
{
    const struct leave *leave = context;
    for (struct pair_wait *wait = ((struct pair_question *)link)->waits; wait; wait = wait->next) {
        if (wait->connection == leave->connection)
            wait->connection = NULL;
    }
}

void pair_leave(struct pair_server *server, struct pair_connection *connection)
{
    /* Questions go on: their answers are of use to the next one who asks. */
    struct leave leave = {connection};
    if (connection->waits > 0)
        keyed_each(&server->questions, leave_one, &leave);
}

static void check_age(void *context, struct keyed_link *link)
{
    struct pair_question *question = (struct pair_question *)link;
    struct pair_server *server = question->server;
    const uint64_t *now = context;
    if (question->ready || *now - question->started < server->options.timeout * SECOND)
        return;
    server->counts.timeouts++;
    fail(question, "finding it out takes too long");
}

void pair_questions_tick(struct pair_server *server, uint64_t now)
{
    keyed_each(&server->questions, check_age, &now);
}

static void end_one(void *context, struct keyed_link *link)
{
    question_free((struct pair_question *)link);
}

void pair_questions_end(struct pair_server *server)
{
    server->ready = NULL;
    keyed_each(&server->questions, end_one, NULL);
    keyed_free(&server->questions);
}
