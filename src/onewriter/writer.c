/* The writer thread (writer.h): waits for jobs, has group.c write them, uses idle moments for
 * checkpoints, and deals with a database that is locked, full or broken. Such trouble concerns all
 * jobs alike, so it is handled here once, with the counts and pauses of one retry; a commit resets
 * it. What must stay true: only the owner (enum ow_owner) touches the connection between start
 * and join; a poisoned writer never writes again; every wait ends at the stop's time. */
#include "onewriter/writer.h"

#include <string.h>

#include "base/clock.h"
#include "onewriter/completion.h"
#include "onewriter/fail.h"
#include "onewriter/database.h"
#include "onewriter/number.h"
#include "onewriter/vfs.h"

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
    [OW_SQL_RECORD] = OW_NUMBER_RECORD_SQL,
};

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
    rc = ow_number_prepare(conn, err);
    if (!rc)
        rc = prepare_own(conn, sql, err);
    if (rc)
        ow_conn_close(conn);
    return rc;
}

static int read_seq(struct ow_writer *writer, struct ow_err *err)
{
    int rc = ow_number_read(&writer->conn, &writer->recorded, &writer->recorded_at, err);
    if (rc)
        return rc;
    if (writer->seq < writer->recorded)
        writer->seq = writer->recorded;
    atomic_store(&writer->counters->commit_seq, writer->seq);
    atomic_store(&writer->counters->recorded_seq, writer->recorded);
    return 0;
}

static int read_state(struct ow_writer *writer, struct ow_err *err)
{
    int rc = ow_exec(&writer->conn, "BEGIN", err);
    if (!rc)
        rc = read_seq(writer, err);
    if (!rc)
        rc = ow_exec(&writer->conn, "COMMIT", err);
    writer->data_version = ow_conn_data_version(&writer->conn);
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

/* ---- trouble ---- */

void ow_writer_poison(struct ow_writer *writer, const struct ow_err *why)
{
    if (atomic_load(&writer->counters->poisoned))
        return;
    writer->poison = *why;
    ow_fail_prefix(&writer->poison, "writing has stopped for good");
    atomic_store(&writer->counters->poisoned, true);
    ow_tell(writer->options,
            &(struct ow_event){.kind = OW_EVENT_POISONED, .text = writer->poison.text});
}

static int64_t earliest(const struct ow_jobs *list, int64_t at_us)
{
    for (const struct ow_job *job = list->first; job; job = job->next)
        if (job->deadline_us < at_us)
            at_us = job->deadline_us;
    return at_us;
}

int64_t ow_writer_taken_deadline(const struct ow_writer *writer)
{
    return earliest(&writer->taken, earliest(&writer->redo, INT64_MAX));
}

static void pause_until(struct ow_writer *writer, int64_t delay_us)
{
    int64_t until_us = clock_monotonic_us() + delay_us;
    int64_t deadline_us = ow_writer_taken_deadline(writer);
    ow_stop_wait(writer->stop, until_us < deadline_us ? until_us : deadline_us);
}

/* Disk full: no limit of attempts, the jobs' own deadlines end it. */
static void hold(struct ow_writer *writer, const struct ow_err *why)
{
    if (!atomic_exchange(&writer->counters->holding, true))
        ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_HOLD, .text = why->text});
    pause_until(writer, (int64_t)writer->options->retry_base_delay_ms * 1000);
}

/* Counts a failed attempt and pauses. False after the last one: told, and counted from anew. */
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

/* Somebody's lock. Jobs wait for it until their own deadlines, however many attempts that takes:
 * one that is answered earlier would have to be handed in again by its owner. */
static bool wait_for_lock(struct ow_writer *writer, const struct ow_err *why)
{
    if (!try_again(writer, why) && !ow_stop_passed(writer->stop))
        pause_until(writer, (int64_t)writer->options->retry_base_delay_ms * 1000);
    return !ow_stop_passed(writer->stop);
}

