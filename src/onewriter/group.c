/* One group (writer.h): BEGIN IMMEDIATE, jobs, the commit's number, COMMIT. The wait for a foreign
 * lock happens in BEGIN, before any job is taken, so jobs can be withdrawn meanwhile. A job needs a
 * savepoint only when others have already run in the transaction; the first never does, so a lone
 * job costs none. Some failures (FULL, IOERR, NOMEM, INTERRUPT, OR ROLLBACK) end the whole
 * transaction whatever the savepoints: then the innocent run again first, together, and the culprit
 * after them in a transaction of its own. What must stay true: a job is settled as committed only
 * after COMMIT returned OK or its number was read back; members, redo and settled hold each taken
 * job exactly once. */
#include "onewriter/writer.h"

#include "base/clock.h"
#include "onewriter/fail.h"

/* ---- answers ---- */

void ow_group_settle(struct ow_writer *writer, struct ow_jobs *list, const struct ow_err *why)
{
    struct ow_job *job;
    while ((job = ow_jobs_pop(list))) {
        if (why)
            job->err = *why;
        else
            job->err.code = OW_OK;
        ow_count(why ? &writer->counters->jobs_failed : &writer->counters->jobs_committed, 1);
        ow_jobs_append(&writer->settled, job);
    }
}

static void settle_failed(struct ow_writer *writer, struct ow_job *job)
{
    ow_count(&writer->counters->jobs_failed, 1);
    ow_jobs_append(&writer->settled, job);
}

void ow_group_answer(struct ow_writer *writer)
{
    struct ow_job *job;
    if (!writer->settled.first)
        return;
    while ((job = ow_jobs_pop(&writer->settled)))
        atomic_store(&job->state, OW_JOB_DONE); /* its owner may free it from here on */
    ow_bell_ring(writer->answered);
}

void ow_group_expire(struct ow_writer *writer)
{
    int64_t now_us = clock_monotonic_us();
    struct ow_job *next;
    for (struct ow_job *job = writer->redo.first; job; job = next) {
        next = job->next;
        if (job->deadline_us > now_us)
            continue;
        ow_jobs_remove(&writer->redo, job);
        job->err = writer->trouble;
        settle_failed(writer, job);
    }
}

/* ---- begin and undo ---- */

static bool is_open(const struct ow_writer *writer)
{
    return !sqlite3_get_autocommit(writer->conn.db);
}

/* Ends the transaction without a trace; its members run again. */
static void undo_all(struct ow_writer *writer)
{
    struct ow_err ignored;
    ow_conn_reset(&writer->conn);
    if (is_open(writer) && ow_writer_step(writer, OW_SQL_ROLLBACK, &ignored) != 0 &&
        is_open(writer))
        writer->reopen = true;
    ow_count(&writer->counters->jobs_rerun, writer->members.count);
    ow_jobs_prepend_all(&writer->redo, &writer->members);
}

/* True with an open transaction. False: nothing can be written now; who waited through all attempts
 * has been told why. */
static bool begin(struct ow_writer *writer)
{
    struct ow_err why;
    int64_t since_us = clock_monotonic_us();
    for (;;) {
        ow_group_expire(writer);
        writer->conn.busy_cap_us = ow_writer_redo_deadline(writer);
        int rc = ow_writer_step(writer, OW_SQL_BEGIN, &why);
        writer->conn.busy_cap_us = INT64_MAX;
        if (!rc)
            return true;
        bool again = ow_writer_recover(writer, &why);
        if (writer->reopen || ow_stop_passed(writer->stop))
            return false;
        if (!again)
            break;
    }
    struct ow_jobs queued = {0};
    ow_group_settle(writer, &writer->redo, &why);
    ow_lanes_take_older(writer->lanes, since_us, &queued);
    ow_group_settle(writer, &queued, &why);
    return false;
}

/* Another process committed since our last group: tell, and take over its numbering. */
static int look_for_others(struct ow_writer *writer, struct ow_err *err)
{
    int64_t version = 0;
    sqlite3_stmt *stmt = writer->sql[OW_SQL_DATA_VERSION];
    if (sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (version == writer->data_version)
        return 0;
    writer->data_version = version;
    ow_count(&writer->counters->foreign_commits, 1);
    ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_FOREIGN_WRITE});
    return ow_conn_read_int(&writer->conn, "SELECT seq FROM " OW_COMMIT_TABLE " WHERE id=1",
                            &writer->seq, err);
}

/* ---- jobs ---- */

