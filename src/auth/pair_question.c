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
             (base_clock_monotonic() - question->question.started) / 1000000, verdict->reason);
}

static void keep(struct pair_question *question, const struct dane_pair_verdict *verdict,
                 base_time now)
{
    base_time left = verdict->state == DANE_PAIR_YES  ? verdict->expiry - now
                     : verdict->state == DANE_PAIR_NO ? KEEP_NO
                                                      : KEEP_LATER;
    if (left > 0)
        auth_cache_put(question->server->cache, question->key,
                       base_clock_monotonic() + (uint64_t)left * SECOND, verdict, sizeof *verdict);
}

struct told {
    const struct dane_pair_verdict *verdict;
    base_time now;
};

static void tell(struct auth_connection *connection, int64_t id, const void *answer)
{
    const struct told *told = answer;
    dane_pair_reply_verdict(&connection->output, id, told->verdict, told->now);
}

/* Tells all who wait, keeps the verdict, and ends the question. */
static void finish(struct pair_question *question, const struct dane_pair_verdict *verdict)
{
    struct pair_server *server = question->server;
    struct told told = {verdict, resolve_now(server->context)};
    log_verdict(question, verdict);
    server->counts.states[verdict->state]++;
    server->counts.proofs[verdict->proof]++;
    keep(question, verdict, told.now);
    auth_question_tell(&question->question, tell, &told);
    auth_question_end(&question->question);
}

static void fail(struct pair_question *question, const char *why)
{
    struct dane_pair_verdict verdict = {.state = DANE_PAIR_LATER};
    snprintf(verdict.reason, sizeof verdict.reason, "%s", why);
    finish(question, &verdict);
}

/* --- what pairs ask for --- */

static void answer(struct auth_question *base, uint32_t id, const struct validate_result *result)
{
    dane_pair_answer(((struct pair_question *)base)->pair, id, result);
}

static void step(struct auth_question *base)
{
    struct pair_question *question = (struct pair_question *)base;
    struct dane_pair_ask ask;
    int status = BASE_OK;
    while (status == BASE_OK && dane_pair_next(question->pair, &ask)) {
        if (ask.kind == DANE_PAIR_POSH)
            pair_posh_start(question, &ask);
        else
            status = auth_question_look_up(base, ask.id, ask.name, ask.type);
    }
    const struct dane_pair_verdict *verdict = dane_pair_result(question->pair);
    if (verdict)
        finish(question, verdict);
    else if (status != BASE_OK)
        fail(question,
             status == BASE_ELIMIT ? "too many look-ups are under way" : base_strerror(status));
}

static void late(struct auth_question *base)
{
    fail((struct pair_question *)base, "finding it out takes too long");
}

static void question_free(struct auth_question *base)
{
    dane_pair_free(((struct pair_question *)base)->pair);
    free(base);
}

const struct auth_question_calls pair_question_calls = {answer, step, late, question_free};

/* --- questions --- */

static int question_new(struct pair_server *server, const struct dane_pair_request *request,
                        const char *key, struct auth_question **out)
{
    struct pair_question *question = calloc(1, sizeof *question);
    if (!question)
        return BASE_ENOMEM;
    struct dane_pair_question about = request->question;
    about.now = resolve_now(server->context);
    about.authorities = server->authorities;
    about.chains = server->chains;
    question->server = server;
    snprintf(question->key, sizeof question->key, "%s", key);
    snprintf(question->remote, sizeof question->remote, "%s", request->remote);
    int status = request->reuse ? dane_pair_reuse_new(&about, &question->pair)
                                : dane_pair_new(&about, &question->pair);
    if (status == BASE_OK)
        status = auth_question_add(&server->questions, &question->question, question->key);
    if (status != BASE_OK) {
        dane_pair_free(question->pair);
        free(question);
        return status;
    }
    *out = &question->question;
    return BASE_OK;
}

static void reply_metrics(struct pair_server *server, struct base_buf *out, int64_t id)
{
    const struct pair_counts *counts = &server->counts;
    struct resolve_counts lookups;
    struct auth_service_counts sockets;
    resolve_counts(server->context, &lookups);
    auth_service_counts(server->service, &sockets);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"requests", counts->requests},
        {"cache_hits", counts->hits},
        {"joined", server->questions.joined},
        {"pairs", server->questions.asked},
        {"yes", counts->states[DANE_PAIR_YES]},
        {"no", counts->states[DANE_PAIR_NO]},
        {"later", counts->states[DANE_PAIR_LATER]},
        {"by_dane", counts->proofs[DANE_PROOF_DANE]},
        {"by_pkix", counts->proofs[DANE_PROOF_PKIX]},
        {"by_posh", counts->proofs[DANE_PROOF_POSH]},
        {"malformed", counts->malformed},
        {"refused", counts->refused},
        {"timeouts", server->questions.late},
        {"posh_fetches", counts->fetches},
        {"posh_failures", server->fetches.failed},
        {"posh_kept", auth_cache_count(server->documents)},
        {"posh_used_again", counts->documents},
        {"connections", sockets.connections},
        {"connections_total", sockets.accepted},
        {"accept_pauses", sockets.paused},
        {"questions", server->questions.table.count},
        {"cache_entries", auth_cache_count(server->cache)},
        {"cache_octets", auth_cache_octets(server->cache)},
        {"dns_queries", lookups.queries},
    };
    base_buf_printf(out, "{\"id\":%" PRId64 ",\"metrics\":{", id);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        base_buf_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", numbers[i].name,
                        numbers[i].value);
    base_buf_text(out, "}}\n");
}

static int find_out(struct pair_server *server, struct auth_connection *connection,
                    const struct dane_pair_request *request)
{
    char key[DANE_PAIR_KEY];
    struct auth_cached cached;
    struct dane_pair_verdict verdict;
    if (!dane_pair_request_key(request, key))
        return BASE_ENOMEM;
    if (auth_cache_get(server->cache, key, base_clock_monotonic(), &cached)) {
        server->counts.hits++;
        memcpy(&verdict, cached.reply, sizeof verdict);
        dane_pair_reply_verdict(&connection->output, request->id, &verdict,
                                resolve_now(server->context));
        return BASE_OK;
    }
    struct auth_question *question = auth_question_find(&server->questions, key);
    int status = question ? BASE_OK : question_new(server, request, key, &question);
    return status == BASE_OK ? auth_question_wait(question, connection, request->id) : status;
}

void pair_ask(struct pair_server *server, struct auth_connection *connection, const char *line,
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
