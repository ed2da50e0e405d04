/* One log file as a stream of decompressed bytes with a position, whatever it is: a plain file that
 * may be truncated under our hands, an archive, a pipe. */
#ifndef INGEST_READER_H
#define INGEST_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ingest/halt.h"
#include "ingest/unpack.h"
#include "node/source.h"

enum reader_result {
    READER_DATA,    /* bytes were given */
    READER_END,     /* nothing more now; reader.trouble says so when the archive ended badly */
    READER_CHANGED, /* the file is no longer the one that was opened: truncated or overwritten */
    READER_FAILED,  /* err says why */
};

struct reader {
    int fd;    /* lent */
    bool pipe; /* cannot be read twice */
    enum pack_kind pack;
    int64_t size_bytes; /* on disk, as of the last look; -1 for a pipe */
    int64_t mtime_unix_ms;

    uint8_t head[SOURCE_HEAD_MAX]; /* first decompressed bytes; grows with a plain file */
    size_t head_len;
    int64_t at;              /* next byte to be given */
    struct source_mark mark; /* the bytes before it */
    struct err trouble;      /* archive: cut off or damaged */

    struct unpack *unpack;
    uint8_t magic[PACK_MAGIC_BYTES]; /* of a pipe: read already, not yet given */
    size_t magic_len, magic_given;
    int64_t raw_at;   /* next byte on disk */
    int64_t unpacked; /* bytes that came out of the pipe or archive; >= head_len */
    const struct halt *halt;
};

/* Takes an open descriptor (lent; regular file, or pipe when allowed) and looks at its first bytes.
 * halt ends a wait for a pipe. ERR_INPUT: neither a regular file nor an allowed pipe, or an archive
 * that cannot be read here. */
int reader_open(struct reader *r, int fd, bool allow_pipe, const struct halt *halt,
                struct err *err);
void reader_close(struct reader *r);

/* Goes to a position. READER_DATA: there, and r->mark is set; READER_END: the file is shorter;
 * READER_CHANGED: cannot go back in a pipe. */
enum reader_result reader_seek(struct reader *r, int64_t at, struct err *err);

/* Reads on from r->at. A plain file is verified afterwards: what is given did stand there, behind
 * this head and mark, in one and the same file. */
enum reader_result reader_read(struct reader *r, void *buf, size_t cap, size_t *got,
                               struct err *err);

/* True when the gzip file surely holds `bytes` bytes and no more: its only member says so. Costs
 * one pass over the compressed bytes, without decompressing. */
bool reader_gzip_holds(const struct reader *r, int64_t bytes);

#endif
