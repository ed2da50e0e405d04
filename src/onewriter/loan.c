/* Use of a connection (loan.h). Each call that touches a connection asks here first, so that a
 * pointer kept after the release is answered in words instead of meeting the next borrower's
 * statements. What must stay true: the fields of a loan are atomics, because who misuses a
 * connection does so from any thread; a text is read only under the mutex under which it is
 * freed. */
#include "onewriter/loan.h"

#include <stdio.h>

#include "onewriter/database.h"
#include "onewriter/fail.h"

static int check_loan(const struct ow_conn *conn, struct ow_err *err)
{
    if (atomic_load_explicit(&conn->idle, memory_order_relaxed))
        return ow_fail(err, OW_BUG, "this reader was released: acquire one before using it");
    if (atomic_load_explicit(&conn->loan, memory_order_relaxed) &&
        !atomic_load_explicit(&conn->shared, memory_order_relaxed) &&
        !pthread_equal(atomic_load_explicit(&conn->thread, memory_order_relaxed), pthread_self()))
        return ow_fail(err, OW_BUG, "this reader is lent to another thread");
    return 0;
}

int ow_conn_check(struct ow_conn *conn, struct ow_err *err)
{
    if (ow_is_foreign(conn->owner, err))
        return OW_CLOSED;
    if (conn->role == OW_READER) {
        int rc = check_loan(conn, err);
        if (rc)
            return rc;
    }
    return ow_conn_is_cancelled(conn) ? ow_conn_fail_cancelled(conn, NULL, err) : 0;
}

int ow_conn_check_stmt(struct ow_conn *conn, sqlite3_stmt *stmt, struct ow_err *err)
{
    int rc = ow_conn_check(conn, err);
    if (!rc && sqlite3_db_handle(stmt) != conn->db)
        return ow_fail(err, OW_BUG, "this statement does not belong to this connection");
    return rc;
}

int ow_conn_fail_cancelled(const struct ow_conn *conn, const char *what, struct ow_err *err)
{
    const char *label = conn->label ? conn->label : "reading";
    ow_fail(err, OW_CANCELLED, "%s: it was cancelled (SQLITE_INTERRUPT)", what ? what : label);
    if (err)
        err->sqlite_code = SQLITE_INTERRUPT;
    return OW_CANCELLED;
}

void ow_conn_copy_sql(struct ow_conn *conn, char *out, size_t size)
{
    LOCK(&conn->owner->texts);
    const char *sql = atomic_load_explicit(&conn->sql, memory_order_acquire);
    if (size)
        snprintf(out, size, "%s", sql ? sql : "");
}
