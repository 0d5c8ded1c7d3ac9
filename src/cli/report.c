/* Findings and summary, for people or as JSON: see report.h. */
#include "cli/report.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void cli_file_finding(struct cli_call *call, enum base_finding_code code, const char *path,
                      const char *what)
{
    /* "-" would be shown as standard input. */
    bool output = code == FILE_UNWRITABLE && strcmp(path, "-") == 0;
    struct base_place place = {.file = output ? "<stdout>" : path};
    base_findings_add(&call->findings, code, &place, "%s: %s", what, strerror(errno));
}

void cli_summary_count(struct cli_call *call, const char *name, uint64_t value)
{
    base_buf_printf(&call->summary, ",\"%s\":%llu", name, (unsigned long long)value);
}

void cli_summary_text(struct cli_call *call, const char *name, const char *text)
{
    base_buf_printf(&call->summary, ",\"%s\":", name);
    base_json_text(&call->summary, text);
}

void cli_summary_words(struct cli_call *call, const char *format, ...)
{
    va_list args;
    char words[1600];
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    call->words = base_arena_strndup(&call->arena, words, strlen(words));
}

const char *cli_number(char out[CLI_NUMBER_TEXT], uint64_t value)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            out[at++] = ' ';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

void cli_say(const struct cli_call *call, const char *format, ...)
{
    if (call->json || call->quiet)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(call->data_on_stdout ? stderr : stdout, format, args);
    va_end(args);
}

void cli_print_safely(FILE *stream, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        fputc(*c < 0x20 || *c == 0x7f ? '?' : *c, stream);
}

static void print_place(FILE *stream, const struct base_place *place)
{
    if (place->file != NULL) {
        cli_print_safely(stream, strcmp(place->file, "-") == 0 ? "<stdin>" : place->file);
        if (place->line != 0)
            fprintf(stream, ":%u", place->line);
        if (place->line != 0 && place->column != 0)
            fprintf(stream, ":%u", place->column);
        fputs(": ", stream);
    } else if (place->owner != NULL) {
        cli_print_safely(stream, place->owner);
        if (place->type != NULL)
            fprintf(stream, " %s", place->type);
        fputs(": ", stream);
    }
}

static void print_finding(const struct cli_call *call, FILE *stream,
                          const struct base_finding *finding, bool explained)
{
    static const enum cli_color colors[] = {CLI_BLUE, CLI_YELLOW, CLI_RED};
    const struct base_finding_info *info = base_finding_info(finding->code);
    fputs(cli_color(call->color, CLI_BOLD), stream);
    print_place(stream, &finding->place);
    fprintf(stream, "%s%s%s: ", cli_color(call->color, colors[finding->severity]),
            base_severity_name(finding->severity), cli_color(call->color, CLI_PLAIN));
    cli_print_safely(stream, finding->message);
    fprintf(stream, " %s[%s]%s\n", cli_color(call->color, CLI_DIM), info->code,
            cli_color(call->color, CLI_PLAIN));
    if (explained || call->brief)
        return;
    fprintf(stream, "    why: %s\n    do:  %s\n", info->why, info->remedy);
}

static void print_findings(const struct cli_call *call, FILE *stream)
{
    bool explained[BASE_FINDING_COUNT] = {false};
    const struct base_findings *findings = &call->findings;
    size_t shown[BASE_FINDING_COUNT] = {0};
    for (size_t i = 0; i < findings->count; i++) {
        const struct base_finding *finding = &findings->items[i];
        if (finding->severity == BASE_INFO && !call->notes)
            continue;
        print_finding(call, stream, finding, explained[finding->code]);
        explained[finding->code] = true;
        shown[finding->code]++;
    }
    for (int code = 0; code < BASE_FINDING_COUNT; code++) {
        bool wanted =
            call->notes || base_finding_info((enum base_finding_code)code)->severity != BASE_INFO;
        if (wanted && findings->by_code[code] > shown[code])
            fprintf(stream, "... and %zu more: %s [%s]\n", findings->by_code[code] - shown[code],
                    base_finding_info((enum base_finding_code)code)->title,
                    base_finding_info((enum base_finding_code)code)->code);
    }
}

static void print_words(const struct cli_call *call, FILE *stream, int code)
{
    char errors[CLI_NUMBER_TEXT], warnings[CLI_NUMBER_TEXT];
    const size_t *totals = call->findings.totals;
    double seconds = (double)(base_clock_monotonic() - call->started) / 1e9;
    if (seconds < 0.001)
        seconds = 0.001;
    fputs(cli_color(call->color, code == CLI_GOOD ? CLI_GREEN : CLI_RED), stream);
    cli_print_safely(stream, call->words);
    fprintf(stream, ", %s error%s, %s warning%s in %.*f s%s\n",
            cli_number(errors, totals[BASE_ERROR]), totals[BASE_ERROR] == 1 ? "" : "s",
            cli_number(warnings, totals[BASE_WARNING]), totals[BASE_WARNING] == 1 ? "" : "s",
            seconds < 0.1 ? 3 : 1, seconds, cli_color(call->color, CLI_PLAIN));
}

