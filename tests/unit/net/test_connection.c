/*
 * The state machine of connections, over the scripted transport and a clock that the tests turn.
 */
#include "base/error.h"
#include "base/reader.h"
#include "net/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a handler that echoes, and does what octet 12 of a query says ---- */

enum what { ECHO, DROP, STREAM, LATER, BIG, FAIL, BROKEN_STREAM };

struct world {
    struct net_handler handler;
    struct net_limits limits;
    struct net_stats stats;
    struct net_connections *all;
    uint64_t now;
    unsigned queries, begun, ended; /* batches */
    bool in_batch;
    unsigned streams_open, streams_finished, streams_cancelled, pulls;
    struct net_stream *later;
};

struct test_stream {
    struct net_stream stream;
    struct world *world;
    enum what what;
    unsigned left;
    bool ready;
    uint8_t id[2];
};

static int stream_pull(struct net_stream *base, uint8_t *out, size_t capacity, size_t *length)
{
    struct test_stream *stream = (struct test_stream *)base;
    assert_true(stream->world->in_batch);
    stream->world->pulls++;
    if (stream->what == LATER && !stream->ready)
        return NET_STREAM_LATER;
    if (stream->what == BROKEN_STREAM && stream->left == 1)
        return BASE_EIO;
    size_t size = stream->what == LATER ? 20 : 5000;
    assert_true(capacity >= size);
    memset(out, 0x55, size);
    memcpy(out, stream->id, 2);
    *length = size;
    return --stream->left == 0 ? NET_STREAM_END : NET_STREAM_MORE;
}

static void stream_close(struct net_stream *base, bool finished)
{
    struct test_stream *stream = (struct test_stream *)base;
    stream->world->streams_open--;
    if (finished)
        stream->world->streams_finished++;
    else
        stream->world->streams_cancelled++;
    if (stream->world->later == base)
        stream->world->later = NULL;
    free(stream);
}

static int start_stream(struct world *world, const uint8_t *query, struct net_answer *answer)
{
    struct test_stream *stream = calloc(1, sizeof(*stream));
    assert_non_null(stream);
    stream->stream = (struct net_stream){.pull = stream_pull, .close = stream_close};
    stream->world = world;
    stream->what = (enum what)query[12];
    stream->left = stream->what == LATER ? 1 : base_load_u16(query + 13);
    memcpy(stream->id, query, 2);
    world->streams_open++;
    if (stream->what == LATER)
        world->later = &stream->stream;
    answer->stream = &stream->stream;
    return NET_STREAM;
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    struct world *world = context;
    assert_true(world->in_batch);
    assert_int_equal(client->protocol, NET_TCP);
    assert_int_equal(capacity, 65535);
    world->queries++;
    answer->length = length;
    memcpy(out, query, length);
    switch (length > 14 ? (enum what)query[12] : ECHO) {
    case DROP:
        return NET_DROP;
    case STREAM:
    case LATER:
    case BROKEN_STREAM:
        return start_stream(world, query, answer);
    case BIG:
        memset(out + length, 0xaa, 60000 - length);
        answer->length = 60000;
        return NET_ANSWER;
    case FAIL:
        return BASE_EIO;
    default:
        return NET_ANSWER;
    }
}

static void batch_begin(void *context)
{
    struct world *world = context;
    assert_false(world->in_batch);
    world->in_batch = true;
    world->begun++;
}

static void batch_end(void *context)
{
    struct world *world = context;
    assert_true(world->in_batch);
    world->in_batch = false;
    world->ended++;
}

static void world_init(struct world *world)
{
    static const uint64_t secret[2] = {3, 5};
    struct net_limits limits = world->limits;
    memset(world, 0, sizeof(*world));
    world->limits = limits;
    world->now = 1000000;
    world->handler = (struct net_handler){
        .batch_begin = batch_begin, .batch_end = batch_end, .respond = respond};
    assert_int_equal(net_connections_new(&limits, &world->handler, world, NULL, &world->stats,
                                         secret, &world->all),
                     BASE_OK);
}

static int setup(void **state)
{
    static struct world world;
    world.limits = (struct net_limits)NET_LIMITS_DEFAULT;
    world.limits.connections = 8;
    world.limits.per_client = 4;
    world_init(&world);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    assert_int_equal(world->begun, world->ended);
    net_connections_free(world->all);
    assert_int_equal(world->streams_open, 0);
    return 0;
}

