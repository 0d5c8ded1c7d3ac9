/* Contexts over transports and clocks of the test's own: driving, joining, keeping, cancelling. */
#include "world.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct script {
    struct resolve_context *context;
    struct validate_anchors *anchors;
    base_time now;
    uint32_t ttl;
    bool later; /* keep tickets until they are given out */
    bool silent;
    unsigned asked, cancelled, done;
    struct resolve_ticket *tickets[32];
    uint8_t packets[32][512];
    size_t lengths[32];
    char server[64];
    const struct validate_result *result;
};

static void give(struct script *script, unsigned i)
{
    struct validate_reply reply = {
        .kind = VALIDATE_REPLY_PACKET, .packet = script->packets[i], .length = script->lengths[i]};
    if (script->silent)
        reply = (struct validate_reply){.kind = VALIDATE_REPLY_SILENCE};
    resolve_reply(script->tickets[i], &reply);
}

static void ask(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    struct script *script = context;
    unsigned i = script->asked++ % 32;
    assert_true(dns_name_equal(query->packet + DNS_MESSAGE_HEADER, query->name));
    assert_int_equal(base_load_u16(query->packet + 2),
                     DNS_FLAG_CD | (query->server == NULL ? DNS_FLAG_RD : 0));
    strcpy(script->server, query->server != NULL ? query->server : "");
    script->tickets[i] = ticket;
    script->lengths[i] =
        world_answer(query->packet, 0, (uint8_t)script->asked, script->ttl, script->packets[i]);
    if (!script->later)
        give(script, i);
}

static void cancel(void *context, struct resolve_ticket *ticket)
{
    ((struct script *)context)->cancelled++;
}

static base_time scripted_clock(void *context)
{
    return ((struct script *)context)->now;
}

static void start_with(struct script *script, struct resolve_options options)
{
    char why[RESOLVE_WHY];
    *script = (struct script){.now = 1700000000, .ttl = 300, .later = script->later};
    struct resolve_transport transport = {ask, cancel, script};
    assert_int_equal(validate_anchors_new(&script->anchors), BASE_OK);
    options.from = RESOLVE_TRANSPORT;
    options.transport = &transport;
    options.clock = scripted_clock;
    options.clock_context = script;
    options.validate.anchors = script->anchors;
    assert_int_equal(resolve_context_new(&options, why, &script->context), BASE_OK);
}

static void start(struct script *script)
{
    script->later = false;
    start_with(script, (struct resolve_options){.from = RESOLVE_TRANSPORT});
}

static void stop(struct script *script)
{
    resolve_context_free(script->context);
    validate_anchors_free(script->anchors);
}

static void done(void *context, const struct validate_result *result)
{
    struct script *script = context;
    script->done++;
    validate_result_unref(script->result);
    script->result = result;
}

static const struct validate_result *look_up(struct script *script, const char *name)
{
    const struct validate_result *result;
    assert_int_equal(resolve_lookup(script->context, world_name(name), DNS_TYPE_A, &result),
                     BASE_OK);
    return result;
}

static void test_blocking(void **state)
{
    struct script script;
    start(&script);
    const struct validate_result *result = look_up(&script, "www.example.");
    assert_int_equal(result->status, VALIDATE_INDETERMINATE);
    assert_int_equal(result->kind, VALIDATE_ANSWER_DATA);
    assert_int_equal(world_address(result), 1);
    assert_int_equal(result->now, script.now);
    validate_result_unref(result);
    assert_int_equal(script.asked, 1);
    stop(&script);
}

/* Results are kept for their TTL, and no longer; failures for a second. */
static void test_cache(void **state)
{
    struct script script;
    struct resolve_counts counts;
    start(&script);
    for (unsigned i = 0; i < 3; i++)
        validate_result_unref(look_up(&script, i == 1 ? "WWW.example." : "www.example."));
    assert_int_equal(script.asked, 1);
    script.now += 299;
    validate_result_unref(look_up(&script, "www.example."));
    assert_int_equal(script.asked, 1);
    script.now += 1;
    validate_result_unref(look_up(&script, "www.example."));
    assert_int_equal(script.asked, 2);
    resolve_counts(script.context, &counts);
    assert_int_equal(counts.from_cache, 3);
    assert_int_equal(counts.cache_entries, 1);
    /* A clock that is set back. */
    script.now -= 100000;
    validate_result_unref(look_up(&script, "www.example."));
    assert_int_equal(script.asked, 3);
    script.silent = true;
    validate_result_unref(look_up(&script, "silent.example."));
    validate_result_unref(look_up(&script, "silent.example."));
    assert_int_equal(script.asked, 4);
    script.now += 1;
    script.silent = false;
    const struct validate_result *result = look_up(&script, "silent.example.");
    assert_int_equal(result->status, VALIDATE_INDETERMINATE);
    validate_result_unref(result);
    resolve_clear(script.context);
    resolve_counts(script.context, &counts);
    assert_int_equal(counts.cache_entries, 0);
    assert_int_equal(counts.cache_octets, 0);
    stop(&script);
}

