/* Questions to other servers: datagrams, and what is common. See question.h. */
#include "net/question.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"
#include "net/question_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MILLISECOND    UINT64_C(1000000)
#define OVER_STREAM    2 /* a connection has so many times the time of a datagram */
#define DATAGRAM_MAX   4096
#define DATAGRAMS_ONCE 16 /* of one socket, before others have their turn */
#define ODD_MOST       8  /* so many that do not fit: somebody guesses, so TCP is better */

static void begin(struct net_question *question);

/* --- the asker --- */

static struct net_asker *asker_of_turn(struct net_timer *timer)
{
    return (struct net_asker *)((char *)timer - offsetof(struct net_asker, turn));
}

/* A question takes a socket, unless there is a connection for it. */
static bool may_begin(struct net_asker *asker, const struct net_question *question)
{
    return (question->way != NET_UDP && net_stream_has_room(question)) ||
           asker->sockets < asker->most_sockets || net_stream_close_idle(asker);
}

static void take_from_queue(struct net_asker *asker, struct net_question *question)
{
    if (question->previous != NULL)
        question->previous->next = question->next;
    else
        asker->first = question->next;
    if (question->next != NULL)
        question->next->previous = question->previous;
    else
        asker->last = question->previous;
    question->next = question->previous = NULL;
    question->queued = false;
}

static void run_queue(struct net_timer *timer)
{
    struct net_asker *asker = asker_of_turn(timer);
    while (asker->first != NULL && may_begin(asker, asker->first)) {
        struct net_question *question = asker->first;
        take_from_queue(asker, question);
        begin(question);
    }
}

int net_asker_new(const struct net_asker_options *options, struct net_asker **out)
{
    struct net_asker *asker = calloc(1, sizeof(*asker));
    if (asker == NULL)
        return BASE_ENOMEM;
    asker->loop = options->loop;
    asker->tls = options->tls;
    asker->most_sockets = options->most_sockets ? options->most_sockets : 128;
    asker->idle = (options->idle_ms ? options->idle_ms : 5000) * MILLISECOND;
    asker->random_case = options->random_case;
    asker->turn.due = run_queue;
    if (options->tls_ca != NULL && (asker->tls_ca = strdup(options->tls_ca)) == NULL) {
        free(asker);
        return BASE_ENOMEM;
    }
    *out = asker;
    return BASE_OK;
}

void net_asker_free(struct net_asker *asker)
{
    if (asker == NULL)
        return;
    net_stream_free_all(asker);
    net_loop_unset(asker->loop, &asker->turn);
    free(asker->tls_ca);
    free(asker);
}

const struct net_asker_counts *net_asker_counts(const struct net_asker *asker)
{
    return &asker->counts;
}

/* Without the system's randomness nothing can be asked safely; that it fails for so few octets is
 * not known to happen once it has been seeded. */
void net_asker_random(struct net_asker *asker, void *out, size_t length)
{
    if (asker->random_left < length) {
        size_t have = 0;
        while (have < sizeof(asker->random)) {
            ssize_t count = getrandom(asker->random + have, sizeof(asker->random) - have, 0);
            if (count < 0 && errno != EINTR)
                abort();
            have += count > 0 ? (size_t)count : 0;
        }
        asker->random_left = sizeof(asker->random);
    }
    asker->random_left -= length;
    memcpy(out, asker->random + asker->random_left, length);
    memset(asker->random + asker->random_left, 0, length);
}

void net_asker_next(struct net_asker *asker)
{
    if (asker->first != NULL)
        net_loop_set(asker->loop, &asker->turn, 0);
}

void net_asker_socket_free(struct net_asker *asker)
{
    asker->sockets--;
    net_asker_next(asker);
}

/* --- one question --- */

static struct net_question *question_of_timer(struct net_timer *timer)
{
    return (struct net_question *)((char *)timer - offsetof(struct net_question, timer));
}

static struct net_question *question_of_watch(struct net_watch *watch)
{
    return (struct net_question *)((char *)watch - offsetof(struct net_question, watch));
}

static void close_datagram(struct net_question *question)
{
    if (question->watch.fd < 0)
        return;
    net_loop_watch(question->asker->loop, &question->watch, 0);
    close(question->watch.fd);
    question->watch.fd = -1;
    net_asker_socket_free(question->asker);
}

static void release(struct net_question *question, bool late)
{
    close_datagram(question);
    if (question->stream != NULL)
        net_stream_detach(question, late);
    if (question->queued)
        take_from_queue(question->asker, question);
    net_loop_unset(question->asker->loop, &question->timer);
}