static uint64_t counted(const struct world *world, enum net_counter counter)
{
    return atomic_load(&world->stats.counters[counter]);
}

/* ---- driving ---- */

static struct net_connection *connect_from(struct world *world, struct net_script *script,
                                           const char *peer)
{
    union net_address from, local;
    net_script_init(script);
    assert_int_equal(net_address_parse(peer, 4000, &from), BASE_OK);
    assert_int_equal(net_address_parse("192.0.2.53", 53, &local), BASE_OK);
    return net_connection_open(world->all, NET_TCP, &net_script_transport, script, &from, &local,
                               world->now);
}

/* Lets the connection do all that it can do now. */
static void settle(struct world *world, struct net_script *script, struct net_connection *one)
{
    for (unsigned i = 0; i < 100000; i++) {
        if (net_script_due(script))
            net_connection_event(one, world->now);
        else if (net_connections_tick(world->all, 0, world->now) != 0)
            return;
    }
    fail_msg("the connection does not come to rest");
}

static void query(struct net_script *script, uint16_t id, enum what what, uint16_t count,
                  size_t length)
{
    uint8_t message[65535] = {0};
    base_store_u16(message, id);
    message[12] = (uint8_t)what;
    base_store_u16(message + 13, count);
    net_script_query(script, message, length);
}

/* The number of whole messages that the peer has got; the last octets must end one. */
static unsigned messages(const struct net_script *script)
{
    size_t at = 0;
    unsigned count = 0;
    while (at + 2 <= script->output.length) {
        at += 2 + (size_t)base_load_u16(script->output.data + at);
        count++;
    }
    assert_int_equal(at, script->output.length);
    return count;
}

static uint16_t id_of(const struct net_script *script, unsigned index)
{
    size_t at = 0;
    while (index-- > 0)
        at += 2 + (size_t)base_load_u16(script->output.data + at);
    return base_load_u16(script->output.data + at + 2);
}

/* ---- tests ---- */

/* Three queries, cut in two at every octet, and into segments of every size. */
static void test_cut_everywhere(void **state)
{
    struct world *world = *state;
    static const size_t lengths[] = {12, 40, 700};
    size_t total = 12 + 40 + 700 + 6;
    for (size_t cut = 0; cut <= total; cut++) {
        struct net_script script;
        struct net_connection *one = connect_from(world, &script, "198.51.100.1");
        assert_non_null(one);
        for (uint16_t i = 0; i < 3; i++)
            query(&script, i, ECHO, 0, lengths[i]);
        struct base_buf whole = script.input;
        /* First what stands before the cut, then the rest. */
        script.input.length = cut;
        settle(world, &script, one);
        assert_false(script.closed);
        script.input.length = whole.length;
        settle(world, &script, one);
        assert_int_equal(messages(&script), 3);
        assert_memory_equal(script.output.data, whole.data, total);
        assert_int_equal(net_connections_memory(world->all), 0);
        script.end = true;
        settle(world, &script, one);
        assert_true(script.closed);
        net_script_free(&script);
    }
    for (size_t segment = 1; segment <= total; segment++) {
        struct net_script script;
        struct net_connection *one = connect_from(world, &script, "198.51.100.1");
        for (uint16_t i = 0; i < 3; i++)
            query(&script, i, ECHO, 0, lengths[i]);
        script.segment = segment;
        script.end = true;
        settle(world, &script, one);
        assert_true(script.closed);
        assert_int_equal(script.output.length, total);
        assert_memory_equal(script.output.data, script.input.data, total);
        net_script_free(&script);
    }
    assert_int_equal(net_connections_count(world->all), 0);
    assert_int_equal(net_connections_memory(world->all), 0);
}

static void test_pipelining(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    for (uint16_t i = 0; i < 5000; i++)
        query(&script, i, i % 10 == 3 ? DROP : ECHO, 0, 30);
    /* One turn does not take more than its share. */
    net_connection_event(one, world->now);
    assert_int_equal(world->queries, NET_TURN_QUERIES);
    settle(world, &script, one);
    assert_int_equal(world->queries, 5000);
    assert_int_equal(messages(&script), 4500);
    assert_int_equal(id_of(&script, 4499), 4999);
    assert_int_equal(counted(world, NET_DROPPED), 500);
    net_connections_free(world->all);
    world->all = NULL;
    assert_true(script.closed);
    net_script_free(&script);
}

