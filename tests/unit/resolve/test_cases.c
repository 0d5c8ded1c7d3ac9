/* The recorded cases of tests/golden/trace: each gives the verdict, the cause and the sentence that
 * its WAYS says, and the same result again when it is played once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "resolve/recording.h"
#include "resolve/show.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES TEST_DATA "/golden/trace/"

struct way {
    char name[64], status[16], code[48];
    char *sentence;
};

/* Fields stand apart by blanks; the last one goes to the end of the line. */
static bool read_way(char *line, struct way *way)
{
    int at = 0;
    line[strcspn(line, "\n")] = 0;
    if (line[0] == 0 || line[0] == '#')
        return false;
    assert_int_equal(sscanf(line, "%63s %15s %47s %n", way->name, way->status, way->code, &at), 3);
    way->sentence = line + at;
    assert_true(way->sentence[0] != 0);
    return true;
}

static struct resolve_recording *read_case(const char *name)
{
    char path[512];
    uint8_t *text;
    size_t length;
    struct base_findings findings;
    struct resolve_recording *recording;
    snprintf(path, sizeof(path), CASES "%s.json", name);
    if (base_file_read(path, RESOLVE_RECORDING_OCTETS, &text, &length) != BASE_OK)
        fail_msg("%s cannot be read", path);
    base_findings_init(&findings, 10);
    if (resolve_recording_from_json(path, (const char *)text, length, &findings, &recording) !=
        BASE_OK)
        fail_msg("%s: %s", path, findings.count > 0 ? findings.items[0].message : "unreadable");
    base_findings_free(&findings);
    free(text);
    return recording;
}

static base_time clock_of_case(void *context)
{
    return *(const base_time *)context;
}

/* Plays a case as it was recorded. */
static const struct validate_result *play(struct resolve_recording *recording)
{
    struct resolve_transport transport = resolve_recording_transport(recording);
    base_time now = resolve_recording_now(recording);
    struct resolve_options options = {.from = RESOLVE_TRANSPORT,
                                      .transport = &transport,
                                      .clock = clock_of_case,
                                      .clock_context = &now,
                                      .validate = *resolve_recording_options(recording),
                                      .cache_octets = SIZE_MAX};
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    const struct validate_result *result;
    uint16_t type;
    const uint8_t *name = resolve_recording_name(recording, &type);
    assert_int_equal(resolve_context_new(&options, why, &context), BASE_OK);
    resolve_recording_repeat_notes(recording, context);
    assert_int_equal(resolve_lookup(context, name, type, &result), BASE_OK);
    resolve_context_free(context);
    return result;
}

static char *json_of(const struct validate_result *result)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 24);
    resolve_show_json(result, &text);
    char *copy = strdup(base_buf_string(&text));
    assert_non_null(copy);
    base_buf_free(&text);
    return copy;
}

static void check_sentence(const struct way *way, const char *sentence)
{
    regex_t pattern;
    if (regcomp(&pattern, way->sentence, REG_EXTENDED | REG_NOSUB) != 0)
        fail_msg("%s: the pattern is none", way->name);
    if (sentence == NULL || regexec(&pattern, sentence, 0, NULL, 0) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", way->name, sentence, way->sentence);
    regfree(&pattern);
}

static void check_result(const struct way *way, const struct validate_result *result)
{
    const char *code =
        result->finding_count == 0 ? "-" : base_finding_info(result->findings[0].code)->code;
    if (strcmp(validate_status_name(result->status), way->status) != 0)
        fail_msg("%s is %s: %s", way->name, validate_status_name(result->status), result->sentence);
    if (strcmp(code, way->code) != 0)
        fail_msg("%s: the first finding is %s", way->name, code);
    check_sentence(way, result->sentence);
    /* What is not authentic is given to nobody. */
    if (result->status == VALIDATE_BOGUS || result->status == VALIDATE_ERROR)
        assert_int_equal(result->answer_count, 0);
}

static void test_ways(void **state)
{
    FILE *file = fopen(CASES "WAYS", "r");
    char *line = NULL;
    size_t room = 0, ways = 0, broken = 0;
    assert_non_null(file);
    while (getline(&line, &room, file) >= 0) {
        struct way way;
        if (!read_way(line, &way))
            continue;
        struct resolve_recording *recording = read_case(way.name);
        const struct validate_result *result = play(recording);
        check_result(&way, result);
        const struct validate_result *again = play(recording);
        char *first = json_of(result), *second = json_of(again);
        assert_string_equal(first, second);
        free(first);
        free(second);
        validate_result_unref(result);
        validate_result_unref(again);
        resolve_recording_free(recording);
        ways++;
        broken += strcmp(way.status, "bogus") == 0 || strcmp(way.status, "error") == 0;
    }
    assert_false(ferror(file));
    free(line);
    fclose(file);
    assert_true(ways >= 150 && broken >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
