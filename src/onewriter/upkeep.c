/* Upkeep (onewriter.h): deleting old rows, giving pages back, refreshing statistics. Each is a row
 * of jobs on the bulk lane, every one small, so that jobs that wait pass in between and a deadline
 * or a close ends it after the slice that runs. What must stay true: only what a committed slice
 * did is counted; a slice may run twice, so it begins its own figures anew; the handle is held over
 * all slices, since a close between two of them would free it. */
#include <stdio.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/slices.h"

#define AIM_MS        10
#define PURGE_START   1000
#define PURGE_LEAST   10
#define PURGE_MOST    100000
#define VACUUM_START  64
#define VACUUM_LEAST  1
#define VACUUM_MOST   16384
#define ANALYSIS_ROWS 400 /* what SQLite's manual recommends: 100 to 1000 */

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

/* Hands one slice in. Time that runs out while it waits for its turn is OW_TIMEOUT. */
static int run_slice(struct ow *db, const struct ow_slices *slices, const char *what, ow_job_fn *fn,
                     void *ctx, struct ow_err *err)
{
    int left_ms = ow_slices_left_ms(slices);
    if (!left_ms)
        return ow_slices_late(what, err);
    int rc = ow_write(db, OW_LANE_BULK, fn, ctx, left_ms, err);
    return ow_slices_is_late(slices, rc) ? ow_slices_late(what, err) : rc;
}

/* ---- purge ---- */

struct purge {
    const char *sql;
    const struct ow_value *values;
    int count;
    int limit;
    int64_t rows; /* of the slice */
    int64_t took_us;
};

static int check_purge(sqlite3_stmt *stmt, const struct purge *purge, struct ow_err *err)
{
    if (sqlite3_stmt_readonly(stmt))
        return ow_fail(err, OW_CALLER, "a purge deletes, this does not: \"%.120s\"", purge->sql);
    if (sqlite3_bind_parameter_count(stmt) != purge->count + 1)
        return ow_fail(err, OW_CALLER,
                       "a purge with %d values needs ?%d as the limit of its rows: \"%.120s\"",
                       purge->count, purge->count + 1, purge->sql);
    return 0;
}

static int purge_slice(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct purge *purge = ctx;
    sqlite3_stmt *stmt;
    int64_t start_us = clock_monotonic_us();
    purge->rows = 0;
    int rc = ow_prepare(conn, purge->sql, &stmt, err);
    if (!rc)
        rc = check_purge(stmt, purge, err);
    if (!rc)
        rc = ow_bind(conn, stmt, purge->values, purge->count, err);
    if (rc)
        return rc;
    sqlite3_bind_int(stmt, purge->count + 1, purge->limit); /* checked: it has this place */
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    if (step != SQLITE_DONE)
        return ow_conn_fail(conn, "purging", err);
    purge->rows = sqlite3_changes64(conn->db);
    sqlite3_reset(stmt);
    purge->took_us = clock_monotonic_us() - start_us;
    return 0;
}

static int purge_all(struct ow *db, struct purge *purge, struct ow_slices *slices, int64_t *rows,
                     struct ow_err *err)
{
    do {
        purge->limit = slices->size;
        int rc = run_slice(db, slices, "purging", purge_slice, purge, err);
        if (rc)
            return rc;
        *rows += purge->rows;
        ow_slices_learn(slices, (int)(purge->rows < PURGE_MOST ? purge->rows : PURGE_MOST),
                        purge->took_us);
    } while (purge->rows);
    return 0;
}

int ow_purge(struct ow *db, const char *sql, const struct ow_value *values, int count, int slice_ms,
             int timeout_ms, int64_t *rows, struct ow_err *err)
{
    int64_t ignored;
    struct ow_slices slices;
    struct purge purge = {.sql = sql, .values = values, .count = count};
    rows = rows ? rows : &ignored;
    *rows = 0;
    if (!sql || count < 0 || (count && !values))
        return ow_fail(err, OW_BUG, "a purge needs a statement and its values");
    int rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    ow_slices_init(&slices, PURGE_START, PURGE_LEAST, PURGE_MOST, slice_ms > 0 ? slice_ms : AIM_MS,
                   timeout_ms);
    rc = purge_all(db, &purge, &slices, rows, err);
    ow_leave(db);
    return rc;
}

/* ---- vacuum ---- */

struct vacuum {
    int limit;
    int64_t pages, left; /* given back by the slice; still free */
    int64_t took_us;
};

static int check_vacuum(struct ow_conn *conn, struct ow_err *err)
{
    int64_t mode = 0;
    int rc = ow_conn_read_int(conn, "PRAGMA auto_vacuum", &mode, err);
    if (rc || mode == 2)
        return rc;
    return ow_fail(err, OW_CONFIG,
                   "%s cannot give pages back: it was made with auto_vacuum=%s. Make a new file "
                   "with incremental_vacuum, or run PRAGMA auto_vacuum=INCREMENTAL and VACUUM with "
                   "sqlite3 while no program uses it",
                   conn->options->path, mode == 1 ? "FULL" : "NONE");
}

