/*
 * Pages for people with a browser: how the server is with its zones, a page at a time, and one zone
 * with what is wrong with it. They are made here from the same replies of the backend that programs
 * get as JSON, so the backend knows nothing of them. Read-only, no scripts, nothing from elsewhere.
 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "api/internal.h"

/* What the reply to the page's operation says. The page goes on with its next operation
 * (API_PARTLY), or is there, and the reply has been given. `body` is taken over. */
void api_page_take(struct api_reply *reply, unsigned status, json_t *body);
void api_page_free(struct api_reply *reply); /* what was taken until now */

/* The digest of the style that stands in the pages, for the policy that allows nothing else. */
#define API_PAGE_STYLE "yCLnOF2wiFMYOk7zNGQbpgB/vxkeLXhl/o29dnI7Ljw="

/* Appends the HTML of the page that was asked for, of `count` parts: the objects that its
 * operations gave, of which the last may be findings instead. `now`: for how long it is until a
 * time. */
void api_page_write(struct base_buf *buf, const struct api_request *request, json_t *const *parts,
                    size_t count, base_time now);

/* Text that cannot be taken for HTML, also between quotes; characters that steer (controls, those
 * of writing direction) become U+FFFD. */
void api_html_text(struct base_buf *buf, const char *text);
/* The value of a parameter in a link. */
void api_html_value(struct base_buf *buf, const char *text);

#endif
