/*
 * One batch: recvmmsg, an answer for each packet, sendmmsg.
 */
#include "net/udp.h"

#include "base/error.h"
#include "base/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for the control message that tells or says the local address. */
union control {
    size_t alignment; /* as struct cmsghdr has */
    uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct net_udp {
    const struct net_handler *handler;
    void *worker_context;
    struct net_worker *worker;
    struct net_stats *stats;
    struct net_rate *rate;
    size_t answer_max;
    uint8_t *answers; /* NET_UDP_BATCH × answer_max */
    struct mmsghdr in[NET_UDP_BATCH], out[NET_UDP_BATCH];
    struct iovec in_data[NET_UDP_BATCH], out_data[NET_UDP_BATCH];
    union net_address peers[NET_UDP_BATCH];
    union control in_control[NET_UDP_BATCH], out_control[NET_UDP_BATCH];
    struct net_packet asked[NET_UDP_BATCH]; /* those that can be queries, */
    unsigned asked_at[NET_UDP_BATCH];       /* and where in the batch */
    /* One line more than is used: else all queries would fall on the same lines of the caches. */
    uint8_t queries[NET_UDP_BATCH][NET_UDP_QUERY_MAX + 64];
};

int net_udp_new(const struct net_handler *handler, void *worker_context, struct net_worker *worker,
                struct net_stats *stats, struct net_rate *rate, size_t answer_max,
                struct net_udp **out)
{
    struct net_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL)
        return BASE_ENOMEM;
    udp->answers = malloc(NET_UDP_BATCH * answer_max);
    if (udp->answers == NULL) {
        free(udp);
        return BASE_ENOMEM;
    }
    udp->handler = handler;
    udp->worker_context = worker_context;
    udp->worker = worker;
    udp->stats = stats;
    udp->rate = rate;
    udp->answer_max = answer_max;
    for (size_t i = 0; i < NET_UDP_BATCH; i++) {
        udp->in_data[i] = (struct iovec){udp->queries[i], NET_UDP_QUERY_MAX};
        udp->in[i].msg_hdr.msg_iov = &udp->in_data[i];
        udp->in[i].msg_hdr.msg_iovlen = 1;
        udp->in[i].msg_hdr.msg_name = &udp->peers[i];
        udp->in[i].msg_hdr.msg_namelen = sizeof(udp->peers[i]);
        udp->out[i].msg_hdr.msg_iov = &udp->out_data[i];
        udp->out[i].msg_hdr.msg_iovlen = 1;
    }
    *out = udp;
    return BASE_OK;
}

void net_udp_free(struct net_udp *udp)
{
    if (udp == NULL)
        return;
    free(udp->answers);
    free(udp);
}

/* ---- the address that was asked ---- */

/* Reads it out of a received message; false when the system did not tell. */
static bool local_read(struct msghdr *message, uint16_t port, union net_address *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            local->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = info.ipi_spec_dst};
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            local->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
            /* The interface matters for link-local addresses only. */
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                local->v6.sin6_scope_id = info.ipi6_ifindex;
        } else {
            continue;
        }
        net_address_set_port(local, port);
        return true;
    }
    return false;
}

/* Makes a message leave from an address. */
static void local_write(struct msghdr *message, union control *control,
                        const union net_address *local)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = sizeof(*control);
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (local->any.sa_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = local->v4.sin_addr};
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        message->msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_addr = local->v6.sin6_addr,
                                   .ipi6_ifindex = local->v6.sin6_scope_id};
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        message->msg_controllen = CMSG_SPACE(sizeof(info));
    }
}

/* ---- answers ---- */

/* The end of the question of a message of our own; 12 when it has none that is plain. */
static size_t question_end(const uint8_t *message, size_t length)
{
    size_t at = 12;
    if (base_load_u16(message + 4) != 1)
        return 12;
    while (at < length && message[at] != 0) {
        if (message[at] > 63)
            return 12;
        at += 1 + (size_t)message[at];
    }
    return at + 5 <= length ? at + 5 : 12;
}

