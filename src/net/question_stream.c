/* Connections that carry questions: see question.h. */
#include "net/question_parts.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct net_stream *stream_of_watch(struct net_watch *watch)
{
    return (struct net_stream *)((char *)watch - offsetof(struct net_stream, watch));
}

static struct net_stream *stream_of_timer(struct net_timer *timer)
{
    return (struct net_stream *)((char *)timer - offsetof(struct net_stream, idle));
}

static void stream_free(struct net_stream *stream)
{
    struct net_asker *asker = stream->asker;
    net_loop_watch(asker->loop, &stream->watch, 0);
    net_loop_unset(asker->loop, &stream->idle);
    net_outbound_free(stream->outbound);
    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        asker->streams = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    free(stream);
    net_asker_socket_free(asker);
}

static void idle_for_long(struct net_timer *timer)
{
    stream_free(stream_of_timer(timer));
}

bool net_stream_close_idle(struct net_asker *asker)
{
    struct net_stream *oldest = NULL;
    for (struct net_stream *stream = asker->streams; stream != NULL; stream = stream->next) {
        if (stream->idle.set && !stream->stepping &&
            (oldest == NULL || stream->idle.at < oldest->idle.at))
            oldest = stream;
    }
    if (oldest != NULL)
        stream_free(oldest);
    return oldest != NULL;
}

void net_stream_free_all(struct net_asker *asker)
{
    while (asker->streams != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        stream_free(asker->streams);
}

static void take_off(struct net_question *question)
{
    struct net_stream *stream = question->stream;
    if (question->previous != NULL)
        question->previous->next = question->next;
    else
        stream->questions = question->next;
    if (question->next != NULL)
        question->next->previous = question->previous;
    question->next = question->previous = NULL;
    question->stream = NULL;
    stream->question_count--;
    net_asker_next(stream->asker);
}

/* A connection nobody waits for is kept for a while, or left at once when it is of no use. It goes
 * by its timer, since it may be in use further up. */
static void rest(struct net_stream *stream)
{
    if (stream->questions != NULL)
        return;
    uint64_t at = stream->closing ? 0 : base_clock_monotonic() + stream->asker->idle;
    net_loop_set(stream->asker->loop, &stream->idle, at);
}

void net_stream_detach(struct net_question *question, bool late)
{
    struct net_stream *stream = question->stream;
    take_off(question);
    /* Whoever is late once may be gone: the next question makes a new connection. */
    if (late || !net_outbound_connected(stream->outbound))
        stream->closing = stream->closing || late || stream->questions == NULL;
    rest(stream);
}

/* --- failures --- */

/* A server may close a connection whenever it has answered all (RFC 7766 section 6.2.3), while the
 * next question is on its way: that is asked once more. */
static void break_stream(struct net_stream *stream, enum net_reply_kind kind, const char *why)
{
    char text[NET_OUTBOUND_WHY];
    snprintf(text, sizeof(text), "%s", why);
    stream->closing = true;
    stream->stepping = true;
    net_loop_watch(stream->asker->loop, &stream->watch, 0);
    while (stream->questions != NULL) {
        struct net_question *question = stream->questions;
        if (stream->used && !question->again && kind == NET_REPLY_UNREACHABLE) {
            take_off(question);
            question->again = true;
            net_stream_attach(question);
        } else {
            net_question_end_badly(question, kind, text);
        }
    }
    stream_free(stream);
}

/* --- messages --- */

static struct net_question *find(struct net_stream *stream, const uint8_t *message, size_t length)
{
    for (struct net_question *question = stream->questions; question != NULL;
         question = question->next) {
        if (question->sent && length >= 2 && memcmp(question->sending, message, 2) == 0)
            return question;
    }
    return NULL;
}

static void take_message(struct net_stream *stream, const uint8_t *message, size_t length)
{
    struct net_question *question = find(stream, message, length);
    if (question == NULL) {
        stream->strays++;
        stream->asker->counts.strays++;
        return;
    }
    enum net_question_match match = net_question_match(question, message, length);
    if (match != NET_MATCH && match != NET_MATCH_CASE) {
        stream->asker->counts.wrong_question++;
        net_question_end_badly(question, NET_REPLY_GARBAGE,
                               "what came over the connection does not answer the question");
        return;
    }
    if (message[2] & DNS_FLAG_TC >> 8) {
        net_question_end_badly(question, NET_REPLY_GARBAGE,
                               "the answer over the connection is cut short, too");
        return;
    }
    stream->used = true;
    net_question_end(question, &(struct net_reply){
                                   .kind = NET_REPLY_ANSWER, .message = message, .length = length});
}

static void take_messages(struct net_stream *stream)
{
    size_t length;
    const uint8_t *message;
    while (stream->strays < NET_STREAM_STRAYS &&
           (message = net_outbound_next(stream->outbound, &length)) != NULL)
        take_message(stream, message, length);
}

/* The oldest question that has not been sent. */
static struct net_question *unsent(struct net_stream *stream)
{
    struct net_question *oldest = NULL;
    for (struct net_question *question = stream->questions; question != NULL;
         question = question->next) {
        if (!question->sent)
            oldest = question;
    }
    return oldest;
}

/* True when a message was put into the connection, which can hold one at a time. */
static bool send_next(struct net_stream *stream)
{
    struct net_question *question = unsent(stream);
    if (question == NULL)
        return false;
    question->sent =
        net_outbound_send(stream->outbound, question->sending, question->length) == BASE_OK;
    return question->sent;
}

static void step(struct net_watch *watch, short events)
{
    struct net_stream *stream = stream_of_watch(watch);
    stream->stepping = true;
    for (bool more = true; more;) {
        switch (net_outbound_step(stream->outbound)) {
        case NET_OUTBOUND_MESSAGE:
            take_messages(stream);
            break;
        case NET_OUTBOUND_FAILED:
            break_stream(stream,
                         net_outbound_tls_failed(stream->outbound) && !stream->used
                             ? NET_REPLY_TLS
                             : NET_REPLY_UNREACHABLE,
                         net_outbound_why(stream->outbound));
            return;
        case NET_OUTBOUND_ENDED:
            break_stream(stream, NET_REPLY_UNREACHABLE,
                         "the connection was closed without an answer");
            return;
        case NET_OUTBOUND_WAITING:
            more = send_next(stream);
        }
        if (stream->strays >= NET_STREAM_STRAYS) {
            break_stream(stream, NET_REPLY_GARBAGE,
                         "messages that nobody asked for came over the connection");
            return;
        }
    }
    stream->stepping = false;
    if (net_loop_watch(stream->asker->loop, watch, net_outbound_events(stream->outbound)) !=
        BASE_OK)
        break_stream(stream, NET_REPLY_LOCAL, "the connection could not be watched");
}

/* --- which connection --- */

static const char *name_of(const struct net_question *question, char out[NET_ADDRESS_TEXT])
{
    if (question->tls_name != NULL)
        return question->tls_name;
    /* The address alone, without port and scope. */
    net_address_text(&question->address, out);
    out[strcspn(out, "@%")] = '\0';
    return out;
}

static struct net_stream *find_stream(const struct net_question *question)
{
    char buffer[NET_ADDRESS_TEXT];
    bool tls = question->way == NET_TLS;
    const char *name = tls ? name_of(question, buffer) : "";
    for (struct net_stream *stream = question->asker->streams; stream != NULL;
         stream = stream->next) {
        if (!stream->closing && stream->question_count < NET_STREAM_QUESTIONS &&
            stream->tls == tls && net_address_equal(&stream->address, &question->address) &&
            strcmp(stream->tls_name, name) == 0)
            return stream;
    }
    return NULL;
}

bool net_stream_has_room(const struct net_question *question)
{
    return find_stream(question) != NULL;
}

static int open_stream(const struct net_question *question, struct net_stream *stream,
                       char why[NET_OUTBOUND_WHY])
{
    struct net_outbound_options options = {.address = &question->address};
    if (question->way == NET_TLS) {
        options.tls = question->asker->tls;
        options.tls_name = stream->tls_name;
        options.tls_ca = question->asker->tls_ca;
    }
    int error = net_outbound_new(&options, why, &stream->outbound);
    if (error != BASE_OK)
        return error;
    stream->watch = (struct net_watch){.fd = net_outbound_fd(stream->outbound), .ready = step};
    error = net_loop_watch(question->asker->loop, &stream->watch,
                           net_outbound_events(stream->outbound));
    if (error != BASE_OK) {
        snprintf(why, NET_OUTBOUND_WHY, "the connection could not be watched");
        net_outbound_free(stream->outbound);
    }
    return error;
}

static int new_stream(const struct net_question *question, char why[NET_OUTBOUND_WHY],
                      struct net_stream **out)
{
    struct net_asker *asker = question->asker;
    char buffer[NET_ADDRESS_TEXT];
    struct net_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        snprintf(why, NET_OUTBOUND_WHY, "no memory for a connection");
        return BASE_ENOMEM;
    }
    stream->asker = asker;
    stream->address = question->address;
    stream->tls = question->way == NET_TLS;
    stream->idle.due = idle_for_long;
    if (stream->tls)
        snprintf(stream->tls_name, sizeof(stream->tls_name), "%s", name_of(question, buffer));
    int error = open_stream(question, stream, why);
    if (error != BASE_OK) {
        free(stream);
        return error;
    }
    stream->next = asker->streams;
    if (stream->next != NULL)
        stream->next->previous = stream;
    asker->streams = stream;
    asker->sockets++;
    *out = stream;
    return BASE_OK;
}

