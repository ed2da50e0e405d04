/* The writer thread (writer.h): waits for jobs, has group.c write them, uses idle moments for
 * checkpoints, and deals with a database that is locked, full or broken. Such trouble concerns all
 * jobs alike, so it is handled here once, with the counts and pauses of one retry; a commit resets
 * it. What must stay true: only this thread touches the connection between start and join; a
 * poisoned writer never writes again; every wait ends at the stop's time. */
#include "onewriter/writer.h"

#include <string.h>

#include "base/clock.h"
#include "onewriter/fail.h"

/* An idle moment: no job for so long. */
#define IDLE_US 5000
#define FAR_US  (3600LL * 1000000)

static const char *const sql_text[OW_SQL_COUNT] = {
    [OW_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [OW_SQL_COMMIT] = "COMMIT",
    [OW_SQL_ROLLBACK] = "ROLLBACK",
    [OW_SQL_SAVEPOINT] = "SAVEPOINT " OW_JOB_SAVEPOINT,
    [OW_SQL_RELEASE] = "RELEASE " OW_JOB_SAVEPOINT,
    [OW_SQL_ROLLBACK_TO] = "ROLLBACK TO " OW_JOB_SAVEPOINT,
    [OW_SQL_RECORD] = "UPDATE " OW_COMMIT_TABLE " SET seq=?1, at_unix_ms=?2 WHERE id=1",
    [OW_SQL_DATA_VERSION] = "PRAGMA data_version",
};

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS " OW_COMMIT_TABLE "(id INTEGER PRIMARY KEY CHECK(id=1),"
    " seq INTEGER NOT NULL, at_unix_ms INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO " OW_COMMIT_TABLE " VALUES(1, 0, 0);";

static int prepare_own(struct ow_conn *conn, sqlite3_stmt *sql[OW_SQL_COUNT], struct ow_err *err)
{
    for (int i = 0; i < OW_SQL_COUNT; i++) {
        int rc =
            sqlite3_prepare_v3(conn->db, sql_text[i], -1, SQLITE_PREPARE_PERSISTENT, &sql[i], NULL);
        if (rc != SQLITE_OK)
            return ow_conn_fail(conn, sql_text[i], err);
    }
    return 0;
}

int ow_writer_step(struct ow_writer *writer, enum ow_writer_sql which, struct ow_err *err)
{
    sqlite3_stmt *stmt = writer->sql[which];
    int rc = sqlite3_step(stmt);
    int failed = rc == SQLITE_DONE || rc == SQLITE_ROW
                     ? 0
                     : ow_conn_fail(&writer->conn, sql_text[which], err);
    sqlite3_reset(stmt);
    return failed;
}

/* Opens a connection with its statements into *conn and sql. */
static int open_into(struct ow_conn *conn, sqlite3_stmt *sql[OW_SQL_COUNT], struct ow_err *err)
{
    int rc = ow_conn_open(conn, OW_WRITER, err);
    if (rc)
        return rc;
    int64_t has_table = 0;
    rc = ow_conn_read_int(conn,
                          "SELECT count(*) FROM sqlite_schema WHERE name='" OW_COMMIT_TABLE "'",
                          &has_table, err);
    if (!rc && !has_table) {
        rc = ow_exec(conn, "BEGIN IMMEDIATE", err);
        if (!rc)
            rc = ow_exec(conn, create_sql, err);
        if (!rc)
            rc = ow_exec(conn, "COMMIT", err);
    }
    if (!rc)
        rc = prepare_own(conn, sql, err);
    if (rc)
        ow_conn_close(conn);
    return rc;
}

static int read_seq(struct ow_writer *writer, struct ow_err *err)
{
    int rc = ow_conn_read_int(&writer->conn, "SELECT seq FROM " OW_COMMIT_TABLE " WHERE id=1",
                              &writer->seq, err);
    if (!rc)
        rc =
            ow_conn_read_int(&writer->conn, "SELECT at_unix_ms FROM " OW_COMMIT_TABLE " WHERE id=1",
                             &writer->seq_at, err);
    if (!rc)
        atomic_store(&writer->counters->commit_seq, writer->seq);
    return rc;
}

static int read_state(struct ow_writer *writer, struct ow_err *err)
{
    int rc = read_seq(writer, err);
    if (!rc)
        rc = ow_conn_read_int(&writer->conn, "PRAGMA data_version", &writer->data_version, err);
    return rc;
}

static void close_conn(struct ow_conn *conn, sqlite3_stmt *sql[OW_SQL_COUNT])
{
    for (int i = 0; i < OW_SQL_COUNT; i++) {
        sqlite3_finalize(sql[i]);
        sql[i] = NULL;
    }
    ow_conn_close(conn);
}

/* A new connection in place of one that is in doubt. The new one is opened first: while another
 * connection is open, nothing recovers or resets the log. */
static int reopen(struct ow_writer *writer, struct ow_err *err)
{
    struct ow_conn old = writer->conn;
    sqlite3_stmt *old_sql[OW_SQL_COUNT];
    memcpy(old_sql, writer->sql, sizeof(old_sql));
    writer->conn.statements = (struct ow_statements){0};
    writer->conn.db = NULL;
    int rc = open_into(&writer->conn, writer->sql, err);
    if (rc) {
        writer->conn = old;
        memcpy(writer->sql, old_sql, sizeof(old_sql));
        return rc;
    }
    close_conn(&old, old_sql);
    ow_wal_watch(&writer->wal, &writer->conn);
    rc = read_state(writer, err);
    writer->reopen = rc != 0;
    return rc;
}

int ow_writer_open(struct ow_writer *writer, struct ow *owner, struct ow_err *err)
{
    const struct ow_options *options = writer->options;
    writer->conn = (struct ow_conn){.options = options, .stop = writer->stop, .owner = owner};
    ow_retry_init(&writer->retry, options->max_attempts, options->retry_base_delay_ms,
                  options->retry_max_delay_ms);
    ow_retry_limit(&writer->retry, options->retry_budget);
    struct ow_err why = {0};
    int rc;
    while ((rc = open_into(&writer->conn, writer->sql, &why)) != 0)
        if (ow_err_class(&why) != OW_CLASS_BACK_OFF || !ow_writer_recover(writer, &why))
            break;
    ow_retry_reset(&writer->retry);
    if (!rc) {
        ow_wal_watch(&writer->wal, &writer->conn);
        rc = read_state(writer, &why);
    }
    if (rc && err)
        *err = why;
    return rc;
}

/* ---- trouble ---- */

static void poison(struct ow_writer *writer, const struct ow_err *why)
{
    writer->poison = *why;
    ow_fail_prefix(&writer->poison, "writing has stopped for good");
    atomic_store(&writer->counters->poisoned, true);
    ow_tell(writer->options,
            &(struct ow_event){.kind = OW_EVENT_POISONED, .text = writer->poison.text});
}

int64_t ow_writer_redo_deadline(const struct ow_writer *writer)
{
    int64_t at_us = INT64_MAX;
    for (const struct ow_job *job = writer->redo.first; job; job = job->next)
        if (job->deadline_us < at_us)
            at_us = job->deadline_us;
    return at_us;
}

static void pause_until(struct ow_writer *writer, int64_t delay_us)
{
    int64_t until_us = clock_monotonic_us() + delay_us;
    int64_t deadline_us = ow_writer_redo_deadline(writer);
    ow_stop_wait(writer->stop, until_us < deadline_us ? until_us : deadline_us);
}

/* Disk full: no limit of attempts, the jobs' own deadlines end it. */
static void hold(struct ow_writer *writer, const struct ow_err *why)
{
    if (!atomic_exchange(&writer->counters->holding, true))
        ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_HOLD, .text = why->text});
    writer->retry.attempt++;
    pause_until(writer, ow_retry_pause_us(&writer->retry));
}

