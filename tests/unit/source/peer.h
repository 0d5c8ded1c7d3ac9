/*
 * A scripted primary on loopback: a thread that answers questions for the SOA, transfers and NOTIFY
 * of "example." as it is told, well or badly.
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include "crypto/mac.h"
#include "messages.h"
#include "net/address.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

enum soa_script {
    SOA_GOOD,
    SOA_SILENT,
    SOA_FORGED_FIRST, /* wrong IDs and questions before the right answer */
    SOA_TRUNCATED,    /* the answer comes by TCP */
    SOA_REFUSED,
    SOA_NOT_AUTHORITATIVE,
    SOA_EMPTY,
    SOA_NOISE,    /* octets */
    SOA_UNSIGNED, /* though asked with a key */
    SOA_SECOND_TRY,
    SOA_EXPIRE,  /* with 1234 seconds, when asked when it expires */
    SOA_NO_EDNS, /* FORMERR to EDNS */
};

enum transfer_script {
    TRANSFER_GOOD, /* AXFR of three records in two messages; IXFR from the serial before */
    TRANSFER_REFUSED,
    TRANSFER_CLOSED,
    TRANSFER_STALLED,
    TRANSFER_DRIP,
    TRANSFER_ENDLESS,
    TRANSFER_EMPTY_FOR_EVER, /* SOA, then the same NS again and again, slowly */
    TRANSFER_NOISE,
    TRANSFER_OTHER_ID,
    TRANSFER_UNSIGNED_END,
    TRANSFER_BAD_MAC,
    TRANSFER_IXFR_REFUSED, /* but AXFR is good */
    TRANSFER_IXFR_BROKEN,
    TRANSFER_IXFR_WHOLE,
    TRANSFER_IXFR_ALONE, /* a newer SOA, and nothing */
};

struct peer {
    pthread_t thread;
    int udp, tcp, stop;
    union net_address address;
    atomic_int soa, transfer, notify_rcode, notify_silent;
    atomic_uint serial, questions, transfers, notifies;
    const struct dns_tsig_key *key;
};

/* --- sending --- */

static inline void peer_sign(struct test_message *message, struct dns_tsig *tsig)
{
    if (tsig->key != NULL)
        assert_int_equal(dns_tsig_sign(tsig, message->wire, &message->length, sizeof(message->wire),
                                       base_clock_now(), 0),
                         BASE_OK);
}

