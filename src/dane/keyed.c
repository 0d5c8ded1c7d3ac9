/* Tables of things with texts as keys: see keyed.h. */
#include "dane/keyed.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SIZE 64

void keyed_init(struct keyed_table *table)
{
    *table = (struct keyed_table){.seed = 0x9e3779b97f4a7c15u};
    /* Without it the table works, only its order can be foretold. */
    ssize_t got = getrandom(&table->seed, sizeof table->seed, GRND_NONBLOCK);
    (void)got;
}

void keyed_free(struct keyed_table *table)
{
    free(table->slots);
    *table = (struct keyed_table){.seed = table->seed};
}

static uint64_t hash_of(const struct keyed_table *table, const char *key)
{
    uint64_t hash = table->seed;
    for (const unsigned char *at = (const unsigned char *)key; *at != '\0'; at++) {
        hash = (hash ^ *at) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

struct keyed_link *keyed_find(const struct keyed_table *table, const char *key)
{
    if (table->size == 0)
        return NULL;
    uint64_t hash = hash_of(table, key);
    struct keyed_link *link = table->slots[hash & (table->size - 1)];
    while (link && (link->hash != hash || strcmp(link->key, key) != 0))
        link = link->next;
    return link;
}

static int grow(struct keyed_table *table)
{
    size_t size = table->size == 0 ? FIRST_SIZE : 2 * table->size;
    struct keyed_link **slots = calloc(size, sizeof *slots);
    if (!slots)
        return BASE_ENOMEM;
    for (size_t i = 0; i < table->size; i++) {
        for (struct keyed_link *link = table->slots[i], *next; link; link = next) {
            next = link->next;
            link->next = slots[link->hash & (size - 1)];
            slots[link->hash & (size - 1)] = link;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->size = size;
    return BASE_OK;
}

int keyed_add(struct keyed_table *table, struct keyed_link *link)
{
    if (table->count >= table->size) {
        int status = grow(table);
        if (status != BASE_OK)
            return status;
    }
    link->hash = hash_of(table, link->key);
    struct keyed_link **slot = &table->slots[link->hash & (table->size - 1)];
    link->next = *slot;
    *slot = link;
    table->count++;
    return BASE_OK;
}

void keyed_remove(struct keyed_table *table, struct keyed_link *link)
{
    struct keyed_link **at = &table->slots[link->hash & (table->size - 1)];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    table->count--;
}

void keyed_each(struct keyed_table *table, void (*call)(void *context, struct keyed_link *link),
                void *context)
{
    for (size_t i = 0; i < table->size; i++) {
        for (struct keyed_link *link = table->slots[i], *next; link; link = next) {
            next = link->next;
            call(context, link);
        }
    }
}
