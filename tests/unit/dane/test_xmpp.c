/* The engine for pairs beside the matrix: POSH documents however wrong, asks and answers out of
 * order, what is left when it ends early. */
#include "base/error.h"
#include "certificates.h"
#include "dane/posh.h"
#include "dane/xmpp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIGEST256 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void test_posh_good(void **state)
{
    static const char text[] =
        "{\"fingerprints\":[{\"sha-256\":\"" DIGEST256 "\"},{\"md5\":\"x\"}],"
        "\"expires\":86400,\"more\":[1]}";
    struct dane_posh posh;
    char why[200];
    assert_int_equal(dane_posh_parse(text, strlen(text), &posh, why), BASE_OK);
    assert_int_equal(posh.count, 2);
    assert_int_equal(posh.expires, 86400);
    assert_true(posh.fingerprints[0].has_sha256);
    assert_false(posh.fingerprints[1].has_sha256);
    assert_null(posh.url);
    dane_posh_free(&posh);
}

static void test_posh_long_expiry(void **state)
{
    static const char text[] = "{\"url\":\"HTTPS://host.example/a?b=c\",\"expires\":99999999999}";
    struct dane_posh posh;
    char why[200];
    assert_int_equal(dane_posh_parse(text, strlen(text), &posh, why), BASE_OK);
    assert_int_equal(posh.expires, UINT32_MAX);
    assert_string_equal(posh.url, "HTTPS://host.example/a?b=c");
    dane_posh_free(&posh);
}

static void test_posh_bad(void **state)
{
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"expires\":1}",
        "{\"expires\":\"1\",\"url\":\"https://a/\"}",
        "{\"expires\":1.5,\"url\":\"https://a/\"}",
        "{\"expires\":true,\"url\":\"https://a/\"}",
        "{\"expires\":1,\"url\":1}",
        "{\"expires\":1,\"url\":\"ftp://a/\"}",
        "{\"expires\":1,\"url\":\"https://a/ b\"}",
        "{\"expires\":1,\"url\":\"https://a/\\u0000b\"}",
        "{\"expires\":1,\"url\":\"https://a/\\n\"}",
        "{\"expires\":1,\"url\":\"https://\xc3\xa4/\"}",
        "{\"expires\":1,\"fingerprints\":{}}",
        "{\"expires\":1,\"fingerprints\":[]}",
        "{\"expires\":1,\"fingerprints\":[1]}",
        "{\"expires\":1,\"fingerprints\":[{\"sha-256\":1}]}",
        "{\"expires\":1,\"fingerprints\":[{\"sha-256\":\"AAAA\"}]}",
        "{\"expires\":1,\"fingerprints\":[{\"sha-512\":\"" DIGEST256 "\"}]}",
        "{\"expires\":1,\"expires\":2,\"url\":\"https://a/\"}",
        "{\"expires\":1,\"url\":\"https://a/\"} x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dane_posh posh;
        char why[200] = "";
        int status = dane_posh_parse(texts[i], strlen(texts[i]), &posh, why);
        if (status != BASE_EFORMAT || why[0] == '\0')
            print_error("%s\n", texts[i]);
        assert_int_equal(status, BASE_EFORMAT);
        assert_true(why[0] != '\0');
    }
}

static void test_posh_large(void **state)
{
    struct dane_posh posh;
    char why[200];
    size_t length = DANE_POSH_TEXT_MAX + 1;
    char *text = malloc(length);
    memset(text, ' ', length);
    assert_int_equal(dane_posh_parse(text, length, &posh, why), BASE_EFORMAT);
    /* Deep nesting ends in the parser, not on the stack. */
    memset(text, '[', length - 1);
    assert_int_equal(dane_posh_parse(text, length - 1, &posh, why), BASE_EFORMAT);
    length = 0;
    length += (size_t)sprintf(text, "{\"expires\":1,\"fingerprints\":[{}");
    for (int i = 0; i < DANE_POSH_FINGERPRINTS_MAX; i++)
        length += (size_t)sprintf(text + length, ",{}");
    length += (size_t)sprintf(text + length, "]}");
    assert_int_equal(dane_posh_parse(text, length, &posh, why), BASE_EFORMAT);
    free(text);
}

static struct dane_pair_question question(const struct dane_peer *peer)
{
    return (struct dane_pair_question){
        .direction = DANE_OUTGOING,
        .local = "a.example",
        .remote = "b.example",
        .peer = peer,
        .host = "x.example",
        .port = 5269,
        .now = CERTIFICATE_NOW,
    };
}

static void test_no_domain(void **state)
{
    struct dane_peer peer = {.tls = true};
    struct dane_pair *pair;
    struct dane_pair_question asked = question(&peer);
    asked.remote = "b..example";
    assert_int_equal(dane_pair_new(&asked, &pair), BASE_EFORMAT);
    asked.remote = "";
    assert_int_equal(dane_pair_new(&asked, &pair), BASE_EFORMAT);
    asked = question(&peer);
    asked.host = "x\x01y";
    assert_int_equal(dane_pair_new(&asked, &pair), BASE_EFORMAT);
}

static void test_answers_nobody_asked_for(void **state)
{
    struct dane_peer peer = {.tls = true};
    struct dane_pair *pair;
    struct dane_pair_ask asked;
    struct dane_pair_document document = {.text = "{}", .length = 2};
    struct dane_pair_question about = question(&peer);
    assert_int_equal(dane_pair_new(&about, &pair), BASE_OK);
    assert_null(dane_pair_result(pair));
    assert_int_equal(dane_pair_answer(pair, 999, NULL), BASE_EINVAL);
    assert_int_equal(dane_pair_answer_posh(pair, 1, &document), BASE_EINVAL);
    assert_int_equal(dane_pair_answer_posh(pair, 0x80000001u, &document), BASE_EINVAL);
    assert_true(dane_pair_next(pair, &asked));
    assert_int_equal(asked.kind, DANE_PAIR_LOOKUP);
    assert_true(dane_pair_next(pair, &asked)); /* both SRV at once */
    assert_false(dane_pair_next(pair, &asked));
    dane_pair_free(pair);
    dane_pair_free(NULL);
}

static void test_many_certificates(void **state)
{
    static const uint8_t octets[4] = {0x30, 2, 5, 0};
    struct dane_der chain[100];
    for (size_t i = 0; i < 100; i++)
        chain[i] = (struct dane_der){octets, i % 2 ? sizeof octets : 0};
    struct dane_peer peer = {.tls = true, .chain = chain, .count = 100};
    struct dane_pair_question about = question(&peer);
    struct dane_pair *pair;
    assert_int_equal(dane_pair_new(&about, &pair), BASE_OK);
    dane_pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posh_good),         cmocka_unit_test(test_posh_long_expiry),
        cmocka_unit_test(test_posh_bad),          cmocka_unit_test(test_posh_large),
        cmocka_unit_test(test_no_domain),         cmocka_unit_test(test_answers_nobody_asked_for),
        cmocka_unit_test(test_many_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