static bool try_again(struct ow_writer *writer, const struct ow_err *why)
{
    struct ow_event event;
    if (ow_stop_passed(writer->stop))
        return false;
    bool again = ow_retry_failed(&writer->retry, why, &event);
    if (again)
        ow_count_retry(writer->counters, why->sqlite_code);
    else
        ow_count(&writer->counters->gave_up, 1);
    ow_tell(writer->options, &event);
    if (again)
        pause_until(writer, (int64_t)(event.delay_ms * 1000));
    else
        ow_retry_reset(&writer->retry);
    return again;
}

bool ow_writer_recover(struct ow_writer *writer, const struct ow_err *why)
{
    writer->trouble = *why;
    switch (ow_err_class(why)) {
    case OW_CLASS_POISON:
        poison(writer, why);
        return false;
    case OW_CLASS_HOLD:
        hold(writer, why);
        return true;
    case OW_CLASS_CONN:
        writer->reopen = true;
        return try_again(writer, why);
    case OW_CLASS_RESOURCE:
        if (writer->conn.db)
            sqlite3_db_release_memory(writer->conn.db);
        return try_again(writer, why);
    case OW_CLASS_BACK_OFF:
    case OW_CLASS_REDO:
        return try_again(writer, why);
    default:
        return false;
    }
}

