/* Answers without sockets: what is asked of them in content is in tests/scenario/test_answers.py;
 * here are the parts that it does not see: what the caller is told, changes under a cache, mutated
 * queries, a damaged image. */
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <lmdb.h>

static char directory[64];

static int make_directory(void **state)
{
    strcpy(directory, "/tmp/kenter-serve-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    image_discard(directory);
    return rmdir(directory);
}

static const struct serve_client udp = {.transport = SERVE_UDP, .address_length = 4, .now = 1000};

static struct serve_result ask(struct serve_worker *worker, const char *name, uint16_t type,
                               bool dnssec, uint8_t response[65535])
{
    uint8_t query[512];
    struct serve_result result;
    size_t length = support_query(query, name, type, dnssec);
    serve_answer(worker, &udp, query, length, response, 65535, &result);
    support_check(query, length, response, &result, SERVE_UDP);
    return result;
}

static void test_actions(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 0);
    uint8_t query[512], response[65535];
    struct serve_result result;
    assert_int_equal(ask(worker, "x.w.example.", DNS_TYPE_MX, true, response).action, SERVE_SEND);
    assert_int_equal(ask(worker, "example.", DNS_TYPE_AXFR, false, response).action,
                     SERVE_TRANSFER);
    assert_int_equal(ask(worker, "example.", DNS_TYPE_IXFR, false, response).action,
                     SERVE_TRANSFER);
    static const struct {
        uint8_t opcode;
        enum serve_action action;
    } cases[] = {{DNS_OPCODE_NOTIFY, SERVE_NOTIFY},
                 {DNS_OPCODE_UPDATE, SERVE_UPDATE},
                 {1, SERVE_SEND},
                 {2, SERVE_SEND}};
    for (size_t i = 0; i < 4; i++) {
        size_t length = support_query(query, "example.", DNS_TYPE_SOA, false);
        query[2] = (uint8_t)(cases[i].opcode << 3);
        serve_answer(worker, &udp, query, length, response, sizeof(response), &result);
        assert_int_equal(result.action, cases[i].action);
        assert_int_equal(result.rcode, DNS_RCODE_NOTIMP);
    }
    /* A TSIG is somebody else's to verify. */
    size_t length = support_query(query, "example.", DNS_TYPE_SOA, false);
    memcpy(query + length, "\0\0\xfa\0\xff\0\0\0\0\0\0", 11);
    query[11] = 1;
    serve_answer(worker, &udp, query, length + 11, response, sizeof(response), &result);
    assert_int_equal(result.action, SERVE_TSIG);
    serve_answer(worker, &udp, query, 11, response, sizeof(response), &result);
    assert_int_equal(result.action, SERVE_DROP);
    serve_worker_free(worker);
    image_close(image);
}

/* RD comes back; AD and CD are for resolvers (RFC 4035 section 3.1.6). */
static void test_flags(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 0);
    uint8_t query[512], response[65535];
    static const char *const asked[] = {"x.w.example.", "mc.a.example.", "nowhere."};
    for (size_t i = 0; i < 3; i++) {
        for (unsigned flags = 0; flags < 8; flags++) {
            struct serve_result result;
            size_t length = support_query(query, asked[i], DNS_TYPE_MX, true);
            query[2] = flags & 1;
            query[3] = (uint8_t)((flags & 6) << 3);
            serve_answer(worker, &udp, query, length, response, sizeof(response), &result);
            assert_int_equal(response[2], 0x80 | (flags & 1) | (i == 0 ? 4 : 0));
            assert_int_equal(response[3], i == 2 ? DNS_RCODE_REFUSED : 0);
        }
    }
    serve_worker_free(worker);
    image_close(image);
}

static unsigned count(const uint8_t response[], enum dns_section section)
{
    return base_load_u16(response + 4 + 2 * section);
}

/* A zone without signatures proves nothing: no DS in its referrals (RFC 4035 section 3.1.4), and
 * where an alias has no signatures, who asks for them is led on like others. */
static void test_unsigned(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 0);
    uint8_t response[65535];
    ask(worker, "x.secure.test.", DNS_TYPE_A, true, response);
    assert_int_equal(count(response, DNS_SECTION_AUTHORITY), 1);
    ask(worker, "secure.test.", DNS_TYPE_DS, true, response);
    assert_int_equal(count(response, DNS_SECTION_ANSWER), 1);
    ask(worker, "c1.test.", DNS_TYPE_RRSIG, true, response);
    assert_int_equal(count(response, DNS_SECTION_ANSWER), 3);
    assert_int_equal(count(response, DNS_SECTION_AUTHORITY), 1);
    serve_worker_free(worker);
    image_close(image);
}

