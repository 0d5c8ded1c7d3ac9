/*
 * Time. Everything in Kenter takes `now` as a parameter, in seconds since 1970-01-01T00:00:00Z;
 * only base_clock_now asks the system.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t base_time; /* seconds since the epoch, UTC */

base_time base_clock_now(void);

/* A monotonic reading in nanoseconds, for progress, benchmarks, and the time-outs of loops that
 * wait for sockets; never for decisions about zones and keys. */
uint64_t base_clock_monotonic(void);

/* Reads a time that a person wrote: "now", "now+3d", "now-1h30m", "20261121235959" (RFC 4034
 * section 3.2, UTC), "2026-11-21T23:59:59Z", "2026-11-21", "@1764547200" (epoch seconds).
 * BASE_EFORMAT when it is none of these. */
int base_time_parse(const char *text, base_time now, base_time *out);

/* The seconds of a unit: one of s m h d w, in any case. 0 for another character. */
uint32_t base_duration_unit(char unit);
/* Reads a duration: "3600", "1h", "14d", "1w2d3h4m5s"; seconds. BASE_EFORMAT, BASE_ERANGE. */
int base_duration_parse(const char *text, int64_t *out);

#define BASE_TIME_TEXT 24 /* room for any text below, NUL included */

/* "20261121235959", the form of RRSIG in zone files. */
void base_time_compact(base_time time, char out[BASE_TIME_TEXT]);
/* "2026-11-21T23:59:59Z" */
void base_time_iso(base_time time, char out[BASE_TIME_TEXT]);
/* "13d 4h", "59m", "3s": the two largest units. */
void base_duration_text(int64_t seconds, char out[BASE_TIME_TEXT]);

#endif
