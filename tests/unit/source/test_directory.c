/* Which file holds which zone, and whether it changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "source/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void names_of_files(void **state)
{
    static const struct {
        const char *file, *zone; /* NULL: not a zone file */
    } cases[] = {
        {"example.com.zone", "example.com."},
        {"Example.COM.db", "example.com."},
        {"db.example.org", "example.org."},
        {"root.zone", "."},
        {"0%2F25.2.0.192.in-addr.arpa.zone", "0/25.2.0.192.in-addr.arpa."},
        {"example.com", NULL},
        {".example.com.zone", NULL},
        {".zone", NULL},
        {"example.com.zone~", NULL},
        {"example.com.zone.swp", NULL},
        {"a..b.zone", NULL},
        {"bad%2.zone", NULL},
        {"bad%2", NULL},
        {"example.com%00other.zone", NULL},
        {"bad%.zone", NULL},
        {"README", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t zone[DNS_NAME_MAX];
        char text[DNS_NAME_TEXT];
        int error = source_zone_of_file(cases[i].file, zone);
        if (cases[i].zone == NULL) {
            assert_int_equal(error, BASE_ENOENT);
            continue;
        }
        assert_int_equal(error, BASE_OK);
        assert_string_equal(dns_name_text(text, zone), cases[i].zone);
    }
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void scanning(void **state)
{
    char directory[] = "/tmp/kenter-source-XXXXXX", command[64];
    assert_non_null(mkdtemp(directory));
    write_file(directory, "b.example.zone", "b");
    write_file(directory, "a.example.zone", "a");
    write_file(directory, "a.example.db", "other");
    write_file(directory, "example.zone", "parent");
    write_file(directory, "notes.txt", "no");
    char below[128];
    snprintf(below, sizeof(below), "%s/dir.zone", directory);
    assert_int_equal(mkdir(below, 0700), 0);

    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct source_directory first, second;
    assert_int_equal(source_directory_scan(directory, &findings, &first), BASE_OK);
    assert_int_equal(first.count, 3);
    assert_int_equal(findings.by_code[SOURCE_TWO_FILES], 1);
    assert_memory_equal(first.files[0].zone, "\7example", 9);
    assert_memory_equal(first.files[1].zone, "\1a\7example", 11);
    assert_memory_equal(first.files[2].zone, "\1b\7example", 11);
    assert_ptr_equal(source_directory_find(&first, (const uint8_t *)"\1B\7example"),
                     &first.files[2]);
    assert_null(source_directory_find(&first, (const uint8_t *)"\1c\7example"));

    write_file(directory, "b.example.zone", "longer");
    assert_int_equal(source_directory_scan(directory, &findings, &second), BASE_OK);
    assert_true(
        source_fingerprint_equal(&first.files[0].fingerprint, &second.files[0].fingerprint));
    assert_false(
        source_fingerprint_equal(&first.files[2].fingerprint, &second.files[2].fingerprint));
    source_directory_free(&first);
    source_directory_free(&second);

    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(source_directory_scan(directory, &findings, &first), BASE_EIO);
    assert_int_equal(findings.by_code[FILE_UNREADABLE], 1);
    base_findings_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_files),
        cmocka_unit_test(scanning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
