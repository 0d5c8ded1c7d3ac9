/*
 * Looking for the names of a batch at the same time. A look-up in a large image waits for memory
 * several times, for the page of the leaf, for the names in it, and for the value, and the
 * processor can wait for many such things at once if only it knows of them. So all names are walked
 * to their leaves here, a step of all names after the other, and each step asks for what the next
 * one reads.
 *
 * LMDB cannot be asked to do this, so its pages are read as they lie in the map (the format of its
 * version 1, which it checks when it opens the file). Whatever looks odd, or goes over the end of a
 * leaf, is left to LMDB.
 */
#include "image/internal.h"

#include <string.h>

#define PAGE_HEAD   16 /* number (8), 2 unused, flags (2), end of the pointers (2), 2 more */
#define NODE_HEAD   8  /* low, high, flags, size of the key: 2 octets each */
#define PAGE_BRANCH 1
#define PAGE_LEAF   2
#define PAGE_LARGE  4 /* the first of the pages of a value that has its own */
#define NODE_LARGE  1 /* flag of a node: the value is the number of that page */
#define META_MAGIC  0xBEEFC0DEu
#define TREE_SIZE   48 /* what the list of databases says of one: flags, counts, root */
#define DEPTH_MAX   16
#define LINE        64
#define NODES_MAX   16  /* of a leaf whose nodes are all asked for at once */
#define VALUE_MAX   640 /* octets of a value that are asked for */

static uint16_t load_u16(const uint8_t *at)
{
    uint16_t number;
    memcpy(&number, at, sizeof(number));
    return number;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof(number));
    return number;
}

/* --- where the map and the tree of names are --- */

/* The pages of the map, from any value in it. */
static bool find_map(struct image_reader *reader, const uint8_t *value)
{
    struct image_pages *pages = &reader->pages;
    MDB_stat stat;
    MDB_envinfo info;
    if (mdb_env_stat(reader->image->env, &stat) != 0 ||
        mdb_env_info(reader->image->env, &info) != 0)
        return false;
    uint32_t magic;
    uintptr_t page = (uintptr_t)value & ~(uintptr_t)(stat.ms_psize - 1);
    uint64_t number = load_u64((const uint8_t *)page);
    if (number > info.me_last_pgno)
        return false;
    pages->map = (const uint8_t *)page - number * stat.ms_psize;
    pages->size = stat.ms_psize;
    pages->last = info.me_last_pgno;
    memcpy(&magic, pages->map + PAGE_HEAD, sizeof(magic));
    return load_u64(pages->map) == 0 && magic == META_MAGIC;
}

void image_fetch_begin(struct image_reader *reader)
{
    MDB_dbi all;
    MDB_val key = {5, (void *)(uintptr_t) "names"}, value;
    reader->pages.depth = 0;
    if (mdb_dbi_open(reader->txn, NULL, 0, &all) != 0 ||
        mdb_get(reader->txn, all, &key, &value) != 0 || value.mv_size != TREE_SIZE ||
        !find_map(reader, value.mv_data))
        return;
    const uint8_t *tree = value.mv_data;
    uint16_t depth = load_u16(tree + 6);
    reader->pages.root = load_u64(tree + 40);
    if (depth <= DEPTH_MAX)
        reader->pages.depth = depth;
}

/* --- pages --- */

/* The page with a number, if it is of a kind; NULL: it is not. */
static const uint8_t *find_page(const struct image_pages *pages, uint64_t number)
{
    return number > 1 && number <= pages->last ? pages->map + number * pages->size : NULL;
}

/* How many nodes a page has. */
static unsigned count_nodes(const struct image_pages *pages, const uint8_t *page, unsigned kind)
{
    unsigned lower = load_u16(page + 12);
    if ((load_u16(page + 10) & (PAGE_BRANCH | PAGE_LEAF)) != kind || lower < PAGE_HEAD ||
        lower > pages->size)
        return 0;
    return (lower - PAGE_HEAD) / 2;
}

/* A node, whose key is all within the page; NULL: it is not. */
static const uint8_t *find_node(const struct image_pages *pages, const uint8_t *page,
                                unsigned index, MDB_val *key)
{
    size_t at = load_u16(page + PAGE_HEAD + 2 * (size_t)index);
    if (at < PAGE_HEAD || at + NODE_HEAD > pages->size)
        return NULL;
    const uint8_t *node = page + at;
    *key = (MDB_val){load_u16(node + 6), (void *)(uintptr_t)(node + NODE_HEAD)};
    return at + NODE_HEAD + key->mv_size <= pages->size ? node : NULL;
}

/* The first of the nodes from `low` on that is not before the key; `count`: none, or a node is odd.
 */
