/*
 * YAML with places: a parsed document is a tree of nodes that know their line and column, so that
 * an error can name them. Aliases, anchors, tags and several documents in one file are refused:
 * configuration does not need them.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/arena.h"
#include "base/finding.h"

enum base_yaml_kind { BASE_YAML_SCALAR, BASE_YAML_LIST, BASE_YAML_MAP };

struct base_yaml {
    enum base_yaml_kind kind;
    uint32_t line, column;         /* from 1 */
    const char *text;              /* scalar: value; NUL-terminated */
    const char *key;               /* in a map: this entry's key, else NULL */
    uint32_t key_line, key_column; /* of the key */
    struct base_yaml *next;        /* the next sibling */
    struct base_yaml *first;       /* list and map: the first child */
    size_t count;                  /* children */
};

/* Parses `length` bytes at `data`; `file` is for messages. Nodes live in `arena`. An empty document
 * gives an empty map. BASE_EFORMAT, and BASE_ELIMIT when it is nested more than 32 deep, or has
 * more than 100 000 values or 4096 entries in one map, both with a finding POLICY_INVALID;
 * BASE_ENOMEM. */
int base_yaml_parse(const char *file, const void *data, size_t length, struct base_arena *arena,
                    struct base_findings *findings, struct base_yaml **root);
/* The entry of a map by key; NULL when absent or not a map. */
const struct base_yaml *base_yaml_get(const struct base_yaml *map, const char *key);

#endif
