/*
 * Texts with trust anchors, and states of tracked ones, from strangers. The first octet says which;
 * what is accepted must survive being used, and the state being written and read again.
 */
#include "base/error.h"
#include "validate/anchors.h"
#include "validate/tracker.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t root[1] = {0};

static void fuzz_text(const char *text, size_t length)
{
    struct base_findings findings;
    struct validate_anchors *anchors;
    uint16_t tags[4];
    if (validate_anchors_new(&anchors) != BASE_OK)
        return;
    base_findings_init(&findings, 4);
    int error = validate_anchors_read(anchors, "fuzz", text, length, &findings);
    size_t count;
    const struct validate_anchor *list = validate_anchors_list(anchors, &count);
    if ((error == BASE_OK) != (count > 0) || (error != BASE_OK && findings.count == 0))
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct validate_anchor *closest =
            validate_anchors_closest(anchors, list[i].name, 1763800000);
        if (closest != NULL && !dns_name_within(list[i].name, closest->name))
            abort();
    }
    validate_anchors_tags(anchors, root, 1763800000, tags, 4);
    base_findings_free(&findings);
    validate_anchors_free(anchors);
}

static void fuzz_state(const char *text, size_t length)
{
    struct base_findings findings;
    struct validate_tracker tracker, again;
    struct base_buf out;
    base_findings_init(&findings, 4);
    if (validate_tracker_read(&tracker, "fuzz", text, length, &findings) == BASE_OK) {
        base_buf_init(&out, 1 << 20);
        validate_tracker_write(&tracker, &out);
        if (out.error == BASE_OK) {
            if (validate_tracker_read(&again, "fuzz", (const char *)out.data, out.length,
                                      &findings) != BASE_OK ||
                again.count != tracker.count)
                abort();
            validate_tracker_free(&again);
        }
        base_buf_free(&out);
        validate_tracker_free(&tracker);
    }
    base_findings_free(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy without a NUL behind it. */
    char *text = malloc(size);
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    if (data[0] % 4 == 3)
        fuzz_state(text, size - 1);
    else
        fuzz_text(text, size - 1);
    free(text);
    return 0;
}
