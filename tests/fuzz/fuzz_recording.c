/*
 * Cases from foreign bytes: they are refused with a finding, or what is written of them reads as
 * the same case; and replayed, they come to an end, and to a verdict that is shown in every way.
 */
#include "base/error.h"
#include "resolve/recording.h"
#include "resolve/show.h"

#include <stdlib.h>
#include <string.h>

static int read_case(const char *text, size_t length, struct resolve_recording **recording)
{
    struct base_findings findings;
    base_findings_init(&findings, 20);
    int error = resolve_recording_from_json("fuzz", text, length, &findings, recording);
    if (error == BASE_EREFUSED ? !base_findings_bad(&findings)
                               : error != BASE_OK || base_findings_bad(&findings))
        abort();
    base_findings_free(&findings);
    return error;
}

static void check_same(const struct resolve_recording *recording)
{
    struct resolve_recording *again;
    struct base_buf first, second;
    base_buf_init(&first, 1 << 28);
    base_buf_init(&second, 1 << 28);
    if (resolve_recording_to_json(recording, &first) != BASE_OK ||
        read_case((const char *)first.data, first.length, &again) != BASE_OK ||
        resolve_recording_to_json(again, &second) != BASE_OK || first.length != second.length ||
        memcmp(first.data, second.data, first.length) != 0)
        abort();
    resolve_recording_free(again);
    base_buf_free(&first);
    base_buf_free(&second);
}

static void show(const struct validate_result *result)
{
    static const struct resolve_show_options options = {.color = true};
    void (*const ways[])(const struct validate_result *, struct base_buf *) = {
        resolve_show_json, resolve_show_dot, resolve_show_svg};
    struct base_buf text;
    base_buf_init(&text, 1 << 28);
    resolve_show_text(result, &options, &text);
    for (size_t i = 0; i < 3; i++)
        ways[i](result, &text);
    if (text.error != BASE_OK)
        abort();
    base_buf_free(&text);
}

static base_time clock_of(void *context)
{
    return resolve_recording_now(context);
}

static void replay(struct resolve_recording *recording)
{
    uint16_t type;
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    const struct validate_result *result;
    struct resolve_transport transport = resolve_recording_transport(recording);
    struct resolve_options options = {
        .from = RESOLVE_TRANSPORT,
        .transport = &transport,
        .clock = clock_of,
        .clock_context = recording,
        .validate = *resolve_recording_options(recording),
        .cache_octets = SIZE_MAX,
    };
    const uint8_t *name = resolve_recording_name(recording, &type);
    if (resolve_context_new(&options, why, &context) != BASE_OK)
        abort();
    resolve_recording_repeat_notes(recording, context);
    if (resolve_lookup(context, name, type, &result) == BASE_OK) {
        show(result);
        validate_result_unref(result);
    }
    resolve_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resolve_recording *recording;
    if (read_case(size > 0 ? (const char *)data : "", size, &recording) != BASE_OK)
        return 0;
    check_same(recording);
    replay(recording);
    resolve_recording_free(recording);
    return 0;
}
