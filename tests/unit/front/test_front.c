/* Transfers, signatures and refusals of a worker, over connections without sockets. */
#include "support.h"

#include "front/difference.h"
#include "front/transfer.h"
#include "net/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define VERSIONS 6
#define NOW      1700000000

static char directory[] = "/tmp/kenter-front-XXXXXX";
static struct support_front front;

static int begin(void **state)
{
    assert_non_null(mkdtemp(directory));
    support_front_begin(&front, directory, VERSIONS);
    return 0;
}

static int end(void **state)
{
    support_front_end(&front);
    assert_int_equal(image_discard(directory), BASE_OK);
    rmdir(directory);
    return 0;
}

static union net_address address(const char *text)
{
    union net_address out;
    assert_int_equal(net_address_parse(text, 1000, &out), BASE_OK);
    return out;
}

/* --- one query over a connection --- */

struct world {
    struct net_limits limits;
    struct net_stats stats;
    struct net_connections *all;
    struct net_script script;
    struct net_connection *connection;
};

static void open_world(struct world *world, const char *peer)
{
    static const uint64_t secret[2] = {1, 2};
    union net_address from = address(peer), to = address("192.0.2.53");
    memset(world, 0, sizeof(*world));
    world->limits = (struct net_limits)NET_LIMITS_DEFAULT;
    assert_int_equal(net_connections_new(&world->limits, &front.handler, front.worker, NULL,
                                         &world->stats, secret, &world->all),
                     BASE_OK);
    net_connections_clock(world->all, base_clock_now());
    net_script_init(&world->script);
    world->connection = net_connection_open(world->all, NET_TCP, &net_script_transport,
                                            &world->script, &from, &to, 1);
    assert_non_null(world->connection);
}

static void run_world(struct world *world)
{
    for (unsigned i = 0; i < 1000 && net_script_due(&world->script); i++) {
        net_connection_event(world->connection, 1);
        net_connections_tick(world->all, base_clock_now(), 1);
    }
}

static void close_world(struct world *world)
{
    net_connections_free(world->all);
    net_script_free(&world->script);
}

/* The message at *at of what was sent; false at the end. */
static bool next_message(const struct world *world, size_t *at, uint8_t *out, size_t *length)
{
    const struct base_buf *output = &world->script.output;
    if (*at + 2 > output->length)
        return false;
    *length = base_load_u16(output->data + *at);
    assert_true(*at + 2 + *length <= output->length);
    memcpy(out, output->data + *at + 2, *length);
    *at += 2 + *length;
    return true;
}

/* An IXFR of test. from a serial; with serial 0 an AXFR. */
static size_t transfer_query(uint8_t *out, uint32_t serial)
{
    size_t length = support_query(out, "test.", serial != 0 ? DNS_TYPE_IXFR : DNS_TYPE_AXFR, false);
    if (serial == 0)
        return length;
    static const uint8_t soa[] = {0xC0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0};
    memcpy(out + length, soa, sizeof(soa));
    memset(out + length + sizeof(soa), 0, 20);
    base_store_u32(out + length + sizeof(soa), serial);
    out[9] = 1;
    return length + sizeof(soa) + 20;
}