/* A peer that takes some octets at a time gets everything in order; one that takes none makes the
 * connection stop, with one buffer at most. */
static void test_slow_reader(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    for (uint16_t i = 0; i < 60; i++)
        query(&script, i, BIG, 0, 40);
    script.room = 0;
    settle(world, &script, one);
    assert_true(world->queries < 4);
    assert_true(net_connections_memory(world->all) < 200 * 1024);
    assert_int_equal(script.wants, NET_WANT_WRITE);
    for (size_t turn = 0; turn < 100000 && script.output.length < 60 * 60002; turn++) {
        script.room = 1 + turn * 37 % 9000;
        settle(world, &script, one);
        assert_true(net_connections_memory(world->all) < 200 * 1024);
    }
    assert_int_equal(messages(&script), 60);
    for (uint16_t i = 0; i < 60; i++)
        assert_int_equal(id_of(&script, i), i);
    assert_int_equal(net_connections_memory(world->all), 0);
    script.end = true;
    settle(world, &script, one);
    assert_true(script.closed);
    net_script_free(&script);
}

static void test_stream(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    script.room = 0;
    query(&script, 1, STREAM, 2000, 40);
    settle(world, &script, one);
    /* Nobody reads: some messages were made, not all of the ten million octets. */
    assert_true(world->pulls < 30);
    assert_true(net_connections_memory(world->all) < 200 * 1024);
    /* Queries are answered between its messages. */
    script.room = 300000;
    settle(world, &script, one);
    query(&script, 2, ECHO, 0, 40);
    for (unsigned i = 0; i < 20; i++) {
        script.room = 100000;
        settle(world, &script, one);
    }
    script.room = SIZE_MAX;
    settle(world, &script, one);
    assert_int_equal(messages(&script), 2001);
    assert_int_equal(id_of(&script, 2000), 1);
    assert_int_equal(world->streams_finished, 1);
    assert_int_equal(world->streams_open, 0);
    script.end = true;
    settle(world, &script, one);
    assert_true(script.closed);
    net_script_free(&script);
}

/* The fifth transfer on a connection waits for a place; all are answered. */
static void test_many_streams(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    script.room = 50000;
    for (uint16_t i = 0; i < 11; i++)
        query(&script, i, STREAM, 100, 40);
    query(&script, 99, ECHO, 0, 40);
    script.end = true;
    settle(world, &script, one);
    assert_true(world->streams_open <= NET_STREAMS_MAX);
    while (!script.closed) {
        script.room = 50000;
        settle(world, &script, one);
        assert_true(world->streams_open <= NET_STREAMS_MAX);
    }
    assert_int_equal(messages(&script), 1101);
    assert_int_equal(world->streams_finished, 11);
    net_script_free(&script);
}

static void test_cancel(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    script.room = 0;
    query(&script, 1, STREAM, 2000, 40);
    settle(world, &script, one);
    script.broken = true;
    settle(world, &script, one);
    assert_true(script.closed);
    assert_int_equal(world->streams_cancelled, 1);
    net_script_free(&script);
    /* A stream that fails in the middle takes the connection with it, after what it made. */
    one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, BROKEN_STREAM, 10, 40);
    settle(world, &script, one);
    assert_true(script.closed);
    assert_int_equal(messages(&script), 9);
    assert_int_equal(world->streams_cancelled, 2);
    assert_int_equal(net_connections_memory(world->all), 0);
    net_script_free(&script);
}

static void test_later(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, LATER, 0, 40);
    query(&script, 2, ECHO, 0, 40);
    settle(world, &script, one);
    /* The second is answered first. */
    assert_int_equal(messages(&script), 1);
    assert_int_equal(id_of(&script, 0), 2);
    assert_non_null(world->later);
    ((struct test_stream *)world->later)->ready = true;
    net_stream_wake(world->later);
    settle(world, &script, one);
    assert_int_equal(messages(&script), 2);
    assert_int_equal(id_of(&script, 1), 1);
    /* One that never comes ends the connection. */
    query(&script, 3, LATER, 0, 40);
    settle(world, &script, one);
    world->now += world->limits.wait_ms - 1;
    settle(world, &script, one);
    assert_false(script.closed);
    world->now += 1;
    settle(world, &script, one);
    assert_true(script.closed);
    assert_int_equal(counted(world, NET_TCP_TIMEOUT_WAIT), 1);
    assert_int_equal(world->streams_cancelled, 1);
    net_script_free(&script);
}

