/*
 * What terminal, graph and picture draw alike: a result as blocks. A zone is a block with its DS
 * and keys; what was found in a zone (data, aliases, denials) is a block that hangs below it.
 * Blocks form trees, from the anchors down.
 */
#ifndef RESOLVE_SHOW_MODEL_H
#define RESOLVE_SHOW_MODEL_H

#include "base/arena.h"
#include "resolve/show.h"

enum show_row_kind {
    SHOW_ROW_HEAD,   /* what the rows after it are about: "www.example. A" */
    SHOW_ROW_FACT,   /* a DS, a key, a record */
    SHOW_ROW_PROOF,  /* a signature */
    SHOW_ROW_REMARK, /* a phrase */
};

/* How a row is to be taken. */
enum show_tone {
    SHOW_PLAIN,
    SHOW_GOOD,
    SHOW_DOUBT,
    SHOW_BAD,
    SHOW_FAINT, /* of no weight for the verdict */
};

struct show_row {
    enum show_row_kind kind;
    enum show_tone tone;
    const char *label; /* "DS", "key"; "" */
    const char *text;
};

#define SHOW_NO_BLOCK SIZE_MAX

struct show_block {
    const char *title; /* "example."; "found in example." */
    enum validate_status status;
    bool data;        /* what was found, no zone */
    size_t parent;    /* smaller than its own index; SHOW_NO_BLOCK */
    const char *link; /* what leads here from the parent: "DS 4711"; "" */
    enum show_tone link_tone;
    struct show_row *rows;
    size_t row_count, row_room;
    /* Its children, in their order. */
    size_t first_child, last_child, next; /* SHOW_NO_BLOCK */
    const uint8_t *zone;                  /* the name behind it */
};

struct show_model {
    struct base_arena arena;
    struct show_block *blocks;
    size_t count;
    uint32_t *order; /* of the findings: show_finding_order */
};

/* BASE_ENOMEM. */
int show_model_make(const struct validate_result *result, struct show_model *model);
void show_model_free(struct show_model *model);

enum show_tone show_tone_of_status(enum validate_status status);
enum show_tone show_tone_of_severity(enum base_severity severity);

/* Is the answer one that may be used? A bogus one is shown as part of the proof only. */
bool show_is_usable(const struct validate_result *result);

/* --- words, also for JSON --- */

/* The purpose of an info code of RFC 8914 and its registry: "Signature Expired"; NULL: not known.
 */
const char *show_ede_name(int ede);
/* "ECDSAP256SHA256", or "algorithm 99". */
#define SHOW_ALGORITHM_TEXT 32
const char *show_algorithm(char out[SHOW_ALGORITHM_TEXT], unsigned algorithm);
const char *show_answer_kind_name(enum validate_answer_kind kind); /* "data" */
/* "NOERROR", or "RCODE99". */
#define SHOW_RCODE_TEXT 16
const char *show_rcode(char out[SHOW_RCODE_TEXT], unsigned rcode);
/* "2026-12-01 12:00 (in 9d 3h)", UTC */
#define SHOW_WHEN_TEXT 64
const char *show_when(char out[SHOW_WHEN_TEXT], base_time time, base_time now);
/* How something stands to the finding `cause` it follows from: the depth of a finding, the first
 * being 0. Bounded, whatever the indexes are. */
unsigned show_finding_depth(const struct validate_result *result, size_t index);
/* The findings in the order of showing: what follows from one stands right after it. `order` has
 * room for all of them. */
void show_finding_order(const struct validate_result *result, uint32_t *order);

/* Takes the next line of at most `width` columns (at least 1) off a text: its length in octets;
 * *text moves behind it and the spaces that follow. 0 at the end. Breaks at spaces where it can,
 * never within a character. */
size_t show_line(const char **text, size_t width);
/* Appends `length` octets; control characters, which a terminal would obey, become "?". */
void show_safe(struct base_buf *out, const char *text, size_t length);
/* Appends text as XML character data (also for attributes in double quotes). */
void show_xml(struct base_buf *out, const char *text, size_t length);

#endif