/* Gives the question an ID that no other one on the connection has. */
static void choose_id(struct net_stream *stream, struct net_question *question)
{
    bool taken;
    do {
        taken = false;
        net_asker_random(question->asker, question->sending, 2);
        for (const struct net_question *other = stream->questions; other != NULL;
             other = other->next)
            taken = taken || memcmp(other->sending, question->sending, 2) == 0;
    } while (taken); /* at most NET_STREAM_QUESTIONS of 65536 are */
}

void net_stream_attach(struct net_question *question)
{
    char why[NET_OUTBOUND_WHY] = "";
    struct net_stream *stream = find_stream(question);
    int error = stream != NULL ? BASE_OK : new_stream(question, why, &stream);
    if (error != BASE_OK) {
        net_question_fail(question,
                          error == BASE_ENOMEM ? NET_REPLY_LOCAL
                          : question->way == NET_TLS && error == BASE_EFORMAT
                              ? NET_REPLY_TLS
                              : NET_REPLY_UNREACHABLE,
                          why);
        return;
    }
    net_loop_unset(question->asker->loop, &stream->idle);
    question->sent = false;
    choose_id(stream, question);
    question->stream = stream;
    question->previous = NULL;
    question->next = stream->questions;
    if (question->next != NULL)
        question->next->previous = question;
    stream->questions = question;
    stream->question_count++;
    /* It goes out when the connection is there, or can take another message; a failure to watch
     * for that is seen when time is over. */
    if (send_next(stream))
        net_loop_watch(stream->asker->loop, &stream->watch, net_outbound_events(stream->outbound));
}
