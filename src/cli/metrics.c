/* Samples out of Prometheus text: see metrics.h. */
#include "cli/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads name="value" pairs up to the closing brace; keeps the value of `label`. Returns what is
 * behind the brace, or NULL. */
static const char *read_labels(const char *at, const char *label, char out[CLI_METRIC_LABEL],
                               bool *found)
{
    *found = false;
    while (*at != '}') {
        size_t name = strcspn(at, "=\"},\n");
        bool wanted = strlen(label) == name && memcmp(at, label, name) == 0;
        if (at[name] != '=' || at[name + 1] != '"')
            return NULL;
        at += name + 2;
        size_t length = 0;
        for (; *at != '"'; at++) {
            if (*at == '\\')
                at++;
            if (*at == '\0' || *at == '\n')
                return NULL;
            if (wanted && length + 1 < CLI_METRIC_LABEL)
                out[length++] = *at;
        }
        at++;
        if (wanted) {
            out[length] = '\0';
            *found = true;
        }
        if (*at == ',')
            at++;
    }
    return at + 1;
}

static size_t add(struct cli_sample *out, size_t count, size_t room, const char *label,
                  double value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(out[i].label, label) == 0) {
            out[i].value += value;
            return count;
        }
    }
    if (count == room)
        return count;
    snprintf(out[count].label, sizeof(out[count].label), "%s", label);
    out[count].value = value;
    return count + 1;
}

size_t cli_metric_read(const char *text, const char *metric, const char *label,
                       struct cli_sample *out, size_t room)
{
    size_t count = 0, length = strlen(metric);
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, metric, length) == 0 && line[length] == '{') {
            char value[CLI_METRIC_LABEL];
            bool found;
            const char *number = read_labels(line + length + 1, label, value, &found);
            char *stop;
            double amount = number != NULL ? strtod(number, &stop) : 0;
            if (number != NULL && found && stop != number)
                count = add(out, count, room, value, amount);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return count;
}
