/* One group (writer.h): BEGIN IMMEDIATE, jobs, the commit's number, COMMIT. The wait for a foreign
 * lock happens in BEGIN, before any job is taken, so jobs can be withdrawn meanwhile.
 *
 * A statement that fails is undone by SQLite, so a job that fails before it has changed anything
 * leaves nothing to undo and costs the others nothing. One that has changed something takes the
 * transaction with it: the innocent run again at once, and for a while savepoints guard the jobs
 * after them. Savepoints would cost every job of every group a third of its speed to save that
 * rare repetition. Some failures (FULL, IOERR, NOMEM, INTERRUPT, OR ROLLBACK) end the transaction
 * whatever the savepoints: then the innocent run again first, together, and the culprit after them
 * in a transaction of its own.
 *
 * What must stay true: a job is settled as committed only after COMMIT returned OK or its number
 * was read back; taken, members, redo and settled hold each taken job exactly once. */
#include "onewriter/writer.h"

#include "base/clock.h"
#include "onewriter/fail.h"
#include "onewriter/number.h"
#include "onewriter/vfs.h"

/* After a job was undone by repetition, so many jobs run under a savepoint. */
#define GUARDED_JOBS 1000
/* Jobs taken from the lanes at a time: few, since what was taken cannot be withdrawn. */
#define TAKE_JOBS 64

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
    writer->data_version = ow_conn_data_version(&writer->conn);
    ow_count(&writer->counters->jobs_rerun, writer->members.count);
    ow_jobs_prepend_all(&writer->redo, &writer->members);
}

/* All that wanted to write have left. */
static bool is_needless(struct ow_writer *writer, bool only)
{
    return !writer->redo.first && !writer->taken.first &&
           (only || ow_lanes_are_empty(writer->lanes));
}

/* True with an open transaction. False: nothing can be written now; those concerned have been told
 * or wait on. */
static bool begin(struct ow_writer *writer, bool only)
{
    struct ow_err why;
    for (;;) {
        int64_t until_us =
            clock_monotonic_us() + (int64_t)writer->options->attempt_timeout_ms * 1000;
        int64_t taken_us = ow_writer_taken_deadline(writer);
        writer->conn.busy_cap_us = until_us < taken_us ? until_us : taken_us;
        int rc = ow_writer_step(writer, OW_SQL_BEGIN, &why);
        writer->conn.busy_cap_us = INT64_MAX;
        if (!rc)
            return true;
        bool again = ow_writer_recover(writer, &why);
        ow_group_expire(writer);
        ow_group_answer(writer);
        if (!again && !ow_stop_passed(writer->stop))
            break;
        if (writer->reopen || ow_stop_passed(writer->stop) || is_needless(writer, only))
            return false;
    }
    ow_lanes_take_all(writer->lanes, &writer->taken); /* it concerns all alike */
    ow_group_fail(writer, &writer->redo, &why);
    ow_group_fail(writer, &writer->taken, &why);
    return false;
}

/* Another connection committed since our last group: tell, and take over its numbering. */
static int look_for_others(struct ow_writer *writer, struct ow_err *err)
{
    uint32_t version = ow_conn_data_version(&writer->conn);
    if (version == writer->data_version && !writer->reread)
        return 0;
    writer->data_version = version;
    writer->reread = true;
    writer->shares = true;
    ow_count(&writer->counters->foreign_commits, 1);
    ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_FOREIGN_WRITE});
    int rc = ow_number_read(&writer->conn, &writer->recorded, &writer->recorded_at, err);
    if (!rc && writer->seq < writer->recorded)
        writer->seq = writer->recorded;
    writer->reread = rc != 0;
    return rc;
}

/* ---- jobs ---- */

/* Undoes one failed job; false when that took the whole transaction. */
static bool undo_job(struct ow_writer *writer, bool guarded)
{
    struct ow_err why;
    if (guarded)
        return is_open(writer) && ow_writer_step(writer, OW_SQL_ROLLBACK_TO, &why) == 0 &&
               ow_writer_step(writer, OW_SQL_RELEASE, &why) == 0;
    if (ow_job_left_nothing(writer))
        return true;
    if (is_open(writer) && writer->members.first)
        writer->guarded = GUARDED_JOBS;
    return false;
}