/* Many results in little memory: those used last stay. */
static void test_cache_bound(void **state)
{
    struct script script = {.later = false};
    struct resolve_counts counts;
    char name[32];
    start_with(&script, (struct resolve_options){.cache_octets = 64 * 1024});
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "n%u.example.", i);
        validate_result_unref(look_up(&script, name));
        validate_result_unref(look_up(&script, "often.example."));
        resolve_counts(script.context, &counts);
        assert_true(counts.cache_octets <= 64 * 1024);
    }
    assert_int_equal(script.asked, 2001);
    assert_true(counts.cache_entries > 10 && counts.cache_entries < 2000);
    stop(&script);
}

static void test_no_cache(void **state)
{
    struct script script = {.later = false};
    start_with(&script, (struct resolve_options){.cache_octets = SIZE_MAX});
    for (unsigned i = 0; i < 3; i++)
        validate_result_unref(look_up(&script, "www.example."));
    assert_int_equal(script.asked, 3);
    stop(&script);
}

/* `done` is not called before the loop had its turn, also when all is known at once. */
static void test_event_loop(void **state)
{
    struct script script;
    struct resolve_request *request;
    start(&script);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(resolve_start(script.context, world_name("www.example."), DNS_TYPE_A, done,
                                       &script, &request),
                         BASE_OK);
        assert_int_equal(script.done, i);
        struct pollfd fd = {.fd = resolve_fd(script.context), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 0), 1);
        assert_int_equal(resolve_timeout_ms(script.context), 0);
        resolve_process(script.context);
        assert_int_equal(script.done, i + 1);
        assert_int_equal(resolve_timeout_ms(script.context), -1);
        assert_int_equal(poll(&fd, 1, 0), 0);
    }
    assert_int_equal(script.asked, 1);
    validate_result_unref(script.result);
    stop(&script);
}

static void test_reply_later(void **state)
{
    struct script script = {.later = true};
    struct resolve_request *request;
    start_with(&script, (struct resolve_options){.timeout_ms = 60000});
    resolve_start(script.context, world_name("www.example."), DNS_TYPE_A, done, &script, &request);
    resolve_process(script.context);
    assert_int_equal(script.asked, 1);
    struct pollfd fd = {.fd = resolve_fd(script.context), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_true(resolve_timeout_ms(script.context) > 50000);
    give(&script, 0);
    assert_int_equal(script.done, 0);
    assert_int_equal(poll(&fd, 1, 0), 1);
    resolve_process(script.context);
    assert_int_equal(script.done, 1);
    assert_int_equal(script.result->status, VALIDATE_INDETERMINATE);
    validate_result_unref(script.result);
    stop(&script);
}

/* The same question asked again meanwhile needs no other query; each asker is told. */
static void test_join(void **state)
{
    struct script script = {.later = true};
    struct resolve_request *requests[4];
    struct resolve_counts counts;
    start_with(&script, (struct resolve_options){.from = RESOLVE_TRANSPORT});
    for (unsigned i = 0; i < 4; i++)
        resolve_start(script.context, world_name(i & 1 ? "WWW.example." : "www.example."),
                      DNS_TYPE_A, done, &script, &requests[i]);
    resolve_process(script.context);
    assert_int_equal(script.asked, 1);
    resolve_cancel(requests[1]);
    resolve_cancel(requests[3]);
    assert_int_equal(script.cancelled, 0);
    give(&script, 0);
    resolve_process(script.context);
    assert_int_equal(script.done, 2);
    resolve_counts(script.context, &counts);
    assert_int_equal(counts.joined, 3);
    validate_result_unref(script.result);
    stop(&script);
}

static void test_cancel(void **state)
{
    struct script script = {.later = true};
    struct resolve_request *request;
    start_with(&script, (struct resolve_options){.from = RESOLVE_TRANSPORT});
    /* Before its query went out, and after. */
    resolve_start(script.context, world_name("a.example."), DNS_TYPE_A, done, &script, &request);
    resolve_cancel(request);
    resolve_process(script.context);
    assert_int_equal(script.asked, 0);
    resolve_start(script.context, world_name("a.example."), DNS_TYPE_A, done, &script, &request);
    resolve_process(script.context);
    assert_int_equal(script.asked, 1);
    resolve_cancel(request);
    assert_int_equal(script.cancelled, 1);
    assert_int_equal(resolve_timeout_ms(script.context), -1);
    /* And by the end of the context. */
    resolve_start(script.context, world_name("b.example."), DNS_TYPE_A, done, &script, &request);
    resolve_process(script.context);
    stop(&script);
    assert_int_equal(script.cancelled, 2);
    assert_int_equal(script.done, 0);
}

static void test_time_is_over(void **state)
{
    struct script script = {.later = true};
    start_with(&script, (struct resolve_options){.timeout_ms = 30});
    const struct validate_result *result = look_up(&script, "slow.example.");
    assert_int_equal(result->status, VALIDATE_ERROR);
    assert_non_null(strstr(result->sentence, "0.030 s"));
    assert_int_equal(script.cancelled, 1);
    validate_result_unref(result);
    stop(&script);
}

static void test_limit(void **state)
{
    struct script script = {.later = true};
    struct resolve_request *requests[3];
    start_with(&script, (struct resolve_options){.most_lookups = 2});
    for (unsigned i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), '.', '\0'};
        assert_int_equal(resolve_start(script.context, world_name(name), DNS_TYPE_A, done, &script,
                                       &requests[i]),
                         i < 2 ? BASE_OK : BASE_ELIMIT);
    }
    stop(&script);
}

