/* Arenas: see arena.h. */
#include "base/arena.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct base_arena_block {
    struct base_arena_block *next;
    size_t size;
};

void base_arena_init(struct base_arena *arena, size_t limit)
{
    *arena = (struct base_arena){.limit = limit, .next_block = BASE_ARENA_FIRST};
}

void base_arena_free(struct base_arena *arena)
{
    struct base_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct base_arena_block *next = block->next;
        free(block);
        block = next;
    }
    base_arena_init(arena, arena->limit);
}

void *base_arena_alloc_slow(struct base_arena *arena, size_t size)
{
    const size_t header = sizeof(struct base_arena_block);
    if (size > SIZE_MAX / 2)
        return NULL;
    if (size == 0)
        return base_arena_alloc(arena, 1);
    size_t rounded = (size + 7) & ~(size_t)7;
    size_t ordinary = arena->next_block ? arena->next_block : BASE_ARENA_FIRST;
    /* A request that would waste most of an ordinary block gets one of its own and leaves the
     * current block in use. */
    int own = rounded > ordinary / 4 && rounded + header > ordinary / 2;
    size_t want = own ? rounded + header : ordinary;
    if (arena->limit != 0 && (want > arena->limit || arena->reserved > arena->limit - want)) {
        want = rounded + header;
        own = 1;
        if (want > arena->limit || arena->reserved > arena->limit - want)
            return NULL;
    }
    struct base_arena_block *block = malloc(want);
    if (block == NULL)
        return NULL;
    block->size = want;
    arena->reserved += want;
    uint8_t *data = (uint8_t *)block + header;
    if (own && arena->blocks != NULL) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
        return data;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->cursor = data + rounded;
    arena->end = (uint8_t *)block + want;
    if (!own && ordinary < BASE_ARENA_BLOCK)
        arena->next_block = ordinary * 2;
    return data;
}

void *base_arena_zalloc(struct base_arena *arena, size_t size)
{
    void *result = base_arena_alloc(arena, size);
    if (result != NULL)
        memset(result, 0, size);
    return result;
}

void *base_arena_dup(struct base_arena *arena, const void *data, size_t size)
{
    void *result = base_arena_alloc(arena, size);
    if (result != NULL && size > 0)
        memcpy(result, data, size);
    return result;
}

char *base_arena_strndup(struct base_arena *arena, const char *text, size_t length)
{
    char *result = base_arena_alloc(arena, length + 1);
    if (result == NULL)
        return NULL;
    memcpy(result, text, length);
    result[length] = '\0';
    return result;
}

char *base_arena_printf(struct base_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *result = length < 0 ? NULL : base_arena_alloc(arena, (size_t)length + 1);
    if (result != NULL)
        vsnprintf(result, (size_t)length + 1, format, again);
    va_end(again);
    return result;
}

void base_arena_absorb(struct base_arena *into, struct base_arena *from)
{
    if (from->blocks == NULL)
        return;
    struct base_arena_block *last = from->blocks;
    while (last->next != NULL)
        last = last->next;
    if (into->blocks == NULL) {
        into->blocks = from->blocks;
        into->cursor = from->cursor;
        into->end = from->end;
    } else {
        /* Behind the block in use, which stays first. */
        last->next = into->blocks->next;
        into->blocks->next = from->blocks;
    }
    into->reserved += from->reserved;
    from->blocks = NULL;
    base_arena_free(from);
}

/* The sanitizers bring an allocator of their own; the C library's is not set up beside it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TRIM_WORTH SIZE_MAX
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TRIM_WORTH SIZE_MAX
#endif
#endif
#ifndef TRIM_WORTH
#define TRIM_WORTH ((size_t)4 << 20)
#endif

void base_memory_trim(size_t freed)
{
    if (freed >= TRIM_WORTH)
        malloc_trim(0);
}