/* After undo_all: what was undone runs again, or is told why it cannot. */
static void recover_or_fail(struct ow_writer *writer, const struct ow_err *why)
{
    if (!ow_writer_recover(writer, why) && !ow_stop_passed(writer->stop))
        ow_group_fail(writer, &writer->redo, why);
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
    ow_count(&writer->counters->jobs_rerun, 1);
    ow_jobs_prepend(&writer->redo, job);
    undo_all(writer);
}

/* Others can be written and this job still cannot: it asks for what there is not, such as a rowid
 * beyond the largest, which SQLite calls a full database, too. */
static bool is_worn_out(const struct ow_writer *writer, const struct ow_job *job)
{
    return job->tries >= writer->options->max_attempts && writer->committed_beside;
}

/* False when the transaction has ended. */
static bool handle_failure(struct ow_writer *writer, struct ow_job *job, bool guarded,
                           const struct ow_err *err)
{
    struct ow_err why = *err;
    if (is_job_at_fault(&why) || !ow_job_is_believed(writer, &why) || is_worn_out(writer, job)) {
        if (why.code == OW_CANCELLED && ow_stop_passed(writer->stop)) {
            put_back(writer, job); /* the close ended it: answered with all that is left */
            return false;
        }
        ow_group_fail_one(writer, job, &why);
        if (undo_job(writer, guarded))
            return true;
        undo_all(writer);
        return false;
    }
    bool shared = writer->members.first != NULL;
    if (!job->alone)
        atomic_fetch_add(&writer->alone_waiting, 1);
    writer->others_first = job->alone;
    job->tries += job->alone && job->tries < UINT8_MAX;
    job->alone = true;
    put_back(writer, job);
    writer->reopen |= ow_err_class(&why) == OW_CLASS_CONN;
    if (!shared || ow_err_class(&why) == OW_CLASS_POISON)
        recover_or_fail(writer, &why);
    return false;
}

/* A culprit waits once for whoever else is there. */
static bool lets_others_go(struct ow_writer *writer)
{
    const struct ow_job *first = writer->redo.first;
    return writer->others_first && first && first->alone && !first->next &&
           !ow_lanes_are_empty(writer->lanes);
}

static struct ow_job *next_job(struct ow_writer *writer, bool only)
{
    struct ow_jobs *from = &writer->redo;
    if (!only && (!from->first || lets_others_go(writer))) {
        from = &writer->taken;
        if (!from->first)
            ow_lanes_take(writer->lanes, from, TAKE_JOBS);
    }
    struct ow_job *job = from->first;
    if (!job || ((job->alone || job->bare) && writer->members.first))
        return NULL;
    return ow_jobs_pop(from);
}

/* The next job whose deadline has not passed while it stood behind others that were taken with it.
 */
static struct ow_job *next_in_time(struct ow_writer *writer, bool only, int64_t now_us)
{
    for (;;) {
        bool is_new = !writer->redo.first || lets_others_go(writer);
        struct ow_job *job = next_job(writer, only);
        if (!job || only || !is_new || job->deadline_us >= now_us)
            return job;
        struct ow_err why;
        ow_fail(&why, OW_TIMEOUT, "the job was still queued when its time was up; it did not run");
        ow_group_fail_one(writer, job, &why);
    }
}

/* Runs a job that wants no transaction; nothing else is in the one that was begun. */
static void run_bare(struct ow_writer *writer, struct ow_job *job)
{
    struct ow_err *err = ow_job_err(writer, job);
    undo_all(writer);
    ow_group_record(writer); /* it may empty the log */
    if (ow_job_run(writer, job, false, err) != 0) {
        struct ow_err why = *err;
        ow_group_fail_one(writer, job, &why);
        writer->reopen |= ow_err_class(&why) == OW_CLASS_CONN;
        if (ow_err_class(&why) == OW_CLASS_POISON)
            ow_writer_poison(writer, &why);
        return;
    }
    struct ow_jobs list = {0};
    ow_jobs_append(&list, job);
    ow_group_keep(writer, &list);
}

