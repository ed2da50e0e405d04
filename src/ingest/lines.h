/* From a stream of bytes to whole lines, in a buffer of fixed size whatever the lines are like. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/line.h"

/* A line of the longest kind and as much again to read into. */
#define LINES_BUFFER_BYTES (2 * (size_t)LINE_MAX_BYTES)

struct lines {
    char *buffer;      /* LINES_BUFFER_BYTES, allocated once */
    size_t begin, end; /* bytes not yet given out */
    size_t searched;   /* bytes from begin known to hold no LF */
    int64_t at;        /* file offset of buffer[begin] */
    uint64_t dropped;  /* bytes of an over-long line thrown away behind its kept part */
    bool has_nul;      /* the buffer may hold NULs: look for them */
};

struct line {
    char *bytes; /* lent until the next call; without LF, may be modified */
    size_t len;
    int64_t at;     /* file offset of its first byte */
    int64_t end_at; /* file offset behind its LF or NUL run */
    size_t raw_len; /* bytes lying at `bytes` in the buffer including LF or NULs */
    uint64_t nul_bytes;
    bool cut; /* longer than LINE_MAX_BYTES: the rest was skipped */
};

bool lines_init(struct lines *l);
void lines_fini(struct lines *l);
/* Empties; the next byte filled in stands at `at`. */
void lines_reset(struct lines *l, int64_t at);
/* Where to read to, and how much at most (never 0 when lines_next gave false). */
char *lines_space(struct lines *l, size_t *len);
void lines_filled(struct lines *l, size_t len);
/* The next whole line. Ends are LF; and a run of NULs (a page lost in a crash) when the LF behind
 * it is there too, or when it fills the buffer. False: fill in more. */
bool lines_next(struct lines *l, struct line *out);
/* What is left at the end of the data: a last line without LF. False when nothing is. The bytes are
 * the buffer's; the line is not consumed. */
bool lines_rest(struct lines *l, struct line *out);

#endif
