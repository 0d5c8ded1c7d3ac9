/*
 * Log lines: one event a line, as text for people or as JSON for machines. A line goes out in one
 * write, so lines of several threads and processes do not mix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/clock.h"
#include "base/finding.h"

#include <stdbool.h>

enum base_log_level { BASE_LOG_DEBUG, BASE_LOG_INFO, BASE_LOG_WARNING, BASE_LOG_ERROR };

/* Where and how to log. Made once, then read by all. */
struct base_log {
    enum base_log_level least; /* lines below this level are left out */
    bool json;
    int fd;           /* usually standard error */
    const char *part; /* "serve": which part of the program speaks; may be NULL */
};

/* Writes a line: text "2026-11-21T23:59:59Z warning serve: message", or JSON
 * {"time":…,"level":…,"part":…,"message":…}. Line breaks in the message become spaces in text.
 * Failures are ignored: there is nowhere to report them. */
void base_log(const struct base_log *log, base_time now, enum base_log_level level,
              const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Writes a finding; severity gives the level. JSON lines carry code, place, why and remedy. */
void base_log_finding(const struct base_log *log, base_time now,
                      const struct base_finding *finding);
const char *base_log_level_name(enum base_log_level level); /* "warning" */
/* By name, any case; -1 when there is none. */
int base_log_level_by_name(const char *name);

#endif
