/*
 * Questions of Postfix that are being looked up: each has a plan, and connections that wait for it.
 */
#include "auth/policy_parts.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND      UINT64_C(1000000000)
#define TTL_OF_TEMP 10 /* seconds that a failure is kept, so that a burst of mail asks once */

const char *const policy_levels[5] = {"may", "encrypt", "dane", "dane-only", "secure"};

/* --- replies --- */

static void count_reply(struct policy_server *server, enum dane_socketmap_word word,
                        const char *text)
{
    server->counts.replies[word]++;
    size_t length = strcspn(text, " ");
    for (size_t i = 0; word == DANE_SOCKETMAP_OK && i < 5; i++) {
        if (strlen(policy_levels[i]) == length && memcmp(policy_levels[i], text, length) == 0)
            server->counts.levels[i]++;
    }
}

static void reply(struct policy_server *server, struct policy_connection *connection,
                  enum dane_socketmap_word word, const char *text)
{
    server->counts.replies[word]++;
    dane_socketmap_write(&connection->output, word, text);
}

static void log_answer(const struct policy_question *question, enum dane_socketmap_word word,
                       const char *text, unsigned ttl)
{
    const struct policy_server *server = question->server;
    const struct dane_plan_result *plan = question->plan ? dane_plan_result(question->plan) : NULL;
    uint64_t ms = (base_clock_monotonic() - question->started) / 1000000;
    base_log(server->log, base_clock_now(),
             word == DANE_SOCKETMAP_OK || word == DANE_SOCKETMAP_NOTFOUND ? BASE_LOG_INFO
                                                                          : BASE_LOG_WARNING,
             "nexthop=%s reply=%s policy=\"%s\" ttl=%u ms=%" PRIu64 " reason=\"%s\"%s%s%s",
             question->text, dane_socketmap_word_name(word), word == DANE_SOCKETMAP_OK ? text : "",
             ttl, ms, plan ? plan->reason : text, plan && plan->sts_problem ? " sts=\"" : "",
             plan && plan->sts_problem ? plan->sts_problem : "",
             plan && plan->sts_problem ? "\"" : "");
}

static void free_lookups(struct policy_question *question)
{
    while (question->lookups) {
        struct policy_lookup *lookup = question->lookups;
        question->lookups = lookup->next;
        resolve_cancel(lookup->request);
        free(lookup);
    }
}

static void question_free(struct policy_question *question)
{
    free_lookups(question);
    dane_plan_free(question->plan);
    keyed_remove(&question->server->questions, &question->link);
    free(question);
}

/* Answers all who wait, keeps the answer for `ttl` seconds, and ends the question. */
static void finish(struct policy_question *question, enum dane_socketmap_word word,
                   const char *text, unsigned ttl)
{
    struct policy_server *server = question->server;
    struct base_buf whole;
    uint64_t now = base_clock_monotonic();
    if (ttl > server->options.most_ttl)
        ttl = server->options.most_ttl;
    log_answer(question, word, text, ttl);
    base_buf_init(&whole, DANE_SOCKETMAP_REPLY_MAX + 64);
    dane_socketmap_write(&whole, word, text);
    if (ttl > 0 && whole.error == BASE_OK)
        policy_cache_put(server->cache, question->text, now + ttl * SECOND, whole.data,
                         whole.length);
    server->counts.answer_ns += now - question->started;
    for (struct policy_connection *connection = question->waiting, *next; connection;
         connection = next) {
        next = connection->next_waiting;
        connection->question = NULL;
        count_reply(server, word, text);
        base_buf_append(&connection->output, whole.data, whole.length);
        if (whole.error != BASE_OK)
            connection->ended = true;
        policy_connection_wake(server, connection);
    }
    base_buf_free(&whole);
    question_free(question);
}

static unsigned ttl_of(const struct policy_question *question, const struct dane_plan_result *plan)
{
    unsigned ttl = plan->ttl;
    base_time left = question->sts_until - base_clock_now();
    if (question->sts_until != 0 && left < (base_time)ttl)
        ttl = left > 0 ? (unsigned)left : 0;
    return ttl;
}

static void conclude(struct policy_question *question, const struct dane_plan_result *plan)
{
    struct base_buf text;
    base_buf_init(&text, DANE_SOCKETMAP_REPLY_MAX + 1);
    enum dane_socketmap_word word = dane_postfix_answer(plan, &text);
    bool lasting = word == DANE_SOCKETMAP_OK || word == DANE_SOCKETMAP_NOTFOUND;
    if (text.error == BASE_OK)
        finish(question, word, base_buf_string(&text),
               lasting ? ttl_of(question, plan) : TTL_OF_TEMP);
    else
        finish(question, DANE_SOCKETMAP_TEMP, "there is no memory for the policy", 0);
    base_buf_free(&text);
}