static void remember_trouble(struct ow_writer *writer, const struct ow_err *why)
{
    writer->trouble = *why;
    writer->in_trouble = true;
    ow_lanes_set_trouble(writer->lanes, why);
}

bool ow_writer_recover(struct ow_writer *writer, const struct ow_err *why)
{
    remember_trouble(writer, why);
    switch (ow_err_class(why)) {
    case OW_CLASS_POISON:
        ow_writer_poison(writer, why);
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
        return wait_for_lock(writer, why);
    default:
        return false;
    }
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
        if (ow_err_class(&why) != OW_CLASS_BACK_OFF || !try_again(writer, &why))
            break;
    ow_retry_reset(&writer->retry);
    if (!rc) {
        ow_wal_watch(&writer->wal, &writer->conn);
        rc = read_state(writer, &why);
    }
    if (!rc && (owner->place.log_bytes || !owner->place.is_first)) {
        /* Somebody has, or had, numbers that are not stored. */
        writer->seq += OW_NUMBER_GAP;
        writer->shares = !owner->place.is_first;
        atomic_store(&writer->counters->commit_seq, writer->seq);
    }
    if (rc && err)
        *err = why;
    return rc;
}

enum ow_fate ow_writer_resolve(struct ow_writer *writer, const struct ow_commit *commit)
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
    if (commit->is_recorded) {
        bool ours = false;
        if (ow_number_has(&writer->conn, commit->seq, commit->at_unix_ms, &ours, &why) != 0)
            return OW_FATE_UNKNOWN;
        return ours ? OW_FATE_COMMITTED : OW_FATE_UNDONE;
    }
    uint32_t changes;
    if (!ow_vfs_changes(writer->conn.db, &changes) || changes - commit->changes > 1)
        return OW_FATE_UNKNOWN; /* another process committed at the same moment */
    return changes == commit->changes ? OW_FATE_UNDONE : OW_FATE_COMMITTED;
}

/* ---- the owner's work ---- */

/* Returns how many there were. */
static uint32_t fail_all(struct ow_writer *writer, const struct ow_err *why)
{
    ow_lanes_take_all(writer->lanes, &writer->taken);
    uint32_t count = writer->redo.count + writer->taken.count;
    ow_group_fail(writer, &writer->redo, why);
    ow_group_fail(writer, &writer->taken, why);
    ow_group_answer(writer);
    return count;
}

static void abandon(struct ow_writer *writer)
{
    struct ow_err closed;
    ow_fail(&closed, OW_CLOSED, "the database was closed before this job could be written");
    writer->abandoned = fail_all(writer, &closed);
}

static void run_group(struct ow_writer *writer, bool only)
{
    struct ow_err why;
    ow_group_expire(writer);
    if (writer->reopen && reopen(writer, &why) != 0) {
        if (!ow_writer_recover(writer, &why) && !ow_stop_passed(writer->stop))
            fail_all(writer, &why);
    } else {
        ow_group_run(writer, only);
    }
    ow_group_answer(writer);
    if (atomic_load(&writer->counters->poisoned))
        fail_all(writer, &writer->poison);
}

/* Which writers' jobs this thread runs: a job may write to another database. */
struct ow_frame {
    const struct ow_writer *writer;
    const struct ow_frame *outer;
};
static _Thread_local const struct ow_frame *innermost;

bool ow_writer_is_caller(const struct ow_writer *writer)
{
    for (const struct ow_frame *frame = innermost; frame; frame = frame->outer)
        if (frame->writer == writer)
            return true;
    return false;
}

static bool has_taken(const struct ow_writer *writer)
{
    return writer->redo.first || writer->taken.first;
}

/* An idle moment has work: a checkpoint, or a number to store. */
static bool wants_idle(const struct ow_writer *writer)
{
    return writer->seq != writer->recorded || ow_wal_wants_idle(&writer->wal, writer->options);
}