size_t net_udp_truncate(uint8_t *message, size_t length, const struct net_answer *answer)
{
    size_t end = question_end(message, length);
    size_t opt = 0;
    if (answer->opt_length > 0 && answer->opt >= end &&
        (size_t)answer->opt + answer->opt_length <= length) {
        opt = answer->opt_length;
        memmove(message + end, message + answer->opt, opt);
    }
    message[2] |= 0x02;
    base_store_u16(message + 4, end > 12);
    base_store_u16(message + 6, 0);
    base_store_u16(message + 8, 0);
    base_store_u16(message + 10, opt > 0);
    return end + opt;
}

/* Applies rate limiting; the new length, 0 for no answer. */
static size_t limit_rate(struct net_udp *udp, const struct net_client *client, uint8_t *message,
                         size_t length, const struct net_answer *answer, uint64_t now_ms)
{
    switch (net_rate_check(udp->rate, client->peer, answer->kind, answer->hash, now_ms)) {
    case NET_RATE_SLIP:
        net_count(udp->stats, NET_RATE_SLIPPED, 1);
        return net_udp_truncate(message, length, answer);
    case NET_RATE_DROP:
        net_count(udp->stats, NET_RATE_DROPPED, 1);
        return 0;
    default:
        return length;
    }
}

/* Answers one query into `message`; the length of the answer, 0 for none. */
static size_t respond(struct net_udp *udp, const struct net_client *client, const uint8_t *query,
                      size_t length, uint8_t *message, uint64_t now_ms)
{
    struct net_answer answer = {0};
    int verdict = udp->handler->respond(udp->worker_context, client, query, length, message,
                                        udp->answer_max, &answer);
    if (verdict == NET_STREAM && answer.stream != NULL)
        answer.stream->close(answer.stream, false);
    size_t made = answer.length;
    if ((verdict != NET_ANSWER && verdict != NET_TRUNCATE) || made < 12 || made > udp->answer_max) {
        net_count(udp->stats, NET_DROPPED, 1);
        return 0;
    }
    if (verdict == NET_TRUNCATE) {
        net_count(udp->stats, NET_TRUNCATED, 1);
        made = net_udp_truncate(message, made, &answer);
        answer.opt_length = 0;
    }
    return udp->rate == NULL ? made : limit_rate(udp, client, message, made, &answer, now_ms);
}

/* True for what can be a query: neither cut, nor an answer, nor from a port that nobody has. */
static bool is_query(const struct mmsghdr *packet, const uint8_t *query,
                     const union net_address *peer)
{
    return packet->msg_len >= 12 && (packet->msg_hdr.msg_flags & MSG_TRUNC) == 0 &&
           (query[2] & 0x80) == 0 && net_address_port(peer) != 0;
}

/* Sorts out what can be a query; how many. */
static unsigned find_queries(struct net_udp *udp, unsigned received)
{
    unsigned count = 0;
    uint64_t octets = 0;
    for (unsigned i = 0; i < received; i++) {
        size_t length = udp->in[i].msg_len;
        octets += length;
        if (!is_query(&udp->in[i], udp->queries[i], &udp->peers[i]))
            continue;
        udp->asked[count] = (struct net_packet){udp->queries[i], length};
        udp->asked_at[count++] = i;
    }
    net_count(udp->stats, NET_UDP_QUERIES, count);
    net_count(udp->stats, NET_UDP_MALFORMED, received - count);
    net_count(udp->stats, NET_UDP_BYTES_IN, octets);
    return count;
}

