/* Threads: every index once, ordered pipelines, errors that stop everything and lose nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT 5000

struct parallel_test {
    atomic_uint seen[COUNT];
    atomic_bool busy[BASE_THREAD_MAX];
    atomic_bool clash;
    size_t fail_from;
};

static int note_index(void *context, size_t index, unsigned worker)
{
    struct parallel_test *test = context;
    if (atomic_exchange(&test->busy[worker], true))
        atomic_store(&test->clash, true);
    atomic_fetch_add(&test->seen[index], 1);
    atomic_store(&test->busy[worker], false);
    return index >= test->fail_from ? -1000 - (int)index : BASE_OK;
}

static void test_parallel(void **state)
{
    for (unsigned threads = 0; threads <= 5; threads++) {
        struct parallel_test *test = calloc(1, sizeof(*test));
        test->fail_from = COUNT;
        assert_int_equal(base_parallel(threads, COUNT, note_index, test), BASE_OK);
        for (size_t i = 0; i < COUNT; i++)
            assert_int_equal(test->seen[i], 1);
        assert_false(test->clash);
        assert_int_equal(base_parallel(threads, 0, note_index, test), BASE_OK);
        free(test);
    }
}

static void test_parallel_error(void **state)
{
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct parallel_test *test = calloc(1, sizeof(*test));
        test->fail_from = 700;
        assert_int_equal(base_parallel(threads, COUNT, note_index, test), -1700);
        for (size_t i = 0; i <= 700; i++)
            assert_int_equal(test->seen[i], 1);
        free(test);
    }
}

struct piece {
    size_t number;
    bool worked;
};

enum stage { STAGE_NONE, STAGE_MAKE, STAGE_WORK, STAGE_TAKE };

struct pipeline_test {
    size_t pieces, made, taken;
    enum stage fail_stage;
    size_t fail_at;
    atomic_size_t flying, most, released;
    atomic_bool making, taking, wrong;
};

static int fail_if(const struct pipeline_test *test, enum stage stage, size_t number)
{
    return test->fail_stage == stage && test->fail_at == number ? BASE_EIO : BASE_OK;
}

static int make_piece(void *context, void **out)
{
    struct pipeline_test *test = context;
    if (atomic_exchange(&test->making, true))
        test->wrong = true;
    int error = fail_if(test, STAGE_MAKE, test->made);
    if (error == BASE_OK && test->made < test->pieces) {
        struct piece *piece = calloc(1, sizeof(*piece));
        piece->number = test->made++;
        size_t flying = ++test->flying;
        if (flying > test->most)
            test->most = flying;
        *out = piece;
    }
    test->making = false;
    return error;
}

static int work_piece(void *context, void *argument, unsigned worker)
{
    struct pipeline_test *test = context;
    struct piece *piece = argument;
    if (piece->number % 7 == 0)
        usleep(50);
    piece->worked = true;
    return fail_if(test, STAGE_WORK, piece->number);
}

static void drop_piece(void *context, void *argument)
{
    struct pipeline_test *test = context;
    test->flying--;
    test->released++;
    free(argument);
}

static int take_piece(void *context, void *argument)
{
    struct pipeline_test *test = context;
    struct piece *piece = argument;
    if (atomic_exchange(&test->taking, true) || piece->number != test->taken || !piece->worked)
        test->wrong = true;
    int error = fail_if(test, STAGE_TAKE, piece->number);
    test->taken++;
    drop_piece(context, argument);
    test->taking = false;
    return error;
}

static int run_pipeline(struct pipeline_test *test, unsigned threads, size_t depth)
{
    struct base_pipeline pipeline = {make_piece, work_piece, take_piece, drop_piece, test};
    int error = base_pipeline_run(&pipeline, threads, depth);
    assert_false(test->wrong);
    assert_int_equal(test->made, test->released);
    assert_true(test->most <= (depth ? depth : 1));
    return error;
}

static void test_pipeline(void **state)
{
    for (unsigned threads = 0; threads <= 4; threads++) {
        for (size_t depth = 0; depth <= 9; depth += 3) {
            struct pipeline_test test = {.pieces = 300};
            assert_int_equal(run_pipeline(&test, threads, depth), BASE_OK);
            assert_int_equal(test.taken, 300);
        }
    }
    struct pipeline_test none = {.pieces = 0};
    assert_int_equal(run_pipeline(&none, 3, 4), BASE_OK);
}

static void test_pipeline_errors(void **state)
{
    for (enum stage stage = STAGE_MAKE; stage <= STAGE_TAKE; stage++) {
        for (unsigned threads = 1; threads <= 4; threads++) {
            struct pipeline_test test = {.pieces = 200, .fail_stage = stage, .fail_at = 100};
            assert_int_equal(run_pipeline(&test, threads, 6), BASE_EIO);
            assert_true(test.taken <= 101);
        }
    }
}

static void test_thread_count(void **state)
{
    assert_true(base_thread_count(0) >= 1);
    assert_int_equal(base_thread_count(3), 3);
    assert_int_equal(base_thread_count(100000), BASE_THREAD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread_count),    cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_parallel_error),  cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_pipeline_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
