/*
 * Asking for memory before it is needed. A look-up in a large image waits for memory several times,
 * for the page of the leaf, for the names in it, and for the value, and the processor can wait for
 * many such things at the same time if only it knows of them. So the names of a batch are walked to
 * their leaves here, a step of all names after the other, and each step asks for what the next one
 * reads.
 *
 * LMDB cannot be asked to do this, so its pages are read as they lie in the map (the format of its
 * version 1, which it checks when it opens the file). Nothing is decided here: whatever looks odd
 * ends the walk, and the look-up by LMDB that follows waits for itself.
 */
#include "image/internal.h"

#include <string.h>

#define PAGE_HEAD   16 /* number (8), 2 unused, flags (2), end of the pointers (2), 2 more */
#define NODE_HEAD   8  /* low, high, flags, size of the key: 2 octets each */
#define PAGE_BRANCH 1
#define PAGE_LEAF   2
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

/* The first of the nodes from `low` on that is not before the key; `count`: none. */
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

/* Asks for a value, which may lie on pages of its own. */
static void fetch_value(const struct image_pages *pages, const uint8_t *page, unsigned index)
{
    MDB_val key;
    const uint8_t *node = find_node(pages, page, index, &key);
    if (node == NULL)
        return;
    size_t size = load_u16(node) | (size_t)load_u16(node + 2) << 16;
    const uint8_t *value = node + NODE_HEAD + key.mv_size;
    if ((load_u16(node + 4) & 1) != 0) {
        if ((size_t)(value - page) + 8 > pages->size ||
            (value = find_page(pages, load_u64(value))) == NULL)
            return;
        value += PAGE_HEAD;
    }
    fetch(value, size < VALUE_MAX ? size + 1 : VALUE_MAX);
}

/* Finds the name in its leaf: its value, or that of what comes before. */
static void fetch_found(const struct image_pages *pages, const struct image_probe *probe)
{
    bool exact;
    MDB_val wanted = {probe->length, (void *)(uintptr_t)probe->key};
    unsigned index = search(pages, probe->page, 0, probe->count, &wanted, &exact);
    if (!exact && index > 0)
        index--;
    if (index < probe->count)
        fetch_value(pages, probe->page, index);
}

void image_fetch(struct image_reader *reader, const uint8_t *const names[], unsigned count)
{
    const struct image_pages *pages = &reader->pages;
    const struct image_zone *zone = &reader->near;
    const uint8_t *root = find_page(pages, pages->root);
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
            fetch_found(pages, &reader->probes[i]);
    }
}
