/*
 * Zones to text, on several threads.
 */
#ifndef ZONE_WRITE_H
#define ZONE_WRITE_H

#include "base/file.h"
#include "zone/zone.h"

enum zone_text_form {
    ZONE_TEXT_LINES,  /* one record a line, absolute names, TTL and class always: for machines */
    ZONE_TEXT_PRETTY, /* $ORIGIN, $TTL, relative names, owner once, columns: for people */
    ZONE_TEXT_JSON,   /* an array of {"name","ttl","class","type","rdata","data":{…}} */
};

struct zone_write_options {
    enum zone_text_form form;
    bool source_order; /* as written, by file and line; otherwise canonical, but the SOA first */
    unsigned threads;  /* 0: one per CPU */
    void (*progress)(void *context, size_t nodes_done, size_t nodes_all); /* may be NULL */
    void *progress_context;
};

/* Writes the zone to `writer`, which the caller commits or aborts. BASE_ENOMEM; BASE_EIO of the
 * writer (see errno). */
int zone_write(const struct zone *zone, const struct zone_write_options *options,
               struct base_file_writer *writer);

#endif
