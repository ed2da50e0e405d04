/* What the files of store/sqlite share. */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H

#include "onewriter/onewriter.h"
#include "store/store.h"

/* transfer.id and note.id: second << STORE_SEQ_BITS | sequence (schema.c). */
#define STORE_SEQ_BITS  28
#define STORE_SEQ_CACHE 256
/* Last second that fits beside the sequence; a line that claims to be later is stored as then, one
 * from before 1970 as of its beginning. */
#define STORE_SECOND_MAX ((INT64_C(1) << (62 - STORE_SEQ_BITS)) - 1)

/* Next free sequence of recently used seconds of one table. Only a hint: see next_id(). */
struct store_sequence {
    int64_t newest_s; /* no row of a later second exists; INT64_MIN = not known yet */
    struct {
        int64_t second;
        uint32_t next; /* 0 = empty slot */
    } slot[STORE_SEQ_CACHE];
};

struct store {
    struct ow *db;
    char *path;
    int lock_fd; /* held while this process is the one that writes; -1 when read-only */
    store_log_fn *log;
    void *log_ctx;
    /* Touched by jobs only, that is by the writer thread. */
    struct store_sequence transfer_sequence, note_sequence;
};

/* Turns an error of onewriter into one of ours. Returns its code. */
int store_fail(struct err *err, const struct ow_err *cause, const char *what);

/* Runs a read: borrows a connection, prepares, hands the statement to `bind`, steps, gives each row
 * to `row` (non-zero stops with ERR_CANCELLED), returns the connection. */
struct store_read {
    const char *label; /* static */
    const char *sql;
    void (*bind)(sqlite3_stmt *stmt, void *ctx);
    int (*row)(sqlite3_stmt *stmt, void *ctx);
    void *ctx;
    int run_ms; /* 0 = no limit */
};
int store_read(struct store *store, const struct store_read *read, struct err *err);

/* pack.c: compact forms that are used only when they give the same text back. */
#define PACK_PIECE_TEXT  52
#define PACK_PIECE_BYTES 32
#define PACK_REMOTE_MAX  18
#define PACK_TEXT_MAX    64
bool pack_piece(const char *text, size_t len, uint8_t out[PACK_PIECE_BYTES]);
size_t pack_remote(const char *text, size_t len, uint8_t out[PACK_REMOTE_MAX]);
/* Writes the text of a packed value and a NUL. */
void unpack_piece(const uint8_t bytes[PACK_PIECE_BYTES], char out[PACK_TEXT_MAX]);
void unpack_remote(const uint8_t *bytes, size_t len, char out[PACK_TEXT_MAX]);

#endif
