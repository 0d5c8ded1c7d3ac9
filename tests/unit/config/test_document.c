/* docs/config.md and the page kenter.yaml(5) name every setting, and none that is not there, with
 * the default that the code has; its examples can be read. examples/kenter.yaml stands at the
 * defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "config/read.h"

#define PAGE   TEST_DATA "/../docs/config.md"
#define MANUAL TEST_DATA "/../docs/man/kenter.yaml.5"

/* The headings of sections, and how settings of each are written to be read alone: what stands
 * before NAME: VALUE and behind it. No form: it cannot stand alone. */
static const struct {
    const char *heading;
    const struct config_section *section;
    const char *before, *behind;
} sections[] = {
    {"general", &config_section_top, "{", "}"},
    {"log", &config_section_log, "log: {", "}"},
    {"listen", &config_section_listen, NULL, NULL},
    {"tls", &config_section_tls, "tls: {", "}"},
    {"server", &config_section_server, "server: {", "}"},
    {"rate-limit", &config_section_rate, "rate-limit: {", "}"},
    {"limits", &config_section_limits, "limits: {", "}"},
    {"api", &config_section_api, "api: {", "}"},
    {"keys", &config_section_key, NULL, NULL},
    {"remotes", &config_section_remote, NULL, NULL},
    {"acls", &config_section_match, NULL, NULL},
    {"policies", &config_section_policy, "policies: {default: {", "}}"},
    {"history", &config_section_history, "policies: {default: {history: {", "}}}"},
    {"defaults", &config_section_template, "defaults: {", "}"},
    {"update", &config_section_update, NULL, NULL},
    {"zone-directories", &config_section_directory, NULL, NULL},
    {"zones", &config_section_zone, NULL, NULL},
    {"catalogs", &config_section_catalog, NULL, NULL},
    {"tlsa", &config_section_tlsa, "tlsa: [{host: a, ports: 25, certificate: c, ", "}]"},
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static char *load(const char *path)
{
    uint8_t *data;
    size_t length;
    assert_int_equal(base_file_read(path, 1 << 20, &data, &length), BASE_OK);
    return (char *)data;
}

static char *printed(const struct config *config)
{
    char *text = NULL;
    assert_int_equal(config_print(config, &text), BASE_OK);
    return text;
}

static struct config *read_good(const char *text, const char *directory)
{
    struct base_findings findings;
    struct config *config = NULL;
    base_findings_init(&findings, 10);
    int error =
        config_read_memory("config.md", directory, false, text, strlen(text), &findings, &config);
    if (error != BASE_OK || findings.count > 0)
        fail_msg("%s\n%s", text, findings.count > 0 ? findings.items[0].message : "");
    base_findings_free(&findings);
    return config;
}

/* The settings with one of them said, at what the page calls its default, change nothing. */
static void assert_default(size_t section, const char *name, const char *value)
{
    char text[512];
    struct config *standard;
    if (sections[section].before == NULL || strstr(value, "DATA") != NULL)
        return;
    snprintf(text, sizeof(text), "%s%s: %s%s\n", sections[section].before, name, value,
             sections[section].behind);
    struct config *config = read_good(text, "/");
    if (strcmp(sections[section].heading, "tlsa") == 0)
        standard = read_good("tlsa: [{host: a, ports: 25, certificate: c}]\n", "/");
    else
        assert_int_equal(config_default(&standard), BASE_OK);
    char *expected = printed(standard), *is = printed(config);
    if (strcmp(expected, is) != 0)
        fail_msg("%s is not the default", text);
    free(expected);
    free(is);
    config_free(config);
    config_free(standard);
}

/* One row of a table: | `name` | `default` | …; ours are marked. */
static void check_row(const char *line, size_t section, bool *seen)
{
    char name[64], value[128];
    if (sscanf(line, "| `%63[^`]` |", name) != 1)
        return;
    const struct config_section *table = sections[section].section;
    size_t i = 0;
    while (i < table->count && strcmp(table->settings[i].name, name) != 0)
        i++;
    if (i == table->count)
        fail_msg("section %s: there is no setting %s", sections[section].heading, name);
    assert_false(seen[i]);
    seen[i] = true;
    if (sscanf(line, "| `%*[^`]` | `%127[^`]` |", value) == 1)
        assert_default(section, name, value);
}

static void test_settings(void **state)
{
    char *page = load(PAGE), *save = NULL;
    bool seen[SECTIONS][32] = {{false}};
    size_t section = SECTIONS;
    for (char *line = strtok_r(page, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "## ", 3) == 0) {
            for (section = 0; section < SECTIONS; section++)
                if (strcmp(sections[section].heading, line + 3) == 0)
                    break;
        } else if (section < SECTIONS) {
            check_row(line, section, seen[section]);
        }
    }
    for (size_t s = 0; s < SECTIONS; s++)
        for (size_t i = 0; i < sections[s].section->count; i++) {
            const char *name = sections[s].section->settings[i].name;
            bool found = seen[s][i];
            /* Of the top the sections have a heading. */
            for (size_t h = 0; s == 0 && h < SECTIONS; h++)
                found = found || strcmp(sections[h].heading, name) == 0;
            if (!found)
                fail_msg("%s: %s is not in docs/config.md", sections[s].heading, name);
        }
    free(page);
}