static inline bool peer_send_octets(int fd, const void *data, size_t length)
{
    const uint8_t *at = data;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

static inline bool peer_send(int fd, struct test_message *message)
{
    uint8_t size[2];
    base_store_u16(size, (uint16_t)message->length);
    return peer_send_octets(fd, size, 2) && peer_send_octets(fd, message->wire, message->length);
}

/* Waits until the other side goes away. */
static inline void peer_wait_end(const struct peer *peer, int fd)
{
    struct pollfd events[2] = {{.fd = fd, .events = POLLIN}, {.fd = peer->stop, .events = POLLIN}};
    poll(events, 2, 10000);
}

/* --- transfers --- */

static inline void peer_drip(const struct peer *peer, int fd, const struct test_message *message)
{
    uint8_t size[2] = {0xff, 0xff};
    bool good = peer_send_octets(fd, size, 2);
    for (size_t i = 0; good && i < 400; i++) {
        good = peer_send_octets(fd, message->wire + i % message->length, 1);
        struct pollfd event = {.fd = fd, .events = POLLIN};
        if (poll(&event, 1, 10) != 0)
            return;
    }
}

static inline void peer_endless(int fd, uint16_t id, uint32_t serial, struct test_message *message)
{
    bool first = true;
    do {
        message_begin(message, id, 0, 0);
        if (first)
            message_soa(message, serial);
        first = false;
        for (unsigned i = 0; i < 1000; i++)
            message_a(message, "\2ns\7example", (uint8_t)i);
        message_end(message);
    } while (peer_send(fd, message));
}

static inline void peer_slow(const struct peer *peer, int fd, uint16_t id, uint32_t serial,
                             struct test_message *message)
{
    message_begin(message, id, 0, 0);
    message_soa(message, serial);
    do {
        message_end(message);
        struct pollfd event = {.fd = fd, .events = POLLIN};
        if (!peer_send(fd, message) || poll(&event, 1, 20) != 0)
            return;
        message_begin(message, id, 0, 0);
        message_ns(message);
    } while (true);
}

/* The zone in two messages. */
static inline void peer_whole(const struct peer *peer, int fd, uint16_t id, uint16_t type,
                              uint32_t serial, struct dns_tsig *tsig)
{
    static _Thread_local struct test_message message;
    int script = atomic_load(&peer->transfer);
    message_begin(&message, id, type, 0);
    message_soa(&message, serial);
    message_ns(&message);
    message_end(&message);
    peer_sign(&message, tsig);
    if (!peer_send(fd, &message) || script == TRANSFER_CLOSED)
        return;
    if (script == TRANSFER_STALLED) {
        peer_wait_end(peer, fd);
        return;
    }
    message_begin(&message, script == TRANSFER_OTHER_ID ? id + 1 : id, 0, 0);
    message_a(&message, "\2ns\7example", 1);
    message_soa(&message, serial);
    message_end(&message);
    if (script != TRANSFER_UNSIGNED_END)
        peer_sign(&message, tsig);
    if (script == TRANSFER_BAD_MAC)
        message.wire[message.length - 10] ^= 1;
    peer_send(fd, &message);
    /* Closing first would lose what is under way. */
    peer_wait_end(peer, fd);
}

static inline void peer_differences(const struct peer *peer, int fd, uint16_t id, uint32_t serial,
                                    uint32_t from, struct dns_tsig *tsig)
{
    static _Thread_local struct test_message message;
    message_begin(&message, id, DNS_TYPE_IXFR, 0);
    message_soa(&message, serial);
    message_soa(&message, from);
    message_a(&message, "\2ns\7example", 1);
    message_soa(&message, serial);
    message_a(&message, "\2ns\7example", 2);
    message_soa(&message, serial);
    message_end(&message);
    peer_sign(&message, tsig);
    peer_send(fd, &message);
    peer_wait_end(peer, fd);
}

static inline void peer_short(const struct peer *peer, int fd, uint16_t id, uint16_t type,
                              unsigned rcode, uint32_t serial, struct dns_tsig *tsig)
{
    static _Thread_local struct test_message message;
    message_begin(&message, id, type, (uint16_t)rcode | DNS_FLAG_AA);
    if (rcode == 0)
        message_soa(&message, serial);
    message_end(&message);
    peer_sign(&message, tsig);
    peer_send(fd, &message);
    peer_wait_end(peer, fd);
}

static inline void peer_transfer(const struct peer *peer, int fd, uint16_t id, uint16_t type,
                                 struct dns_tsig *tsig)
{
    static _Thread_local struct test_message message;
    uint32_t serial = atomic_load(&peer->serial);
    bool ixfr = type == DNS_TYPE_IXFR;
    switch (atomic_load(&peer->transfer)) {
    case TRANSFER_REFUSED:
        peer_short(peer, fd, id, type, DNS_RCODE_REFUSED, 0, tsig);
        return;
    case TRANSFER_DRIP:
        message_begin(&message, id, type, 0);
        message_end(&message);
        peer_drip(peer, fd, &message);
        return;
    case TRANSFER_ENDLESS:
        peer_endless(fd, id, serial, &message);
        return;
    case TRANSFER_EMPTY_FOR_EVER:
        peer_slow(peer, fd, id, serial, &message);
        return;
    case TRANSFER_NOISE:
        peer_send_octets(fd, "\0\37this is not a message but noise, for sure.", 44);
        peer_wait_end(peer, fd);
        return;
    case TRANSFER_IXFR_REFUSED:
        if (ixfr)
            peer_short(peer, fd, id, type, DNS_RCODE_NOTIMP, 0, tsig);
        break;
    case TRANSFER_IXFR_BROKEN:
        if (ixfr)
            peer_differences(peer, fd, id, serial, serial - 7, tsig);
        break;
    case TRANSFER_IXFR_ALONE:
        if (ixfr)
            peer_short(peer, fd, id, type, 0, serial, tsig);
        break;
    case TRANSFER_GOOD:
        if (ixfr) {
            peer_differences(peer, fd, id, serial, serial - 1, tsig);
            return;
        }
        break;
    default:
        peer_whole(peer, fd, id, type, serial, tsig);
        return;
    }
    if (!ixfr || atomic_load(&peer->transfer) == TRANSFER_IXFR_WHOLE)
        peer_whole(peer, fd, id, type, serial, tsig);
}

/* --- questions --- */

static inline uint16_t peer_question_type(const uint8_t *query, size_t length)
{
    return length >= DNS_MESSAGE_HEADER + sizeof(test_zone) + 2
               ? base_load_u16(query + DNS_MESSAGE_HEADER + sizeof(test_zone))
               : 0;
}

/* Starts the TSIG of an exchange with what the query has. */
static inline void peer_accept(const struct peer *peer, struct dns_tsig *tsig, uint8_t *query,
                               size_t *length)
{
    uint16_t error;
    dns_tsig_init(tsig, peer->key, &crypto_tsig_hmac);
    if (peer->key != NULL)
        assert_int_equal(dns_tsig_verify(tsig, query, length, base_clock_now(), &error), BASE_OK);
}

static inline void peer_connection(struct peer *peer)
{
    int fd = accept(peer->tcp, NULL, NULL);
    if (fd < 0)
        return;
    struct timeval limit = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    uint8_t query[1024];
    size_t length = 0;
    if (recv(fd, query, 2, MSG_WAITALL) == 2)
        length = base_load_u16(query);
    if (length > 0 && length < sizeof(query) &&
        recv(fd, query, length, MSG_WAITALL) == (ssize_t)length) {
        struct dns_tsig tsig;
        peer_accept(peer, &tsig, query, &length);
        uint16_t id = base_load_u16(query), type = peer_question_type(query, length);
        if (type == DNS_TYPE_SOA) {
            peer_short(peer, fd, id, type, 0, atomic_load(&peer->serial), &tsig);
        } else {
            atomic_fetch_add(&peer->transfers, 1);
            peer_transfer(peer, fd, id, type, &tsig);
        }
        dns_tsig_free(&tsig);
    }
    close(fd);
}

static inline void peer_reply(const struct peer *peer, const union net_address *to, uint16_t id,
                              uint16_t type, unsigned flags, bool soa, struct dns_tsig *tsig)
{
    static _Thread_local struct test_message message;
    message_begin(&message, id, type, (uint16_t)flags);
    if (soa)
        message_soa(&message, atomic_load(&peer->serial));
    message_end(&message);
    peer_sign(&message, tsig);
    sendto(peer->udp, message.wire, message.length, 0, &to->any, net_address_length(to));
}

/* An answer that says when the copy expires (RFC 7314). */
static inline void peer_reply_expire(const struct peer *peer, const union net_address *to,
                                     uint16_t id, struct dns_tsig *tsig)
{
    static const uint8_t option[] = {0, DNS_OPTION_EXPIRE, 0, 4, 0, 0, 1234 >> 8, 1234 & 255};
    static _Thread_local struct test_message message;
    message_begin(&message, id, DNS_TYPE_SOA, DNS_FLAG_AA);
    message_soa(&message, atomic_load(&peer->serial));
    assert_int_equal(dns_builder_edns(&message.builder,
                                      &(struct dns_edns){.present = true,
                                                         .payload = 1232,
                                                         .options = option,
                                                         .options_length = sizeof(option)},
                                      0),
                     BASE_OK);
    message_end(&message);
    peer_sign(&message, tsig);
    sendto(peer->udp, message.wire, message.length, 0, &to->any, net_address_length(to));
}

static inline void peer_answer_soa(struct peer *peer, const union net_address *from, uint16_t id,
                                   struct dns_tsig *tsig, bool edns)
{
    struct dns_tsig none = {.key = NULL};
    unsigned question = atomic_fetch_add(&peer->questions, 1);
    switch (atomic_load(&peer->soa)) {
    case SOA_SILENT:
        return;
    case SOA_SECOND_TRY:
        if (question == 0)
            return;
        break;
    case SOA_NOISE:
        sendto(peer->udp, "noise, not a message", 20, 0, &from->any, net_address_length(from));
        return;
    case SOA_FORGED_FIRST:
        peer_reply(peer, from, id + 1, DNS_TYPE_SOA, DNS_FLAG_AA | DNS_RCODE_REFUSED, false, &none);
        peer_reply(peer, from, id, DNS_TYPE_MX, DNS_FLAG_AA, false, &none);
        peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_OPCODE_UPDATE << 11, false, &none);
        if (peer->key != NULL)
            peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_RCODE_REFUSED, false, &none);
        break;
    case SOA_TRUNCATED:
        peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_FLAG_TC, false, tsig);
        return;
    case SOA_REFUSED:
        peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_RCODE_REFUSED, false, tsig);
        return;
    case SOA_NOT_AUTHORITATIVE:
        peer_reply(peer, from, id, DNS_TYPE_SOA, 0, true, tsig);
        return;
    case SOA_EMPTY:
        peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_FLAG_AA, false, tsig);
        return;
    case SOA_EXPIRE:
        if (edns) {
            peer_reply_expire(peer, from, id, tsig);
            return;
        }
        break;
    case SOA_NO_EDNS:
        if (edns) {
            peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_RCODE_FORMERR, false, tsig);
            return;
        }
        break;
    case SOA_UNSIGNED:
        peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_FLAG_AA, true, &none);
        return;
    default:
        break;
    }
    peer_reply(peer, from, id, DNS_TYPE_SOA, DNS_FLAG_AA, true, tsig);
}

