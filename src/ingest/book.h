/* The sources of one node: as the store has them, and as far as batches on their way will move
 * them. */
#ifndef INGEST_BOOK_H
#define INGEST_BOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/reader.h"
#include "ingest/sink.h"

struct stream {
    struct source done; /* as committed */
    struct source next; /* as it will be when what is in flight is committed: read on from here */
    int64_t from;       /* the offset the store will have then (differs from next's after a skip) */
    unsigned in_flight; /* batches handed in and not yet ended */
    bool stale;         /* the store has moved on without us: book_load before further reading */
};

struct book {
    int64_t node_id;
    struct stream **list;
    size_t count, cap;
    bool must_load;      /* not loaded yet, or a stream is stale */
    uint64_t generation; /* grows when streams were dropped: pointers kept elsewhere are void */
};

void book_fini(struct book *b);
/* Reads the sources of the node from the sink. A stream with batches in flight is left as it is. */
int book_load(struct book *b, const struct ingest_sink *sink, struct err *err);
/* Stores a new source and adds its stream. ERR_STALE: another reader has just added a source that
 * this one may be; the book holds it now: look again. */
int book_add(struct book *b, const struct ingest_sink *sink, const char *name,
             const struct source *fresh, struct stream **out, struct err *err);
/* Everything in flight of the stream failed for good: back to what is committed. */
void stream_rewind(struct stream *s);

enum book_match {
    BOOK_KNOWN,    /* *out is the stream; the reader stands at its next.offset */
    BOOK_COMPLETE, /* *out is the stream, and the file surely holds nothing beyond next.offset */
    BOOK_SHORTER,  /* begins like a known source but ends before its offset; *out may be a source
                    * that  was added for this file before and holds nothing, or NULL */
    BOOK_NEW,
    BOOK_EMPTY,
    BOOK_FAILED, /* err */
};

/* Whose file is it? Asks head and mark of every source of the book. */
enum book_match book_identify(struct book *b, struct reader *r, struct stream **out,
                              struct err *err);

#endif
