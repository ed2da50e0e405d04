/* Binding for callers that own the connection beyond doubt. */
#ifndef ONEWRITER_VALUE_H
#define ONEWRITER_VALUE_H

#include "onewriter/conn.h"

/* As ow_bind, without the question whether the calling thread may use the connection. */
int ow_value_bind(struct ow_conn *conn, sqlite3_stmt *stmt, const struct ow_value *values,
                  int count, struct ow_err *err);

#endif
