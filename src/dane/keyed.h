/*
 * A table of things with texts as their keys, which may come from strangers: the hash is keyed by
 * chance. Things embed the link; the table owns nothing.
 */
#ifndef DANE_KEYED_H
#define DANE_KEYED_H

#include <stddef.h>
#include <stdint.h>

struct keyed_link {
    struct keyed_link *next;
    const char *key; /* of the thing */
    uint64_t hash;
};
struct keyed_table {
    struct keyed_link **slots;
    size_t size; /* a power of two; 0: nothing yet */
    size_t count;
    uint64_t seed;
};

void keyed_init(struct keyed_table *table);
void keyed_free(struct keyed_table *table); /* the slots, not the things */
struct keyed_link *keyed_find(const struct keyed_table *table, const char *key);
/* The key must not be there yet. BASE_ENOMEM */
int keyed_add(struct keyed_table *table, struct keyed_link *link);
void keyed_remove(struct keyed_table *table, struct keyed_link *link);
/* Calls for each; the thing may be removed in the call. */
void keyed_each(struct keyed_table *table, void (*call)(void *context, struct keyed_link *link),
                void *context);

#endif
