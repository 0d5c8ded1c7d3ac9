/* Changes of records, from JSON to wire. */
#ifndef API_EDITS_H
#define API_EDITS_H

#include "api/request.h"

/* Reads a body that api_body_read has passed into out->change, for the zone out->zone. Returns the
 * HTTP status as api_request_read does. */
unsigned api_change_read(const json_t *body, struct base_arena *arena,
                         struct base_findings *findings, struct api_request *out);

#endif