/* Runs jobs until none is left or the group is full. False when the transaction has ended. */
static bool fill(struct ow_writer *writer, bool only)
{
    const struct ow_options *options = writer->options;
    int64_t now_us = clock_monotonic_us();
    int64_t until_us = now_us + (int64_t)options->group_max_ms * 1000;
    struct ow_job *job;
    uint32_t rows = 0;
    atomic_store(&writer->busy_since_us, now_us);
    writer->durable_members = 0;
    while ((int)writer->members.count < options->group_max_jobs &&
           (job = next_in_time(writer, only, now_us))) {
        if (job->bare) {
            run_bare(writer, job);
            return false;
        }
        bool guarded = writer->guarded > 0 && job->fn && writer->members.first;
        bool last = job->alone;
        struct ow_err *err = ow_job_err(writer, job);
        writer->guarded -= writer->guarded > 0;
        if (ow_job_run(writer, job, guarded, err) == 0) {
            ow_jobs_append(&writer->members, job);
            writer->durable_members += job->durable;
            last |=
                job->fn && writer->conn.has_savepoint; /* one left open would be the next job's */
        } else if (!handle_failure(writer, job, guarded, err)) {
            return false;
        }
        bool look = job->fn || ++rows % 16 == 0; /* a look at the clock costs a part of a row */
        if (look)
            now_us = clock_monotonic_us();
        if (last || (look && (now_us >= until_us || ow_stop_passed(writer->stop))))
            break;
    }
    return true;
}

/* ---- commit ---- */

static void committed(struct ow_writer *writer, const struct ow_commit *commit)
{
    struct ow_counters *counters = writer->counters;
    writer->seq = commit->seq;
    if (commit->is_recorded) {
        writer->recorded = commit->seq;
        writer->recorded_at = commit->at_unix_ms;
        atomic_store(&counters->recorded_seq, commit->seq);
    }
    atomic_store(&counters->commit_seq, commit->seq);
    writer->others_first = false;
    writer->committed_beside = writer->redo.first != NULL;
    if (writer->members.first) {
        ow_count(&counters->groups, 1);
        ow_tally_add(&counters->group_jobs, writer->members.count);
    }
    if (atomic_load(&writer->stop->at_us) != INT64_MAX)
        writer->drained += writer->members.count;
    ow_retry_succeeded(&writer->retry);
    writer->trouble.code = OW_OK;
    if (writer->in_trouble) {
        writer->in_trouble = false;
        ow_lanes_set_trouble(writer->lanes, NULL);
    }
    if (atomic_exchange(&counters->holding, false))
        ow_tell(writer->options, &(struct ow_event){.kind = OW_EVENT_RESUMED});
}

/* A number costs a page in the log, which doubles what a lone small commit writes. So the numbers
 * of lone commits are kept in memory, and the newest is stored with the first group of the writer
 * thread, before the gap is used up, in the next idle moment or at the close. After an unclean end
 * numbering goes on behind the gap, so that no number is given twice and none goes back. */
/* The log is not to be emptied while a number is not stored: an unclean end is told by it. */
static bool may_go_unrecorded(struct ow_writer *writer, bool only, uint32_t *changes)
{
    return only && !writer->shares && writer->seq + 1 - writer->recorded < OW_NUMBER_GAP &&
           writer->wal.frames + OW_NUMBER_GAP < writer->options->wal_hard_frames &&
           ow_vfs_changes(writer->conn.db, changes);
}

static int record(struct ow_writer *writer, const struct ow_commit *commit, struct ow_err *err)
{
    sqlite3_stmt *stmt = writer->sql[OW_SQL_RECORD];
    sqlite3_bind_int64(stmt, 1, commit->seq);
    sqlite3_bind_int64(stmt, 2, commit->at_unix_ms);
    sqlite3_bind_int64(stmt, 3, ow_number_slot(commit->seq));
    int rc = ow_writer_step(writer, OW_SQL_RECORD, err);
    if (!rc && sqlite3_changes(writer->conn.db) != 1)
        return ow_fail(err, OW_CORRUPT, "table ow_commit_slot has lost its rows");
    return rc;
}

/* A COMMIT that ended the transaction with an error may have reached the log all the same. */
static bool is_ambiguous(const struct ow_writer *writer, const struct ow_err *why)
{
    return !is_open(writer) && ow_err_class(why) != OW_CLASS_HOLD;
}

static void settle_unknown(struct ow_writer *writer, struct ow_jobs *list, const char *prefix,
                           const struct ow_err *why)
{
    struct ow_err unknown = *why;
    ow_fail_prefix(&unknown, prefix);
    unknown.code = OW_UNKNOWN;
    ow_group_fail(writer, list, &unknown);
}

/* Syncs the log when a member asked for it. A log that cannot be synced ends all writing; its
 * commit is there, so only those are told that wanted more. */
