/*
 * What the readers of trust anchors share. Private to src/validate/anchors*.c.
 */
#ifndef VALIDATE_ANCHORS_PARTS_H
#define VALIDATE_ANCHORS_PARTS_H

#include "validate/anchors.h"

/* More records of one name are refused: nobody has so many, and each is compared with each key. */
#define VALIDATE_ANCHOR_RECORDS_MAX 64

/* The state of reading one text. */
struct validate_anchors_reader {
    struct validate_anchors *anchors; /* what was read so far */
    struct base_findings *findings;
    const char *file;
    const char *text;
    size_t length;
    bool refused; /* a finding says why */
};

/* Adds an anchor that was read. An unfit one is left out with a finding, one that is malformed
 * makes the whole file refused. BASE_ENOMEM. */
int validate_anchors_take(struct validate_anchors_reader *reader, const uint8_t *name,
                          uint16_t type, const uint8_t *rdata, size_t length, base_time from,
                          base_time until, uint32_t line);
/* Adds what is written as the tokens of rdata. */
int validate_anchors_take_text(struct validate_anchors_reader *reader, const uint8_t *name,
                               uint16_t type, const struct dns_token *tokens, size_t count,
                               uint32_t line);
/* Refuses the text for what is at `line` (0: the whole). */
void validate_anchors_refuse(struct validate_anchors_reader *reader, enum base_finding_code code,
                             uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The forms. BASE_ENOMEM; refusals are in `reader`. */
int validate_anchors_read_lines(struct validate_anchors_reader *reader);
int validate_anchors_read_bind(struct validate_anchors_reader *reader);
int validate_anchors_read_xml(struct validate_anchors_reader *reader);
/* True when the text has one of BIND's statements. */
bool validate_anchors_is_bind(const char *text, size_t length);

#endif
