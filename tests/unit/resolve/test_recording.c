/* Cases: what is taken up comes back; what is wrong with one is said with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "resolve/recording.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1795305600 /* 2026-11-22T00:00:00Z */

static const uint8_t example[] = "\7example";
static const uint8_t www[] = "\3www\7example";
static const uint8_t ds[] = {0x12, 0x34, 13, 2,  0,  1,  2,  3,  4,  5,  6,  7,
                             8,    9,    10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                             20,   21,   22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static struct resolve_recording *make(void)
{
    struct resolve_recording *recording;
    struct validate_anchors *anchors;
    assert_int_equal(resolve_recording_new(&recording), BASE_OK);
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    assert_int_equal(
        validate_anchors_add(anchors, example, DNS_TYPE_DS, ds, sizeof(ds), 0, NOW + 5), BASE_OK);
    assert_int_equal(validate_anchors_add_negative(anchors, www, NOW + 9, "a \"reason\""), BASE_OK);
    struct validate_options options = {
        .anchors = anchors, .legacy = true, .skew = 60, .budgets = {.queries = 7}};
    assert_int_equal(resolve_recording_question(recording, www, DNS_TYPE_A, NOW, &options),
                     BASE_OK);
    validate_anchors_free(anchors);
    struct validate_reply reply = {.kind = VALIDATE_REPLY_PACKET,
                                   .packet = (const uint8_t *)"first",
                                   .length = 5,
                                   .server = "192.0.2.1@53"};
    resolve_recording_packet(recording, NULL, www, DNS_TYPE_A, &reply);
    reply.packet = (const uint8_t *)"second";
    reply.length = 6;
    resolve_recording_packet(recording, NULL, www, DNS_TYPE_A, &reply);
    struct validate_reply failed = {.kind = VALIDATE_REPLY_FAILED, .why = "no route"};
    resolve_recording_packet(recording, "192.0.2.9@53", www, DNS_TYPE_A, &failed);
    struct validate_reply silence = {.kind = VALIDATE_REPLY_SILENCE};
    resolve_recording_packet(recording, NULL, example, 65280, &silence);
    resolve_recording_note(recording, REPLAY_MISSED, "192.0.2.1@53", "something");
    resolve_recording_note(recording, REPLAY_MISSED, "192.0.2.1@53", "something");
    return recording;
}

static char *json_of(const struct resolve_recording *recording)
{
    struct base_buf text;
    base_buf_init(&text, 1 << 24);
    assert_int_equal(resolve_recording_to_json(recording, &text), BASE_OK);
    char *copy = strdup(base_buf_string(&text));
    assert_non_null(copy);
    base_buf_free(&text);
    return copy;
}

static void test_round_trip(void **state)
{
    struct resolve_recording *recording = make(), *again;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    char *first = json_of(recording);
    assert_int_equal(
        resolve_recording_from_json("case.json", first, strlen(first), &findings, &again), BASE_OK);
    assert_int_equal(findings.count, 0);
    char *second = json_of(again);
    assert_string_equal(first, second);
    uint16_t type;
    assert_true(dns_name_equal(resolve_recording_name(again, &type), www));
    assert_int_equal(type, DNS_TYPE_A);
    assert_int_equal(resolve_recording_now(again), NOW);
    const struct validate_options *options = resolve_recording_options(again);
    assert_true(options->legacy);
    assert_int_equal(options->skew, 60);
    assert_int_equal(options->budgets.queries, 7);
    size_t count;
    const struct validate_anchor *anchors = validate_anchors_list(options->anchors, &count);
    assert_int_equal(count, 1);
    assert_true(dns_name_equal(anchors[0].name, example));
    assert_int_equal(anchors[0].records[0].until, NOW + 5);
    const struct validate_negative_anchor *negatives =
        validate_anchors_negatives(options->anchors, &count);
    assert_int_equal(count, 1);
    assert_string_equal(negatives[0].reason, "a \"reason\"");
    free(first);
    free(second);
    resolve_recording_free(recording);
    resolve_recording_free(again);
    base_findings_free(&findings);
}

/* --- what is wrong --- */

static void replace(char *text, const char *from, const char *to)
{
    char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(to);
    memmove(at + size, at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, size);
}

static void test_refused(void **state)
{
    static const struct {
        const char *from, *to, *code, *said;
    } cases[] = {
        {"{", "[", "replay.syntax", "no JSON"},
        {"kenter_case\": 1", "kenter_case\": 2", "replay.version", "version 2"},
        {"kenter_case\": 1", "kenter_case\": 0", "replay.invalid", "no case"},
        {"kenter_case", "other", "replay.invalid", "kenter_case"},
        {"\"legacy\": true", "\"legacy\": 1", "replay.invalid", "options.legacy"},
        {"\"legacy\"", "\"lagacy\"", "replay.invalid", "\"lagacy\""},
        {"\"skew\": 60", "\"skew\": -1", "replay.invalid", "options.skew"},
        {"\"queries\": 7", "\"queries\": 4294967296", "replay.invalid", "options.queries"},
        {"\"now\": \"2026", "\"now\": \"now+6", "replay.invalid", "questions[0].now"},
        {"\"now\": \"2026-11-22", "\"now\": \"2026-11-32", "replay.invalid", "questions[0].now"},
        {"\"www.example.\"", "\"www.example\"", "replay.invalid", "questions[0].name"},
        {"\"type\": \"A\"", "\"type\": \"B\"", "replay.invalid", "questions[0].type"},
        {"13 2 ", "13 2 zz", "replay.invalid", "anchors[0].rdata"},
        {"\"DS\"", "\"TXT\"", "replay.invalid", "anchors[0].rdata"},
        {"\"packet\": \"Zmly", "\"packet\": \"Zml", "replay.invalid", "packets[0].packet"},
        {"\"reply\": \"packet\"", "\"reply\": \"pocket\"", "replay.invalid", "packets[0].reply"},
        {"\"reply\": \"packet\"", "\"reply\": \"silence\"", "replay.invalid", "must be null"},
        {"\"from\": \"192.0.2.1@53\"", "\"from\": 5", "replay.invalid", "packets[0].from"},
        {"\"server\": null", "\"sarver\": null", "replay.invalid", "packets[0]"},
        {"\"replay.missed\"", "\"replay.mist\"", "replay.invalid", "notes[0].code"},
        {"\"something\"", "null", "replay.invalid", "notes[0].message"},
        {"\"packets\"", "\"packeds\"", "replay.invalid", "packets is missing"},
        {"\"until\": \"2026-11-22T00:00:09Z\"", "\"until\": null", "replay.invalid",
         "negative_anchors[0].until"},
    };
    struct resolve_recording *recording = make(), *again = NULL;
    char *whole = json_of(recording);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = calloc(1, strlen(whole) + 100);
        assert_non_null(text);
        strcpy(text, whole);
        replace(text, cases[i].from, cases[i].to);
        struct base_findings findings;
        base_findings_init(&findings, 10);
        int error = resolve_recording_from_json("case.json", text, strlen(text), &findings, &again);
        if (error != BASE_EREFUSED || findings.count == 0)
            fail_msg("%s: %d, %zu findings", cases[i].to, error, findings.count);
        bool found = false;
        for (size_t j = 0; j < findings.count; j++) {
            assert_string_equal(findings.items[j].place.file, "case.json");
            found |= strstr(findings.items[j].message, cases[i].said) != NULL &&
                     strcmp(base_finding_info(findings.items[j].code)->code, cases[i].code) == 0;
        }
        if (!found)
            fail_msg("%s: %s", cases[i].to, findings.items[0].message);
        base_findings_free(&findings);
        free(text);
    }
    assert_null(again);
    free(whole);
    resolve_recording_free(recording);
}

