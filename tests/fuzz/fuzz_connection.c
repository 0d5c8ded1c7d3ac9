/*
 * A connection under a script of foreign octets, cuts, stalls, clocks and broken lines. Without
 * streams and time-outs, what comes out must be exactly what a plain reading of the whole input
 * says; with them, memory stays bounded, output is whole messages, and everything is given back.
 *
 * Input: octet 0 chooses (bit 0: streams and clock), then steps of an operation and its operand.
 */
#include "base/error.h"
#include "base/reader.h"
#include "net/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define MEMORY (400 * 1024)

struct world {
    bool streams;
    struct net_stream *waiting;
    unsigned open;
};

struct stream {
    struct net_stream base;
    struct world *world;
    unsigned left;
    bool later;
};

static int pull(struct net_stream *base, uint8_t *out, size_t capacity, size_t *length)
{
    struct stream *stream = (struct stream *)base;
    if (stream->later) {
        stream->later = false;
        stream->world->waiting = base;
        return NET_STREAM_LATER;
    }
    if (stream->left == 200)
        return BASE_EIO;
    *length = 12 + stream->left * 97;
    memset(out, 7, *length);
    return stream->left-- == 0 ? NET_STREAM_END : NET_STREAM_MORE;
}

static void finish(struct net_stream *base, bool finished)
{
    struct stream *stream = (struct stream *)base;
    stream->world->open--;
    if (stream->world->waiting == base)
        stream->world->waiting = NULL;
    free(stream);
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    struct world *world = context;
    REQUIRE(length >= 12 && (query[2] & 0x80) == 0 && capacity == 65535);
    memcpy(out, query, length);
    answer->length = length;
    if (!world->streams || (query[0] & 3) == 0)
        return NET_ANSWER;
    if ((query[0] & 3) == 1)
        return query[1] == 0 ? BASE_EIO : NET_DROP;
    struct stream *stream = calloc(1, sizeof(*stream));
    REQUIRE(stream != NULL);
    stream->base = (struct net_stream){.pull = pull, .close = finish};
    stream->world = world;
    stream->left = query[1];
    stream->later = (query[0] & 3) == 3;
    world->open++;
    answer->stream = &stream->base;
    return NET_STREAM;
}

/* What a plain reader would echo of the whole input. */
static size_t expected(const struct base_buf *input)
{
    size_t at = 0;
    while (at + 2 <= input->length) {
        size_t size = base_load_u16(input->data + at);
        if (size < 12 || (at + 5 <= input->length && (input->data[at + 4] & 0x80) != 0) ||
            at + 2 + size > input->length)
            break;
        at += 2 + size;
    }
    return at;
}

static void check_output(const struct net_script *script, bool whole)
{
    size_t at = 0;
    while (at + 2 <= script->output.length)
        at += 2 + (size_t)base_load_u16(script->output.data + at);
    REQUIRE(!whole || at == script->output.length);
}

static void settle(struct net_connections *all, struct net_script *script, uint64_t now)
{
    /* The id outlives the connection; its place does not know it any more then. */
    for (unsigned i = 0; i < 1000000 && !script->closed; i++) {
        struct net_connection *one = net_connection_by_id(all, UINT64_C(1) << 32);
        if (net_script_due(script) && one != NULL)
            net_connection_event(one, now);
        else if (net_connections_tick(all, 0, now) != 0)
            break;
        REQUIRE(net_connections_memory(all) <= MEMORY);
        REQUIRE(i < 999999);
    }
}

/* One step of the script. */
static void step(struct world *world, struct net_script *script, uint64_t *now, uint8_t operation,
                 uint8_t operand, const uint8_t **data, size_t *size)
{
    static const uint8_t zeros[256];
    size_t count = operand < *size ? operand : *size;
    switch (operation % 8) {
    case 0: /* octets as they are */
        base_buf_append(&script->input, *data, count);
        *data += count;
        *size -= count;
        break;
    case 1: /* a whole query */
        base_buf_u16(&script->input, (uint16_t)(12 + operand));
        base_buf_append(&script->input, *data, count < 2 ? count : 2);
        base_buf_append(&script->input, zeros, 12 + (size_t)operand / 2);
        base_buf_append(&script->input, zeros, operand - operand / 2U - (count < 2 ? count : 2));
        break;
    case 2: /* a long query, in part */
        base_buf_u16(&script->input, (uint16_t)(operand << 8 | 0xff));
        for (unsigned i = 0; i < operand; i++)
            base_buf_append(&script->input, zeros, 200);
        break;
    case 3:
        script->segment = operand;
        break;
    case 4:
        script->room = operand == 255 ? SIZE_MAX : (size_t)operand * 64;
        break;
    case 5:
        if (world->streams)
            *now += (uint64_t)operand * 100;
        break;
    case 6:
        if (world->waiting != NULL) {
            struct net_stream *stream = world->waiting;
            world->waiting = NULL;
            net_stream_wake(stream);
        }
        break;
    default:
        script->end |= operand == 1;
        script->broken |= operand == 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t secret[2] = {11, 13};
    struct net_limits limits = NET_LIMITS_DEFAULT;
    struct net_stats stats = {0};
    struct net_handler handler = {.respond = respond};
    struct world world = {.streams = size > 0 && (data[0] & 1) != 0};
    struct net_connections *all;
    struct net_script script;
    uint64_t now = 1000;
    union net_address address;
    limits.connections = 1;
    limits.memory = MEMORY;
    REQUIRE(net_address_parse("192.0.2.1", 53, &address) == BASE_OK);
    REQUIRE(net_connections_new(&limits, &handler, &world, NULL, &stats, secret, &all) == BASE_OK);
    net_script_init(&script);
    REQUIRE(net_connection_open(all, NET_TCP, &net_script_transport, &script, &address, &address,
                                now) != NULL);
    for (size_t i = 1; size > 2 && i < 500 && !script.closed; i++) {
        uint8_t operation = data[1], operand = data[2];
        data += 2;
        size -= 2;
        const uint8_t *rest = data + 1;
        size_t left = size - 1;
        step(&world, &script, &now, operation, operand, &rest, &left);
        data = rest - 1;
        size = left + 1;
        settle(all, &script, now);
    }
    script.room = SIZE_MAX;
    settle(all, &script, now);
    check_output(&script, !script.broken && !world.streams);
    if (!world.streams && !script.broken) {
        size_t length = expected(&script.input);
        REQUIRE(script.output.length == length);
        REQUIRE(length == 0 || memcmp(script.output.data, script.input.data, length) == 0);
    }
    if (script.closed)
        REQUIRE(net_connections_memory(all) == 0 && world.open == 0);
    net_connections_free(all);
    REQUIRE(script.closed && world.open == 0);
    net_script_free(&script);
    return 0;
}
