/* What the files of the API's backend share. */
#ifndef CONTROL_BACKEND_H
#define CONTROL_BACKEND_H

#include "control/internal.h"

enum api_state control_zone_state(const struct control_zone *zone, base_time now);
json_t *control_zone_object(const struct control_zone *zone, base_time now);

/* backend_read.c: out of the image */
void control_serve_records(struct control *control, const struct api_request *request);
void control_serve_file(struct control *control, const struct api_request *request);
/* A zone of the text of a zone file. */
int control_zone_of_text(const char *text, size_t length,
                         const struct dns_zonefile_options *options, struct base_findings *findings,
                         struct zone **out);

/* tlsa_reply.c */
void control_serve_tlsa_list(struct control *control, const struct api_request *request);
void control_serve_tlsa(struct control *control, const struct api_request *request);
void control_serve_tlsa_look(struct control *control, const struct api_request *request);

/* backend_status.c */
void control_serve_status(struct control *control, const struct api_request *request);
void control_serve_health(struct control *control, const struct api_request *request);
void control_scrapes_drop(struct control *control); /* the API has ended */
void control_serve_metrics(struct control *control, const struct api_request *request);

/* A reply that is given when the work on a zone is over. */
void control_wait_for(struct control_zone *zone, struct api_reply *reply);

#endif
