/*
 * Addresses as people write them, and prefixes of clients.
 */
#include "base/error.h"
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_texts(void **state)
{
    static const struct {
        const char *text, *canonical;
    } good[] = {
        {"192.0.2.1", "192.0.2.1@53"},
        {"192.0.2.1:5300", "192.0.2.1@5300"},
        {"127.0.0.1@5300", "127.0.0.1@5300"},
        {"::1", "::1@53"},
        {"[::1]", "::1@53"},
        {"[::1]:5300", "::1@5300"},
        {"[::1]@5300", "::1@5300"},
        {"2001:db8::1@65535", "2001:db8::1@65535"},
        {"::", "::@53"},
        {"0.0.0.0@0", "0.0.0.0@0"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        union net_address address, again;
        char text[NET_ADDRESS_TEXT];
        assert_int_equal(net_address_parse(good[i].text, 53, &address), BASE_OK);
        net_address_text(&address, text);
        assert_string_equal(text, good[i].canonical);
        assert_int_equal(net_address_parse(text, 1, &again), BASE_OK);
        assert_true(net_address_equal(&address, &again));
    }
    static const char *const bad[] = {
        "",          "@53",         "192.0.2",     "192.0.2.1:",      "192.0.2.1@65536", "[::1",
        "[::1]5300", "[]",          "example.com", "::1%nowhere0",    "1.2.3.4%lo",      "[::1]:",
        "::1@x",     "192.0.2.1@-", ":53",         "[192.0.2.1]:5:3", "1.2.3.4@53@53",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        union net_address address;
        assert_int_equal(net_address_parse(bad[i], 53, &address), BASE_EFORMAT);
    }
}

static struct net_prefix prefix(const char *text, unsigned v4, unsigned v6)
{
    union net_address address;
    assert_int_equal(net_address_parse(text, 53, &address), BASE_OK);
    return net_address_prefix(&address, v4, v6);
}

static bool same(const char *a, const char *b, unsigned v4, unsigned v6)
{
    struct net_prefix x = prefix(a, v4, v6), y = prefix(b, v4, v6);
    return x.high == y.high && x.low == y.low;
}

static void test_prefixes(void **state)
{
    assert_true(same("192.0.2.1", "192.0.2.255", 24, 56));
    assert_false(same("192.0.2.1", "192.0.3.1", 24, 56));
    assert_false(same("192.0.2.1", "192.0.2.2", 32, 56));
    assert_true(same("192.0.2.1", "198.51.100.7", 0, 56));
    assert_true(same("2001:db8:0:ff::1", "2001:db8:0:0::2", 24, 56));
    assert_false(same("2001:db8:0:ff::1", "2001:db8:0:100::1", 24, 56));
    assert_false(same("2001:db8::1", "2001:db8::2", 24, 128));
    assert_true(same("2001:db8::1", "2001:db8::2", 24, 120));
    assert_true(same("2001:db8::1", "3fff::2", 24, 0));
    /* The families never meet, whatever is left of them. */
    assert_false(same("0.0.0.0", "::", 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
