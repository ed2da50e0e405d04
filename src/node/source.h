/* The identity of a log file, whatever its name: the first bytes it began with, and a mark of the
 * bytes before the offset up to which it was read. A rotated, renamed, copied or compressed file is
 * the same source; a truncated or replaced one is not. */
#ifndef NODE_SOURCE_H
#define NODE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_HEAD_MAX 512
#define SOURCE_MARK_MAX 64

struct source {
    int64_t id;                     /* given by the store; 0 = not stored yet */
    uint8_t head[SOURCE_HEAD_MAX];  /* first bytes of the (decompressed) file */
    size_t head_len;                /* grows to SOURCE_HEAD_MAX as the file grows */
    uint8_t mark[SOURCE_MARK_MAX];  /* the bytes just before offset */
    size_t mark_len;                /* min(offset, SOURCE_MARK_MAX) */
    int64_t offset;                 /* bytes (decompressed) whose rows are committed */
    int64_t lines, transfers, twins, unparsed; /* counted up to offset */
};

#endif