void net_question_end(struct net_question *question, const struct net_reply *reply)
{
    release(question, reply->kind == NET_REPLY_SILENCE);
    question->done(question, reply);
}

void net_question_end_badly(struct net_question *question, enum net_reply_kind kind,
                            const char *why)
{
    char text[sizeof(question->why)];
    snprintf(text, sizeof(text), "%s", why);
    net_question_end(question, &(struct net_reply){.kind = kind, .why = text});
}

void net_question_fail(struct net_question *question, enum net_reply_kind kind, const char *why)
{
    question->failing = true;
    question->trouble = kind;
    snprintf(question->why, sizeof(question->why), "%s", why);
    net_loop_set(question->asker->loop, &question->timer, 0);
}

void net_question_cancel(struct net_question *question)
{
    release(question, false);
}

static bool same_letters(const uint8_t *a, const uint8_t *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (dns_lower[a[i]] != dns_lower[b[i]])
            return false;
    }
    return true;
}

enum net_question_match net_question_match(const struct net_question *question,
                                           const uint8_t *message, size_t length)
{
    const uint8_t *sent = question->sending;
    if (length < DNS_MESSAGE_HEADER || !(message[2] & DNS_FLAG_QR >> 8) ||
        DNS_OPCODE(base_load_u16(message + 2)) != DNS_OPCODE_QUERY)
        return NET_MATCH_NOT;
    if (memcmp(message, sent, 2) != 0)
        return NET_MATCH_ID;
    unsigned questions = base_load_u16(message + 4);
    /* A server that could not read it may leave it out. */
    if (questions == 0 && length == DNS_MESSAGE_HEADER && (message[3] & 15) != DNS_RCODE_NOERROR)
        return NET_MATCH;
    size_t size = dns_name_length(sent + DNS_MESSAGE_HEADER);
    if (questions != 1 || length < DNS_MESSAGE_HEADER + size + 4)
        return NET_MATCH_NOT;
    /* The first name of a message cannot be compressed, since nothing stands before it. */
    const uint8_t *name = message + DNS_MESSAGE_HEADER;
    if (!same_letters(name, sent + DNS_MESSAGE_HEADER, size) ||
        memcmp(name + size, sent + DNS_MESSAGE_HEADER + size, 4) != 0)
        return NET_MATCH_NOT;
    return memcmp(name, sent + DNS_MESSAGE_HEADER, size) == 0 ? NET_MATCH : NET_MATCH_CASE;
}

/* --- datagrams --- */

/* From UDP to a connection. */
static void begin_stream(struct net_question *question)
{
    close_datagram(question);
    net_loop_set(question->asker->loop, &question->timer,
                 base_clock_monotonic() + question->timeout_ms * OVER_STREAM * MILLISECOND);
    net_stream_attach(question);
}

static void randomize(struct net_question *question)
{
    struct net_asker *asker = question->asker;
    memcpy(question->sending, question->message, question->length);
    net_asker_random(asker, question->sending, 2);
    if (!asker->random_case || question->way != NET_UDP)
        return;
    uint8_t bits[DNS_NAME_MAX / 8 + 1];
    uint8_t *name = question->sending + DNS_MESSAGE_HEADER;
    size_t length = dns_name_length(name);
    net_asker_random(asker, bits, length / 8 + 1);
    /* Octets of length are below 64, so no letters. */
    for (size_t i = 0; i < length; i++) {
        uint8_t lower = dns_lower[name[i]];
        bool letter = lower >= 'a' && lower <= 'z';
        if (letter)
            name[i] = bits[i / 8] >> i % 8 & 1 ? (uint8_t)(lower - 32) : lower;
    }
}

static void unreachable(struct net_question *question)
{
    bool local = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    net_question_fail(question, local ? NET_REPLY_LOCAL : NET_REPLY_UNREACHABLE, strerror(errno));
}

/* Random letters have done their work: the name gets those of who asked, and so do all names of the
 * answer that point to it. */
static void restore_letters(const struct net_question *question, uint8_t *message, size_t length)
{
    const uint8_t *name = question->message + DNS_MESSAGE_HEADER;
    if (question->asker->random_case && length > DNS_MESSAGE_HEADER)
        memcpy(message + DNS_MESSAGE_HEADER, name, dns_name_length(name));
}

