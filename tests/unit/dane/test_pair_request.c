/* The protocol of auth-server: what is a question, what is none, and what makes two of them equal.
 */
#include "base/error.h"
#include "dane/pair_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define OUT                                                                                        \
    "\"id\":7,\"direction\":\"out\",\"local\":\"a.example\",\"remote\":\"b.example\",\"port\":"    \
    "5269"

static int read_line(const char *line, struct dane_pair_request *out, char why[200])
{
    return dane_pair_request_read(line, strlen(line), out, why);
}

static void test_whole(void **state)
{
    struct dane_pair_request request;
    char why[200];
    assert_int_equal(read_line("{\"id\":-3,\"direction\":\"reuse\",\"local\":\"A.example\","
                               "\"remote\":\"b\xc3\xbc"
                               "cher.example.\",\"host\":\"X.example\",\"port\":5270,"
                               "\"chain\":[\"AQID\",\"BA==\"],\"tls\":false,\"no_posh\":true}",
                               &request, why),
                     BASE_OK);
    assert_int_equal(request.id, -3);
    assert_true(request.reuse);
    assert_int_equal(request.question.direction, DANE_OUTGOING);
    assert_string_equal(request.question.local, "a.example");
    assert_string_equal(request.question.remote, "xn--bcher-kva.example");
    assert_string_equal(request.question.host, "x.example");
    assert_int_equal(request.question.port, 5270);
    assert_true(request.question.no_posh);
    assert_false(request.question.no_pkix);
    assert_false(request.peer.tls);
    assert_int_equal(request.peer.count, 2);
    assert_memory_equal(request.peer.chain[0].data, "\1\2\3", 3);
    assert_int_equal(request.peer.chain[1].length, 1);
    dane_pair_request_free(&request);
}

static void test_mapped_address(void **state)
{
    struct dane_pair_request request;
    char why[200];
    assert_int_equal(read_line("{" OUT ",\"address\":\"::ffff:192.0.2.1\"}", &request, why),
                     BASE_OK);
    assert_int_equal(request.question.address.family, 4);
    assert_memory_equal(request.question.address.octets, "\300\0\2\1", 4);
    dane_pair_request_free(&request);
}

static void test_metrics(void **state)
{
    struct dane_pair_request request;
    char why[200];
    assert_int_equal(read_line("{\"id\":1,\"metrics\":true}", &request, why), BASE_OK);
    assert_true(request.metrics);
    dane_pair_request_free(&request);
}

static void test_none(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "[1]",
        "{}",
        "{\"id\":1}",
        "{\"id\":\"1\",\"metrics\":true}",
        "{" OUT "}",
        "{" OUT ",\"host\":\"a..b\"}",
        "{" OUT ",\"host\":7}",
        "{" OUT ",\"host\":\"x\\u0000y\"}",
        "{" OUT ",\"address\":\"192.0.2\"}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"port\":5269}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"tls\":1}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"chain\":\"AQID\"}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"chain\":[1]}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"chain\":[\"\"]}",
        "{" OUT ",\"address\":\"192.0.2.1\",\"chain\":[\"A?\"]}",
        "{\"id\":1,\"direction\":\"in\",\"local\":\"a\",\"remote\":\"\"}",
        "{\"id\":1,\"direction\":\"in\",\"local\":\"\",\"remote\":\"b\"}",
        "{\"id\":1,\"direction\":\"both\",\"local\":\"a\",\"remote\":\"b\"}",
        "{\"id\":1,\"direction\":\"out\",\"local\":\"a\",\"remote\":\"b\",\"port\":70000}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct dane_pair_request request;
        char why[200];
        int status = read_line(lines[i], &request, why);
        if (status != BASE_EFORMAT)
            print_error("%s\n", lines[i]);
        assert_int_equal(status, BASE_EFORMAT);
        assert_true(why[0] != '\0');
        dane_pair_request_free(&request);
    }
}

static void key_of(const char *line, char key[DANE_PAIR_KEY])
{
    struct dane_pair_request request;
    char why[200];
    assert_int_equal(read_line(line, &request, why), BASE_OK);
    assert_true(dane_pair_request_key(&request, key));
    dane_pair_request_free(&request);
}

/* Whatever has a part in the answer is in the key; the local domain has none. */
static void test_keys(void **state)
{
    static const char *const lines[] = {
        "{" OUT ",\"host\":\"x.example\",\"chain\":[\"AQID\",\"BA==\"]}",
        "{" OUT ",\"host\":\"x.example\",\"chain\":[\"AQIDBA==\"]}",
        "{" OUT ",\"host\":\"x.example\",\"chain\":[\"AQ==\",\"AgME\"]}",
        "{" OUT ",\"host\":\"x.example\"}",
        "{" OUT ",\"host\":\"y.example\"}",
        "{" OUT ",\"address\":\"192.0.2.1\"}",
        "{" OUT ",\"address\":\"192.0.2.2\"}",
        "{" OUT ",\"host\":\"x.example\",\"tls\":false}",
        "{" OUT ",\"host\":\"x.example\",\"no_posh\":true}",
        "{" OUT ",\"host\":\"x.example\",\"no_pkix\":true}",
        "{\"id\":7,\"direction\":\"in\",\"local\":\"a.example\",\"remote\":\"b.example\"}",
        "{\"id\":7,\"direction\":\"in\",\"local\":\"a.example\",\"remote\":\"c.example\"}",
        "{\"id\":7,\"direction\":\"out\",\"local\":\"a.example\",\"remote\":\"b.example\","
        "\"port\":5270,\"host\":\"x.example\"}",
        "{\"id\":7,\"direction\":\"reuse\",\"local\":\"a.example\",\"remote\":\"b.example\","
        "\"port\":5270,\"host\":\"x.example\"}",
    };
    enum { COUNT = sizeof lines / sizeof lines[0] };
    static char keys[COUNT][DANE_PAIR_KEY], other[DANE_PAIR_KEY];
    for (size_t i = 0; i < COUNT; i++) {
        key_of(lines[i], keys[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(keys[i], keys[k]);
    }
    key_of("{\"id\":8,\"direction\":\"in\",\"local\":\"z.example\",\"remote\":\"B.Example.\"}",
           other);
    assert_string_equal(other, keys[10]);
}

static void test_replies(void **state)
{
    struct base_buf out;
    struct dane_pair_verdict verdict = {
        .state = DANE_PAIR_YES, .proof = DANE_PROOF_POSH, .expiry = 1060, .reason = "a \"b\"\n"};
    base_buf_init(&out, 4096);
    dane_pair_reply_verdict(&out, 5, &verdict, 1000);
    assert_string_equal(base_buf_string(&out),
                        "{\"id\":5,\"state\":\"yes\",\"proof\":\"posh\",\"dialback\":false,"
                        "\"expires\":1060,\"ttl\":60,\"reason\":\"a \\\"b\\\"\\n\"}\n");
    base_buf_reset(&out);
    dane_pair_reply_error(&out, NULL, "none");
    assert_string_equal(base_buf_string(&out), "{\"id\":null,\"error\":\"none\"}\n");
    base_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),   cmocka_unit_test(test_mapped_address),
        cmocka_unit_test(test_metrics), cmocka_unit_test(test_none),
        cmocka_unit_test(test_keys),    cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
