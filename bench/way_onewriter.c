/* Two ways through onewriter (ways.h): `job` hands a function to ow_write, `row` a statement and
 * its values to ow_write_row. Both with the default options. What must stay true: the functions
 * here do what a user of the library would do, no more. */
#include <stdio.h>
#include <stdlib.h>

#include "plain.h"
#include "report.h"

#define WAIT_MS 60000

struct shared {
    struct target target;
    struct ow *db;
};

void *onewriter_open(const struct target *target)
{
    struct ow_options options;
    struct ow_err err;
    const struct ow_migration step = {1, target->table->create};
    struct shared *shared = calloc(1, sizeof(*shared));
    if (!shared)
        die("no memory");
    shared->target = *target;
    ow_options_init(&options, target->path);
    options.synchronous_full = target->full;
    options.observer = target->observer;
    options.observer_ctx = target->observer_ctx;
    if (target->pool)
        options.readers = target->pool;
    if (ow_open(&options, &shared->db, &err) || ow_migrate(shared->db, &step, 1, &err))
        die("%s", err.text);
    return shared;
}

struct ow *onewriter_of(void *shared)
{
    return ((struct shared *)shared)->db;
}

void onewriter_close(void *arg)
{
    struct shared *shared = arg;
    struct ow_err err;
    if (ow_close(shared->db, WAIT_MS, NULL, &err))
        die("closing: %s", err.text);
    free(shared);
}

static void *join_nothing(void *shared)
{
    (void)shared;
    return NULL;
}

static void leave_nothing(void *shared, void *own)
{
    (void)shared;
    (void)own;
}

struct job {
    const struct table *table;
    const struct row *row;
};

static int insert(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    const struct job *job = ctx;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, job->table->insert, &stmt, err);
    if (rc)
        return rc;
    if (row_bind(stmt, job->row) || sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "inserting", err);
    sqlite3_reset(stmt);
    return 0;
}

static int told(int rc, const struct ow_err *err, char *why)
{
    if (rc)
        snprintf(why, WHY_BYTES, "%.190s", err->text);
    return rc;
}

static int write_job(void *arg, void *own, const struct row *row, char *why)
{
    const struct shared *shared = arg;
    struct job job = {shared->target.table, row};
    struct ow_err err;
    (void)own;
    return told(ow_write(shared->db, OW_LANE_NORMAL, insert, &job, WAIT_MS, &err), &err, why);
}

static int write_row(void *arg, void *own, const struct row *row, char *why)
{
    const struct shared *shared = arg;
    struct ow_err err;
    (void)own;
    return told(ow_write_row(shared->db, OW_LANE_NORMAL, shared->target.table->insert, row->values,
                             row->count, WAIT_MS, &err),
                &err, why);
}

const struct way way_job = {"job",     "onewriter: ow_write", onewriter_open, join_nothing,
                            write_job, leave_nothing,         onewriter_close};
const struct way way_row = {"row",          "onewriter: ow_write_row",
                            onewriter_open, join_nothing,
                            write_row,      leave_nothing,
                            onewriter_close};