/* --- what plans ask for --- */

static void make_ready(struct policy_question *question)
{
    if (question->ready)
        return;
    question->ready = true;
    question->next_ready = question->server->ready_questions;
    question->server->ready_questions = question;
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct policy_lookup *lookup = context, **at;
    struct policy_question *question = lookup->question;
    for (at = &question->lookups; *at != lookup;)
        at = &(*at)->next;
    *at = lookup->next;
    /* What it no longer needs it refuses. Without a result it goes on to wait, until the deadline.
     */
    if (result)
        dane_plan_answer(question->plan, lookup->id, result);
    validate_result_unref(result);
    free(lookup);
    make_ready(question);
}

static int start_lookup(struct policy_question *question, const struct dane_ask *ask)
{
    struct policy_lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return BASE_ENOMEM;
    *lookup = (struct policy_lookup){question->lookups, question, NULL, ask->id};
    int status = resolve_start(question->server->context, ask->name, ask->type, looked_up, lookup,
                               &lookup->request);
    if (status != BASE_OK)
        free(lookup);
    else
        question->lookups = lookup;
    return status;
}

static int answer_sts(struct policy_question *question, const struct dane_sts_kept *kept,
                      const char *why)
{
    question->sts_until = kept->text ? kept->until : 0;
    return dane_plan_answer_sts(question->plan, question->sts_ask, kept->text, kept->length, why);
}

/* A policy that holds is used; with another id, or when it is getting old, it is fetched again, and
 * when that fails it goes on to hold (RFC 8461 section 5.1). */
static int start_sts(struct policy_question *question, const struct dane_ask *ask)
{
    struct policy_server *server = question->server;
    struct dane_sts_kept kept;
    char why[200] = "";
    question->sts_ask = ask->id;
    dane_sts_store_find(server->store, ask->domain, base_clock_now(), &kept);
    if (!ask->sts_id)
        return answer_sts(question, &kept, "");
    bool failed = kept.failed_id && strcmp(kept.failed_id, ask->sts_id) == 0;
    bool same = kept.text && strcmp(kept.id, ask->sts_id) == 0;
    if (same && kept.refresh && !failed)
        policy_fetch_start(server, ask->domain, ask->sts_id, why);
    if (same || failed)
        return answer_sts(question, &kept, failed ? kept.why : "");
    if (policy_fetch_start(server, ask->domain, ask->sts_id, why) != BASE_OK)
        return answer_sts(question, &kept, why);
    question->wants_sts = true;
    return BASE_OK;
}

void policy_question_fetched(struct policy_server *server, const char *domain, const char *why)
{
    struct policy_question *question =
        (struct policy_question *)keyed_find(&server->questions, domain);
    struct dane_sts_kept kept;
    if (!question || !question->wants_sts)
        return;
    question->wants_sts = false;
    dane_sts_store_find(server->store, domain, base_clock_now(), &kept);
    if (answer_sts(question, &kept, why) == BASE_OK)
        make_ready(question);
}

static void step(struct policy_question *question)
{
    struct dane_ask ask;
    const struct dane_plan_result *result;
    int status = BASE_OK;
    while (status == BASE_OK && dane_plan_next(question->plan, &ask))
        status =
            ask.kind == DANE_ASK_STS ? start_sts(question, &ask) : start_lookup(question, &ask);
    if ((result = dane_plan_result(question->plan)))
        conclude(question, result);
    else if (status != BASE_OK)
        finish(question, DANE_SOCKETMAP_TEMP,
               status == BASE_ELIMIT ? "too many look-ups are under way" : base_strerror(status),
               0);
}

void policy_questions_step(struct policy_server *server)
{
    while (server->ready_questions) {
        struct policy_question *question = server->ready_questions;
        server->ready_questions = question->next_ready;
        question->ready = false;
        step(question);
    }
}

/* --- questions --- */

static int make_plan(struct policy_question *question)
{
    const struct dane_postfix_key *key = &question->key;
    struct dane_plan_options options = {.no_sts = question->server->options.no_sts};
    if (key->hop != DANE_POSTFIX_DOMAIN) {
        options.port = key->port;
        options.no_sts = true;
    }
    return dane_plan_new(DANE_SMTP, key->domain, &options, resolve_now(question->server->context),
                         &question->plan);
}