static void json_member(struct base_buf *buf, const char *name, const char *text)
{
    base_buf_printf(buf, ",\"%s\":", name);
    base_json_text(buf, text);
}

/* Parts of a place that are not known are null. */
static void json_number(struct base_buf *buf, const char *name, uint32_t number)
{
    if (number != 0)
        base_buf_printf(buf, ",\"%s\":%u", name, number);
    else
        base_buf_printf(buf, ",\"%s\":null", name);
}

static void json_finding(struct base_buf *buf, const struct base_finding *finding)
{
    const struct base_finding_info *info = base_finding_info(finding->code);
    const struct base_place *place = &finding->place;
    base_buf_text(buf, "{\"code\":");
    base_json_text(buf, info->code);
    json_member(buf, "severity", base_severity_name(finding->severity));
    json_member(buf, "file", place->file);
    json_number(buf, "line", place->line);
    json_number(buf, "column", place->column);
    json_member(buf, "owner", place->owner);
    json_member(buf, "type", place->type);
    json_member(buf, "message", finding->message);
    json_member(buf, "why", info->why);
    json_member(buf, "remedy", info->remedy);
    base_buf_u8(buf, '}');
}

static int print_json(const struct cli_call *call, FILE *stream, int code)
{
    struct base_buf buf;
    base_buf_init(&buf, SIZE_MAX / 2);
    base_buf_text(&buf, "{\"verb\":");
    base_json_text(&buf, call->verb->name);
    base_buf_printf(&buf, ",\"ok\":%s,\"findings\":[", code == CLI_GOOD ? "true" : "false");
    for (size_t i = 0; i < call->findings.count; i++) {
        if (i > 0)
            base_buf_u8(&buf, ',');
        json_finding(&buf, &call->findings.items[i]);
    }
    base_buf_u8(&buf, ']');
    base_buf_append(&buf, call->members.data, call->members.length);
    base_buf_printf(&buf, ",\"summary\":{\"errors\":%zu,\"warnings\":%zu,\"notes\":%zu",
                    call->findings.totals[BASE_ERROR], call->findings.totals[BASE_WARNING],
                    call->findings.totals[BASE_INFO]);
    base_buf_append(&buf, call->summary.data, call->summary.length);
    base_buf_printf(&buf, ",\"seconds\":%.3f}}\n",
                    (double)(base_clock_monotonic() - call->started) / 1e9);
    int error = buf.error;
    if (error == BASE_OK)
        error = call->members.error != BASE_OK ? call->members.error : call->summary.error;
    if (error == BASE_OK)
        fwrite(buf.data, 1, buf.length, stream);
    base_buf_free(&buf);
    return error;
}

static int exit_code(const struct cli_call *call, int error)
{
    if (error != BASE_OK && error != BASE_EREFUSED)
        return CLI_SYSTEM;
    /* Work that stopped because of a file is no judgement of a zone. */
    const uint32_t *by_code = call->findings.by_code;
    if (error == BASE_EREFUSED && by_code[FILE_UNREADABLE] + by_code[FILE_UNWRITABLE] +
                                          by_code[API_ABSENT] + by_code[API_FORBIDDEN] +
                                          by_code[API_REPLY_BAD] + by_code[API_FAILED] +
                                          by_code[API_BUSY] >
                                      0)
        return CLI_SYSTEM;
    if (error == BASE_OK && call->outcome != CLI_GOOD)
        return call->outcome;
    if (error == BASE_EREFUSED || call->findings.totals[BASE_ERROR] > call->tolerated)
        return CLI_FINDINGS;
    if (call->strict && call->findings.totals[BASE_WARNING] > 0)
        return CLI_FINDINGS;
    return CLI_GOOD;
}

int cli_finish(struct cli_call *call, int error)
{
    if (error != BASE_OK && !base_findings_bad(&call->findings))
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL, "the work stopped: %s",
                          base_strerror(error));
    int code = exit_code(call, error);
    FILE *stream = call->data_on_stdout ? stderr : stdout;
    call->color = cli_color_wanted(cli_text(call, "color"), stream);
    base_findings_sort(&call->findings);
    if (call->json) {
        if (print_json(call, stream, code) != BASE_OK) {
            fprintf(stderr, "kenter: out of memory\n");
            code = CLI_SYSTEM;
        }
    } else {
        print_findings(call, stream);
        if (call->words != NULL && !call->quiet)
            print_words(call, stream, code);
    }
    const char *lost = cli_stream_end(stream);
    if (lost != NULL) {
        if (stream == stdout)
            fprintf(stderr, "kenter: standard output: %s\n", lost);
        code = CLI_SYSTEM;
    }
    return code;
}
