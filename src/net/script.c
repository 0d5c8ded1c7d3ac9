/*
 * A connection in memory.
 */
#include "net/script.h"

#include <string.h>

#define SCRIPT_MAX ((size_t)64 << 20)

void net_script_init(struct net_script *script)
{
    memset(script, 0, sizeof(*script));
    base_buf_init(&script->input, SCRIPT_MAX);
    base_buf_init(&script->output, SCRIPT_MAX);
    script->room = SIZE_MAX;
    script->wants = NET_WANT_READ;
}

void net_script_free(struct net_script *script)
{
    base_buf_free(&script->input);
    base_buf_free(&script->output);
}

void net_script_query(struct net_script *script, const uint8_t *message, size_t length)
{
    base_buf_u16(&script->input, (uint16_t)length);
    base_buf_append(&script->input, message, length);
}

bool net_script_due(const struct net_script *script)
{
    if (script->closed)
        return false;
    bool readable = script->taken < script->input.length || script->end || script->broken;
    bool writable = script->room > 0 || script->broken;
    return (readable && (script->wants & NET_WANT_READ) != 0) ||
           (writable && (script->wants & NET_WANT_WRITE) != 0);
}

static ssize_t script_read(void *io, uint8_t *data, size_t length)
{
    struct net_script *script = io;
    if (script->broken)
        return NET_IO_FAILED;
    size_t left = script->input.length - script->taken;
    if (left == 0)
        return script->end ? NET_IO_END : NET_IO_BLOCKED;
    if (length > left)
        length = left;
    if (script->segment != 0 && length > script->segment)
        length = script->segment;
    memcpy(data, script->input.data + script->taken, length);
    script->taken += length;
    return (ssize_t)length;
}

static ssize_t script_write(void *io, const uint8_t *data, size_t length)
{
    struct net_script *script = io;
    if (script->broken)
        return NET_IO_FAILED;
    if (length > script->room)
        length = script->room;
    if (length == 0)
        return NET_IO_BLOCKED;
    base_buf_append(&script->output, data, length);
    if (script->room != SIZE_MAX)
        script->room -= length;
    return (ssize_t)length;
}

static void script_want(void *io, unsigned wants)
{
    struct net_script *script = io;
    script->wants = wants;
}

static void script_close(void *io)
{
    struct net_script *script = io;
    script->closed = true;
}

const struct net_transport net_script_transport = {
    .read = script_read,
    .write = script_write,
    .want = script_want,
    .close = script_close,
};