static void expect_closed_at(struct world *world, struct net_script *script,
                             struct net_connection *one, uint32_t ms, enum net_counter counter)
{
    uint64_t before = counted(world, counter);
    settle(world, script, one);
    int next = net_connections_tick(world->all, 0, world->now);
    assert_true(next > 0 && (uint32_t)next <= ms);
    world->now += ms - 1;
    settle(world, script, one);
    assert_false(script->closed);
    world->now += 1;
    settle(world, script, one);
    assert_true(script->closed);
    assert_int_equal(counted(world, counter), before + 1);
    net_script_free(script);
}

static void test_timeouts(void **state)
{
    struct world *world = *state;
    struct net_script script;
    /* Says nothing. */
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    expect_closed_at(world, &script, one, world->limits.query_ms, NET_TCP_TIMEOUT_QUERY);
    /* Was served, then says nothing. */
    one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, ECHO, 0, 40);
    expect_closed_at(world, &script, one, world->limits.idle_ms, NET_TCP_TIMEOUT_IDLE);
    /* Takes no answer. */
    one = connect_from(world, &script, "198.51.100.1");
    script.room = 1;
    query(&script, 1, ECHO, 0, 40);
    expect_closed_at(world, &script, one, world->limits.write_ms, NET_TCP_TIMEOUT_WRITE);
    /* Closed in the middle of a query: nothing to wait for. */
    one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, ECHO, 0, 40);
    script.input.length -= 1;
    script.end = true;
    settle(world, &script, one);
    assert_true(script.closed);
    net_script_free(&script);
}

/* One octet a second does not keep a connection, neither of input nor of output. */
static void test_slowloris(void **state)
{
    struct world *world = *state;
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, ECHO, 0, 40);
    settle(world, &script, one);
    query(&script, 2, ECHO, 0, 60000);
    size_t whole = script.input.length;
    script.input.length = 42;
    uint64_t began = world->now;
    while (!script.closed && script.input.length < whole) {
        world->now += 1000;
        script.input.length++;
        settle(world, &script, one);
    }
    assert_true(script.closed);
    assert_true(world->now - began <= world->limits.query_ms + 2000);
    net_script_free(&script);

    one = connect_from(world, &script, "198.51.100.1");
    script.room = 0;
    query(&script, 1, STREAM, 1000, 40);
    settle(world, &script, one);
    began = world->now;
    while (!script.closed && world->now < began + 100 * (uint64_t)world->limits.write_ms) {
        world->now += 1000;
        script.room = 100;
        settle(world, &script, one);
    }
    assert_true(world->now - began <= world->limits.write_ms + 1000);
    assert_int_equal(world->streams_cancelled, 1);
    net_script_free(&script);

    /* A slow but honest reader keeps it. */
    one = connect_from(world, &script, "198.51.100.1");
    script.room = 0;
    query(&script, 1, STREAM, 200, 40);
    settle(world, &script, one);
    while (world->streams_finished == 0) {
        world->now += world->limits.write_ms / 2;
        script.room = NET_PROGRESS;
        settle(world, &script, one);
        assert_false(script.closed);
    }
    net_connections_free(world->all);
    world->all = NULL;
    net_script_free(&script);
}

static void test_malformed(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n\r\n",                                  /* announces 18245 octets */
        "\0\0", "\0\013aaaaaaaaaaa", "\0\050aa\200aaaaaaaaaaaaaa", /* an answer */
    };
    static const size_t lengths[] = {18, 2, 13, 20};
    for (size_t i = 1; i < 4; i++) {
        struct net_script script;
        struct net_connection *one = connect_from(world, &script, "198.51.100.1");
        query(&script, 1, ECHO, 0, 40);
        base_buf_append(&script.input, bad[i], lengths[i]);
        settle(world, &script, one);
        assert_true(script.closed);
        assert_int_equal(messages(&script), 1);
        assert_int_equal(counted(world, NET_TCP_MALFORMED), i);
        net_script_free(&script);
    }
    /* Something else that announces much and sends little: the clock ends it. */
    struct net_script script;
    struct net_connection *one = connect_from(world, &script, "198.51.100.1");
    base_buf_append(&script.input, bad[0], lengths[0]);
    settle(world, &script, one);
    assert_true(net_connections_memory(world->all) <= 1024);
    expect_closed_at(world, &script, one, world->limits.query_ms, NET_TCP_TIMEOUT_QUERY);
    /* A handler that fails ends the connection, after the answers before. */
    one = connect_from(world, &script, "198.51.100.1");
    query(&script, 1, ECHO, 0, 40);
    query(&script, 2, FAIL, 0, 40);
    query(&script, 3, ECHO, 0, 40);
    settle(world, &script, one);
    assert_true(script.closed);
    assert_int_equal(messages(&script), 1);
    net_script_free(&script);
}