static int question_new(struct policy_server *server, const struct dane_postfix_key *key,
                        const char *text, struct policy_question **out)
{
    if (server->questions.count >= server->options.questions)
        return BASE_ELIMIT;
    struct policy_question *question = calloc(1, sizeof *question);
    if (!question)
        return BASE_ENOMEM;
    question->server = server;
    question->key = *key;
    question->started = base_clock_monotonic();
    snprintf(question->text, sizeof question->text, "%s", text);
    question->link.key = question->text;
    int status = make_plan(question);
    if (status == BASE_OK)
        status = keyed_add(&server->questions, &question->link);
    if (status != BASE_OK) {
        dane_plan_free(question->plan);
        free(question);
        return status;
    }
    server->counts.plans++;
    make_ready(question);
    *out = question;
    return BASE_OK;
}

static void ask_metrics(struct policy_server *server, struct policy_connection *connection)
{
    struct base_buf text;
    base_buf_init(&text, DANE_SOCKETMAP_REPLY_MAX);
    policy_metrics_line(server, &text);
    reply(server, connection, DANE_SOCKETMAP_OK, base_buf_string(&text));
    base_buf_free(&text);
}

/* Answers that need no look-up. False: look it up. */
static bool answer_at_once(struct policy_server *server, struct policy_connection *connection,
                           const struct dane_postfix_key *key, const char *text)
{
    struct policy_cached cached;
    if (key->hop == DANE_POSTFIX_NONE) {
        reply(server, connection, DANE_SOCKETMAP_NOTFOUND, "");
    } else if (key->hop == DANE_POSTFIX_DOMAIN_PORT) {
        /* Through MX at another port: MTA-STS is about port 25, and Postfix does DANE. */
        reply(server, connection, DANE_SOCKETMAP_OK, "dane");
    } else if (key->hop == DANE_POSTFIX_LITERAL) {
        reply(server, connection, DANE_SOCKETMAP_OK, "may"); /* an address has no TLSA */
    } else if (policy_cache_get(server->cache, text, base_clock_monotonic(), &cached)) {
        server->counts.hits++;
        base_buf_append(&connection->output, cached.reply, cached.length);
    } else {
        return false;
    }
    return true;
}

void policy_ask(struct policy_server *server, struct policy_connection *connection,
                const struct dane_socketmap_request *request)
{
    static const char metrics[] = "*metrics*";
    struct dane_postfix_key key;
    char text[DANE_POSTFIX_KEY_TEXT];
    server->counts.requests++;
    if (request->key_length == sizeof metrics - 1 &&
        memcmp(request->key, metrics, sizeof metrics - 1) == 0) {
        ask_metrics(server, connection);
        return;
    }
    dane_postfix_key_read(request->key, request->key_length, &key);
    dane_postfix_key_text(&key, text);
    if (answer_at_once(server, connection, &key, text))
        return;
    struct policy_question *question =
        (struct policy_question *)keyed_find(&server->questions, text);
    int status = BASE_OK;
    if (question)
        server->counts.joined++;
    else
        status = question_new(server, &key, text, &question);
    if (status != BASE_OK) {
        server->counts.refused += status == BASE_ELIMIT;
        reply(server, connection, DANE_SOCKETMAP_TEMP,
              status == BASE_ELIMIT ? "too many domains are being looked up"
                                    : base_strerror(status));
        return;
    }
    connection->question = question;
    connection->next_waiting = question->waiting;
    question->waiting = connection;
}

void policy_question_leave(struct policy_connection *connection)
{
    if (!connection->question)
        return;
    /* The question goes on: its answer is of use to the next one who asks. */
    struct policy_connection **at = &connection->question->waiting;
    while (*at != connection)
        at = &(*at)->next_waiting;
    *at = connection->next_waiting;
    connection->question = NULL;
}

static void check_age(void *context, struct keyed_link *link)
{
    struct policy_question *question = (struct policy_question *)link;
    struct policy_server *server = question->server;
    const uint64_t *now = context;
    if (question->ready || *now - question->started < server->options.timeout * SECOND)
        return;
    server->counts.timeouts++;
    finish(question, DANE_SOCKETMAP_TIMEOUT, "the look-ups take too long", TTL_OF_TEMP);
}

void policy_questions_tick(struct policy_server *server, uint64_t now)
{
    keyed_each(&server->questions, check_age, &now);
}

static void end_one(void *context, struct keyed_link *link)
{
    struct policy_question *question = (struct policy_question *)link;
    for (struct policy_connection *connection = question->waiting; connection;
         connection = connection->next_waiting)
        connection->question = NULL;
    question_free(question);
}

void policy_questions_end(struct policy_server *server)
{
    server->ready_questions = NULL;
    keyed_each(&server->questions, end_one, NULL);
    keyed_free(&server->questions);
}
