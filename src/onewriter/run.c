/* Running one job on the writer's connection (writer.h). What must stay true: while a job runs, the
 * guard is strict and the connection knows the job's loan, so that a cancellation meant for it can
 * hit no other; afterwards no statement of it is running. */
#include "base/clock.h"
#include "onewriter/fail.h"
#include "onewriter/value.h"
#include "onewriter/writer.h"

struct ow_err *ow_job_err(struct ow_writer *writer, struct ow_job *job)
{
    return job->err ? job->err : &writer->row_err;
}

static bool is_open(const struct ow_writer *writer)
{
    return !sqlite3_get_autocommit(writer->conn.db);
}

/* Binds and steps the row's statement. Its values stay until the job is settled. */
static int run_row(struct ow_conn *conn, const struct ow_row *row, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_statements_find(&conn->statements, conn->db, row->sql, &stmt, err);
    if (rc)
        return rc;
    if (row->count < sqlite3_bind_parameter_count(stmt))
        sqlite3_clear_bindings(stmt); /* the others are NULL, not a former row's */
    rc = ow_value_bind(conn, stmt, row->values, row->count, err);
    if (rc)
        return rc;
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    if (step != SQLITE_DONE)
        rc = ow_conn_fail(conn, row->sql, err);
    sqlite3_reset(stmt);
    return rc;
}

/* Why a job failed that said nothing itself. */
static void explain(struct ow_writer *writer, int code, struct ow_err *err)
{
    if (code && err->code == OW_OK)
        ow_fail(err, (enum ow_code)code, "the job returned %d and gave no reason", code);
    if (!is_open(writer) && !err->sqlite_code) {
        ow_fail_sqlite(writer->conn.db, sqlite3_extended_errcode(writer->conn.db),
                       "the transaction was rolled back under the job", err);
        if (err->code == OW_OK)
            ow_fail(err, OW_BUG, "the job ended the transaction that it runs in");
    }
}

/* A job may have replaced what watches over the connection. */
static void mend(struct ow_writer *writer)
{
    ow_conn_rearm(&writer->conn, true);
    ow_wal_watch(&writer->wal, &writer->conn);
    ow_conn_reset(&writer->conn); /* it may have prepared statements of its own */
}

static int call(struct ow_writer *writer, struct ow_job *job, struct ow_err *err)
{
    struct ow_conn *conn = &writer->conn;
    if (!job->fn) {
        int rc = run_row(conn, (struct ow_row *)job, err);
        writer->job_code = sqlite3_extended_errcode(conn->db);
        return rc;
    }
    conn->handle_given = false;
    int rc = job->fn(conn, job->ctx, err);
    writer->job_code = sqlite3_extended_errcode(conn->db);
    if (conn->handle_given)
        mend(writer);
    else
        ow_statements_reset(&conn->statements);
    return rc;
}

/* What the job returned counts, whatever a failure that it dealt with has left in *err. */
static void match(int rc, struct ow_err *err)
{
    if (rc == OW_OK)
        *err = (struct ow_err){.code = OW_OK};
    else if (err->code != OW_OK && (int)err->code != rc)
        ow_fail(err, (enum ow_code)rc, "the job returned %d and gave no reason", rc);
}

static void begin_run(struct ow_writer *writer, struct ow_job *job)
{
    struct ow_conn *conn = &writer->conn;
    ow_conn_begin(conn);
    if (job->fn) {
        atomic_store(&conn->loan, ++writer->runs);
        atomic_store(&job->loan, writer->runs);
    }
    writer->changes = sqlite3_total_changes64(conn->db);
    conn->uncounted = conn->has_savepoint = false;
    atomic_store_explicit(&writer->busy_lane, job->lane, memory_order_relaxed);
    conn->in_job = true;
}

static void end_run(struct ow_writer *writer, struct ow_job *job)
{
    writer->conn.in_job = false;
    if (job->fn) {
        atomic_store(&job->loan, 0);
        atomic_store(&writer->conn.loan, 0); /* a late cancel meets nobody: no row, no COMMIT */
    }
}

int ow_job_run(struct ow_writer *writer, struct ow_job *job, bool guarded, struct ow_err *err)
{
    err->code = OW_OK;
    err->sqlite_code = err->sys_errno = 0;
    err->text[0] = '\0';
    if (job->fn && atomic_load_explicit(&job->cancelled, memory_order_relaxed))
        return ow_fail(err, OW_CANCELLED, "the job was cancelled before it ran");
    if (guarded && ow_writer_step(writer, OW_SQL_SAVEPOINT, err) != 0)
        return err->code;
    begin_run(writer, job);
    int rc = call(writer, job, err);
    end_run(writer, job);
    match(rc, err);
    if (!rc && (job->bare || is_open(writer)))
        return guarded ? ow_writer_step(writer, OW_SQL_RELEASE, err) : 0;
    if (!job->bare)
        explain(writer, rc, err);
    else if (err->code == OW_OK)
        ow_fail(err, (enum ow_code)rc, "the job returned %d and gave no reason", rc);
    return err->code;
}

bool ow_job_is_believed(struct ow_writer *writer, const struct ow_err *err)
{
    return !is_open(writer) || (writer->job_code & 0xff) == (err->sqlite_code & 0xff);
}

bool ow_job_left_nothing(struct ow_writer *writer)
{
    return is_open(writer) && !writer->conn.uncounted &&
           sqlite3_total_changes64(writer->conn.db) == writer->changes;
}
