/*
 * A zone to a stream of octets: pieces of it are put into buffers on all threads, and the buffers
 * are taken in order. Inside of the zone folder; serves zone_write and zone_zonemd.
 */
#ifndef ZONE_PIECES_H
#define ZONE_PIECES_H

#include "base/buf.h"
#include "zone/zone.h"

struct zone_pieces {
    /* Where a piece that begins at `first` ends. `first` is below `count`. */
    size_t (*end)(const void *context, size_t first);
    /* Fills the buffer with the items [first, end). */
    int (*fill)(const void *context, size_t first, size_t end, struct base_buf *buf);
    /* Takes the next piece; the items before `end` are done with it. */
    int (*take)(void *taker, const void *data, size_t length, size_t end);
    const void *context;
    void *taker;
    size_t count; /* items */
    unsigned threads;
};
/* Returns the first error of a function, or BASE_ENOMEM. */
int zone_pieces_run(const struct zone_pieces *pieces);

#define ZONE_PIECE_RECORDS 4096 /* a good number of records for a piece */

/* Where a piece of nodes that begins at node `first` ends, so that it has about that many. */
size_t zone_piece_end(const struct zone *zone, size_t first);

#endif
