/* Scanning in tests: the line is copied to a heap block of exactly its length, so that a read
 * beyond its end is seen by the address sanitizer. The event is valid until scanned_free. */
#ifndef TESTS_NODE_SCANNED_H
#define TESTS_NODE_SCANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#include "base/cleanup.h"
#include "node/line.h"

#define PIECE_ID "AAAAEXAMPLEPIECEID7777777777777777777777777777777777"
#define US1      "12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S"
#define EU1      "12L9ZFwhzVpuEKMUNUqkaTLGzwY9G24tbiigLiXpmZWKwmcNDDs"

struct scanned {
    char *bytes;
    struct event event;
};

static inline void scanned_free(struct scanned *s)
{
    free(s->bytes);
}

static inline struct scanned scan_at(const char *line, size_t len, int64_t wrapper_unix_ms)
{
    struct scanned s = {.bytes = malloc(len ? len : 1)};
    assert_non_null(s.bytes);
    if (len)
        memcpy(s.bytes, line, len);
    line_scan(s.bytes, len, wrapper_unix_ms, &s.event);
    return s;
}

static inline struct scanned scan(const char *line)
{
    return scan_at(line, strlen(line), EVENT_NO_TIME);
}

static inline enum event_kind kind_of(const char *line)
{
    CLEANUP(scanned_free) struct scanned s = scan(line);
    return s.event.kind;
}

/* The text as it would be stored; "" when absent. */
static inline void assert_text(struct text t, const char *expected)
{
    CLEANUP(buf_fini) struct buf b = {0};
    text_copy(&b, t, 1 << 20, TEXT_UTF8);
    assert_string_equal(b.data ? b.data : "", expected);
}

#endif
