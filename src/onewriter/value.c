#include "onewriter/fail.h"
#include "onewriter/onewriter.h"

int ow_bind(struct ow_conn *conn, sqlite3_stmt *stmt, const struct ow_value *values, int count,
            struct ow_err *err)
{
    for (int i = 0; i < count; i++) {
        const struct ow_value *v = &values[i];
        int rc = SQLITE_OK;
        switch (v->type) {
        case OW_NULL:
            rc = sqlite3_bind_null(stmt, i + 1);
            break;
        case OW_INT:
            rc = sqlite3_bind_int64(stmt, i + 1, v->as.i);
            break;
        case OW_REAL:
            rc = sqlite3_bind_double(stmt, i + 1, v->as.real);
            break;
        case OW_TEXT:
            rc = sqlite3_bind_text(stmt, i + 1, v->as.data, (int)v->bytes, SQLITE_STATIC);
            break;
        case OW_BLOB:
            rc = sqlite3_bind_blob(stmt, i + 1, v->as.data, (int)v->bytes, SQLITE_STATIC);
            break;
        }
        if (rc != SQLITE_OK)
            return ow_conn_fail(conn, sqlite3_sql(stmt), err);
    }
    return 0;
}

int64_t ow_changes(struct ow_conn *conn);
