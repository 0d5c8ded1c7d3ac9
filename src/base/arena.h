/*
 * Arenas: memory for one zone, one query, one run of work; released all at once.
 *
 * Allocations are aligned to 8 bytes. An arena is used by one thread at a time. Blocks grow from
 * `BASE_ARENA_FIRST` up to `BASE_ARENA_BLOCK` so that small arenas stay small; a larger request
 * gets a block of its own. Every arena has a hard limit.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define BASE_ARENA_FIRST 4096
#define BASE_ARENA_BLOCK (1024 * 1024)

struct base_arena_block;

struct base_arena {
    struct base_arena_block *blocks; /* newest first */
    uint8_t *cursor;                 /* next free byte of the newest block */
    uint8_t *end;                    /* one past its last byte */
    size_t reserved;                 /* bytes taken from the system */
    size_t limit;                    /* most bytes to take; 0 = no limit */
    size_t next_block;               /* size of the next ordinary block */
};

/* Makes an empty arena. Takes no memory yet. `limit` in bytes, 0 for none. */
void base_arena_init(struct base_arena *arena, size_t limit);

/* Gives everything back; the arena is empty and usable again. */
void base_arena_free(struct base_arena *arena);

/* The slow path of base_arena_alloc. */
void *base_arena_alloc_slow(struct base_arena *arena, size_t size);

/* `size` bytes, uninitialised, aligned to 8; NULL when memory or the limit is exhausted. No bytes
 * are a valid request, answered with a pointer that is not NULL. */
static inline void *base_arena_alloc(struct base_arena *arena, size_t size)
{
    size_t rounded = (size + 7) & ~(size_t)7;
    /* Rounded is 0 for no bytes and for too many; the slow path tells them apart. */
    if (rounded - 1 < (size_t)(arena->end - arena->cursor)) {
        void *result = arena->cursor;
        arena->cursor += rounded;
        return result;
    }
    return base_arena_alloc_slow(arena, size);
}

/* As base_arena_alloc, filled with zero bytes. */
void *base_arena_zalloc(struct base_arena *arena, size_t size);

/* A copy of `size` bytes. */
void *base_arena_dup(struct base_arena *arena, const void *data, size_t size);

/* A NUL-terminated copy of `length` characters. */
char *base_arena_strndup(struct base_arena *arena, const char *text, size_t length);

/* Formats into the arena; NULL when out of memory. */
char *base_arena_printf(struct base_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Moves all memory of `from` into `into`, so that it lives as long; `from` is empty afterwards.
 * Pointers stay valid. */
void base_arena_absorb(struct base_arena *into, struct base_arena *from);

/* Asks the allocator to give back to the system what was freed in small pieces, `freed` bytes of
 * it. Does nothing when that is not worth the time. */
void base_memory_trim(size_t freed);

#endif