/* Frees a page a step, so it is stepped to its end. */
static int vacuum_slice(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct vacuum *vacuum = ctx;
    char sql[48];
    int64_t before = 0, start_us = clock_monotonic_us();
    vacuum->pages = vacuum->left = 0;
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", vacuum->limit);
    int rc = check_vacuum(conn, err);
    if (!rc)
        rc = ow_conn_read_int(conn, "PRAGMA freelist_count", &before, err);
    if (!rc && before)
        rc = ow_exec(conn, sql, err);
    if (!rc)
        rc = ow_conn_read_int(conn, "PRAGMA freelist_count", &vacuum->left, err);
    vacuum->pages = before - vacuum->left;
    vacuum->took_us = clock_monotonic_us() - start_us;
    return rc;
}

static int vacuum_all(struct ow *db, int64_t max_pages, struct ow_slices *slices, int64_t *pages,
                      struct ow_err *err)
{
    struct vacuum vacuum = {0};
    do {
        int64_t wanted = max_pages - *pages;
        vacuum.limit = wanted < slices->size ? (int)wanted : slices->size;
        int rc = run_slice(db, slices, "giving pages back", vacuum_slice, &vacuum, err);
        if (rc)
            return rc;
        *pages += vacuum.pages;
        ow_slices_learn(slices, (int)vacuum.pages, vacuum.took_us);
    } while (vacuum.pages > 0 && vacuum.left > 0 && *pages < max_pages);
    return 0;
}

int ow_vacuum(struct ow *db, int max_pages, int timeout_ms, int64_t *pages, struct ow_err *err)
{
    int64_t ignored;
    struct ow_slices slices;
    pages = pages ? pages : &ignored;
    *pages = 0;
    int rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    ow_slices_init(&slices, VACUUM_START, VACUUM_LEAST, VACUUM_MOST, AIM_MS, timeout_ms);
    rc = vacuum_all(db, max_pages > 0 ? max_pages : INT64_MAX, &slices, pages, err);
    ow_leave(db);
    return rc;
}

/* ---- statistics ---- */

/* The limit is a setting of the connection, so it is put back. */
static int optimize(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    int64_t before = 0;
    char restore[48];
    int rc = ow_conn_read_int(conn, "PRAGMA analysis_limit", &before, err);
    if (rc)
        return rc;
    snprintf(restore, sizeof(restore), "PRAGMA analysis_limit=%lld", (long long)before);
    rc = ow_exec(conn, "PRAGMA analysis_limit=" STRING(ANALYSIS_ROWS), err);
    /* 0x10000: all tables, not only those that this connection has read; older SQLites skip it. */
    if (!rc)
        rc = ow_exec(conn, "PRAGMA optimize=0x10002", err);
    int restored = ow_exec(conn, restore, rc ? NULL : err);
    return rc ? rc : restored;
}

int ow_optimize(struct ow *db, int timeout_ms, struct ow_err *err)
{
    return ow_write(db, OW_LANE_BULK, optimize, NULL, timeout_ms, err);
}

/* ---- the log ---- */

struct checkpoint {
    struct ow *db;
    int64_t until_us;
    bool is_empty;
};

static int empty_log(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct checkpoint *checkpoint = ctx;
    struct ow_writer *writer = &checkpoint->db->writer;
    struct ow_err why = {0};
    checkpoint->is_empty =
        ow_wal_empty(&writer->wal, conn, writer->counters, checkpoint->until_us, &why);
    if (checkpoint->is_empty || why.code == OW_OK)
        return 0;
    if (err)
        *err = why;
    return why.code;
}

/* An attempt waits for readers no longer than a group would be made to wait at the hard limit; then
 * the jobs that came meanwhile are written. */
int ow_checkpoint(struct ow *db, int timeout_ms, struct ow_err *err)
{
    struct checkpoint checkpoint = {.db = db};
    struct ow_slices slices;
    int rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    ow_slices_init(&slices, 1, 1, 1, AIM_MS, timeout_ms);
    do {
        int64_t cap_us = clock_monotonic_us() + (int64_t)db->options.gate_ms * 1000;
        checkpoint.until_us = cap_us < slices.deadline_us ? cap_us : slices.deadline_us;
        rc = ow_write_bare(db, OW_LANE_BULK, empty_log, &checkpoint, ow_slices_left_ms(&slices),
                           err);
    } while (!rc && !checkpoint.is_empty && ow_slices_left_ms(&slices));
    ow_leave(db);
    if (!rc && !checkpoint.is_empty)
        return ow_fail(err, OW_TIMEOUT,
                       "the write-ahead log was not emptied in %d ms: a reader, or another process "
                       "that has the database open, keeps it",
                       timeout_ms);
    return rc;
}