static inline void peer_datagram(struct peer *peer)
{
    uint8_t query[2048];
    union net_address from;
    socklen_t size = sizeof(from);
    ssize_t count = recvfrom(peer->udp, query, sizeof(query), MSG_DONTWAIT, &from.any, &size);
    if (count < DNS_MESSAGE_HEADER)
        return;
    struct dns_tsig tsig;
    size_t length = (size_t)count;
    peer_accept(peer, &tsig, query, &length);
    uint16_t id = base_load_u16(query);
    if (DNS_OPCODE(base_load_u16(query + 2)) == DNS_OPCODE_NOTIFY) {
        atomic_fetch_add(&peer->notifies, 1);
        if (atomic_load(&peer->notify_silent) == 0 ||
            atomic_fetch_sub(&peer->notify_silent, 1) <= 0) {
            /* The question of another zone must come back as it was. */
            query[2] |= 0x80;
            query[3] = (uint8_t)atomic_load(&peer->notify_rcode);
            if (peer->key != NULL)
                assert_int_equal(
                    dns_tsig_sign(&tsig, query, &length, sizeof(query), base_clock_now(), 0),
                    BASE_OK);
            sendto(peer->udp, query, length, 0, &from.any, net_address_length(&from));
        }
    } else {
        peer_answer_soa(peer, &from, id, &tsig, base_load_u16(query + 10) > 0);
    }
    dns_tsig_free(&tsig);
}

