/*
 * DNS over HTTPS (RFC 8484): libcurl's multi interface, which tells what sockets and times it waits
 * for, so that it runs in the loop of the context. Addresses are known beforehand: nothing is
 * looked up here. Proxies, redirections, cookies and their like are not used.
 */
#include "base/clock.h"
#include "base/error.h"
#include "dns/message.h"
#include "resolve/internal.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND    UINT64_C(1000000)
#define CONNECTIONS    8
#define CONTENT_TYPE   "application/dns-message"
#define URL_MAX        640
#define RESPONSE_FIRST 2048

/* A socket of libcurl's. */
struct outlet {
    struct resolve_https *https;
    struct outlet *next, *previous;
    struct net_watch watch;
};

struct resolve_https_call {
    struct resolve_https *https;
    struct resolve_https_question *question;
    struct resolve_https_call *next, *previous;
    CURL *easy;
    struct curl_slist *headers, *addresses;
    uint8_t *response;
    size_t length, capacity;
    char problem[CURL_ERROR_SIZE];
    uint8_t message[RESOLVE_QUERY_MAX];
};

struct resolve_https {
    struct net_loop *loop;
    const char *tls_ca;
    CURLM *multi;
    struct net_timer timer;
    struct outlet *outlets;
    struct resolve_https_call *calls;
};

static void call_free(struct resolve_https_call *call)
{
    if (call == NULL)
        return;
    if (call->easy != NULL) {
        curl_multi_remove_handle(call->https->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->addresses);
    free(call->response);
    free(call);
}

static void unlink_call(struct resolve_https_call *call)
{
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        call->https->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
}

/* --- what came --- */

static enum net_reply_kind kind_of(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return NET_REPLY_SILENCE;
    case CURLE_OUT_OF_MEMORY:
        return NET_REPLY_LOCAL;
    case CURLE_WRITE_ERROR:
        return NET_REPLY_GARBAGE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return NET_REPLY_TLS;
    default:
        return NET_REPLY_UNREACHABLE;
    }
}

static struct net_reply judge(struct resolve_https_call *call, CURLcode code, char why[RESOLVE_WHY])
{
    struct net_reply reply = {.why = why};
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    if (code != CURLE_OK) {
        reply.kind = kind_of(code);
        snprintf(why, RESOLVE_WHY, "%.200s",
                 code == CURLE_WRITE_ERROR  ? "the answer is longer than a DNS message can be"
                 : call->problem[0] != '\0' ? call->problem
                                            : curl_easy_strerror(code));
    } else if (status != 200) {
        reply.kind = NET_REPLY_UNREACHABLE;
        snprintf(why, RESOLVE_WHY, "the server answers with HTTP status %ld", status);
    } else if (type == NULL || strncasecmp(type, CONTENT_TYPE, strlen(CONTENT_TYPE)) != 0 ||
               call->length < DNS_MESSAGE_HEADER) {
        reply.kind = NET_REPLY_GARBAGE;
        snprintf(why, RESOLVE_WHY, "what came over HTTPS is no DNS message");
    } else {
        reply = (struct net_reply){
            .kind = NET_REPLY_ANSWER, .message = call->response, .length = call->length};
    }
    return reply;
}

static void end_calls(struct resolve_https *https)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(https->multi, &left)) != NULL;) {
        struct resolve_https_call *call = NULL;
        char why[RESOLVE_WHY] = "";
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        unlink_call(call);
        struct net_reply reply = judge(call, code, why);
        call->question->done(call->question, &reply);
        call_free(call);
    }
}

static size_t take_response(char *data, size_t size, size_t count, void *context)
{
    struct resolve_https_call *call = context;
    size_t length = size * count;
    if (length > DNS_MESSAGE_MAX - call->length)
        return 0;
    if (length > call->capacity - call->length) {
        size_t capacity = call->capacity != 0 ? call->capacity : RESPONSE_FIRST;
        while (capacity - call->length < length)
            capacity *= 2;
        uint8_t *response = realloc(call->response, capacity);
        if (response == NULL)
            return 0;
        call->response = response;
        call->capacity = capacity;
    }
    memcpy(call->response + call->length, data, length);
    call->length += length;
    return length;
}

/* --- sockets and times --- */

static void ready(struct net_watch *watch, short events)
{
    struct outlet *outlet = (struct outlet *)((char *)watch - offsetof(struct outlet, watch));
    struct resolve_https *https = outlet->https;
    int running, flags = 0;
    if (events & (POLLIN | POLLHUP))
        flags |= CURL_CSELECT_IN;
    if (events & POLLOUT)
        flags |= CURL_CSELECT_OUT;
    if (events & POLLERR)
        flags |= CURL_CSELECT_ERR;
    /* The outlet may be gone after this. */
    curl_multi_socket_action(https->multi, watch->fd, flags, &running);
    end_calls(https);
}

