/*
 * The whole path from a packet to its answers: TSIG, transfers, NOTIFY and UPDATE included. The
 * first octet chooses transport, address, and whether the rest is signed with a good key. Whatever
 * comes: answers are well formed, fit, and are signed when the query was.
 */
#include "front/support.h"

#include "net/connection.h"

#define NOW 1559731985

static struct support_front front;

static void start(void)
{
    char directory[] = "/tmp/kenter-fuzz-XXXXXX";
    REQUIRE(mkdtemp(directory) != NULL);
    support_front_begin(&front, directory, 4);
    /* The files live as long as they are open. */
    REQUIRE(image_discard(directory) == BASE_OK);
    rmdir(directory);
}

static void check(const uint8_t *message, size_t length, struct dns_tsig *tsig)
{
    static uint8_t copy[DNS_MESSAGE_MAX];
    struct base_arena arena;
    struct dns_message parsed;
    uint16_t error = 0;
    REQUIRE(length >= DNS_MESSAGE_HEADER && length <= DNS_MESSAGE_MAX);
    REQUIRE((message[2] & 0x80) != 0);
    base_arena_init(&arena, 0);
    REQUIRE(dns_message_parse(message, length, &arena, &parsed) == BASE_OK);
    base_arena_free(&arena);
    if (tsig == NULL)
        return;
    memcpy(copy, message, length);
    REQUIRE(dns_tsig_verify(tsig, copy, &length, NOW, &error) == BASE_OK ||
            error == DNS_RCODE_BADTIME);
}

static void pull_all(struct net_stream *stream)
{
    static uint8_t out[DNS_MESSAGE_MAX];
    int said;
    unsigned count = 0;
    do {
        size_t length = 0;
        said = stream->pull(stream, out, sizeof(out), &length);
        if (said == NET_STREAM_MORE || (said == NET_STREAM_END && length > 0))
            check(out, length, NULL);
    } while (said == NET_STREAM_MORE && ++count < 1000);
    REQUIRE(said == NET_STREAM_END);
    stream->close(stream, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t query[8192], out[DNS_MESSAGE_MAX];
    struct dns_tsig tsig;
    union net_address peer, local;
    if (front.worker == NULL)
        start();
    if (size < 1 + DNS_MESSAGE_HEADER || size > 4096 || (data[3] & 0x80) != 0)
        return 0;
    size_t length = size - 1;
    memcpy(query, data + 1, length);
    dns_tsig_init(&tsig, &support_key, &crypto_tsig_hmac);
    bool is_signed = (data[0] & 4) != 0 &&
                     dns_tsig_sign(&tsig, query, &length, sizeof(query), NOW, 0) == BASE_OK;
    REQUIRE(net_address_parse(data[0] & 8 ? "127.0.0.1" : "2001:db8::1", 1, &peer) == BASE_OK);
    REQUIRE(net_address_parse("192.0.2.1", 53, &local) == BASE_OK);
    struct net_client client = {.protocol = (enum net_protocol)((data[0] & 3) % 3),
                                .peer = &peer,
                                .local = &local,
                                .now = NOW,
                                .idle_ms = 1000};
    struct net_answer answer = {0};
    size_t capacity = client.protocol == NET_UDP ? 1232 : sizeof(out);
    front.handler.batch_begin(front.worker);
    int verdict =
        front.handler.respond(front.worker, &client, query, length, out, capacity, &answer);
    if (verdict == NET_ANSWER) {
        REQUIRE(answer.length <= capacity);
        /* What cannot be read is refused with a header alone, which nobody signs. */
        bool answered = (out[3] & 15) != DNS_RCODE_FORMERR && (out[3] & 15) != DNS_RCODE_NOTIMP;
        check(out, answer.length, is_signed && answered ? &tsig : NULL);
    } else if (verdict == NET_STREAM) {
        pull_all(answer.stream);
    }
    front.handler.batch_end(front.worker);
    dns_tsig_free(&tsig);
    return 0;
}
