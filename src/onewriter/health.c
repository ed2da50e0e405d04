/* The state of a returned reader (health.h). A borrower can only spoil a connection through the raw
 * handle, so what costs time is looked at only when he had it. Statements that are not in the cache
 * need not be leaks: virtual tables such as FTS5 keep their own on the same connection.
 * sqlite3_close tells the two apart, since it disconnects virtual tables first and refuses only for
 * the rest. What must stay true: a statement that somebody may still hold is never finalized
 * here. */
#include "onewriter/health.h"

#include "onewriter/database.h"

/* Ends what runs; returns how many statements there are, whoever prepared them. */
static uint32_t reset_all(struct ow_conn *conn)
{
    uint32_t count = 0;
    for (sqlite3_stmt *s = sqlite3_next_stmt(conn->db, NULL); s;
         s = sqlite3_next_stmt(conn->db, s), count++)
        if (sqlite3_stmt_busy(s))
            sqlite3_reset(s);
    return count;
}

static bool end_transaction(struct ow_conn *conn)
{
    return sqlite3_get_autocommit(conn->db) ||
           (sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK &&
            sqlite3_get_autocommit(conn->db));
}

/* The authorizer cannot be read back, but it can be seen to be asked; installing it anew would have
 * SQLite prepare every cached statement again. */
static bool is_guarded(struct ow_conn *conn)
{
    sqlite3_stmt *stmt = NULL;
    conn->guard_asked = false;
    bool query_only = sqlite3_prepare_v2(conn->db, "PRAGMA query_only", -1, &stmt, NULL) == 0 &&
                      sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
    sqlite3_finalize(stmt);
    return query_only && conn->guard_asked;
}

static void count_pages(struct ow_conn *conn)
{
    struct ow_counters *counters = &conn->owner->counters;
    int now = 0, highest;
    if (sqlite3_db_status(conn->db, SQLITE_DBSTATUS_CACHE_HIT, &now, &highest, 1) == SQLITE_OK)
        ow_count(&counters->cache_hit, (uint64_t)now);
    if (sqlite3_db_status(conn->db, SQLITE_DBSTATUS_CACHE_MISS, &now, &highest, 1) == SQLITE_OK)
        ow_count(&counters->cache_miss, (uint64_t)now);
}

void ow_conn_clean(struct ow_conn *conn)
{
    if (!conn->db)
        return;
    conn->run_until_us = INT64_MAX;
    uint32_t statements = reset_all(conn);
    bool bad = !end_transaction(conn) || conn->bad;
    count_pages(conn);
    ow_conn_rearm(conn, false);
    if (!bad && conn->handle_given)
        bad = !is_guarded(conn);
    bool strange = statements > conn->statements.count && !conn->keeps_statements;
    if (!bad && !strange)
        return;
    int leaks = ow_conn_close(conn);
    conn->keeps_statements |= strange && !leaks;
}
