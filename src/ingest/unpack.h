/* Decompresses .gz (any number of members) and .zst (any number of frames) as a stream. */
#ifndef INGEST_UNPACK_H
#define INGEST_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum pack_kind {
    PACK_NONE,
    PACK_GZIP,
    PACK_ZSTD,
    PACK_UNKNOWN, /* xz, bzip2, lz4, zip: known not to be text, not readable here */
};

#define PACK_MAGIC_BYTES 6
/* What the first bytes of a file (fewer when it is shorter) say. */
enum pack_kind pack_kind_of(const uint8_t *magic, size_t len);

/* Gives up to cap bytes: > 0, 0 at the end, < 0 on failure (errno). */
typedef ssize_t unpack_pull(void *ctx, void *buf, size_t cap);

struct unpack;
/* pull is called for compressed bytes, as needed. */
int unpack_open(enum pack_kind kind, unpack_pull *pull, void *ctx, struct unpack **out,
                struct err *err);
void unpack_close(struct unpack *u);
/* Fills buf as far as possible: *got < cap only at the end. An archive that is cut off or damaged
 * gives what comes before and then ERR_INPUT (the text says which); ERR_IO when pull failed. */
int unpack_read(struct unpack *u, void *buf, size_t cap, size_t *got, struct err *err);

#endif
