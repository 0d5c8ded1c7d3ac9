/* Files: the old content stays until the new one is complete, whatever the target is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char directory[64];
    char target[128];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    strcpy(place->directory, "/tmp/kenter-test-XXXXXX");
    if (mkdtemp(place->directory) == NULL)
        return -1;
    snprintf(place->target, sizeof(place->target), "%s/zone", place->directory);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    DIR *directory = opendir(place->directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(place->directory);
    free(place);
    return 0;
}

static int count_files(const struct place *place)
{
    DIR *directory = opendir(place->directory);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static void put(const char *path, const void *data, size_t length)
{
    struct base_file_writer *writer;
    assert_int_equal(base_file_create(path, 0640, &writer), BASE_OK);
    assert_int_equal(base_file_write(writer, data, length), BASE_OK);
    assert_int_equal(base_file_commit(writer), BASE_OK);
}

static void assert_content(const char *path, const void *want, size_t want_length)
{
    uint8_t *data;
    size_t length;
    assert_int_equal(base_file_read(path, SIZE_MAX, &data, &length), BASE_OK);
    assert_int_equal(length, want_length);
    assert_memory_equal(data, want, want_length);
    assert_int_equal(data[length], 0);
    free(data);
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static void test_replace(void **state)
{
    struct place *place = *state;
    umask(022);
    put(place->target, "one", 3);
    assert_content(place->target, "one", 3);
    assert_int_equal(mode_of(place->target), 0640);
    assert_int_equal(chmod(place->target, 0604), 0);

    struct base_file_writer *writer;
    assert_int_equal(base_file_create(place->target, 0640, &writer), BASE_OK);
    assert_int_equal(base_file_write(writer, "tw", 2), BASE_OK);
    assert_int_equal(base_file_write(writer, "", 0), BASE_OK);
    assert_int_equal(base_file_write(writer, "o", 1), BASE_OK);
    assert_content(place->target, "one", 3);
    assert_int_equal(base_file_commit(writer), BASE_OK);
    assert_content(place->target, "two", 3);
    assert_int_equal(mode_of(place->target), 0604);
    assert_int_equal(count_files(place), 1);
}

static void test_abort(void **state)
{
    struct place *place = *state;
    put(place->target, "old", 3);
    struct base_file_writer *writer;
    assert_int_equal(base_file_create(place->target, 0644, &writer), BASE_OK);
    assert_int_equal(base_file_write(writer, "new", 3), BASE_OK);
    base_file_abort(writer);
    base_file_abort(NULL);
    assert_content(place->target, "old", 3);
    assert_int_equal(count_files(place), 1);
}

/* Pieces around the size of the buffer, in all orders of small and large. */
static void test_sizes(void **state)
{
    struct place *place = *state;
    static const size_t sizes[] = {1, 262143, 262144, 1, 262145, 700000, 3, 9000000, 5};
    size_t all = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        all += sizes[i];
    uint8_t *data = malloc(all);
    for (size_t i = 0; i < all; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 9));
    struct base_file_writer *writer;
    assert_int_equal(base_file_create(place->target, 0644, &writer), BASE_OK);
    size_t at = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(base_file_write(writer, data + at, sizes[i]), BASE_OK);
        at += sizes[i];
    }
    assert_int_equal(base_file_commit(writer), BASE_OK);
    assert_content(place->target, data, all);
    free(data);
}

static void test_link(void **state)
{
    struct place *place = *state;
    char link[160];
    snprintf(link, sizeof(link), "%s/link", place->directory);
    put(place->target, "old", 3);
    assert_int_equal(symlink("zone", link), 0);
    put(link, "new", 3);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_content(place->target, "new", 3);
    /* A link to nowhere makes what it names. */
    unlink(place->target);
    put(link, "again", 5);
    assert_content(place->target, "again", 5);
    assert_int_equal(count_files(place), 2);
}

static void test_devices(void **state)
{
    put("/dev/null", "gone", 4);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));

    struct base_file_writer *writer;
    assert_int_equal(base_file_create("/dev/full", 0644, &writer), BASE_OK);
    assert_int_equal(base_file_write(writer, "x", 1), BASE_OK);
    errno = 0;
    assert_int_equal(base_file_commit(writer), BASE_EIO);
    assert_int_equal(errno, ENOSPC);
}

static void test_error_sticks(void **state)
{
    struct base_file_writer *writer;
    assert_int_equal(base_file_create("/dev/full", 0644, &writer), BASE_OK);
    uint8_t *data = calloc(1, 300000);
    assert_int_equal(base_file_write(writer, data, 300000), BASE_EIO);
    errno = 0;
    assert_int_equal(base_file_write(writer, "x", 1), BASE_EIO);
    assert_int_equal(errno, ENOSPC);
    errno = 0;
    assert_int_equal(base_file_commit(writer), BASE_EIO);
    assert_int_equal(errno, ENOSPC);
    free(data);
}

static void test_impossible(void **state)
{
    struct place *place = *state;
    struct base_file_writer *writer;
    char path[200];
    snprintf(path, sizeof(path), "%s/none/zone", place->directory);
    errno = 0;
    assert_int_equal(base_file_create(path, 0644, &writer), BASE_EIO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(base_file_create(place->directory, 0644, &writer), BASE_EIO);
    assert_int_equal(errno, EISDIR);
}

static void test_read_limits(void **state)
{
    struct place *place = *state;
    uint8_t *data;
    size_t length;
    assert_int_equal(base_file_read(place->target, 10, &data, &length), BASE_EIO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(base_file_read(place->directory, 10, &data, &length), BASE_EIO);
    assert_int_equal(errno, EISDIR);
    put(place->target, "0123456789", 10);
    assert_int_equal(base_file_read(place->target, 9, &data, &length), BASE_ELIMIT);
    assert_int_equal(base_file_read(place->target, 10, &data, &length), BASE_OK);
    assert_int_equal(length, 10);
    free(data);
    assert_int_equal(base_file_read("/dev/zero", 1000000, &data, &length), BASE_ELIMIT);
    assert_int_equal(base_file_read("/dev/null", 0, &data, &length), BASE_OK);
    assert_int_equal(length, 0);
    free(data);
}

/* A pipe says no size and gives its content in pieces. */
static void test_read_pipe(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char content[50000];
    memset(content, 'k', sizeof(content));
    assert_int_equal(write(ends[1], content, sizeof(content)), sizeof(content));
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_content(path, content, sizeof(content));
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_abort, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_sizes, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_link, make_place, remove_place),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_error_sticks),
        cmocka_unit_test_setup_teardown(test_impossible, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_read_limits, make_place, remove_place),
        cmocka_unit_test(test_read_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
