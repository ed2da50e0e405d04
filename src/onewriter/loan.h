/* Who may use a connection now. A reader is lent under a number (conn->loan); cancelling a loan
 * names the number, so that it can only ever hit that borrower. */
#ifndef ONEWRITER_LOAN_H
#define ONEWRITER_LOAN_H

#include "onewriter/conn.h"

/* True when the present loan was cancelled. Any thread. */
static inline bool ow_conn_is_cancelled(const struct ow_conn *conn)
{
    uint64_t loan = atomic_load_explicit(&conn->loan, memory_order_relaxed);
    return loan && atomic_load_explicit(&conn->cancelled_loan, memory_order_relaxed) == loan;
}

/* 0 when the calling thread may use the connection; OW_BUG when it is not lent or lent to another
 * thread, OW_CANCELLED when its loan was cancelled, OW_CLOSED in a forked child. */
int ow_conn_check(struct ow_conn *conn, struct ow_err *err);
/* The same, and the statement must be the connection's own. */
int ow_conn_check_stmt(struct ow_conn *conn, sqlite3_stmt *stmt, struct ow_err *err);

/* "what: this loan was cancelled"; returns OW_CANCELLED. */
int ow_conn_fail_cancelled(const struct ow_conn *conn, const char *what, struct ow_err *err);

/* Any thread, while the handle is open: the text of the statement that was prepared last, cut to
 * size with a NUL; "" when there is none. */
void ow_conn_copy_sql(struct ow_conn *conn, char *out, size_t size);

#endif
