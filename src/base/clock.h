/* Two clocks, never mixed: monotonic for waits and ages, UTC for what is stored and shown. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in milliseconds / microseconds. Deadlines are made from these. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_unix_ms(void);

#define CLOCK_RFC3339_MAX 32
/* Writes "2026-08-20T10:00:14.123Z" (UTC, milliseconds) and a NUL; years 0..9999, else clamped.
 * Returns the length (24). */
int clock_format_rfc3339_ms(char out[CLOCK_RFC3339_MAX], int64_t unix_ms);

#endif
