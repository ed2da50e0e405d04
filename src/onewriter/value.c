/* Values in and out (onewriter.h): binding, stepping, columns. These are what most callers need of
 * SQLite, with its traps taken out: a failed statement is reset at once, so that it holds no
 * snapshot; an empty blob is not mistaken for NULL. What must stay true: values are bound without
 * copies, so whoever binds keeps them until the statement is reset. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onewriter/fail.h"
#include "onewriter/loan.h"
#include "onewriter/value.h"

/* "running \"SELECT ...\"" */
static int fail_running(struct ow_conn *conn, sqlite3_stmt *stmt, const char *doing,
                        struct ow_err *err)
{
    char what[160];
    const char *sql = sqlite3_sql(stmt);
    snprintf(what, sizeof(what), "%s \"%.120s\"", doing, sql ? sql : "?");
    return ow_conn_fail(conn, what, err);
}

static int bind_one(sqlite3_stmt *stmt, int index, const struct ow_value *value)
{
    switch (value->type) {
    case OW_NULL:
        return sqlite3_bind_null(stmt, index);
    case OW_INT:
        return sqlite3_bind_int64(stmt, index, value->as.i);
    case OW_REAL:
        return sqlite3_bind_double(stmt, index, value->as.real);
    case OW_TEXT:
        return sqlite3_bind_text64(stmt, index, value->as.data, value->bytes, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case OW_BLOB:
        return sqlite3_bind_blob64(stmt, index, value->as.data, value->bytes, SQLITE_STATIC);
    }
    return SQLITE_MISMATCH;
}

int ow_bind(struct ow_conn *conn, sqlite3_stmt *stmt, const struct ow_value *values, int count,
            struct ow_err *err)
{
    int rc = ow_conn_check_stmt(conn, stmt, err);
    return rc ? rc : ow_value_bind(conn, stmt, values, count, err);
}

int ow_value_bind(struct ow_conn *conn, sqlite3_stmt *stmt, const struct ow_value *values,
                  int count, struct ow_err *err)
{
    int wanted = sqlite3_bind_parameter_count(stmt);
    if (count > wanted)
        return ow_fail(err, OW_CALLER, "%d values were given to the %d parameters of \"%.160s\"",
                       count, wanted, sqlite3_sql(stmt));
    for (int i = 0; i < count; i++) {
        int rc = bind_one(stmt, i + 1, &values[i]);
        if (rc == SQLITE_MISMATCH)
            return ow_fail(err, OW_CALLER, "value %d of \"%.160s\" has no type", i + 1,
                           sqlite3_sql(stmt));
        if (rc != SQLITE_OK)
            return fail_running(conn, stmt, "binding the values of", err);
    }
    return 0;
}

int ow_step(struct ow_conn *conn, sqlite3_stmt *stmt, bool *row, struct ow_err *err)
{
    *row = false;
    int rc = ow_conn_check_stmt(conn, stmt, err);
    if (rc == OW_CANCELLED)
        sqlite3_reset(stmt);
    if (rc)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *row = true;
        return 0;
    }
    rc = rc == SQLITE_DONE ? 0 : fail_running(conn, stmt, "running", err);
    sqlite3_reset(stmt);
    return rc;
}

/* ---- columns ---- */

bool ow_column_is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}

int64_t ow_column_int(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt, column);
}

double ow_column_real(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt, column);
}

const char *ow_column_text(sqlite3_stmt *stmt, int column, size_t *bytes)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    if (bytes) /* asked after the conversion, of which it is the size */
        *bytes = text ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
    return text;
}

const void *ow_column_blob(sqlite3_stmt *stmt, int column, size_t *bytes)
{
    bool is_null = ow_column_is_null(stmt, column);
    const void *blob = sqlite3_column_blob(stmt, column);
    size_t size = blob ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
    if (bytes)
        *bytes = size;
    /* SQLite gives NULL for an empty blob, too, and when there is no memory: then it has a size. */
    return blob || is_null || sqlite3_column_bytes(stmt, column) ? blob : "";
}

char *ow_column_text_dup(sqlite3_stmt *stmt, int column)
{
    size_t bytes;
    const char *text = ow_column_text(stmt, column, &bytes);
    char *copy = text ? malloc(bytes + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

/* ---- whole statements ---- */

static int prepare_bound(struct ow_conn *conn, const char *sql, const struct ow_value *values,
                         int count, sqlite3_stmt **stmt, struct ow_err *err)
{
    int rc = ow_prepare(conn, sql, stmt, err);
    return rc ? rc : ow_bind(conn, *stmt, values, count, err);
}

int ow_run(struct ow_conn *conn, const char *sql, const struct ow_value *values, int count,
           struct ow_err *err)
{
    sqlite3_stmt *stmt;
    bool row = true;
    int rc = prepare_bound(conn, sql, values, count, &stmt, err);
    while (!rc && row)
        rc = ow_step(conn, stmt, &row, err);
    return rc;
}

int ow_get_int(struct ow_conn *conn, const char *sql, const struct ow_value *values, int count,
               int64_t *out, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    int rc = prepare_bound(conn, sql, values, count, &stmt, err);
    if (!rc)
        rc = ow_step(conn, stmt, &row, err);
    if (rc)
        return rc;
    if (!row)
        return ow_fail(err, OW_CALLER, "\"%.200s\" found no row", sql);
    *out = ow_column_int(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

int64_t ow_changes(struct ow_conn *conn)
{
    return sqlite3_changes64(conn->db);
}

int64_t ow_last_rowid(struct ow_conn *conn)
{
    return sqlite3_last_insert_rowid(conn->db);
}

int ow_refuse(struct ow_err *err, enum ow_code code, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return ow_fail(err, code, "%s", text);
}
