/* HTTP by libmicrohttpd, driven through one epoll descriptor: see api.h. */
#include "api/page.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECTION_MEMORY ((size_t)64 * 1024) /* head of the request, parts of the reply */
#define ROUNDS            16                  /* of work in one api_run */
#define SWALLOW_MAX       (4 * API_BODY_MAX)  /* octets of a body too large that are read off */

/* --- bodies --- */

/* Counts what a body holds, against the sum of all. */
static void count_body(struct api_reply *reply)
{
    reply->api->bodies += reply->body.capacity - reply->held;
    reply->held = reply->body.capacity;
}

static void drop_body(struct api_reply *reply)
{
    base_buf_free(&reply->body);
    count_body(reply);
}

/* Takes octets of the body. They are read off also when they are too many, since the client sends
 * on until it has said all. False: it has said more than enough. */
static bool take_body(struct api_reply *reply, const char *data, size_t length)
{
    reply->seen += length;
    if (reply->seen > API_BODY_MAX)
        reply->too_large = true;
    else if (reply->api->bodies + length > API_BODIES_MAX)
        reply->too_busy = true;
    if (reply->too_large || reply->too_busy) {
        drop_body(reply);
        return reply->seen <= SWALLOW_MAX;
    }
    base_buf_append(&reply->body, data, length);
    count_body(reply);
    return true;
}

/* --- exchanges --- */

/* Begins an exchange, before the target is taken to pieces. */
static void *begin(void *context, const char *target, struct MHD_Connection *connection)
{
    const struct api_gate *gate = context;
    struct api_reply *reply = calloc(1, sizeof(*reply));
    if (reply == NULL)
        return NULL;
    reply->api = gate->api;
    reply->door = gate->door;
    reply->connection = connection;
    reply->target = strdup(target);
    reply->request.reply = reply;
    base_buf_init(&reply->body, API_BODY_MAX);
    base_arena_init(&reply->arena, 0);
    base_findings_init(&reply->findings, 10);
    return reply;
}

static void end(void *context, struct MHD_Connection *connection, void **exchange,
                enum MHD_RequestTerminationCode code)
{
    struct api_reply *reply = *exchange;
    (void)context;
    (void)connection;
    (void)code;
    if (reply == NULL)
        return;
    drop_body(reply);
    api_page_free(reply);
    base_findings_free(&reply->findings);
    base_arena_free(&reply->arena);
    free(reply->target);
    free(reply);
    *exchange = NULL;
}

static enum MHD_Result send_reply(struct api_reply *reply, const char *allow)
{
    struct MHD_Response *response = reply->response;
    base_log(&reply->api->options.log, base_clock_now(), BASE_LOG_DEBUG, "%s %.300s: %u",
             reply->method, reply->target != NULL ? reply->target : "", reply->status);
    if (response == NULL)
        return MHD_queue_response(reply->connection, 500, reply->api->no_memory);
    if (allow != NULL)
        MHD_add_response_header(response, "Allow", allow);
    enum MHD_Result result = MHD_queue_response(reply->connection, reply->status, response);
    MHD_destroy_response(response);
    reply->response = NULL;
    return result;
}

static enum MHD_Result refuse(struct api_reply *reply, unsigned status, enum base_finding_code code,
                              const char *what, size_t limit)
{
    api_reply_error(reply, status, code, "%s; at most %zu octets are taken", what, limit);
    return send_reply(reply, NULL);
}

/* Is a body so large, by its own word, that it shall not even be sent? One that is a little too
 * large is read off, since some clients do not look for a reply before they have said all. */
