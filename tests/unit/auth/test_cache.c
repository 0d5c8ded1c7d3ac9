/* Answers kept: as long as they hold, the least used going first, within so many octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/cache.h"
#include "base/error.h"

#include <stdio.h>

static void test_cache(void **state)
{
    struct auth_cache *cache;
    struct auth_cached cached;
    char key[32];
    assert_int_equal(auth_cache_new(64 * 1024, &cache), BASE_OK);
    auth_cache_put(cache, "a", 100, "7:OK may,", 9);
    assert_true(auth_cache_get(cache, "a", 99, &cached));
    assert_int_equal(cached.length, 9);
    assert_memory_equal(cached.reply, "7:OK may,", 9);
    assert_false(auth_cache_get(cache, "b", 99, &cached));
    assert_false(auth_cache_get(cache, "a", 100, &cached));
    assert_int_equal(auth_cache_count(cache), 0);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "d%u.test", i);
        auth_cache_put(cache, key, 1000, "8:OK dane,", 10);
        assert_true(auth_cache_get(cache, "d0.test", 1, &cached)); /* always used, so kept */
    }
    assert_true(auth_cache_octets(cache) <= 64 * 1024);
    assert_true(auth_cache_count(cache) > 100);
    assert_false(auth_cache_get(cache, "d1.test", 1, &cached));
    auth_cache_put(cache, "d0.test", 1000, "7:OK may,", 9);
    assert_true(auth_cache_get(cache, "d0.test", 1, &cached));
    assert_int_equal(cached.length, 9);
    auth_cache_clear(cache);
    assert_int_equal(auth_cache_octets(cache), 0);
    auth_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
