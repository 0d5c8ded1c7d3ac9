/* What was exported: see export_state.h. A line for each zone: "SERIAL ZONE", or "- ZONE". */
#include "cli/export_state.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "dns/scalar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD      "# kenter export 1\n"
#define STATE_MAX ((size_t)1 << 30)

static const char *state_path(struct base_arena *arena, const char *directory)
{
    return base_arena_printf(arena, "%s/.kenter-export", directory);
}

int cli_export_add(struct cli_export_state *state, const char *zone)
{
    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 256 : state->capacity * 2;
        struct cli_exported *items = realloc(state->items, capacity * sizeof(*items));
        if (items == NULL)
            return BASE_ENOMEM;
        state->items = items;
        state->capacity = capacity;
    }
    const char *copy = base_arena_strndup(&state->arena, zone, strlen(zone));
    if (copy == NULL)
        return BASE_ENOMEM;
    state->items[state->count++] = (struct cli_exported){.zone = copy};
    return BASE_OK;
}

static int read_line(struct cli_export_state *state, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    if (space == NULL || space + 1 == line + length)
        return BASE_EFORMAT;
    uint64_t serial = 0;
    bool written = space != line + 1 || line[0] != '-';
    if (written && !dns_scalar_number(line, (size_t)(space - line), UINT32_MAX, &serial))
        return BASE_EFORMAT;
    const char *zone =
        base_arena_strndup(&state->arena, space + 1, length - (size_t)(space + 1 - line));
    int error = zone != NULL ? cli_export_add(state, zone) : BASE_ENOMEM;
    if (error == BASE_OK) {
        state->items[state->count - 1].serial = (uint32_t)serial;
        state->items[state->count - 1].written = written;
    }
    return error;
}

static int parse(struct cli_export_state *state, const char *text, size_t length)
{
    size_t at = strlen(HEAD);
    if (length < at || memcmp(text, HEAD, at) != 0)
        return BASE_EFORMAT;
    while (at < length) {
        const char *end = memchr(text + at, '\n', length - at);
        if (end == NULL)
            return BASE_EFORMAT;
        int error = read_line(state, text + at, (size_t)(end - text) - at);
        if (error != BASE_OK)
            return error;
        at = (size_t)(end - text) + 1;
    }
    cli_export_sort(state);
    return BASE_OK;
}

int cli_export_load(const char *directory, struct cli_export_state *out)
{
    struct cli_export_state state = {.count = 0};
    uint8_t *text;
    size_t length;
    base_arena_init(&state.arena, 0);
    const char *path = state_path(&state.arena, directory);
    int error = path != NULL ? base_file_read(path, STATE_MAX, &text, &length) : BASE_ENOMEM;
    if (error == BASE_OK) {
        error = parse(&state, (const char *)text, length);
        free(text);
    } else if (error == BASE_EIO && errno == ENOENT) {
        error = BASE_OK;
    }
    if (error == BASE_OK)
        *out = state;
    else
        cli_export_free(&state);
    return error;
}

void cli_export_free(struct cli_export_state *state)
{
    int reason = errno;
    base_arena_free(&state->arena);
    free(state->items);
    state->items = NULL;
    state->count = state->capacity = 0;
    errno = reason;
}

static int write_state(struct base_file_writer *writer, const struct cli_export_state *state)
{
    int error = base_file_write(writer, HEAD, strlen(HEAD));
    for (size_t i = 0; error == BASE_OK && i < state->count; i++) {
        const struct cli_exported *item = &state->items[i];
        char serial[16] = "-";
        if (item->written)
            snprintf(serial, sizeof(serial), "%u", item->serial);
        error = base_file_write(writer, serial, strlen(serial));
        if (error == BASE_OK)
            error = base_file_write(writer, " ", 1);
        if (error == BASE_OK)
            error = base_file_write(writer, item->zone, strlen(item->zone));
        if (error == BASE_OK)
            error = base_file_write(writer, "\n", 1);
    }
    return error;
}

int cli_export_save(const char *directory, const struct cli_export_state *state)
{
    struct base_arena arena;
    struct base_file_writer *writer = NULL;
    base_arena_init(&arena, 0);
    const char *path = state_path(&arena, directory);
    int error = path != NULL ? base_file_create(path, 0644, &writer) : BASE_ENOMEM;
    if (error == BASE_OK) {
        error = write_state(writer, state);
        if (error == BASE_OK)
            error = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    base_arena_free(&arena);
    return error;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct cli_exported *)a)->zone, ((const struct cli_exported *)b)->zone);
}

void cli_export_sort(struct cli_export_state *state)
{
    if (state->count > 1)
        qsort(state->items, state->count, sizeof(*state->items), compare);
}

struct cli_exported *cli_export_find(struct cli_export_state *state, const char *zone)
{
    struct cli_exported wanted = {.zone = zone};
    if (state->count == 0)
        return NULL;
    return bsearch(&wanted, state->items, state->count, sizeof(*state->items), compare);
}