/* An alias made by a wildcard is proved wherever it leads (RFC 4035 section 3.1.3.3). */
static void test_wildcard_leads_out(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 0);
    uint8_t response[65535];
    support_publish(image, "wild.", NULL,
                    "@ 60 SOA a. b. 1 1 1 1 1\n@ 60 NS a.\n@ 60 NSEC *.w.wild. NS SOA NSEC\n"
                    "*.w 60 CNAME out.elsewhere.\n*.w 60 NSEC *.v.wild. CNAME NSEC\n"
                    "*.v 60 CNAME c1.test.\n*.v 60 NSEC wild. CNAME NSEC\n");
    assert_int_equal(serve_renew(worker), BASE_OK);
    ask(worker, "x.w.wild.", DNS_TYPE_A, true, response);
    assert_int_equal(count(response, DNS_SECTION_ANSWER), 1);
    assert_int_equal(count(response, DNS_SECTION_AUTHORITY), 1);
    ask(worker, "x.v.wild.", DNS_TYPE_A, true, response);
    assert_int_equal(count(response, DNS_SECTION_ANSWER), 5);
    assert_int_equal(count(response, DNS_SECTION_AUTHORITY), 1);
    serve_worker_free(worker);
    image_close(image);
}

/* A kept answer holds until its zone, or the set of zones, changes. */
static void test_cache(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 65536);
    uint8_t response[65535], first[65535];
    struct serve_result result = ask(worker, "a.child.test.", DNS_TYPE_A, true, first);
    assert_int_equal(result.rcode, DNS_RCODE_NXDOMAIN);
    for (int i = 0; i < 3; i++) {
        result = ask(worker, "a.child.test.", DNS_TYPE_A, true, response);
        assert_int_equal(result.hot, i >= 1);
        assert_memory_equal(first, response, result.length);
    }
    /* Case is that of the question. */
    result = ask(worker, "a.CHild.test.", DNS_TYPE_A, true, response);
    assert_true(result.hot);
    assert_memory_equal(response + 14, "\5CHild", 6);
    /* Another zone of which the answer knows nothing. */
    serve_release(worker);
    support_publish(image, "example.", TEST_DATA "/golden/rfc4035-a.zone", NULL);
    assert_int_equal(serve_renew(worker), BASE_OK);
    assert_true(ask(worker, "a.child.test.", DNS_TYPE_A, true, response).hot);
    /* A zone below takes the name over. */
    support_publish(image, "child.test.", NULL,
                    "@ 60 SOA a. b. 1 1 1 1 1\n@ 60 NS a.\na 60 A 1.2.3.4\n");
    assert_true(ask(worker, "a.child.test.", DNS_TYPE_A, true, response).hot); /* not renewed */
    assert_int_equal(serve_renew(worker), BASE_OK);
    result = ask(worker, "a.child.test.", DNS_TYPE_A, true, response);
    assert_false(result.hot);
    assert_int_equal(result.rcode, DNS_RCODE_NOERROR);
    ask(worker, "a.child.test.", DNS_TYPE_A, true, response);
    assert_true(ask(worker, "a.child.test.", DNS_TYPE_A, true, response).hot);
    support_publish(image, "child.test.", NULL, "@ 60 SOA a. b. 2 1 1 1 1\n@ 60 NS a.\n");
    assert_int_equal(serve_renew(worker), BASE_OK);
    result = ask(worker, "a.child.test.", DNS_TYPE_A, true, response);
    assert_false(result.hot);
    assert_int_equal(result.rcode, DNS_RCODE_NXDOMAIN);
    serve_worker_free(worker);
    image_close(image);
}

/* Room for a TSIG is kept. */
static void test_reserve(void **state)
{
    struct image *image = support_image(directory, false);
    struct serve_worker *worker = support_worker(image, 0);
    struct serve_client client = udp;
    uint8_t query[512], response[65535];
    for (size_t reserve = 0; reserve < 720; reserve += 10) {
        client.reserve = reserve;
        client.authenticated = true;
        struct serve_result result;
        size_t length = support_query(query, "a.example.", DNS_TYPE_DS, true);
        serve_answer(worker, &client, query, length, response, sizeof(response), &result);
        assert_true(result.length + reserve <= SERVE_PAYLOAD_DEFAULT);
        support_check(query, length, response, &result, SERVE_UDP);
    }
    serve_worker_free(worker);
    image_close(image);
}

