/*
 * Findings: what Kenter tells a human. Every finding has a stable code, a severity, a place, and
 * says what is wrong; the catalogue adds why it matters and what to do. Command line, API, console
 * and logs all show the same object.
 *
 * The catalogue is one table, kept in findings/PART.def as rows
 *     FINDING(SYMBOL, "group.code", severity, "title", "why it matters", "what to do")
 * Codes are stable: they are never renamed or used again for something else.
 */
#ifndef BASE_FINDING_H
#define BASE_FINDING_H

#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum base_severity {
    BASE_INFO,    /* good to know */
    BASE_WARNING, /* works, but will surprise somebody */
    BASE_ERROR,   /* broken: names fail to resolve or validate, or input cannot be used */
};

enum base_finding_code {
#define FINDING(symbol, code, severity, title, why, remedy) symbol,
#include "base/findings.def"
#undef FINDING
    BASE_FINDING_COUNT
};

struct base_finding_info {
    const char *code; /* "zone.cname-and-other-data" */
    enum base_severity severity;
    const char *title;
    const char *why;
    const char *remedy;
};

/* The catalogue's row for a code. */
const struct base_finding_info *base_finding_info(enum base_finding_code code);
/* Finds a code by its text, ignoring case; -1 when there is none. */
int base_finding_by_name(const char *code);

/* Where: a place in a file, or in a zone, or both. Unknown parts are NULL or 0. */
struct base_place {
    const char *file;
    uint32_t line;     /* from 1 */
    uint32_t column;   /* from 1, in bytes */
    const char *owner; /* presentation format */
    const char *type;  /* "MX"; NULL when it is about the name */
};

struct base_finding {
    enum base_finding_code code;
    enum base_severity severity;
    struct base_place place; /* texts owned by the list */
    const char *message;     /* one sentence: what is wrong, with the values */
};

/* A list of findings, with a bound: of each code at most `per_code` are kept, the others only
 * counted. One thread at a time; workers use a list each and join them with
 * base_findings_absorb. */
struct base_findings {
    struct base_arena arena;
    struct base_finding *items;
    size_t count;
    size_t capacity;
    size_t per_code;
    size_t totals[3];                     /* by severity, kept or not */
    uint32_t by_code[BASE_FINDING_COUNT]; /* by code, kept or not */
};

#define BASE_FINDINGS_PER_CODE 1000

/* An empty list; takes no memory yet. `per_code`: usually BASE_FINDINGS_PER_CODE. */
void base_findings_init(struct base_findings *findings, size_t per_code);
/* Gives the memory back; the list is empty and usable again. */
void base_findings_free(struct base_findings *findings);

/* Adds a finding with the catalogue's severity. `place` (NULL: nowhere) and the message, of which
 * 1023 octets are kept, are copied. Without memory it is counted all the same. */
void base_findings_add(struct base_findings *findings, enum base_finding_code code,
                       const struct base_place *place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with another severity, for those who wrap it. */
void base_findings_addv(struct base_findings *findings, enum base_finding_code code,
                        enum base_severity severity, const struct base_place *place,
                        const char *format, va_list args);
/* True when a finding of this code would still be kept: callers skip building texts otherwise,
 * and must call base_findings_count instead. */
bool base_findings_wants(const struct base_findings *findings, enum base_finding_code code);
/* Counts one without keeping it. */
void base_findings_count(struct base_findings *findings, enum base_finding_code code);
/* Moves everything of `from` to the end of `into`. */
void base_findings_absorb(struct base_findings *into, struct base_findings *from);
/* Orders by file, line, column; then owner; keeps the order of equals. */
void base_findings_sort(struct base_findings *findings);
/* True when there is a finding of severity error. */
bool base_findings_bad(const struct base_findings *findings);
const char *base_severity_name(enum base_severity severity); /* "error" */

#endif
