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

static void reply(struct policy_server *server, struct auth_connection *connection,
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
    uint64_t ms = (base_clock_monotonic() - question->question.started) / 1000000;
    base_log(server->log, base_clock_now(),
             word == DANE_SOCKETMAP_OK || word == DANE_SOCKETMAP_NOTFOUND ? BASE_LOG_INFO
                                                                          : BASE_LOG_WARNING,
             "nexthop=%s reply=%s policy=\"%s\" ttl=%u ms=%" PRIu64 " reason=\"%s\"%s%s%s",
             question->text, dane_socketmap_word_name(word), word == DANE_SOCKETMAP_OK ? text : "",
             ttl, ms, plan ? plan->reason : text, plan && plan->sts_problem ? " sts=\"" : "",
             plan && plan->sts_problem ? plan->sts_problem : "",
             plan && plan->sts_problem ? "\"" : "");
}

struct told {
    struct policy_server *server;
    enum dane_socketmap_word word;
    const char *text;
    const struct base_buf *whole;
};

static void tell(struct auth_connection *connection, int64_t id, const void *answer)
{
    const struct told *told = answer;
    count_reply(told->server, told->word, told->text);
    base_buf_append(&connection->output, told->whole->data, told->whole->length);
    if (told->whole->error != BASE_OK)
        connection->refused = true;
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
        auth_cache_put(server->cache, question->text, now + ttl * SECOND, whole.data, whole.length);
    server->counts.answer_ns += now - question->question.started;
    struct told told = {server, word, text, &whole};
    auth_question_tell(&question->question, tell, &told);
    base_buf_free(&whole);
    auth_question_end(&question->question);
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

static void answer(struct auth_question *base, uint32_t id, const struct validate_result *result)
{
    /* What it no longer needs it refuses. */
    dane_plan_answer(((struct policy_question *)base)->plan, id, result);
}

static void step(struct auth_question *base)
{
    struct policy_question *question = (struct policy_question *)base;
    struct dane_ask ask;
    const struct dane_plan_result *result;
    int status = BASE_OK;
    while (status == BASE_OK && dane_plan_next(question->plan, &ask))
        status = ask.kind == DANE_ASK_STS ? policy_sts_start(question, &ask)
                                          : auth_question_look_up(base, ask.id, ask.name, ask.type);
    if ((result = dane_plan_result(question->plan)))
        conclude(question, result);
    else if (status != BASE_OK)
        finish(question, DANE_SOCKETMAP_TEMP,
               status == BASE_ELIMIT ? "too many look-ups are under way" : base_strerror(status),
               0);
}

static void late(struct auth_question *base)
{
    finish((struct policy_question *)base, DANE_SOCKETMAP_TIMEOUT, "the look-ups take too long",
           TTL_OF_TEMP);
}

static void question_free(struct auth_question *base)
{
    dane_plan_free(((struct policy_question *)base)->plan);
    free(base);
}

const struct auth_question_calls policy_question_calls = {answer, step, late, question_free};

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
                        const char *text, struct auth_question **out)
{
    struct policy_question *question = calloc(1, sizeof *question);
    if (!question)
        return BASE_ENOMEM;
    question->server = server;
    question->key = *key;
    snprintf(question->text, sizeof question->text, "%s", text);
    int status = make_plan(question);
    if (status == BASE_OK)
        status = auth_question_add(&server->questions, &question->question, question->text);
    if (status != BASE_OK) {
        dane_plan_free(question->plan);
        free(question);
        return status;
    }
    *out = &question->question;
    return BASE_OK;
}

static void ask_metrics(struct policy_server *server, struct auth_connection *connection)
{
    struct base_buf text;
    base_buf_init(&text, DANE_SOCKETMAP_REPLY_MAX);
    policy_metrics_line(server, &text);
    reply(server, connection, DANE_SOCKETMAP_OK, base_buf_string(&text));
    base_buf_free(&text);
}

/* Answers that need no look-up. False: look it up. */
static bool answer_at_once(struct policy_server *server, struct auth_connection *connection,
                           const struct dane_postfix_key *key, const char *text)
{
    struct auth_cached cached;
    if (key->hop == DANE_POSTFIX_NONE) {
        reply(server, connection, DANE_SOCKETMAP_NOTFOUND, "");
    } else if (key->hop == DANE_POSTFIX_DOMAIN_PORT) {
        /* Through MX at another port: MTA-STS is about port 25, and Postfix does DANE. */
        reply(server, connection, DANE_SOCKETMAP_OK, "dane");
    } else if (key->hop == DANE_POSTFIX_LITERAL) {
        reply(server, connection, DANE_SOCKETMAP_OK, "may"); /* an address has no TLSA */
    } else if (auth_cache_get(server->cache, text, base_clock_monotonic(), &cached)) {
        server->counts.hits++;
        base_buf_append(&connection->output, cached.reply, cached.length);
    } else {
        return false;
    }
    return true;
}

void policy_ask(struct policy_server *server, struct auth_connection *connection,
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
    struct auth_question *question = auth_question_find(&server->questions, text);
    int status = question ? BASE_OK : question_new(server, &key, text, &question);
    if (status == BASE_OK)
        status = auth_question_wait(question, connection, 0);
    if (status != BASE_OK) {
        server->counts.refused += status == BASE_ELIMIT;
        reply(server, connection, DANE_SOCKETMAP_TEMP,
              status == BASE_ELIMIT ? "too many domains are being looked up"
                                    : base_strerror(status));
    }
}
