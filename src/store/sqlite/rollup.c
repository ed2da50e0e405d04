/* Adds a batch's sums to the rollups, in the transaction of the rows they count. Histograms are
 * merged here rather than by a SQL function: a function would have to be registered again on every
 * connection that may write, and the read it saves is one seek in a page that is written anyway. */
#include "store/sqlite/rollup.h"

#include "base/histogram.h"

static const struct {
    const char *find, *put;
} rollup_sql[BATCH_STEPS] = {
#define ROLLUP_SQL(table)                                                                          \
    {                                                                                              \
        "SELECT count, bytes, size_histogram, duration_histogram FROM " table                      \
        " WHERE at_unix_s = ?1 AND node_id = ?2 AND satellite_id = ?3 AND action = ?4"             \
        " AND outcome = ?5",                                                                       \
            "INSERT OR REPLACE INTO " table                                                        \
            " (at_unix_s, node_id, satellite_id, action, outcome, count,"                          \
            " bytes, size_histogram, duration_histogram) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, " \
            "?9)"                                                                                  \
    }
    [BATCH_MINUTE] = ROLLUP_SQL("rollup_minute"),
    [BATCH_HOUR] = ROLLUP_SQL("rollup_hour"),
    [BATCH_DAY] = ROLLUP_SQL("rollup_day"),
#undef ROLLUP_SQL
};

static void bind_key(sqlite3_stmt *stmt, const struct batch *b, const struct batch_cell *cell,
                     const int64_t *satellite_ids)
{
    sqlite3_bind_int64(stmt, 1, cell->at_unix_s);
    sqlite3_bind_int64(stmt, 2, b->node_id);
    sqlite3_bind_int64(stmt, 3, satellite_ids[cell->satellite]);
    sqlite3_bind_int(stmt, 4, cell->action);
    sqlite3_bind_int(stmt, 5, cell->outcome);
}

/* Merges a stored histogram; false when it is damaged. */
static bool merge_column(sqlite3_stmt *stmt, int column, struct histogram *into)
{
    const void *bytes = sqlite3_column_blob(stmt, column);
    return histogram_merge_encoded(into, bytes, (size_t)sqlite3_column_bytes(stmt, column));
}

static int add_stored(struct ow_conn *conn, enum batch_step step, const struct batch *b,
                      const int64_t *satellite_ids, struct batch_cell *sum, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, rollup_sql[step].find, &stmt, err);
    if (rc)
        return rc;
    bind_key(stmt, b, sum, satellite_ids);
    int found = sqlite3_step(stmt);
    if (found == SQLITE_ROW) {
        sum->count += (uint64_t)sqlite3_column_int64(stmt, 0);
        sum->bytes = batch_bytes_sum(sum->bytes, (uint64_t)sqlite3_column_int64(stmt, 1));
        if (!merge_column(stmt, 2, &sum->size_bytes) || !merge_column(stmt, 3, &sum->duration_ms)) {
            *err = (struct ow_err){.code = OW_CORRUPT, .text = "a stored histogram is damaged"};
            sqlite3_reset(stmt);
            return OW_CORRUPT;
        }
    } else if (found != SQLITE_DONE) {
        return ow_conn_fail(conn, "reading a rollup", err);
    }
    sqlite3_reset(stmt);
    return 0;
}

static int put_cell(struct ow_conn *conn, enum batch_step step, const struct batch *b,
                    const int64_t *satellite_ids, const struct batch_cell *cell, struct ow_err *err)
{
    struct batch_cell sum = *cell;
    int rc = add_stored(conn, step, b, satellite_ids, &sum, err);
    if (rc)
        return rc;
    sqlite3_stmt *stmt;
    rc = ow_prepare(conn, rollup_sql[step].put, &stmt, err);
    if (rc)
        return rc;
    uint8_t sizes[HISTOGRAM_ENCODED_MAX], durations[HISTOGRAM_ENCODED_MAX];
    bind_key(stmt, b, cell, satellite_ids);
    sqlite3_bind_int64(stmt, 6, (int64_t)sum.count);
    sqlite3_bind_int64(stmt, 7, (int64_t)sum.bytes);
    sqlite3_bind_blob(stmt, 8, sizes, (int)histogram_encode(&sum.size_bytes, sizes), SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 9, durations, (int)histogram_encode(&sum.duration_ms, durations),
                      SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "storing a rollup", err);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* the histograms leave scope */
    return 0;
}

static int add_line_count(struct ow_conn *conn, const char *sql, int64_t at_unix_s, int64_t node_id,
                          const struct batch_line_count *lines, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, sql, &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, at_unix_s);
    sqlite3_bind_int64(stmt, 2, node_id);
    sqlite3_bind_int(stmt, 3, lines->kind);
    sqlite3_bind_int(stmt, 4, lines->level);
    sqlite3_bind_int64(stmt, 5, (int64_t)lines->count);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "counting lines", err);
    sqlite3_reset(stmt);
    return 0;
}

static int add_line_counts(struct ow_conn *conn, const struct batch *b, struct ow_err *err)
{
#define LINES_SQL(table)                                                                           \
    "INSERT INTO " table " (at_unix_s, node_id, kind, level, count) VALUES (?1, ?2, ?3, ?4, ?5)"   \
    " ON CONFLICT (at_unix_s, node_id, kind, level) DO UPDATE SET count = count + excluded.count"
    for (size_t i = 0; i < b->line_count_count; i++) {
        const struct batch_line_count *lines = &b->line_counts[i];
        int64_t minute = lines->minute_unix_s;
        int64_t hour = minute - (minute % 3600 + 3600) % 3600; /* before 1970 as well */
        int rc = add_line_count(conn, LINES_SQL("line_minute"), minute, b->node_id, lines, err);
        if (!rc)
            rc = add_line_count(conn, LINES_SQL("line_hour"), hour, b->node_id, lines, err);
        if (rc)
            return rc;
    }
    return 0;
#undef LINES_SQL
}

int rollup_add(struct ow_conn *conn, const struct batch *batch, const int64_t *satellite_ids,
               struct ow_err *err)
{
    for (enum batch_step step = BATCH_MINUTE; step < BATCH_STEPS; step++) {
        const struct batch_cells *cells = &batch->cells[step];
        for (uint32_t i = 0; i < cells->cap; i++) {
            if (!cells->slot[i].used)
                continue;
            int rc = put_cell(conn, step, batch, satellite_ids, &cells->slot[i], err);
            if (rc)
                return rc;
        }
    }
    return add_line_counts(conn, batch, err);
}
