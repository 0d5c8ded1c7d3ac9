/* Replies: see api.h. Whatever way one is given, it ends in `give`. */
#include "api/page.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define JSON_TYPE "application/json"

static void set_headers(struct MHD_Response *response, const char *content_type)
{
    /* A header that could not be set for lack of memory breaks nothing. */
    MHD_add_response_header(response, "Content-Type", content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
}

void api_go_on(struct api_reply *reply, enum api_stage stage)
{
    bool waited = reply->stage == API_WAITING;
    reply->stage = stage;
    if (!waited)
        return;
    *reply->link = reply->next;
    if (reply->next != NULL)
        reply->next->link = reply->link;
    MHD_resume_connection(reply->connection);
    /* A daemon without threads does not wake its own descriptor. */
    eventfd_write(reply->api->wake, 1);
}

void api_give(struct api_reply *reply, unsigned status, struct MHD_Response *response,
              const char *content_type)
{
    if (response != NULL)
        set_headers(response, content_type);
    reply->response = response;
    reply->status = response != NULL ? status : 500;
    api_go_on(reply, API_ANSWERED);
}

void api_reply_text(struct api_reply *reply, unsigned status, const char *content_type, char *text,
                    size_t length)
{
    struct MHD_Response *response = NULL;
    if (text != NULL)
        response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    api_give(reply, status, response, content_type);
}

void api_reply_json(struct api_reply *reply, unsigned status, json_t *body)
{
    if (reply->request.page != API_PAGE_NONE) {
        api_page_take(reply, status, body);
        return;
    }
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    char *json = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (json != NULL) {
        base_buf_text(&text, json);
        base_buf_u8(&text, '\n');
        free(json);
    }
    if (text.error != BASE_OK || text.length == 0) {
        base_buf_free(&text);
        api_give(reply, 500, NULL, JSON_TYPE);
        return;
    }
    api_reply_text(reply, status, JSON_TYPE, (char *)text.data, text.length);
}

void api_reply_findings(struct api_reply *reply, unsigned status,
                        const struct base_findings *findings)
{
    api_reply_json(reply, status, json_pack("{s:o}", "findings", api_findings(findings)));
}

void api_reply_error(struct api_reply *reply, unsigned status, enum base_finding_code code,
                     const char *format, ...)
{
    struct base_findings findings;
    base_findings_init(&findings, 1);
    va_list args;
    va_start(args, format);
    base_findings_addv(&findings, code, base_finding_info(code)->severity, NULL, format, args);
    va_end(args);
    api_reply_findings(reply, status, &findings);
    base_findings_free(&findings);
}

/* A body that comes in pieces, and the piece that is going out. */
struct pieces {
    int (*next)(void *context, char **text, size_t *length);
    void (*done)(void *context);
    void *context;
    char *text;
    size_t length, at;
};

static void free_pieces(void *context)
{
    struct pieces *pieces = context;
    if (pieces->done != NULL)
        pieces->done(pieces->context);
    free(pieces->text);
    free(pieces);
}

static ssize_t read_pieces(void *context, uint64_t position, char *out, size_t room)
{
    struct pieces *pieces = context;
    (void)position;
    while (pieces->at == pieces->length) {
        free(pieces->text);
        pieces->text = NULL;
        pieces->length = pieces->at = 0;
        int error = pieces->next(pieces->context, &pieces->text, &pieces->length);
        if (error == BASE_ENOENT)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (error != BASE_OK)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t length = pieces->length - pieces->at;
    if (length > room)
        length = room;
    memcpy(out, pieces->text + pieces->at, length);
    pieces->at += length;
    return (ssize_t)length;
}

void api_reply_pieces(struct api_reply *reply, unsigned status, const char *content_type,
                      int (*next)(void *context, char **text, size_t *length),
                      void (*done)(void *context), void *context)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));
    struct MHD_Response *response = NULL;
    if (pieces != NULL) {
        *pieces = (struct pieces){.next = next, .done = done, .context = context};
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, read_pieces, pieces,
                                                     free_pieces);
        if (response == NULL)
            free_pieces(pieces);
    } else if (done != NULL) {
        done(context);
    }
    api_give(reply, status, response, content_type);
}