bool ow_writer_run_here(struct ow_writer *writer, struct ow_job *job, bool *taken)
{
    *taken = false;
    if (atomic_load(&writer->counters->poisoned) ||
        !ow_lanes_own(writer->lanes, clock_monotonic_us() >= job->deadline_us))
        return false;
    if (atomic_load(&writer->counters->poisoned)) { /* by the owner before */
        ow_lanes_disown(writer->lanes, OW_LEFT_NOTHING);
        return false;
    }
    if (has_taken(writer) || writer->reopen) {
        ow_lanes_disown(writer->lanes, OW_LEFT_JOBS);
        return false;
    }
    const struct ow_frame frame = {.writer = writer, .outer = innermost};
    innermost = &frame;
    atomic_store(&job->state, OW_JOB_TAKEN);
    ow_jobs_append(&writer->redo, job);
    *taken = true;
    run_group(writer, true);
    innermost = frame.outer;
    ow_count(&writer->counters->groups_by_caller, 1);
    bool idle = !atomic_load(&writer->idle_armed) && wants_idle(writer);
    ow_lanes_disown(writer->lanes, has_taken(writer) ? OW_LEFT_JOBS
                                   : idle            ? OW_LEFT_IDLE
                                                     : OW_LEFT_NOTHING);
    return atomic_load(&job->state) == OW_JOB_DONE;
}

void ow_writer_answer(struct ow_writer *writer, struct ow_jobs *jobs, const struct ow_err *why)
{
    struct ow_job *job;
    if (!jobs->first)
        return;
    ow_count(&writer->counters->jobs_failed, jobs->count);
    while ((job = ow_jobs_pop(jobs))) {
        if (ow_job_is_appended(job)) {
            ow_lanes_release(writer->lanes, ((struct ow_row *)job)->slab, 1);
            continue;
        }
        *job->err = *why;
        struct ow_bell *bell = &writer->bells[job->bell];
        ow_job_finish(job);
        ow_bell_ring(bell);
    }
}

void ow_writer_checkpoint_failed(struct ow_writer *writer, const struct ow_err *why)
{
    enum ow_class class = ow_err_class(why);
    if (class == OW_CLASS_POISON)
        ow_writer_poison(writer, why);
    else
        writer->reopen |= class == OW_CLASS_CONN;
}

/* ---- the thread ---- */

/* is_owner: false at the thread's start. */
static enum ow_wake wait_for_work(struct ow_writer *writer, bool is_owner)
{
    bool armed = is_owner && wants_idle(writer);
    atomic_store(&writer->idle_armed, armed);
    return ow_lanes_wait(writer->lanes, armed ? IDLE_US : FAR_US, is_owner && has_taken(writer));
}

static void use_idle_moment(struct ow_writer *writer)
{
    struct ow_err why;
    ow_group_record(writer);
    if (writer->reopen || atomic_load(&writer->counters->poisoned) ||
        !ow_wal_wants_idle(&writer->wal, writer->options))
        return;
    if (ow_wal_idle(&writer->wal, &writer->conn, writer->counters, &why) != 0)
        ow_writer_checkpoint_failed(writer, &why);
}

static void *writer_main(void *arg)
{
    struct ow_writer *writer = arg;
    const struct ow_frame frame = {.writer = writer};
    innermost = &frame;
    for (bool is_owner = false;; is_owner = true) {
        enum ow_wake wake = wait_for_work(writer, is_owner);
        if (wake == OW_WAKE_CLOSED) {
            ow_group_record(writer);
            return NULL;
        }
        if (ow_stop_passed(writer->stop)) {
            abandon(writer);
            ow_group_record(writer);
            return NULL;
        }
        bool poisoned = atomic_load(&writer->counters->poisoned);
        if (wake == OW_WAKE_WORK && poisoned)
            fail_all(writer, &writer->poison);
        else if (wake == OW_WAKE_WORK)
            run_group(writer, false);
        else if (wake == OW_WAKE_IDLE && !poisoned)
            use_idle_moment(writer);
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
