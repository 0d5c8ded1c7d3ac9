/*
 * Looking ahead: the queries of a batch are read, and the memory that their answers need is asked
 * for, before the first of them is answered. Waiting for memory is most of what an answer from a
 * large set of zones costs, and the waits of a batch pass at the same time. See answer.h.
 */
#include "serve/internal.h"

void serve_look_ahead(struct serve_worker *worker, const struct net_packet *packets, unsigned count)
{
    if (count > SERVE_AHEAD_MAX)
        count = SERVE_AHEAD_MAX;
    worker->coming_next = 0;
    worker->coming_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct serve_coming *coming = &worker->coming[i];
        if (packets[i].length < DNS_MESSAGE_HEADER) {
            coming->query.wire = NULL;
            coming->error = BASE_EFORMAT;
            continue;
        }
        coming->error = serve_query_read(&coming->query, packets[i].octets, packets[i].length);
        if (coming->error != BASE_OK || coming->query.name == NULL || worker->cache == NULL)
            continue;
        coming->hash = serve_cache_hash(&coming->query, true);
        serve_cache_fetch_bucket(worker->cache, coming->hash);
    }
    const uint8_t *names[SERVE_AHEAD_MAX];
    unsigned name_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct serve_coming *coming = &worker->coming[i];
        if (coming->error != BASE_OK || coming->query.name == NULL)
            continue;
        if (worker->cache == NULL || !serve_cache_fetch_answer(worker->cache, coming->hash))
            names[name_count++] = coming->query.name;
    }
    if (name_count > 0)
        image_fetch(worker->reader, names, name_count);
}

const struct serve_coming *serve_ahead_take(struct serve_worker *worker, const uint8_t *wire,
                                            size_t length)
{
    /* Nearly always the first: one is left out only when it was answered without being asked of us.
     */
    for (unsigned i = worker->coming_next; i < worker->coming_count; i++) {
        const struct serve_coming *coming = &worker->coming[i];
        if (coming->query.wire == wire && coming->query.length == length) {
            worker->coming_next = i + 1;
            return coming;
        }
    }
    return NULL;
}