static bool is_hopeless(const struct api_reply *reply)
{
    const char *length = MHD_lookup_connection_value(reply->connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *expect =
        MHD_lookup_connection_value(reply->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
    return length != NULL &&
           strtoull(length, NULL, 10) > (expect != NULL ? API_BODY_MAX : SWALLOW_MAX);
}

static enum MHD_Result take_head(struct api_reply *reply)
{
    reply->begun = true;
    if (reply->target == NULL)
        return MHD_NO;
    if (strlen(reply->target) > API_TARGET_MAX)
        return refuse(reply, 414, API_TOO_LARGE, "the path is too long", API_TARGET_MAX);
    if (is_hopeless(reply))
        return refuse(reply, 413, API_TOO_LARGE, "the body is too large", API_BODY_MAX);
    return MHD_YES;
}

static enum MHD_Result rest(struct api_reply *reply)
{
    struct api *api = reply->api;
    reply->stage = API_WAITING;
    reply->next = api->waiting;
    reply->link = &api->waiting;
    if (reply->next != NULL)
        reply->next->link = &reply->next;
    api->waiting = reply;
    MHD_suspend_connection(reply->connection);
    return MHD_YES;
}

/* Has the backend answer; one part after the other, for a page. */
static enum MHD_Result ask_backend(struct api_reply *reply)
{
    const struct api_backend *backend = &reply->api->options.backend;
    do {
        if (reply->api->ending) {
            api_reply_error(reply, 503, API_BUSY, "kenterd is being stopped");
            break;
        }
        reply->stage = API_SERVING;
        backend->serve(backend->context, &reply->request);
    } while (reply->stage == API_PARTLY);
    return reply->stage == API_ANSWERED ? send_reply(reply, NULL) : rest(reply);
}

static enum MHD_Result serve(struct api_reply *reply)
{
    const char *allow = NULL;
    if (reply->too_large)
        return refuse(reply, 413, API_TOO_LARGE, "the body is too large", API_BODY_MAX);
    if (reply->too_busy)
        return refuse(reply, 503, API_BUSY, "too much is being sent at once", API_BODIES_MAX);
    if (reply->body.error != BASE_OK) {
        api_reply_json(reply, 500, NULL);
        return send_reply(reply, NULL);
    }
    struct api_input input = {.door = reply->door,
                              .method = reply->method,
                              .target = reply->target,
                              .host = MHD_lookup_connection_value(
                                  reply->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
                              .body = (const char *)reply->body.data,
                              .length = reply->body.length};
    unsigned status =
        api_request_read(&input, &reply->arena, &reply->findings, &reply->request, &allow);
    drop_body(reply);
    if (status != 200) {
        api_reply_findings(reply, status, &reply->findings);
        return send_reply(reply, allow);
    }
    return ask_backend(reply);
}

/* Called when the head is there, for each part of the body, at its end, and after a rest. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *length, void **exchange)
{
    struct api_reply *reply = *exchange;
    (void)context;
    (void)connection;
    (void)path;
    (void)version;
    if (reply == NULL)
        return MHD_NO;
    reply->method = method;
    if (reply->stage == API_ANSWERED)
        return send_reply(reply, NULL);
    if (reply->stage == API_PARTLY)
        return ask_backend(reply);
    if (!reply->begun)
        return take_head(reply);
    if (*length > 0) {
        bool good = take_body(reply, data, *length);
        *length = 0;
        return good ? MHD_YES : MHD_NO;
    }
    return serve(reply);
}

/* Targets are decoded by api_request_read, which knows where a path is divided. */
static size_t leave_encoded(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* --- the server --- */

static int open_gate(struct api *api, struct api_gate *gate, int socket)
{
    gate->api = api;
    gate->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, gate,
        MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)API_IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, begin, gate, MHD_OPTION_NOTIFY_COMPLETED, end, gate,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_END);
    if (gate->daemon == NULL)
        return BASE_EIO;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(gate->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct epoll_event event = {.events = EPOLLIN};
    if (info == NULL || epoll_ctl(api->epoll, EPOLL_CTL_ADD, info->epoll_fd, &event) != 0)
        return BASE_EIO;
    return BASE_OK;
}

static int open_gates(struct api *api)
{
    static char text[] =
        "{\"findings\":[{\"code\":\"api.failed\",\"severity\":\"error\",\"place\":{\"file\":null,"
        "\"line\":null,\"column\":null,\"owner\":null,\"type\":null},\"message\":\"there is no "
        "memory for the reply\",\"why\":\"The machine has run out of memory.\",\"remedy\":\"Free "
        "memory, then try again.\"}]}\n";
    api->no_memory =
        MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
    if (api->no_memory == NULL)
        return BASE_ENOMEM;
    MHD_add_response_header(api->no_memory, "Content-Type", "application/json");
    struct epoll_event event = {.events = EPOLLIN};
    api->epoll = epoll_create1(EPOLL_CLOEXEC);
    api->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (api->epoll < 0 || api->wake < 0 ||
        epoll_ctl(api->epoll, EPOLL_CTL_ADD, api->wake, &event) != 0)
        return BASE_EIO;
    api->gates[1].door = API_DOOR_METRICS;
    int error = open_gate(api, &api->gates[0], api->options.socket);
    if (error == BASE_OK && api->options.metrics >= 0)
        error = open_gate(api, &api->gates[1], api->options.metrics);
    return error;
}

/* Stops the daemons; the listening sockets stay open. */
static void close_gates(struct api *api)
{
    for (size_t i = 0; i < 2; i++) {
        if (api->gates[i].daemon == NULL)
            continue;
        MHD_quiesce_daemon(api->gates[i].daemon);
        MHD_stop_daemon(api->gates[i].daemon);
    }
    if (api->epoll >= 0)
        close(api->epoll);
    if (api->wake >= 0)
        close(api->wake);
    if (api->no_memory != NULL)
        MHD_destroy_response(api->no_memory);
}

int api_new(const struct api_options *options, struct api **out)
{
    struct api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return BASE_ENOMEM;
    api->options = *options;
    api->epoll = api->wake = -1;
    int error = open_gates(api);
    if (error != BASE_OK) {
        int reason = errno;
        close_gates(api);
        free(api);
        errno = reason;
        return error;
    }
    *out = api;
    return BASE_OK;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    api->ending = true;
    while (api->waiting != NULL)
        api_reply_error(api->waiting, 503, API_BUSY, "kenterd is being stopped");
    int timeout;
    api_run(api, &timeout);
    close_gates(api);
    close(api->options.socket);
    if (api->options.metrics >= 0)
        close(api->options.metrics);
    free(api);
}

int api_descriptor(const struct api *api)
{
    return api->epoll;
}

/* Milliseconds until a daemon wants to be called again; -1: it does not. */
static int wanted(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    if (MHD_get_timeout(daemon, &timeout) != MHD_YES)
        return -1;
    return timeout < INT32_MAX ? (int)timeout : INT32_MAX;
}

void api_run(struct api *api, int *timeout_ms)
{
    int least = 0;
    eventfd_t ignored;
    eventfd_read(api->wake, &ignored);
    for (int round = 0; round < ROUNDS && least == 0; round++) {
        least = -1;
        for (size_t i = 0; i < 2; i++) {
            struct MHD_Daemon *daemon = api->gates[i].daemon;
            if (daemon == NULL)
                continue;
            MHD_run(daemon);
            int timeout = wanted(daemon);
            if (timeout >= 0 && (least < 0 || timeout < least))
                least = timeout;
        }
    }
    *timeout_ms = least;
}