static void test_limits(void **state)
{
    struct resolve_recording *recording = make();
    struct validate_reply silence = {.kind = VALIDATE_REPLY_SILENCE};
    for (size_t i = 0; i < RESOLVE_RECORDING_PACKETS; i++)
        resolve_recording_packet(recording, NULL, example, DNS_TYPE_A, &silence);
    struct base_buf text;
    base_buf_init(&text, 1 << 24);
    assert_int_equal(resolve_recording_to_json(recording, &text), BASE_ELIMIT);
    resolve_recording_free(recording);
    assert_int_equal(resolve_recording_new(&recording), BASE_OK);
    assert_int_equal(resolve_recording_to_json(recording, &text), BASE_EINVAL);
    resolve_recording_free(recording);
    base_buf_free(&text);
}

/* --- answers --- */

struct heard {
    struct validate_reply reply;
    size_t count;
};

static void hear(void *context, const struct validate_reply *reply)
{
    struct heard *heard = context;
    heard->reply = *reply;
    heard->count++;
}

/* The context of a case asks it, as if it were a resolver and servers. */
static void test_answers(void **state)
{
    struct resolve_recording *recording = make();
    struct resolve_transport transport = resolve_recording_transport(recording);
    struct resolve_options options = {.from = RESOLVE_TRANSPORT,
                                      .transport = &transport,
                                      .validate = *resolve_recording_options(recording)};
    struct resolve_context *context;
    char why[RESOLVE_WHY] = "";
    assert_int_equal(resolve_context_new(&options, why, &context), BASE_OK);
    resolve_recording_repeat_notes(recording, context);
    struct heard heard = {.count = 0};
    assert_int_equal(resolve_ask(context, "192.0.2.9@53", www, DNS_TYPE_A, hear, &heard), BASE_OK);
    resolve_wait(context);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.reply.kind, VALIDATE_REPLY_FAILED);
    assert_int_equal(resolve_recording_missed(recording), 0);
    assert_int_equal(resolve_ask(context, "192.0.2.8@53", www, DNS_TYPE_A, hear, &heard), BASE_OK);
    resolve_wait(context);
    assert_int_equal(heard.reply.kind, VALIDATE_REPLY_SILENCE);
    assert_int_equal(resolve_recording_missed(recording), 1);
    /* What is in the packets is no answer at all: a verdict comes, and it is not a good one. */
    const struct validate_result *result;
    assert_int_equal(resolve_lookup(context, www, DNS_TYPE_A, &result), BASE_OK);
    assert_true(result->status != VALIDATE_SECURE);
    bool noted = false;
    for (size_t i = 0; i < result->finding_count; i++)
        noted |= result->findings[i].code == REPLAY_MISSED;
    assert_true(noted);
    validate_result_unref(result);
    resolve_context_free(context);
    resolve_recording_free(recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