static void settle_committed(struct ow_writer *writer)
{
    struct ow_err why;
    bool full = writer->options->synchronous_full;
    ow_count(&writer->counters->groups_durable, full || writer->durable_members);
    if (writer->durable_members && !full && ow_conn_sync_log(&writer->conn, &why) != 0) {
        struct ow_jobs durable = {0}, all = writer->members;
        struct ow_job *job;
        writer->members = (struct ow_jobs){0};
        while ((job = ow_jobs_pop(&all)))
            ow_jobs_append(job->durable ? &durable : &writer->members, job);
        ow_writer_poison(writer, &why);
        settle_unknown(writer, &durable, "committed, but perhaps not on the disk", &why);
    }
    ow_group_keep(writer, &writer->members);
}

static void commit_failed(struct ow_writer *writer, const struct ow_commit *commit, bool ambiguous,
                          const struct ow_err *why)
{
    static const char unknown[] = "whether this was committed is unknown";
    if (ambiguous && ow_err_class(why) == OW_CLASS_POISON) {
        settle_unknown(writer, &writer->members, unknown, why);
    } else if (ambiguous) {
        switch (ow_writer_resolve(writer, commit)) {
        case OW_FATE_COMMITTED:
            committed(writer, commit);
            settle_committed(writer);
            return;
        case OW_FATE_UNKNOWN:
            settle_unknown(writer, &writer->members, unknown, why);
            return;
        case OW_FATE_UNDONE:
            break;
        }
    }
    undo_all(writer);
    recover_or_fail(writer, why);
}

static void commit(struct ow_writer *writer, bool only)
{
    struct ow_err why;
    /* Without jobs it only stores the newest number. */
    int64_t seq = writer->members.first ? writer->seq + 1 : writer->seq;
    struct ow_commit commit = {.seq = seq, .at_unix_ms = clock_unix_ms()};
    int64_t start_us = clock_monotonic_us();
    commit.is_recorded = !may_go_unrecorded(writer, only, &commit.changes);
    if (commit.is_recorded && record(writer, &commit, &why) != 0) {
        commit_failed(writer, &commit, false, &why);
        return;
    }
    while (ow_writer_step(writer, OW_SQL_COMMIT, &why) != 0) {
        /* Somebody's lock in the way leaves the transaction open: COMMIT again. */
        if (is_open(writer) && ow_err_class(&why) == OW_CLASS_BACK_OFF &&
            ow_writer_recover(writer, &why))
            continue;
        commit_failed(writer, &commit, is_ambiguous(writer, &why), &why);
        return;
    }
    writer->data_version = ow_conn_data_version(&writer->conn);
    ow_tally_add(&writer->counters->commit, clock_monotonic_us() - start_us);
    committed(writer, &commit);
    settle_committed(writer);
}

void ow_group_record(struct ow_writer *writer)
{
    struct ow_err why;
    if (writer->seq == writer->recorded || writer->reopen ||
        atomic_load(&writer->counters->poisoned))
        return;
    writer->conn.busy_cap_us = clock_monotonic_us();
    int rc = ow_writer_step(writer, OW_SQL_BEGIN, &why);
    writer->conn.busy_cap_us = INT64_MAX;
    if (rc)
        return; /* no commit depends on it; whoever writes next meets the reason */
    if (look_for_others(writer, &why) == 0)
        commit(writer, false);
    else
        undo_all(writer);
}

void ow_group_run(struct ow_writer *writer, bool only)
{
    struct ow_err why;
    uint32_t jobs = 0;
    if (begin(writer, only)) {
        if (look_for_others(writer, &why) != 0) {
            undo_all(writer);
            recover_or_fail(writer, &why);
        } else if (fill(writer, only) && writer->members.first) {
            jobs = writer->members.count;
            commit(writer, only);
        } else {
            undo_all(writer);
        }
    }
    if (writer->taken.first)
        ow_lanes_put_back(writer->lanes, &writer->taken); /* so that they can be withdrawn */
    bool is_lone = ow_lanes_note_group(writer->lanes, jobs);
    atomic_store(&writer->busy_since_us, 0);
    ow_group_answer(writer);
    if (!writer->reopen && !atomic_load(&writer->counters->poisoned) &&
        ow_wal_after_group(&writer->wal, &writer->conn, writer->counters, is_lone, &why) != 0)
        ow_writer_checkpoint_failed(writer, &why);
}
