/* Times as nodes write them: RFC 3339 ("2026-08-20T10:00:14+02:00", with or without a fraction) and
 * the ISO 8601 of older nodes ("2023-04-19T16:18:02.968+0300"). */
#ifndef NODE_STAMP_H
#define NODE_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the time at the beginning of at[0..len). Returns the bytes it takes, 0 when there is none
 * or it names no instant (month 13, 30 February, hour 24, no zone). */
size_t stamp_parse(const char *at, size_t len, int64_t *unix_ms, bool *has_fraction);

#endif
