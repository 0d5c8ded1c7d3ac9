/*
 * Settings from foreign bytes: they are refused with a finding, or what is printed of them reads as
 * the same settings (but for secrets, which are put in again).
 */
#include "base/buf.h"
#include "base/error.h"
#include "config/read.h"

#include <stdlib.h>
#include <string.h>

#define SECRET "AAECAwQFBgcICQoLDA0ODw=="

static int read_text(const char *text, size_t length, struct config **config)
{
    struct base_findings findings;
    base_findings_init(&findings, 20);
    int error = config_read_memory("fuzz", "/nonexistent", false, text, length, &findings, config);
    if (error == BASE_EREFUSED ? !base_findings_bad(&findings)
                               : error != BASE_OK || base_findings_bad(&findings))
        abort();
    base_findings_free(&findings);
    return error;
}

/* What is printed, without comments, and with a secret where it is hidden. */
static char *print(const struct config *config)
{
    char *text = NULL;
    struct base_buf buf;
    base_buf_init(&buf, 1 << 28);
    if (config_print(config, &text) != BASE_OK)
        abort();
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        static const char hidden[] = "    secret: (hidden)";
        if (strncmp(line, hidden, sizeof(hidden) - 1) == 0)
            base_buf_text(&buf, "    secret: " SECRET);
        else
            base_buf_append(&buf, line, length);
        base_buf_u8(&buf, '\n');
        line += length + (line[length] != '\0');
    }
    free(text);
    base_buf_u8(&buf, '\0');
    if (buf.error != BASE_OK)
        abort();
    return (char *)buf.data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config, *again;
    if (read_text(size > 0 ? (const char *)data : "", size, &config) != BASE_OK)
        return 0;
    char *first = print(config);
    if (read_text(first, strlen(first), &again) != BASE_OK)
        abort();
    char *second = print(again);
    if (strcmp(first, second) != 0)
        abort();
    free(first);
    free(second);
    config_free(config);
    config_free(again);
    return 0;
}
