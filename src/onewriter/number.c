/* Commit numbers (number.h). Each commit changes one row of its own, so that an ambiguous COMMIT
 * can be looked up afterwards. The rows are SLOTS in turn, a page each: the index of the
 * write-ahead log is a hash of page numbers with linear probing, and a page that is in the log a
 * thousand times makes each further append and each look-up of it walk a thousand places (a lone
 * writer spent two fifths of its instructions there). What must stay true: every slot is in a page
 * of its own, which the rows between them see to; numbers only grow, so the newest is the largest.
 */
#include "onewriter/number.h"

#include <stdio.h>
#include <strings.h>

#include "onewriter/fail.h"

/* Of a page that a filler leaves free: its own overhead and the slot beside it. */
#define FILLER_LEAVES 120

static int has_object(struct ow_conn *conn, const char *type, bool *has, struct ow_err *err)
{
    char sql[128];
    int64_t count = 0;
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM sqlite_schema WHERE name='ow_commit' AND type='%s'", type);
    int rc = ow_conn_read_int(conn, sql, &count, err);
    *has = count > 0;
    return rc;
}

static int create(struct ow_conn *conn, int64_t seq, struct ow_err *err)
{
    int64_t page_size = 0;
    int rc = ow_conn_read_int(conn, "PRAGMA page_size", &page_size, err);
    char sql[640];
    snprintf(sql, sizeof(sql),
             "CREATE TABLE ow_commit_slot(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
             " at_unix_ms INTEGER NOT NULL, filler BLOB);"
             "CREATE VIEW ow_commit AS"
             " SELECT 1 AS id, max(seq) AS seq, at_unix_ms FROM ow_commit_slot;"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO ow_commit_slot SELECT i, 0, 0,"
             " CASE WHEN i %% 2 = 0 THEN zeroblob(%lld) END FROM n;"
             "UPDATE ow_commit_slot SET seq=%lld WHERE id=%lld;",
             2 * OW_NUMBER_SLOTS - 1, (long long)(page_size - FILLER_LEAVES), (long long)seq,
             (long long)ow_number_slot(seq));
    return rc ? rc : ow_exec(conn, sql, err);
}

/* Before there were slots, ow_commit was a table of one row. */
static int adopt_older(struct ow_conn *conn, int64_t *seq, struct ow_err *err)
{
    bool is_table = false;
    int rc = has_object(conn, "table", &is_table, err);
    if (!rc && is_table)
        rc = ow_conn_read_int(conn, "SELECT seq FROM ow_commit", seq, err);
    return rc || !is_table ? rc : ow_exec(conn, "DROP TABLE ow_commit", err);
}

int ow_number_prepare(struct ow_conn *conn, struct ow_err *err)
{
    bool has = false;
    int64_t seq = 0;
    int rc = has_object(conn, "view", &has, err);
    if (rc || has)
        return rc;
    rc = ow_exec(conn, "BEGIN IMMEDIATE", err);
    if (rc)
        return rc;
    rc = has_object(conn, "view", &has, err); /* somebody may have been faster */
    if (!rc && !has)
        rc = adopt_older(conn, &seq, err);
    if (!rc && !has)
        rc = create(conn, seq, err);
    if (!rc)
        rc = ow_exec(conn, "COMMIT", err);
    if (rc && !sqlite3_get_autocommit(conn->db))
        ow_exec(conn, "ROLLBACK", NULL);
    return rc;
}

int ow_number_read(struct ow_conn *conn, int64_t *seq, int64_t *at_unix_ms, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, "SELECT seq, at_unix_ms FROM ow_commit", &stmt, err);
    if (rc)
        return rc;
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        rc = ow_conn_fail(conn, "reading the number of the last commit", err);
    } else if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER) {
        rc = ow_fail(err, OW_CORRUPT, "table ow_commit_slot has lost its rows");
    } else {
        *seq = sqlite3_column_int64(stmt, 0);
        if (at_unix_ms)
            *at_unix_ms = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    return rc;
}

int ow_number_has(struct ow_conn *conn, int64_t seq, int64_t at_unix_ms, bool *has,
                  struct ow_err *err)
{
    const struct ow_value values[] = {ow_int(ow_number_slot(seq)), ow_int(seq), ow_int(at_unix_ms)};
    int64_t count = 0;
    int rc = ow_get_int(
        conn, "SELECT count(*) FROM ow_commit_slot WHERE id=?1 AND seq=?2 AND at_unix_ms=?3",
        values, 3, &count, err);
    *has = count > 0;
    return rc;
}

bool ow_number_owns(const char *table)
{
    return strcasecmp(table, "ow_commit") == 0 || strcasecmp(table, "ow_commit_slot") == 0;
}
