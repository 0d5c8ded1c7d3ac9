/* Pieces of a zone through an ordered pipeline: see pieces.h. */
#include "zone/pieces.h"

#include "base/error.h"
#include "base/thread.h"

#include <stdint.h>
#include <stdlib.h>

#define DEPTH_BY_WORKER 4

size_t zone_piece_end(const struct zone *zone, size_t first)
{
    size_t records = 0;
    size_t end = first;
    do {
        const struct zone_node *node = &zone->nodes[end++];
        for (unsigned i = 0; i < node->rrset_count; i++)
            records += zone->rrsets[node->first_rrset + i].count;
    } while (end < zone->node_count && records < ZONE_PIECE_RECORDS);
    return end;
}

struct piece {
    size_t first;
    size_t end;
    struct base_buf buf;
};

struct run {
    const struct zone_pieces *pieces;
    size_t next; /* item */
    size_t made; /* pieces */
    size_t depth;
    struct piece *ring; /* at most `depth` pieces are under way, so each has one to itself */
};

static int make(void *context, void **out)
{
    struct run *run = context;
    if (run->next >= run->pieces->count)
        return BASE_OK;
    struct piece *piece = &run->ring[run->made++ % run->depth];
    piece->first = run->next;
    piece->end = run->pieces->end(run->pieces->context, run->next);
    run->next = piece->end;
    *out = piece;
    return BASE_OK;
}

static int work(void *context, void *made, unsigned worker)
{
    const struct run *run = context;
    struct piece *piece = made;
    base_buf_reset(&piece->buf);
    int error = run->pieces->fill(run->pieces->context, piece->first, piece->end, &piece->buf);
    return error != BASE_OK ? error : piece->buf.error;
}

static int take(void *context, void *made)
{
    const struct run *run = context;
    const struct piece *piece = made;
    return run->pieces->take(run->pieces->taker, piece->buf.data, piece->buf.length, piece->end);
}

int zone_pieces_run(const struct zone_pieces *pieces)
{
    struct run run = {.pieces = pieces,
                      .depth = base_thread_count(pieces->threads) * (size_t)DEPTH_BY_WORKER};
    run.ring = calloc(run.depth, sizeof(*run.ring));
    if (run.ring == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < run.depth; i++)
        base_buf_init(&run.ring[i].buf, SIZE_MAX / 2);
    const struct base_pipeline pipeline = {
        .make = make, .work = work, .take = take, .context = &run};
    int error = base_pipeline_run(&pipeline, pieces->threads, run.depth);
    for (size_t i = 0; i < run.depth; i++)
        base_buf_free(&run.ring[i].buf);
    free(run.ring);
    return error;
}