static unsigned search(const struct image_pages *pages, const uint8_t *page, unsigned low,
                       unsigned count, const MDB_val *wanted, bool *exact)
{
    unsigned high = count;
    *exact = false;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        MDB_val key;
        if (find_node(pages, page, middle, &key) == NULL)
            return count;
        int order = image_compare_keys(wanted, &key);
        if (order == 0) {
            *exact = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void fetch(const uint8_t *from, size_t octets)
{
    for (size_t at = 0; at < octets; at += LINE)
        __builtin_prefetch(from + at);
    __builtin_prefetch(from + octets - 1);
}

/* --- the steps --- */

/* From a branch to the next page. */
static void descend(const struct image_pages *pages, struct image_probe *probe)
{
    const uint8_t *page = probe->page;
    probe->page = NULL;
    unsigned count = count_nodes(pages, page, PAGE_BRANCH);
    if (count == 0)
        return;
    bool exact;
    MDB_val wanted = {probe->length, probe->key}, key;
    /* The first node stands for all that comes before the second. */
    unsigned index = search(pages, page, 1, count, &wanted, &exact);
    const uint8_t *node = find_node(pages, page, exact ? index : index - 1, &key);
    if (node == NULL)
        return;
    uint64_t number =
        load_u16(node) | (uint64_t)load_u16(node + 2) << 16 | (uint64_t)load_u16(node + 4) << 32;
    probe->page = find_page(pages, number);
    if (probe->page != NULL)
        fetch(probe->page, LINE);
}

/* Asks for the nodes of a leaf that the search will look at. */
static void fetch_nodes(const struct image_pages *pages, struct image_probe *probe)
{
    probe->count = (uint16_t)count_nodes(pages, probe->page, PAGE_LEAF);
    unsigned step = 1 + (probe->count - 1u) / NODES_MAX;
    for (unsigned i = step / 2; i < probe->count; i += step)
        __builtin_prefetch(probe->page +
                           load_u16(probe->page + PAGE_HEAD + 2 * (size_t)i) % pages->size);
}

/* Where the value of a leaf's node is; NULL: it is not whole, or not of a kind that we know. Its
 * own pages are looked at only when `checked`. */
static const uint8_t *find_value(const struct image_pages *pages, const uint8_t *page,
                                 unsigned index, bool checked, MDB_val *key, MDB_val *value)
{
    const uint8_t *node = find_node(pages, page, index, key);
    if (node == NULL || (load_u16(node + 4) & ~NODE_LARGE) != 0)
        return NULL;
    bool large = load_u16(node + 4) == NODE_LARGE;
    size_t size = load_u16(node) | (size_t)load_u16(node + 2) << 16;
    const uint8_t *data = node + NODE_HEAD + key->mv_size;
    if ((size_t)(data - page) + (large ? sizeof(uint64_t) : size) > pages->size)
        return NULL;
    if (large) {
        uint64_t number = load_u64(data);
        const uint8_t *own = find_page(pages, number);
        if (own == NULL)
            return NULL;
        if (checked) {
            uint64_t count = load_u16(own + 12) | (uint64_t)load_u16(own + 14) << 16;
            if ((load_u16(own + 10) & PAGE_LARGE) == 0 || count > pages->last - number + 1 ||
                size > count * pages->size - PAGE_HEAD)
                return NULL;
        }
        data = own + PAGE_HEAD;
    }
    *value = (MDB_val){size, (void *)(uintptr_t)data};
    return data;
}

/* Finds the name in its leaf, and asks for its value, or for that of what comes before. */
static void find_in_leaf(const struct image_pages *pages, struct image_probe *probe)
{
    MDB_val wanted = {probe->length, (void *)(uintptr_t)probe->key}, key, value;
    probe->index = (uint16_t)search(pages, probe->page, 0, probe->count, &wanted, &probe->exact);
    unsigned index = probe->index - (!probe->exact && probe->index > 0);
    if (index < probe->count &&
        find_value(pages, probe->page, index, false, &key, &value) != NULL && value.mv_size > 0)
        fetch(value.mv_data, value.mv_size < VALUE_MAX ? value.mv_size : VALUE_MAX);
}

/* The probe for a key, each once; NULL: there is none, or it got lost. */
static const struct image_probe *take_probe(struct image_reader *reader, const uint8_t *key,
                                            size_t length)
{
    for (unsigned i = reader->probe_next; i < reader->probe_count; i++) {
        const struct image_probe *probe = &reader->probes[i];
        if (probe->length == length && memcmp(probe->key, key, length) == 0) {
            reader->probe_next = i + 1;
            return probe->page != NULL ? probe : NULL;
        }
    }
    return NULL;
}

bool image_fetched(struct image_reader *reader, const uint8_t *key, size_t length,
                   struct image_neighbours *found)
{
    const struct image_pages *pages = &reader->pages;
    const struct image_probe *probe = take_probe(reader, key, length);
    if (probe == NULL || probe->index >= probe->count)
        return false;
    found->exact = probe->exact;
    if (probe->exact)
        return find_value(pages, probe->page, probe->index, true, &found->before, &found->value) !=
               NULL;
    return probe->index > 0 &&
           find_value(pages, probe->page, probe->index - 1u, true, &found->before, &found->value) !=
               NULL &&
           find_node(pages, probe->page, probe->index, &found->after) != NULL;
}

void image_fetch(struct image_reader *reader, const uint8_t *const names[], unsigned count)
{
    const struct image_pages *pages = &reader->pages;
    const struct image_zone *zone = &reader->near;
    const uint8_t *root = find_page(pages, pages->root);
    reader->probe_next = reader->probe_count = 0;
    if (!reader->near_known || pages->depth < 2 || root == NULL)
        return;
    unsigned probes = 0;
    for (unsigned i = 0; i < count && probes < IMAGE_FETCH_MAX; i++) {
        if (!dns_name_within(names[i], zone->apex))
            continue;
        struct image_probe *probe = &reader->probes[probes++];
        base_store_u32(probe->key, zone->id);
        probe->length = (uint16_t)(4 + dns_name_key(probe->key + 4, names[i], zone->apex_labels));
        probe->page = root;
    }
    for (unsigned level = 1; level < pages->depth; level++) {
        for (unsigned i = 0; i < probes; i++) {
            if (reader->probes[i].page != NULL)
                descend(pages, &reader->probes[i]);
        }
    }
    for (unsigned i = 0; i < probes; i++) {
        if (reader->probes[i].page != NULL)
            fetch_nodes(pages, &reader->probes[i]);
    }
    for (unsigned i = 0; i < probes; i++) {
        if (reader->probes[i].page != NULL)
            find_in_leaf(pages, &reader->probes[i]);
    }
    reader->probe_count = probes;
}