static void *peer_run(void *context)
{
    struct peer *peer = context;
    struct pollfd events[3] = {{.fd = peer->udp, .events = POLLIN},
                               {.fd = peer->tcp, .events = POLLIN},
                               {.fd = peer->stop, .events = POLLIN}};
    while (poll(events, 3, -1) > 0 && events[2].revents == 0) {
        if (events[0].revents != 0)
            peer_datagram(peer);
        if (events[1].revents != 0)
            peer_connection(peer);
    }
    return NULL;
}

static inline void peer_start(struct peer *peer, const struct dns_tsig_key *key)
{
    memset(peer, 0, sizeof(*peer));
    peer->key = key;
    atomic_store(&peer->serial, 5);
    /* A port that is free for both. */
    for (unsigned i = 0; i < 100; i++) {
        socklen_t size = sizeof(peer->address);
        assert_int_equal(net_address_parse("127.0.0.1", 0, &peer->address), BASE_OK);
        peer->tcp = socket(AF_INET, SOCK_STREAM, 0);
        peer->udp = socket(AF_INET, SOCK_DGRAM, 0);
        int large = 1 << 22;
        setsockopt(peer->udp, SOL_SOCKET, SO_RCVBUF, &large, sizeof(large));
        assert_int_equal(bind(peer->tcp, &peer->address.any, sizeof(peer->address.v4)), 0);
        assert_int_equal(getsockname(peer->tcp, &peer->address.any, &size), 0);
        if (bind(peer->udp, &peer->address.any, sizeof(peer->address.v4)) == 0)
            break;
        close(peer->tcp);
        close(peer->udp);
    }
    assert_int_equal(listen(peer->tcp, 64), 0);
    peer->stop = eventfd(0, 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline void peer_stop(struct peer *peer)
{
    uint64_t one = 1;
    assert_int_equal(write(peer->stop, &one, sizeof(one)), sizeof(one));
    pthread_join(peer->thread, NULL);
    close(peer->udp);
    close(peer->tcp);
    close(peer->stop);
}

#endif
