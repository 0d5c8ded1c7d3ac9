/*
 * What an IXFR says (RFC 1995): the steps of the image's history from a client's serial on, as one
 * after the other, or condensed into one difference (section 5): what was added and removed again
 * on the way is left out.
 */
#ifndef FRONT_DIFFERENCE_H
#define FRONT_DIFFERENCE_H

#include "front/message.h"
#include "image/image.h"

/* Longer histories are not condensed: that would keep the worker from other queries for more than a
 * few milliseconds. */
#define FRONT_CONDENSE_MAX ((size_t)2 << 20) /* octets */

struct front_difference;

/* The difference from `serial` to the version that the reader sees, of at most `octets` of history.
 * What it points to is the reader's: good until that is renewed or released. BASE_ENOENT: the
 * history does not reach so far; BASE_ELIMIT: it is longer; BASE_EFORMAT: damage; BASE_ENOMEM. */
int front_difference_new(struct image_reader *reader, const struct image_zone *zone,
                         uint32_t serial, size_t octets, struct front_difference **out);
void front_difference_free(struct front_difference *difference); /* NULL allowed */
/* How many records next will give. */
size_t front_difference_count(const struct front_difference *difference);
/* How many steps they stand for, and whether they were made into one. */
size_t front_difference_steps(const struct front_difference *difference, bool *condensed);
/* The next record, in the order of RFC 1995: old SOA, what is removed, new SOA, what is added; more
 * than once when it is not condensed. The SOAs before and after all of that are the caller's.
 * It points to memory that holds until the next call. BASE_ENOENT: that was all. */
int front_difference_next(struct front_difference *difference, struct front_record *record);

#endif