/* Why a job failed that said nothing itself. */
static void explain(struct ow_writer *writer, struct ow_job *job, int code)
{
    if (code && job->err.code == OW_OK)
        ow_fail(&job->err, (enum ow_code)code, "the job returned %d and gave no reason", code);
    if (!is_open(writer) && !job->err.sqlite_code) {
        ow_fail_sqlite(writer->conn.db, sqlite3_extended_errcode(writer->conn.db),
                       "the transaction was rolled back under the job", &job->err);
        if (job->err.code == OW_OK)
            ow_fail(&job->err, OW_BUG, "the job ended the transaction that it runs in");
    }
}

/* Runs the job's function; 0 when its changes are in the open transaction. */
static int run_job(struct ow_writer *writer, struct ow_job *job, bool guarded)
{
    struct ow_conn *conn = &writer->conn;
    job->err.code = OW_OK;
    job->err.sqlite_code = job->err.sys_errno = 0;
    job->err.text[0] = '\0';
    if (guarded && ow_writer_step(writer, OW_SQL_SAVEPOINT, &job->err) != 0)
        return job->err.code;
    ow_conn_begin(conn);
    conn->in_job = true;
    int rc = job->fn(conn, job->ctx, &job->err);
    conn->in_job = false;
    ow_conn_reset(conn);
    if (!rc && is_open(writer))
        return guarded ? ow_writer_step(writer, OW_SQL_RELEASE, &job->err) : 0;
    explain(writer, job, rc);
    return job->err.code;
}

/* Undoes one failed job; false when that took the whole transaction. */
static bool undo_job(struct ow_writer *writer, bool guarded)
{
    struct ow_err why;
    return guarded && is_open(writer) && ow_writer_step(writer, OW_SQL_ROLLBACK_TO, &why) == 0 &&
           ow_writer_step(writer, OW_SQL_RELEASE, &why) == 0;
}

/* After undo_all: what was undone runs again, or is told why it cannot. */
static void recover_or_fail(struct ow_writer *writer, const struct ow_err *why)
{
    if (!ow_writer_recover(writer, why) && !ow_stop_passed(writer->stop))
        ow_group_settle(writer, &writer->redo, why);
}

static bool is_job_at_fault(const struct ow_err *err)
{
    switch (ow_err_class(err)) {
    case OW_CLASS_OK:
    case OW_CLASS_CALLER:
    case OW_CLASS_CANCELLED:
    case OW_CLASS_CONFIG:
    case OW_CLASS_BUG:
        return true;
    default:
        return false;
    }
}

static void put_back(struct ow_writer *writer, struct ow_job *job)
{
    struct ow_jobs list = {0};
    ow_jobs_append(&list, job);
    ow_count(&writer->counters->jobs_rerun, 1);
    ow_jobs_prepend_all(&writer->redo, &list);
    undo_all(writer);
}

/* False when the transaction has ended. */
static bool handle_failure(struct ow_writer *writer, struct ow_job *job, bool guarded)
{
    if (is_job_at_fault(&job->err)) {
        if (job->err.code == OW_CANCELLED && ow_stop_passed(writer->stop)) {
            put_back(writer, job); /* the close ended it: answered with all that is left */
            return false;
        }
        settle_failed(writer, job);
        if (undo_job(writer, guarded))
            return true;
        undo_all(writer);
        return false;
    }
    bool shared = writer->members.first != NULL;
    struct ow_err why = job->err;
    job->alone = true;
    put_back(writer, job);
    writer->reopen |= ow_err_class(&why) == OW_CLASS_CONN;
    if (!shared || ow_err_class(&why) == OW_CLASS_POISON)
        recover_or_fail(writer, &why);
    return false;
}

static struct ow_job *next_job(struct ow_writer *writer)
{
    struct ow_job *job = writer->redo.first;
    if (!job)
        return ow_lanes_take(writer->lanes);
    if (job->alone && writer->members.first)
        return NULL;
    return ow_jobs_pop(&writer->redo);
}

/* Runs jobs until none is left or the group is full. False when the transaction has ended. */
static bool fill(struct ow_writer *writer)
{
    const struct ow_options *options = writer->options;
    int64_t until_us = clock_monotonic_us() + (int64_t)options->group_max_ms * 1000;
    struct ow_job *job;
    while ((int)writer->members.count < options->group_max_jobs && (job = next_job(writer))) {
        bool guarded = writer->members.first != NULL;
        bool last = job->alone;
        if (run_job(writer, job, guarded) == 0)
            ow_jobs_append(&writer->members, job);
        else if (!handle_failure(writer, job, guarded))
            return false;
        if (last || clock_monotonic_us() >= until_us || ow_stop_passed(writer->stop))
            break;
    }
    return true;
}

