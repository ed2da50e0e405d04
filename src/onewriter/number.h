/* The number of each commit, stored with it. */
#ifndef ONEWRITER_NUMBER_H
#define ONEWRITER_NUMBER_H

#include "onewriter/conn.h"

/* View ow_commit(id, seq, at_unix_ms): one row, the newest commit. Behind it is the table
 * ow_commit_slot, which only the library writes. */
#define OW_NUMBER_SLOTS 16
/* So many numbers may be given before one is stored, see group.c. */
#define OW_NUMBER_GAP 64
/* ?1 seq, ?2 at_unix_ms, ?3 ow_number_slot(seq): changes one row. */
#define OW_NUMBER_RECORD_SQL "UPDATE ow_commit_slot SET seq=?1, at_unix_ms=?2 WHERE id=?3"

static inline int64_t ow_number_slot(int64_t seq)
{
    return 2 * (seq % OW_NUMBER_SLOTS) + 1;
}

/* Makes table and view when they are missing. On the writer's connection, outside a transaction. */
int ow_number_prepare(struct ow_conn *conn, struct ow_err *err);
/* The newest commit that this connection sees. at_unix_ms may be NULL. */
int ow_number_read(struct ow_conn *conn, int64_t *seq, int64_t *at_unix_ms, struct ow_err *err);
/* Whether that commit is in the database, by its number and time. */
int ow_number_has(struct ow_conn *conn, int64_t seq, int64_t at_unix_ms, bool *has,
                  struct ow_err *err);
/* True for the names that jobs may not touch. */
bool ow_number_owns(const char *table);

#endif