static void asked(void *context, const struct validate_reply *reply)
{
    struct script *script = context;
    assert_int_equal(reply->kind, VALIDATE_REPLY_PACKET);
    assert_true(reply->length > 12);
    script->done++;
}

static void test_ask_server(void **state)
{
    struct script script;
    start(&script);
    assert_int_equal(resolve_ask(script.context, "192.0.2.1@53", world_name("a.example."),
                                 DNS_TYPE_A, asked, &script),
                     BASE_OK);
    resolve_wait(script.context);
    assert_int_equal(script.done, 1);
    assert_string_equal(script.server, "192.0.2.1@53");
    stop(&script);
}

/* Whoever is told may ask again, also blocking, and cancel others. */
struct nest {
    struct script *script;
    struct resolve_request *other;
    unsigned done;
};

static void done_nested(void *context, const struct validate_result *result)
{
    struct nest *nest = context;
    validate_result_unref(result);
    if (++nest->done > 1)
        return;
    resolve_cancel(nest->other);
    validate_result_unref(look_up(nest->script, "inner.example."));
    struct resolve_request *request;
    assert_int_equal(resolve_start(nest->script->context, world_name("next.example."), DNS_TYPE_A,
                                   done_nested, nest, &request),
                     BASE_OK);
}

static void test_nested(void **state)
{
    struct script script;
    struct resolve_request *request;
    start(&script);
    struct nest nest = {.script = &script};
    resolve_start(script.context, world_name("a.example."), DNS_TYPE_A, done, &script, &nest.other);
    resolve_start(script.context, world_name("a.example."), DNS_TYPE_A, done_nested, &nest,
                  &request);
    resolve_wait(script.context);
    assert_int_equal(nest.done, 2);
    assert_int_equal(script.done, 0);
    stop(&script);
}

static void test_options(void **state)
{
    static const char *const bad[] = {"",
                                      "example.com",
                                      "udp://",
                                      "tls://",
                                      "192.0.2.1@0x",
                                      "https:///dns-query",
                                      "tls://192.0.2.1#",
                                      "gopher://a"};
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    struct resolve_options options = {.from = RESOLVE_SERVERS};
    assert_int_equal(resolve_context_new(&options, why, &context), BASE_EFORMAT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        options.servers = &bad[i];
        options.server_count = 1;
        assert_int_equal(resolve_context_new(&options, why, &context), BASE_EFORMAT);
        assert_true(strlen(why) > 0);
    }
    options = (struct resolve_options){.from = RESOLVE_TRANSPORT};
    assert_int_equal(resolve_context_new(&options, why, &context), BASE_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocking),     cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_bound),  cmocka_unit_test(test_no_cache),
        cmocka_unit_test(test_event_loop),   cmocka_unit_test(test_reply_later),
        cmocka_unit_test(test_join),         cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_time_is_over), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_ask_server),   cmocka_unit_test(test_nested),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
