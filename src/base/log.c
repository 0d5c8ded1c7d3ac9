/* Log lines: see log.h. */
#include "base/log.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Holds the longest finding, with each octet of its place and message escaped as six. */
#define LINE_MAX_SIZE ((size_t)128 * 1024)
#define MESSAGE_MAX   2048

static const char *const level_names[] = {"debug", "info", "warning", "error"};

const char *base_log_level_name(enum base_log_level level)
{
    return level_names[level];
}

int base_log_level_by_name(const char *name)
{
    for (int i = 0; i <= BASE_LOG_ERROR; i++) {
        if (strcasecmp(level_names[i], name) == 0)
            return i;
    }
    return -1;
}

static void begin(const struct base_log *log, base_time now, enum base_log_level level,
                  struct base_buf *line)
{
    char time[BASE_TIME_TEXT];
    base_time_iso(now, time);
    base_buf_init(line, LINE_MAX_SIZE);
    if (log->json) {
        base_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\"", time, level_names[level]);
        if (log->part != NULL) {
            base_buf_text(line, ",\"part\":");
            base_json_text(line, log->part);
        }
        return;
    }
    base_buf_printf(line, "%s %s ", time, level_names[level]);
    if (log->part != NULL)
        base_buf_printf(line, "%s: ", log->part);
}

/* A log line is one line, whatever bytes a message carries. */
static void flatten(struct base_buf *line)
{
    for (size_t i = 0; i < line->length; i++) {
        if (line->data[i] < 0x20 || line->data[i] == 0x7f)
            line->data[i] = ' ';
    }
}

static void end(const struct base_log *log, struct base_buf *line)
{
    if (!log->json)
        flatten(line);
    base_buf_text(line, log->json ? "}\n" : "\n");
    const uint8_t *data = line->data;
    size_t left = line->error == BASE_OK ? line->length : 0;
    while (left > 0) {
        ssize_t put = write(log->fd, data, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            break;
        data += put;
        left -= (size_t)put;
    }
    base_buf_free(line);
}

static void field(struct base_buf *line, const char *name, const char *value)
{
    if (value == NULL)
        return;
    base_buf_printf(line, ",\"%s\":", name);
    base_json_text(line, value);
}

void base_log(const struct base_log *log, base_time now, enum base_log_level level,
              const char *format, ...)
{
    if (level < log->least)
        return;
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct base_buf line;
    begin(log, now, level, &line);
    if (log->json)
        field(&line, "message", message);
    else
        base_buf_text(&line, message);
    end(log, &line);
}

static void finding_json(struct base_buf *line, const struct base_finding *finding)
{
    const struct base_finding_info *info = base_finding_info(finding->code);
    field(line, "message", finding->message);
    field(line, "code", info->code);
    field(line, "file", finding->place.file);
    if (finding->place.line != 0)
        base_buf_printf(line, ",\"line\":%u,\"column\":%u", finding->place.line,
                        finding->place.column);
    field(line, "owner", finding->place.owner);
    field(line, "type", finding->place.type);
    field(line, "why", info->why);
    field(line, "remedy", info->remedy);
}

static void finding_text(struct base_buf *line, const struct base_finding *finding)
{
    const struct base_place *place = &finding->place;
    if (place->file != NULL && place->line != 0)
        base_buf_printf(line, "%.1000s:%u:%u: ", place->file, place->line, place->column);
    else if (place->file != NULL)
        base_buf_printf(line, "%.1000s: ", place->file);
    else if (place->owner != NULL)
        base_buf_printf(line, "%.1100s: ", place->owner);
    base_buf_printf(line, "%s [%s]", finding->message, base_finding_info(finding->code)->code);
}

void base_log_finding(const struct base_log *log, base_time now, const struct base_finding *finding)
{
    static const enum base_log_level levels[] = {BASE_LOG_INFO, BASE_LOG_WARNING, BASE_LOG_ERROR};
    if (levels[finding->severity] < log->least)
        return;
    struct base_buf line;
    begin(log, now, levels[finding->severity], &line);
    if (log->json)
        finding_json(&line, finding);
    else
        finding_text(&line, finding);
    end(log, &line);
}
