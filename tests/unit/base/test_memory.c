/* Arenas and buffers: alignment, limits, and errors that stick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

static void test_arena_sizes(void **state)
{
    struct base_arena arena;
    base_arena_init(&arena, 0);
    assert_int_equal(arena.reserved, 0);
    uint8_t *kept[2000];
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i * 7 % 5000;
        kept[i] = base_arena_alloc(&arena, size);
        assert_non_null(kept[i]);
        assert_int_equal((uintptr_t)kept[i] % 8, 0);
        memset(kept[i], (int)(i & 255), size);
    }
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < i * 7 % 5000; j++)
            assert_int_equal(kept[i][j], i & 255);
    }
    assert_non_null(base_arena_alloc(&arena, 3 * BASE_ARENA_BLOCK));
    assert_null(base_arena_alloc(&arena, SIZE_MAX));
    assert_null(base_arena_alloc(&arena, SIZE_MAX - 7));
    base_arena_free(&arena);
    assert_int_equal(arena.reserved, 0);
    assert_string_equal(base_arena_printf(&arena, "%s-%d", "x", 7), "x-7");
    assert_string_equal(base_arena_strndup(&arena, "abcdef", 3), "abc");
    uint64_t *zero = base_arena_zalloc(&arena, 16);
    assert_true(zero[0] == 0 && zero[1] == 0);
    base_arena_free(&arena);
}

static void test_arena_limit(void **state)
{
    struct base_arena arena;
    base_arena_init(&arena, 100000);
    size_t given = 0;
    while (base_arena_alloc(&arena, 1000) != NULL)
        given += 1000;
    assert_true(given > 50000 && given <= 100000);
    assert_true(arena.reserved <= 100000);
    assert_null(base_arena_alloc(&arena, 100001));
    base_arena_free(&arena);
}

static void test_arena_absorb(void **state)
{
    struct base_arena a, b;
    base_arena_init(&a, 0);
    base_arena_init(&b, 0);
    char *first = base_arena_strndup(&a, "first", 5);
    char *second = base_arena_strndup(&b, "second", 6);
    char *large = base_arena_alloc(&b, 100000);
    memset(large, 'x', 100000);
    size_t reserved = a.reserved + b.reserved;
    base_arena_absorb(&a, &b);
    assert_int_equal(a.reserved, reserved);
    assert_int_equal(b.reserved, 0);
    base_arena_free(&b);
    char *third = base_arena_strndup(&a, "third", 5);
    assert_string_equal(first, "first");
    assert_string_equal(second, "second");
    assert_string_equal(third, "third");
    assert_int_equal(large[99999], 'x');
    base_arena_absorb(&b, &a);
    assert_string_equal(second, "second");
    base_arena_absorb(&b, &a);
    base_arena_free(&b);
}

static void test_buf(void **state)
{
    struct base_buf buf;
    base_buf_init(&buf, 1000);
    base_buf_u8(&buf, 1);
    base_buf_u16(&buf, 0x0203);
    base_buf_u32(&buf, 0x04050607);
    assert_int_equal(buf.length, 7);
    assert_memory_equal(buf.data, "\1\2\3\4\5\6\7", 7);
    base_buf_reset(&buf);
    base_buf_decimal(&buf, 0);
    base_buf_decimal(&buf, UINT64_MAX);
    base_buf_printf(&buf, "/%s", "x");
    assert_string_equal(base_buf_string(&buf), "018446744073709551615/x");
    assert_int_equal(buf.length, 23);
    base_buf_free(&buf);
    assert_string_equal(base_buf_string(&buf), "");
    base_buf_free(&buf);
}

static void test_buf_limit(void **state)
{
    struct base_buf buf;
    base_buf_init(&buf, 300);
    for (int i = 0; i < 300; i++)
        base_buf_u8(&buf, 'a');
    assert_int_equal(buf.error, BASE_OK);
    base_buf_u8(&buf, 'b');
    assert_int_equal(buf.error, BASE_ESPACE);
    base_buf_append(&buf, "", 0);
    assert_int_equal(buf.length, 300);
    assert_string_equal(base_buf_string(&buf), "");
    assert_null(base_buf_reserve(&buf, SIZE_MAX));
    base_buf_reset(&buf);
    base_buf_text(&buf, "again");
    assert_int_equal(buf.error, BASE_OK);
    base_buf_free(&buf);
    base_buf_init(&buf, 10);
    base_buf_text(&buf, "ten octets");
    assert_int_equal(buf.error, BASE_OK);
    base_buf_u8(&buf, '!');
    assert_int_equal(buf.error, BASE_ESPACE);
    assert_int_equal(buf.length, 10);
    base_buf_free(&buf);
}

static void test_reader(void **state)
{
    struct base_reader reader = base_reader_make("\1\2\3\4\5\6\7", 7);
    assert_int_equal(base_reader_u8(&reader), 1);
    assert_int_equal(base_reader_u16(&reader), 0x0203);
    assert_int_equal(base_reader_u32(&reader), 0x04050607);
    assert_int_equal(base_reader_left(&reader), 0);
    assert_false(reader.failed);
    assert_int_equal(base_reader_u8(&reader), 0);
    assert_true(reader.failed);
    reader = base_reader_make("\1\2", 2);
    assert_int_equal(base_reader_u32(&reader), 0);
    assert_int_equal(base_reader_u8(&reader), 0);
    assert_null(base_reader_bytes(&reader, SIZE_MAX));
    assert_int_equal(base_reader_left(&reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_sizes),  cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_arena_absorb), cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_limit),    cmocka_unit_test(test_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