/* ---- commit ---- */

static void committed(struct ow_writer *writer, int64_t seq, int64_t at_unix_ms)
{
    struct ow_counters *counters = writer->counters;
    writer->seq = seq;
    writer->seq_at = at_unix_ms;
    atomic_store(&counters->commit_seq, seq);
    ow_count(&counters->groups, 1);
    ow_tally_add(&counters->group_jobs, writer->members.count);
    for (struct ow_job *job = writer->members.first; job; job = job->next)
        job->commit_seq = seq;
    if (atomic_load(&writer->stop->at_us) != INT64_MAX)
        writer->drained += writer->members.count;
    ow_group_settle(writer, &writer->members, NULL);
    ow_retry_succeeded(&writer->retry);
    if (atomic_exchange(&counters->holding, false))
        ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_RESUMED});
}

static int record(struct ow_writer *writer, int64_t seq, int64_t at_unix_ms, struct ow_err *err)
{
    sqlite3_stmt *stmt = writer->sql[OW_SQL_RECORD];
    sqlite3_bind_int64(stmt, 1, seq);
    sqlite3_bind_int64(stmt, 2, at_unix_ms);
    int rc = ow_writer_step(writer, OW_SQL_RECORD, err);
    if (!rc && sqlite3_changes(writer->conn.db) != 1)
        return ow_fail(err, OW_CORRUPT, "table " OW_COMMIT_TABLE " has lost its row");
    return rc;
}

/* A COMMIT that ended the transaction with an error may have reached the log all the same. */
static bool is_ambiguous(const struct ow_writer *writer, const struct ow_err *why)
{
    return !is_open(writer) && ow_err_class(why) != OW_CLASS_HOLD;
}

static void settle_unknown(struct ow_writer *writer, const struct ow_err *why)
{
    struct ow_err unknown = *why;
    ow_fail_prefix(&unknown, "whether this was committed is unknown");
    unknown.code = OW_UNKNOWN;
    ow_group_settle(writer, &writer->members, &unknown);
}

static void commit_failed(struct ow_writer *writer, int64_t seq, int64_t at_unix_ms, bool ambiguous,
                          const struct ow_err *why)
{
    if (ambiguous && ow_err_class(why) == OW_CLASS_POISON) {
        settle_unknown(writer, why);
    } else if (ambiguous) {
        switch (ow_writer_resolve(writer, seq, at_unix_ms)) {
        case OW_FATE_COMMITTED:
            committed(writer, seq, at_unix_ms);
            return;
        case OW_FATE_UNKNOWN:
            settle_unknown(writer, why);
            return;
        case OW_FATE_UNDONE:
            break;
        }
    }
    undo_all(writer);
    recover_or_fail(writer, why);
}

static void commit(struct ow_writer *writer)
{
    struct ow_err why;
    int64_t seq = writer->seq + 1, at_unix_ms = clock_unix_ms();
    int64_t start_us = clock_monotonic_us();
    if (record(writer, seq, at_unix_ms, &why) != 0) {
        commit_failed(writer, seq, at_unix_ms, false, &why);
        return;
    }
    while (ow_writer_step(writer, OW_SQL_COMMIT, &why) != 0) {
        /* Somebody's lock in the way leaves the transaction open: COMMIT again. */
        if (is_open(writer) && ow_err_class(&why) == OW_CLASS_BACK_OFF &&
            ow_writer_recover(writer, &why))
            continue;
        commit_failed(writer, seq, at_unix_ms, is_ambiguous(writer, &why), &why);
        return;
    }
    ow_tally_add(&writer->counters->commit, clock_monotonic_us() - start_us);
    committed(writer, seq, at_unix_ms);
}

void ow_group_run(struct ow_writer *writer)
{
    struct ow_err why;
    if (begin(writer)) {
        if (look_for_others(writer, &why) != 0) {
            undo_all(writer);
            recover_or_fail(writer, &why);
        } else if (fill(writer) && writer->members.first) {
            commit(writer);
        } else {
            undo_all(writer);
        }
    }
    ow_group_answer(writer);
    if (!writer->reopen && !atomic_load(&writer->counters->poisoned) &&
        ow_wal_after_group(&writer->wal, &writer->conn, writer->counters, &why) != 0)
        ow_writer_checkpoint_failed(writer, &why);
}
