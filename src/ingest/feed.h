/* One file being read into batches: bytes → lines → unwrapped → scanned → batch → store. Shared by
 * tail and bulk. */
#ifndef INGEST_FEED_H
#define INGEST_FEED_H

#include "ingest/book.h"
#include "ingest/flight.h"
#include "ingest/lines.h"
#include "ingest/reader.h"

enum feed_result {
    FEED_MORE,    /* there may be more: pump again */
    FEED_DRY,     /* read to the end */
    FEED_CHANGED, /* the file, or what the store knows of it, changed: identify again */
    FEED_FAILED,  /* err */
};

struct feed {
    struct reader reader;
    struct lines lines;
    struct unwrap unwrap;
    struct book *book;
    struct stream *stream; /* NULL: a new source, stored when its first line is */
    uint64_t generation;   /* of the book, when stream was looked up */
    const char *name;      /* lent; what a new source is called */
    bool
        take_rest; /* bulk: count a last line without LF, and what stands behind an open fragment */
    bool sent;     /* the last pump handed in a batch */
    bool held_back; /* lines stand behind a fragment whose end is not there yet */

    int64_t
        reached; /* stream->next.offset as this feed left it: another file may be the same source */
    int64_t from_at;         /* where the current batch begins */
    struct source_mark mark; /* bytes before lines.at, as they are in the file */
    int64_t open_at;         /* first fragment that waits for its end; -1 = none */
    struct source_mark open_mark;
};

int feed_init(struct feed *f, struct err *err);
void feed_fini(struct feed *f);
/* The reader is open and stands where reading begins. */
void feed_begin(struct feed *f, struct book *book, struct stream *stream, const char *name);
/* True when the data ended inside a line that was not taken. */
bool feed_has_rest(struct feed *f);
/* Ends the reading of this file; the feed may begin another. */
void feed_end(struct feed *f);

/* Reads on until one batch is full or the data ends, and hands it in. force: do not wait for the
 * end of an open fragment. fallback_unix_ms: for lines without time. */
enum feed_result feed_pump(struct feed *f, struct flight *flight, int64_t fallback_unix_ms,
                           bool force, struct err *err);

#endif