enum ow_fate ow_writer_resolve(struct ow_writer *writer, int64_t seq, int64_t at_unix_ms)
{
    struct ow_err why;
    struct ow_retry retry = writer->retry;
    int64_t delay_us = 0;
    ow_retry_reset(&retry);
    retry.budget = -1; /* what was committed is worth every attempt */
    while (reopen(writer, &why) != 0) {
        writer->reopen = true;
        if (!ow_retry_next(&retry, &delay_us) || ow_stop_passed(writer->stop))
            return OW_FATE_UNKNOWN;
        pause_until(writer, delay_us);
    }
    bool ours = writer->seq == seq && writer->seq_at == at_unix_ms;
    return ours ? OW_FATE_COMMITTED : OW_FATE_UNDONE;
}

/* ---- the thread ---- */

static void fail_all(struct ow_writer *writer, const struct ow_err *why)
{
    ow_group_settle(writer, &writer->redo, why);
    struct ow_jobs queued = {0};
    ow_lanes_take_older(writer->lanes, INT64_MAX, &queued);
    ow_group_settle(writer, &queued, why);
    ow_group_answer(writer);
}

static void abandon(struct ow_writer *writer)
{
    struct ow_err closed;
    ow_fail(&closed, OW_CLOSED, "the database was closed before this job could be written");
    uint64_t failed = atomic_load(&writer->counters->jobs_failed);
    fail_all(writer, &closed);
    writer->abandoned = atomic_load(&writer->counters->jobs_failed) - failed;
}

static void run_group(struct ow_writer *writer)
{
    struct ow_err why;
    ow_group_expire(writer);
    if (writer->reopen && reopen(writer, &why) != 0 && !ow_writer_recover(writer, &why))
        fail_all(writer, &why);
    else if (!writer->reopen)
        ow_group_run(writer);
    if (atomic_load(&writer->counters->poisoned))
        fail_all(writer, &writer->poison);
}

static enum ow_wake wait_for_work(struct ow_writer *writer)
{
    if (writer->redo.first)
        return OW_WAKE_WORK;
    bool wants_idle = ow_wal_wants_idle(&writer->wal, writer->options);
    return ow_lanes_wait(writer->lanes, clock_monotonic_us() + (wants_idle ? IDLE_US : FAR_US));
}

void ow_writer_checkpoint_failed(struct ow_writer *writer, const struct ow_err *why)
{
    enum ow_class class = ow_err_class(why);
    if (class == OW_CLASS_POISON)
        poison(writer, why);
    else
        writer->reopen |= class == OW_CLASS_CONN;
}

static void checkpoint_idle(struct ow_writer *writer)
{
    struct ow_err why;
    if (ow_wal_idle(&writer->wal, &writer->conn, writer->counters, &why) != 0)
        ow_writer_checkpoint_failed(writer, &why);
}

/* Which writer this thread is, if any. A thread id would not do: it is used again after the join.
 */
static _Thread_local const struct ow_writer *self;

bool ow_writer_is_caller(const struct ow_writer *writer)
{
    return self == writer;
}

static void *writer_main(void *arg)
{
    struct ow_writer *writer = arg;
    self = writer;
    for (;;) {
        enum ow_wake wake = wait_for_work(writer);
        if (wake == OW_WAKE_CLOSED)
            return NULL;
        if (ow_stop_passed(writer->stop)) {
            abandon(writer);
            return NULL;
        }
        bool poisoned = atomic_load(&writer->counters->poisoned);
        if (wake == OW_WAKE_WORK && poisoned)
            fail_all(writer, &writer->poison);
        else if (wake == OW_WAKE_WORK)
            run_group(writer);
        else if (!poisoned && ow_wal_wants_idle(&writer->wal, writer->options))
            checkpoint_idle(writer);
    }
}

int ow_writer_start(struct ow_writer *writer, struct ow_err *err)
{
    struct err why;
    if (thread_start(&writer->thread, "ow-writer", writer_main, writer, &why))
        return ow_fail(err, OW_RESOURCE, "%s", why.text);
    writer->started = true;
    return 0;
}

void ow_writer_join(struct ow_writer *writer)
{
    if (!writer->started)
        return;
    pthread_join(writer->thread, NULL);
    writer->started = false;
}

void ow_writer_close(struct ow_writer *writer)
{
    if (writer->conn.db && atomic_load(&writer->counters->poisoned))
        sqlite3_db_config(writer->conn.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    close_conn(&writer->conn, writer->sql);
}