static void test_access(void **state)
{
    static const struct {
        const char *peer;
        bool signs;
        unsigned rcode;
    } cases[] = {{"127.0.0.1", false, 0},
                 {"::1", false, 0},
                 {"192.0.2.1", false, DNS_RCODE_REFUSED},
                 {"192.0.2.1", true, 0},
                 {"2001:db8::1", false, DNS_RCODE_REFUSED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world world;
        struct dns_tsig tsig;
        uint8_t query[512];
        static uint8_t message[DNS_MESSAGE_MAX];
        size_t length = transfer_query(query, 0), at = 0;
        dns_tsig_init(&tsig, &support_key, &crypto_tsig_hmac);
        if (cases[i].signs)
            assert_int_equal(
                dns_tsig_sign(&tsig, query, &length, sizeof(query), base_clock_now(), 0), BASE_OK);
        open_world(&world, cases[i].peer);
        net_script_query(&world.script, query, length);
        run_world(&world);
        assert_true(next_message(&world, &at, message, &length));
        assert_int_equal(message[3] & 15, cases[i].rcode);
        uint16_t error = 0;
        if (cases[i].signs)
            assert_int_equal(dns_tsig_verify(&tsig, message, &length, base_clock_now(), &error),
                             BASE_OK);
        dns_tsig_free(&tsig);
        close_world(&world);
    }
}

/* As many as a client may have; the rest is told to come later, and places become free. */
static void test_many(void **state)
{
    static struct world worlds[FRONT_TRANSFERS_CLIENT + 1];
    uint8_t query[512];
    static uint8_t message[DNS_MESSAGE_MAX];
    size_t length = transfer_query(query, 0), size;
    const struct front_worker *worker = front.worker;
    for (unsigned i = 0; i <= FRONT_TRANSFERS_CLIENT; i++) {
        size_t at = 0;
        open_world(&worlds[i], "::1");
        worlds[i].script.room = i < FRONT_TRANSFERS_CLIENT ? 0 : SIZE_MAX;
        net_script_query(&worlds[i].script, query, length);
        /* Not even the first turn: the stream is there, and nothing was pulled. */
        net_connection_event(worlds[i].connection, 1);
        if (i == FRONT_TRANSFERS_CLIENT && next_message(&worlds[i], &at, message, &size))
            assert_true((message[3] & 15) == 0 || (message[3] & 15) == DNS_RCODE_SERVFAIL);
    }
    for (unsigned i = 0; i <= FRONT_TRANSFERS_CLIENT; i++)
        close_world(&worlds[i]);
    assert_int_equal(worker->transfer_count, 0);
    assert_null(worker->transfers);
}

/* --- differences --- */

static unsigned count_type(struct front_difference *difference, uint16_t type, size_t *all)
{
    struct front_record record;
    unsigned count = 0;
    int error;
    for (*all = 0; (error = front_difference_next(difference, &record)) == BASE_OK; ++*all)
        count += base_load_u16(record.body) == type;
    assert_int_equal(error, BASE_ENOENT);
    assert_int_equal(front_difference_next(difference, &record), BASE_ENOENT);
    return count;
}

static void test_difference(void **state)
{
    static const uint8_t apex[] = "\4test";
    struct image_reader *reader;
    struct image_zone zone;
    assert_int_equal(image_reader_open(front.image, &reader), BASE_OK);
    assert_int_equal(image_zone_get(reader, apex, &zone), BASE_OK);
    for (uint32_t serial = 1; serial < VERSIONS; serial++) {
        struct front_difference *difference;
        bool condensed;
        size_t all;
        assert_int_equal(front_difference_new(reader, &zone, serial, SIZE_MAX, &difference),
                         BASE_OK);
        assert_int_equal(front_difference_steps(difference, &condensed), VERSIONS - serial);
        assert_int_equal(condensed, serial + 1 < VERSIONS);
        size_t count = front_difference_count(difference);
        /* Five addresses and one name of its own, removed and added; however many steps. */
        assert_int_equal(count, 2 * (1 + 5 + 1));
        assert_int_equal(count_type(difference, DNS_TYPE_SOA, &all), 2);
        assert_int_equal(all, count);
        front_difference_free(difference);
    }
    struct front_difference *difference;
    assert_int_equal(front_difference_new(reader, &zone, 99, SIZE_MAX, &difference), BASE_ENOENT);
    assert_int_equal(front_difference_new(reader, &zone, 1, 100, &difference), BASE_ELIMIT);
    image_reader_close(reader);
}

static void test_ixfr(void **state)
{
    for (uint32_t serial = 1; serial <= VERSIONS + 1; serial++) {
        struct world world;
        uint8_t query[512];
        static uint8_t message[DNS_MESSAGE_MAX];
        size_t length = transfer_query(query, serial), at = 0;
        open_world(&world, "127.0.0.1");
        net_script_query(&world.script, query, length);
        run_world(&world);
        assert_true(next_message(&world, &at, message, &length));
        assert_int_equal(base_load_u16(message + 6), serial < VERSIONS ? 16 : 1);
        struct base_arena arena;
        struct dns_message parsed;
        base_arena_init(&arena, 0);
        assert_int_equal(dns_message_parse(message, length, &arena, &parsed), BASE_OK);
        base_arena_free(&arena);
        close_world(&world);
    }
}

/* --- refusals of TSIG --- */

static size_t ask(uint8_t *query, size_t length, uint8_t *out, int *verdict)
{
    union net_address peer = address("192.0.2.1"), local = address("192.0.2.53");
    struct net_client client = {.protocol = NET_UDP, .peer = &peer, .local = &local, .now = NOW};
    struct net_answer answer = {0};
    front.handler.batch_begin(front.worker);
    *verdict = front.handler.respond(front.worker, &client, query, length, out, 1232, &answer);
    front.handler.batch_end(front.worker);
    return answer.length;
}

static void test_tsig(void **state)
{
    static const struct {
        base_time signed_at;
        const char *secret;
        size_t cut; /* octets of the MAC taken away */
        uint16_t error;
        bool is_signed;
    } cases[] = {
        {NOW, NULL, 0, 0, true},
        {NOW + 299, NULL, 0, 0, true},
        {NOW - 301, NULL, 0, DNS_RCODE_BADTIME, true},
        {NOW + 301, NULL, 0, DNS_RCODE_BADTIME, true},
        {NOW, "another", 0, DNS_RCODE_BADSIG, false},
        {NOW, NULL, 8, DNS_RCODE_BADTRUNC, true},
        {NOW, "another", 8, DNS_RCODE_BADSIG, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t query[512], out[1232];
        struct dns_tsig_key key = support_key;
        struct dns_tsig_record record;
        struct dns_tsig tsig;
        int verdict;
        if (cases[i].secret != NULL) {
            key.secret = (const uint8_t *)cases[i].secret;
            key.secret_length = strlen(cases[i].secret);
        }
        size_t length = support_query(query, "n1.test.", DNS_TYPE_A, false);
        dns_tsig_init(&tsig, &key, &crypto_tsig_hmac);
        assert_int_equal(dns_tsig_sign(&tsig, query, &length, sizeof(query), cases[i].signed_at, 0),
                         BASE_OK);
        if (cases[i].cut > 0) {
            uint8_t *tail = query + length - 6, *mac = tail - 32;
            memmove(tail - cases[i].cut, tail, 6);
            base_store_u16(mac - 2, (uint16_t)(32 - cases[i].cut));
            uint8_t *size = mac - 10 - 13 - 2; /* behind it "\13hmac-sha256", time, fudge, size */
            base_store_u16(size, (uint16_t)(base_load_u16(size) - cases[i].cut));
            length -= cases[i].cut;
            tsig.mac_length -= cases[i].cut;
        }
        length = ask(query, length, out, &verdict);
        assert_int_equal(verdict, NET_ANSWER);
        assert_int_equal(out[3] & 15, cases[i].error != 0 ? DNS_RCODE_NOTAUTH : 0);
        assert_int_equal(dns_tsig_find(out, length, &record), BASE_OK);
        assert_int_equal(record.error, cases[i].error);
        assert_int_equal(record.mac_length, cases[i].is_signed ? 32 : 0);
        uint16_t error = 0;
        if (cases[i].is_signed)
            assert_int_equal(dns_tsig_verify(&tsig, out, &length, record.time, &error),
                             cases[i].error == 0 ? BASE_OK : BASE_EMISMATCH);
        assert_int_equal(error, cases[i].is_signed ? cases[i].error : 0);
        dns_tsig_free(&tsig);
    }
}

/* Without control an UPDATE is answered at once. */
static void test_update_alone(void **state)
{
    uint8_t query[512], out[1232];
    struct dns_tsig tsig;
    int verdict;
    size_t length = support_query(query, "test.", DNS_TYPE_SOA, false);
    query[2] = DNS_OPCODE_UPDATE << 3;
    size_t plain = length;
    ask(query, plain, out, &verdict);
    assert_int_equal(verdict, NET_ANSWER);
    assert_int_equal(out[3] & 15, DNS_RCODE_REFUSED);
    dns_tsig_init(&tsig, &support_key, &crypto_tsig_hmac);
    assert_int_equal(dns_tsig_sign(&tsig, query, &length, sizeof(query), NOW, 0), BASE_OK);
    length = ask(query, length, out, &verdict);
    assert_int_equal(verdict, NET_ANSWER);
    assert_int_equal(out[3] & 15, DNS_RCODE_SERVFAIL);
    uint16_t error;
    assert_int_equal(dns_tsig_verify(&tsig, out, &length, NOW, &error), BASE_OK);
    dns_tsig_free(&tsig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_difference), cmocka_unit_test(test_ixfr),
        cmocka_unit_test(test_tsig),       cmocka_unit_test(test_update_alone),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
