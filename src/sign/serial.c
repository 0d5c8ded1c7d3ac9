/* SOA serials: RFC 1982 arithmetic and the policies for the next one. */
#include "sign/internal.h"

#include <stdio.h>
#include <stdlib.h>

bool sign_serial_greater(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

/* Zero is left out: some secondaries take it for "no serial". */
static uint32_t after(uint32_t serial)
{
    return serial + 1 != 0 ? serial + 1 : 1;
}

/* YYYYMMDD00 of the day in UTC. */
static uint32_t date_serial(base_time now)
{
    char text[BASE_TIME_TEXT];
    base_time_compact(now, text);
    text[8] = '\0';
    return (uint32_t)strtoul(text, NULL, 10) * 100;
}

uint32_t sign_serial_next(enum sign_serial policy, uint32_t input, const uint32_t *previous,
                          base_time now)
{
    if (policy == SIGN_SERIAL_KEEP)
        return input;
    uint32_t last = input;
    if (previous != NULL && !sign_serial_greater(input, *previous))
        last = *previous;
    uint32_t wanted = after(last);
    if (policy == SIGN_SERIAL_UNIXTIME)
        wanted = (uint32_t)now;
    else if (policy == SIGN_SERIAL_DATE)
        wanted = date_serial(now);
    return sign_serial_greater(wanted, last) ? wanted : after(last);
}