static void test_limits(void **state)
{
    struct world *world = *state;
    struct net_script scripts[12];
    struct net_connection *ones[12];
    /* Four of one prefix, the fifth is refused; other prefixes are not. */
    static const char *const peers[] = {
        "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1", "2001:db8:0:4::1",
        "2001:db8:0:5::1", "2001:db8:1::1",   "198.51.100.1",    "198.51.100.2",
        "198.51.100.3",    "198.51.100.4",    "198.51.100.5",    "198.51.100.6",
    };
    for (size_t i = 0; i < 9; i++) {
        ones[i] = connect_from(world, &scripts[i], peers[i]);
        assert_true((ones[i] == NULL) == (i == 4));
        assert_true(scripts[i].closed == (i == 4));
        world->now++;
    }
    assert_int_equal(counted(world, NET_TCP_REFUSED_CLIENT), 1);
    assert_int_equal(net_connections_count(world->all), 8);
    /* All places are taken: whoever never asked gives way, longest first. */
    query(&scripts[0], 1, ECHO, 0, 40);
    settle(world, &scripts[0], ones[0]);
    ones[9] = connect_from(world, &scripts[9], peers[9]);
    assert_non_null(ones[9]);
    assert_true(scripts[1].closed);
    assert_false(scripts[0].closed);
    /* When all have a transfer going, the newcomer is refused. */
    for (size_t i = 0; i < 10; i++) {
        if (scripts[i].closed)
            continue;
        scripts[i].room = 0;
        query(&scripts[i], 1, STREAM, 1000, 40);
        settle(world, &scripts[i], ones[i]);
    }
    ones[10] = connect_from(world, &scripts[10], peers[10]);
    assert_null(ones[10]);
    assert_true(scripts[10].closed);
    assert_int_equal(counted(world, NET_TCP_REFUSED_FULL), 1);
    net_connections_free(world->all);
    world->all = NULL;
    for (size_t i = 0; i < 11; i++)
        net_script_free(&scripts[i]);
}

/* Memory is bounded over all connections. */
static void test_memory(void **state)
{
    struct world *world = *state;
    net_connections_free(world->all);
    world->limits.memory = 150000;
    world_init(world);
    struct net_script scripts[3];
    for (size_t i = 0; i < 3; i++) {
        struct net_connection *one = connect_from(world, &scripts[i], "198.51.100.1");
        scripts[i].room = 0;
        query(&scripts[i], 1, BIG, 0, 40);
        settle(world, &scripts[i], one);
        assert_true(scripts[i].closed == (i == 2));
        assert_true(net_connections_memory(world->all) <= 150000);
    }
    assert_int_equal(counted(world, NET_TCP_NO_MEMORY), 1);
    net_connections_free(world->all);
    world->all = NULL;
    for (size_t i = 0; i < 3; i++)
        net_script_free(&scripts[i]);
}

static void test_drain(void **state)
{
    struct world *world = *state;
    struct net_script idle, busy;
    struct net_connection *first = connect_from(world, &idle, "198.51.100.1");
    struct net_connection *second = connect_from(world, &busy, "198.51.100.1");
    busy.room = 0;
    query(&busy, 1, STREAM, 50, 40);
    settle(world, &busy, second);
    net_connections_drain(world->all);
    settle(world, &idle, first);
    assert_true(idle.closed);
    assert_false(busy.closed);
    busy.room = SIZE_MAX;
    settle(world, &busy, second);
    assert_true(busy.closed);
    assert_int_equal(messages(&busy), 50);
    struct net_script late;
    assert_null(connect_from(world, &late, "198.51.100.1"));
    net_script_free(&idle);
    net_script_free(&busy);
    net_script_free(&late);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_cut_everywhere), TEST(test_pipelining),   TEST(test_slow_reader),
        TEST(test_stream),         TEST(test_many_streams), TEST(test_cancel),
        TEST(test_later),          TEST(test_timeouts),     TEST(test_slowloris),
        TEST(test_malformed),      TEST(test_limits),       TEST(test_memory),
        TEST(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