static void due(struct net_timer *timer)
{
    struct resolve_https *https =
        (struct resolve_https *)((char *)timer - offsetof(struct resolve_https, timer));
    int running;
    curl_multi_socket_action(https->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    end_calls(https);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct resolve_https *https = context;
    if (timeout_ms < 0)
        net_loop_unset(https->loop, &https->timer);
    else
        net_loop_set(https->loop, &https->timer,
                     base_clock_monotonic() + (uint64_t)timeout_ms * MILLISECOND);
    return 0;
}

static struct outlet *outlet_new(struct resolve_https *https, curl_socket_t fd)
{
    struct outlet *outlet = calloc(1, sizeof(*outlet));
    if (outlet == NULL)
        return NULL;
    outlet->https = https;
    outlet->watch = (struct net_watch){.fd = fd, .ready = ready};
    outlet->next = https->outlets;
    if (outlet->next != NULL)
        outlet->next->previous = outlet;
    https->outlets = outlet;
    curl_multi_assign(https->multi, fd, outlet);
    return outlet;
}

static void outlet_free(struct outlet *outlet)
{
    struct resolve_https *https = outlet->https;
    net_loop_watch(https->loop, &outlet->watch, 0);
    if (outlet->previous != NULL)
        outlet->previous->next = outlet->next;
    else
        https->outlets = outlet->next;
    if (outlet->next != NULL)
        outlet->next->previous = outlet->previous;
    free(outlet);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct resolve_https *https = context;
    struct outlet *outlet = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (outlet != NULL)
            outlet_free(outlet);
        curl_multi_assign(https->multi, fd, NULL);
        return 0;
    }
    if (outlet == NULL)
        outlet = outlet_new(https, fd);
    short events = 0;
    if (what & CURL_POLL_IN)
        events |= POLLIN;
    if (what & CURL_POLL_OUT)
        events |= POLLOUT;
    if (outlet == NULL || net_loop_watch(https->loop, &outlet->watch, events) != BASE_OK)
        return -1;
    return 0;
}

/* --- asking --- */

int resolve_https_new(const struct resolve_ground *ground, struct resolve_https **out)
{
    struct resolve_https *https = calloc(1, sizeof(*https));
    if (https == NULL)
        return BASE_ENOMEM;
    https->loop = ground->loop;
    https->tls_ca = ground->tls_ca;
    https->timer.due = due;
    https->multi = curl_multi_init();
    if (https->multi == NULL) {
        free(https);
        return BASE_ENOMEM;
    }
    curl_multi_setopt(https->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(https->multi, CURLMOPT_SOCKETDATA, https);
    curl_multi_setopt(https->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(https->multi, CURLMOPT_TIMERDATA, https);
    curl_multi_setopt(https->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS);
    curl_multi_setopt(https->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    *out = https;
    return BASE_OK;
}

void resolve_https_free(struct resolve_https *https)
{
    if (https == NULL)
        return;
    while (https->calls != NULL)
        resolve_https_cancel(https->calls->question);
    curl_multi_cleanup(https->multi);
    while (https->outlets != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        outlet_free(https->outlets);
    net_loop_unset(https->loop, &https->timer);
    free(https);
}

/* The URL, and the address that its name has: with the port of the server. */
static bool set_place(struct resolve_https_call *call, const struct resolve_server *server)
{
    char where[NET_ADDRESS_TEXT], url[URL_MAX], pinned[URL_MAX];
    unsigned port = net_address_port(&server->address);
    bool v6 = server->address.any.sa_family == AF_INET6;
    net_address_text(&server->address, where);
    where[strcspn(where, "@%")] = '\0';
    const char *open = v6 ? "[" : "", *shut = v6 ? "]" : "";
    if (server->host[0] == '\0') {
        snprintf(url, sizeof(url), "https://%s%s%s:%u%s", open, where, shut, port, server->path);
    } else {
        snprintf(url, sizeof(url), "https://%s:%u%s", server->host, port, server->path);
        snprintf(pinned, sizeof(pinned), "%s:%u:%s%s%s", server->host, port, open, where, shut);
        call->addresses = curl_slist_append(NULL, pinned);
        if (call->addresses == NULL ||
            curl_easy_setopt(call->easy, CURLOPT_RESOLVE, call->addresses) != CURLE_OK)
            return false;
    }
    return curl_easy_setopt(call->easy, CURLOPT_URL, url) == CURLE_OK;
}

static bool set_headers(struct resolve_https_call *call)
{
    static const char *const lines[] = {"Content-Type: " CONTENT_TYPE, "Accept: " CONTENT_TYPE};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct curl_slist *headers = curl_slist_append(call->headers, lines[i]);
        if (headers == NULL)
            return false;
        call->headers = headers;
    }
    return curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
}

/* Options that cannot fail but for a libcurl built without them, which is then used as it is. */
static void set_rest(struct resolve_https_call *call, unsigned timeout_ms)
{
    CURL *easy = call->easy;
    const struct resolve_https_question *question = call->question;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (call->https->tls_ca != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, call->https->tls_ca);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_response);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)question->length);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)call->message);
}

int resolve_https_start(struct resolve_https *https, struct resolve_https_question *question)
{
    struct resolve_https_call *call = calloc(1, sizeof(*call));
    if (call == NULL || question->length > sizeof(call->message)) {
        free(call);
        return BASE_ENOMEM;
    }
    call->https = https;
    call->question = question;
    /* The ID is 0, so that caches of HTTP can be of use (RFC 8484 section 4.1). */
    memcpy(call->message, question->message, question->length);
    memset(call->message, 0, 2);
    call->easy = curl_easy_init();
    if (call->easy != NULL)
        set_rest(call, question->timeout_ms);
    if (call->easy == NULL || !set_headers(call) || !set_place(call, question->server) ||
        curl_multi_add_handle(https->multi, call->easy) != CURLM_OK) {
        call_free(call);
        return BASE_ENOMEM;
    }
    question->call = call;
    call->next = https->calls;
    if (call->next != NULL)
        call->next->previous = call;
    https->calls = call;
    return BASE_OK;
}

void resolve_https_cancel(struct resolve_https_question *question)
{
    struct resolve_https_call *call = question->call;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
    unlink_call(call);
    call_free(call);
}
