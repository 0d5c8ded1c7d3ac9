/* From operations to a page: see page.h. */
#include "api/page.h"

#include "base/error.h"

#define PAGE_MAX ((size_t)64 << 20) /* octets; a thousand zones take one half of a million */

/* Nothing but the style that stands in the page itself: no scripts, no pictures, nobody else's
 * frame. */
#define PAGE_POLICY                                                                                \
    "default-src 'none'; style-src 'sha256-" API_PAGE_STYLE "'; form-action 'self'; "              \
    "base-uri 'none'; frame-ancestors 'none'"

static const enum api_operation steps[][API_PARTS_MAX] = {
    [API_PAGE_OVERVIEW] = {API_STATUS, API_ZONES},
    [API_PAGE_ZONE] = {API_ZONE, API_WHY, API_LOG},
};
static const size_t step_count[] = {[API_PAGE_OVERVIEW] = 2, [API_PAGE_ZONE] = 3};

void api_page_free(struct api_reply *reply)
{
    while (reply->part_count > 0)
        json_decref(reply->parts[--reply->part_count]);
}

static void finish(struct api_reply *reply, unsigned status)
{
    struct base_buf buf;
    base_buf_init(&buf, PAGE_MAX);
    api_page_write(&buf, &reply->request, reply->parts, reply->part_count, base_clock_now());
    api_page_free(reply);
    struct MHD_Response *response = NULL;
    if (buf.error == BASE_OK)
        response = MHD_create_response_from_buffer(buf.length, buf.data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        base_buf_free(&buf);
    } else {
        MHD_add_response_header(response, "Content-Security-Policy", PAGE_POLICY);
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
        MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
        MHD_add_response_header(response, "X-Frame-Options", "DENY");
    }
    api_give(reply, status, response, "text/html; charset=utf-8");
}

void api_page_take(struct api_reply *reply, unsigned status, json_t *body)
{
    if (body == NULL) {
        api_page_free(reply);
        api_give(reply, 500, NULL, NULL);
        return;
    }
    reply->parts[reply->part_count++] = body;
    if (status != 200 || reply->part_count == step_count[reply->request.page]) {
        finish(reply, status);
        return;
    }
    reply->request.operation = steps[reply->request.page][reply->part_count];
    api_go_on(reply, API_PARTLY);
}