static const char *const names[] = {
    "example.",      "x.w.example.", "a.z.w.example.", "ml.example.", "mc.a.example.", "b.example.",
    "y.w.example.",  "test.",        "c1.test.",       "loop.test.",  "x.d.test.",     "y.d.test.",
    "q.self.test.",  "p.w.test.",    "o.v.test.",      "ent.test.",   "n.cut.test.",   "cut.test.",
    "_s._tcp.test.", "svc.test.",    "svc2.test.",     "in.test.",    "nowhere.",      ".",
    "version.bind."};
static const uint16_t types[] = {1,  2,  5,  6,  15, 16, 28,  33,  39, 43,
                                 46, 47, 48, 50, 64, 65, 255, 252, 3};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The same numbers each time. */
static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 11) % limit;
}

static void test_mutations(void **state)
{
    struct image *image = support_image(directory, true);
    struct serve_worker *worker = support_worker(image, 8192);
    uint8_t query[600], response[65535];
    for (int i = 0; i < 60000; i++) {
        size_t length = support_query(query, names[random_below(COUNT(names))],
                                      types[random_below(COUNT(types))], random_below(2));
        for (uint32_t changes = random_below(4); changes > 0; changes--)
            query[random_below((uint32_t)length)] = (uint8_t)random_below(256);
        if (random_below(8) == 0)
            length = random_below((uint32_t)length + 1);
        uint8_t *exact = malloc(length + 1);
        assert_non_null(exact);
        memcpy(exact, query, length);
        struct serve_client client = udp;
        client.transport = random_below(3);
        struct serve_result result;
        serve_release(worker);
        assert_int_equal(serve_renew(worker), BASE_OK);
        if (i % 3 > 0) {
            const struct net_packet coming[] = {{exact, length}, {exact, length}};
            serve_look_ahead(worker, coming, i % 3);
        }
        serve_answer(worker, &client, exact, length, response, sizeof(response), &result);
        if (result.action != SERVE_DROP)
            support_check(exact, length, response, &result, client.transport);
        free(exact);
    }
    serve_worker_free(worker);
    image_close(image);
}

/* Changes octets of the values of one database. */
static void damage(const char *database, unsigned one_in)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 8);
    mdb_env_set_mapsize(env, 16 << 20);
    assert_int_equal(mdb_env_open(env, directory, MDB_NOSYNC, 0640), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, database, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
    MDB_val key, value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        uint8_t copy[65536], name[512];
        MDB_val changed = {value.mv_size, copy}, same = {key.mv_size, name};
        memcpy(name, key.mv_data, key.mv_size); /* it lies in the page that is changed */
        memcpy(copy, value.mv_data, value.mv_size);
        if (random_below(one_in) == 0)
            copy[random_below((uint32_t)value.mv_size)] = (uint8_t)random_below(256);
        if (random_below(one_in * 8) == 0)
            changed.mv_size = random_below((uint32_t)value.mv_size) + 1;
        assert_int_equal(mdb_cursor_put(cursor, &same, &changed, MDB_CURRENT), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* Whatever the values are, there is an answer, in time and within its bounds. */
static void test_damage(void **state)
{
    for (int round = 0; round < 60; round++) {
        image_discard(directory);
        image_close(support_image(directory, round & 1));
        damage("names", 1 + (unsigned)round % 5);
        damage("nsec3", 1 + (unsigned)round % 5);
        damage("zones", 8);
        struct image *image;
        struct image_options options = {.map_size = 16 << 20};
        assert_int_equal(image_open(directory, &options, &image), BASE_OK);
        struct serve_worker *worker = support_worker(image, 0);
        uint8_t query[512], response[65535];
        for (size_t i = 0; i < COUNT(names); i++) {
            for (size_t j = 0; j < COUNT(types); j++) {
                struct serve_result result;
                size_t length = support_query(query, names[i], types[j], round % 3 != 0);
                serve_answer(worker, &udp, query, length, response, sizeof(response), &result);
                assert_true(result.length <= SERVE_PAYLOAD_DEFAULT);
            }
        }
        struct image_reader *reader;
        assert_int_equal(image_reader_open(image, &reader), BASE_OK);
        image_check(reader);
        image_reader_close(reader);
        serve_worker_free(worker);
        image_close(image);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_actions), TEST(test_flags),   TEST(test_unsigned),  TEST(test_wildcard_leads_out),
        TEST(test_cache),   TEST(test_reserve), TEST(test_mutations), TEST(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
