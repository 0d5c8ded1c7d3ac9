/*
 * Records as text and JSON, one at a time, for verbs that print a few.
 */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include "base/buf.h"
#include "dns/rdata.h"

/* "example. 3600 IN DS 1 13 2 …", without line end. */
void cli_record_text(struct base_buf *buf, const uint8_t *owner, uint32_t ttl, uint16_t type,
                     const uint8_t *rdata, size_t length);
/* "name":…,"ttl":…,"class":"IN","type":…,"rdata":"…", without braces. */
void cli_record_json(struct base_buf *buf, const uint8_t *owner, uint32_t ttl, uint16_t type,
                     const uint8_t *rdata, size_t length);

#endif