static unsigned answer_all(struct net_udp *udp, unsigned asked, struct net_client *client,
                           bool wildcard, uint64_t now_ms)
{
    union net_address local;
    uint16_t port = net_address_port(client->local);
    unsigned answers = 0;
    uint64_t octets = 0;
    for (unsigned k = 0; k < asked; k++) {
        unsigned i = udp->asked_at[k];
        struct mmsghdr *packet = &udp->in[i];
        client->peer = &udp->peers[i];
        if (wildcard) {
            if (!local_read(&packet->msg_hdr, port, &local))
                continue;
            client->local = &local;
        }
        uint8_t *message = udp->answers + answers * udp->answer_max;
        size_t length = respond(udp, client, udp->queries[i], packet->msg_len, message, now_ms);
        if (length == 0)
            continue;
        struct msghdr *out = &udp->out[answers].msg_hdr;
        udp->out_data[answers] = (struct iovec){message, length};
        out->msg_name = &udp->peers[i];
        out->msg_namelen = packet->msg_hdr.msg_namelen;
        out->msg_control = NULL;
        out->msg_controllen = 0;
        if (wildcard)
            local_write(out, &udp->out_control[answers], &local);
        octets += length;
        answers++;
    }
    net_count(udp->stats, NET_UDP_BYTES_OUT, octets);
    return answers;
}

/* Sends all; what the system refuses is left out. */
static void send_all(struct net_udp *udp, int fd, unsigned count)
{
    unsigned done = 0, failed = 0;
    while (done < count) {
        int sent = sendmmsg(fd, udp->out + done, count - done, MSG_DONTWAIT);
        if (sent > 0) {
            done += (unsigned)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            failed += count - done; /* the queue is full: losing them is what UDP does */
            break;
        } else if (errno != EINTR) {
            failed++; /* this one has no way to its client */
            done++;
        }
    }
    net_count(udp->stats, NET_UDP_ANSWERS, count - failed);
    if (failed > 0)
        net_count(udp->stats, NET_UDP_SEND_FAILED, failed);
}

unsigned net_udp_batch(struct net_udp *udp, int fd, const union net_address *local, unsigned socket,
                       base_time now, uint64_t monotonic_ns)
{
    bool wildcard = net_address_wildcard(local);
    for (size_t i = 0; i < NET_UDP_BATCH; i++) {
        udp->in[i].msg_hdr.msg_control = wildcard ? &udp->in_control[i] : NULL;
        udp->in[i].msg_hdr.msg_controllen = wildcard ? sizeof(udp->in_control[i]) : 0;
    }
    int received = recvmmsg(fd, udp->in, NET_UDP_BATCH, MSG_DONTWAIT, NULL);
    if (received <= 0)
        return 0;
    struct net_client client = {
        .protocol = NET_UDP, .local = local, .now = now, .worker = udp->worker, .socket = socket};
    if (udp->handler->batch_begin != NULL)
        udp->handler->batch_begin(udp->worker_context);
    unsigned asked = find_queries(udp, (unsigned)received);
    if (udp->handler->look_ahead != NULL && asked > 1)
        udp->handler->look_ahead(udp->worker_context, udp->asked, asked);
    unsigned answers = answer_all(udp, asked, &client, wildcard, monotonic_ns / 1000000);
    if (udp->handler->batch_end != NULL)
        udp->handler->batch_end(udp->worker_context);
    send_all(udp, fd, answers);
    for (int i = 0; i < received; i++)
        udp->in[i].msg_hdr.msg_namelen = sizeof(udp->peers[i]);
    net_count(udp->stats, NET_UDP_BATCHES, 1);
    return (unsigned)received;
}

void net_udp_send(int fd, bool wildcard, const struct net_route *route, const uint8_t *message,
                  size_t length)
{
    union net_address peer = route->peer;
    struct iovec data = {(void *)(uintptr_t)message, length};
    struct msghdr out = {.msg_name = &peer,
                         .msg_namelen = net_address_length(&peer),
                         .msg_iov = &data,
                         .msg_iovlen = 1};
    union control control;
    if (wildcard)
        local_write(&out, &control, &route->local);
    (void)sendmsg(fd, &out, MSG_DONTWAIT);
}

void net_client_keep(const struct net_client *client, struct net_route *route)
{
    route->peer = *client->peer;
    route->local = *client->local;
    route->socket = client->socket;
}