/* True when the question is done with datagrams: it is over, or goes on by TCP. */
static bool take_datagram(struct net_question *question, uint8_t *message, size_t length)
{
    struct net_asker_counts *counts = &question->asker->counts;
    enum net_question_match match = net_question_match(question, message, length);
    if (match == NET_MATCH && !(message[2] & DNS_FLAG_TC >> 8)) {
        restore_letters(question, message, length);
        net_question_end(
            question,
            &(struct net_reply){.kind = NET_REPLY_ANSWER, .message = message, .length = length});
        return true;
    }
    counts->truncated += match == NET_MATCH;
    counts->wrong_case += match == NET_MATCH_CASE;
    counts->wrong_id += match == NET_MATCH_ID;
    counts->wrong_question += match == NET_MATCH_NOT;
    bool flood = ++question->odd >= ODD_MOST;
    if (match != NET_MATCH && match != NET_MATCH_CASE && !flood)
        return false;
    counts->floods += match != NET_MATCH && flood;
    begin_stream(question);
    return true;
}

static void datagrams_ready(struct net_watch *watch, short events)
{
    struct net_question *question = question_of_watch(watch);
    uint8_t message[DATAGRAM_MAX];
    for (unsigned i = 0; i < DATAGRAMS_ONCE; i++) {
        ssize_t count = recv(watch->fd, message, sizeof(message), MSG_TRUNC);
        if (count < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
                unreachable(question);
            return;
        }
        if ((size_t)count > sizeof(message))
            question->asker->counts.malformed++;
        else if (take_datagram(question, message, (size_t)count))
            return;
    }
}

/* Connecting chooses a random port, and has the kernel drop what comes from elsewhere. */
static bool open_datagram(struct net_question *question)
{
    const union net_address *address = &question->address;
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    question->watch.fd = fd;
    question->asker->sockets++;
    return connect(fd, &address->any, net_address_length(address)) == 0 &&
           net_loop_watch(question->asker->loop, &question->watch, POLLIN) == BASE_OK;
}

static void begin_datagram(struct net_question *question)
{
    net_loop_set(question->asker->loop, &question->timer,
                 question->started + question->timeout_ms * MILLISECOND);
    if (!open_datagram(question) ||
        send(question->watch.fd, question->sending, question->length, MSG_NOSIGNAL) < 0)
        unreachable(question);
}

static void begin(struct net_question *question)
{
    question->started = base_clock_monotonic();
    randomize(question);
    if (question->way == NET_UDP)
        begin_datagram(question);
    else
        begin_stream(question);
}

static void time_is_over(struct net_timer *timer)
{
    struct net_question *question = question_of_timer(timer);
    if (question->failing) {
        net_question_end_badly(question, question->trouble, question->why);
        return;
    }
    const char *way = question->stream == NULL ? "UDP" : question->way == NET_TLS ? "TLS" : "TCP";
    if (question->odd > 0)
        snprintf(question->why, sizeof(question->why),
                 "no answer over %s in time; what came does not fit the question, as forged or "
                 "broken answers do not",
                 way);
    else
        snprintf(question->why, sizeof(question->why), "no answer over %s in time", way);
    net_question_end_badly(question, NET_REPLY_SILENCE, question->why);
}

static bool is_query(const struct net_question *question)
{
    size_t used;
    const uint8_t *message = question->message;
    return question->length >= DNS_MESSAGE_HEADER && question->length <= NET_QUESTION_MESSAGE_MAX &&
           base_load_u16(message + 4) == 1 &&
           dns_name_check(message + DNS_MESSAGE_HEADER, question->length - DNS_MESSAGE_HEADER,
                          &used) == BASE_OK &&
           question->length >= DNS_MESSAGE_HEADER + used + 4;
}

int net_question_start(struct net_asker *asker, struct net_question *question)
{
    if (!is_query(question))
        return BASE_EINVAL;
    question->asker = asker;
    question->watch = (struct net_watch){.fd = -1, .ready = datagrams_ready};
    question->timer = (struct net_timer){.due = time_is_over};
    question->next = question->previous = NULL;
    question->stream = NULL;
    question->odd = 0;
    question->queued = question->sent = question->again = question->failing = false;
    if (asker->first == NULL && may_begin(asker, question)) {
        begin(question);
        return BASE_OK;
    }
    question->queued = true;
    question->previous = asker->last;
    if (asker->last != NULL)
        asker->last->next = question;
    else
        asker->first = question;
    asker->last = question;
    return BASE_OK;
}
