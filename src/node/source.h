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
    int64_t id;                                /* given by the store; 0 = not stored yet */
    uint8_t head[SOURCE_HEAD_MAX];             /* first bytes of the (decompressed) file */
    size_t head_len;                           /* grows to SOURCE_HEAD_MAX as the file grows */
    uint8_t mark[SOURCE_MARK_MAX];             /* the bytes just before offset */
    size_t mark_len;                           /* min(offset, SOURCE_MARK_MAX) */
    int64_t offset;                            /* bytes (decompressed) whose rows are committed */
    int64_t lines, transfers, twins, unparsed; /* counted up to offset */
};

/* The last bytes before a position: what a source's mark is made from. */
struct source_mark {
    uint8_t bytes[SOURCE_MARK_MAX];
    size_t len;
};

enum source_likeness {
    SOURCE_DIFFERENT, /* the first bytes differ: another file */
    SOURCE_SHORTER,   /* the file is a prefix of the head: a copy in the making, or cut short */
    SOURCE_ALIKE,     /* begins with the whole head; the mark decides */
};

/* Compares the first bytes of a file (all of it when it is shorter than SOURCE_HEAD_MAX) with a
 * source's head. An empty file, and a source without head, are different from everything. */
enum source_likeness source_compare_head(const struct source *s, const uint8_t *head, size_t len);

/* True when the file's bytes before s->offset are those of the mark; a mark of length 0 always is.
 */
bool source_mark_is(const struct source *s, const struct source_mark *found);

/* Takes a longer head of the same file; a shorter or differing one changes nothing. */
void source_grow_head(struct source *s, const uint8_t *head, size_t len);

/* Moves the source to an offset; mark is what stands before it. */
void source_move(struct source *s, int64_t offset, const struct source_mark *mark);

/* Appends bytes that were read, keeping the last SOURCE_MARK_MAX. */
void source_mark_push(struct source_mark *mark, const void *bytes, size_t len);

#endif