static bool is_setting(const char *word)
{
    for (size_t s = 0; s < SECTIONS; s++)
        for (size_t i = 0; i < sections[s].section->count; i++)
            if (strcmp(sections[s].section->settings[i].name, word) == 0)
                return true;
    return false;
}

/* The page of the manual marks settings by Cm: it has all of them, and no other. */
static void test_manual(void **state)
{
    char *page = load(MANUAL), *save = NULL, *within;
    bool seen[SECTIONS][32] = {{false}};
    for (char *line = strtok_r(page, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *mark = strstr(line, "Cm ");
        if (line[0] != '.' || mark == NULL)
            continue;
        for (char *word = strtok_r(mark + 3, " ,:;", &within); word != NULL;
             word = strtok_r(NULL, " ,:;", &within)) {
            if (!is_setting(word))
                fail_msg("kenter.yaml(5): there is no setting %s", word);
            for (size_t s = 0; s < SECTIONS; s++)
                for (size_t i = 0; i < sections[s].section->count; i++)
                    seen[s][i] |= strcmp(sections[s].section->settings[i].name, word) == 0;
        }
    }
    for (size_t s = 0; s < SECTIONS; s++)
        for (size_t i = 0; i < sections[s].section->count; i++)
            if (!seen[s][i])
                fail_msg("%s: %s is not in kenter.yaml(5)", sections[s].heading,
                         sections[s].section->settings[i].name);
    free(page);
}

/* The four examples under their heading. Secrets are made for them. */
static void test_examples(void **state)
{
    static const char *const names[] = {"transfer", "in", "out", "admin", "acme"};
    char directory[] = "/tmp/kenter-config-XXXXXX", path[64], *save = NULL;
    char *page = load(PAGE);
    struct base_buf example;
    size_t examples = 0;
    bool within = false;
    base_buf_init(&example, 1 << 16);
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s.secret", directory, names[i]);
        FILE *file = fopen(path, "w");
        fputs("AAECAwQFBgcICQoLDA0ODw==\n", file);
        fclose(file);
        assert_int_equal(chmod(path, 0600), 0);
    }
    for (char *line = strtok_r(page, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "    ", 4) == 0 && within)
            base_buf_printf(&example, "%s\n", line + 4);
        if (strncmp(line, "##", 2) != 0)
            continue;
        if (example.length > 0) {
            config_free(read_good(base_buf_string(&example), directory));
            base_buf_reset(&example);
            examples++;
        }
        within = strncmp(line, "### ", 4) == 0;
    }
    assert_int_equal(examples, 4);
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s.secret", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
    base_buf_free(&example);
    free(page);
}

static void test_file(void **state)
{
    struct base_findings findings;
    struct config *config, *standard;
    base_findings_init(&findings, 10);
    assert_int_equal(config_read(TEST_DATA "/../examples/kenter.yaml", &findings, &config),
                     BASE_OK);
    assert_int_equal(findings.count, 0);
    assert_int_equal(config->directory_count, 1);
    config->directory_count = 0;
    assert_int_equal(config_default(&standard), BASE_OK);
    char *expected = printed(standard), *is = printed(config);
    assert_string_equal(is, expected);
    free(expected);
    free(is);
    config_free(config);
    config_free(standard);
    base_findings_free(&findings);
    /* Every setting of the top is in it. */
    char *text = load(TEST_DATA "/../examples/kenter.yaml");
    for (size_t i = 0; i < config_section_top.count; i++) {
        char key[64];
        snprintf(key, sizeof(key), "\n%s:", config_section_top.settings[i].name);
        if (strstr(text, key) == NULL)
            fail_msg("%s is not in examples/kenter.yaml", config_section_top.settings[i].name);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
