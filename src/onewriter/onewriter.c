/* The handle (onewriter.h): opens the parts in order, hands calls to them, and takes them down in
 * reverse. What must stay true: the writer's connection opens first and closes last; a call inside
 * the library keeps the handle alive (the gate); in a forked child every call is refused before it
 * touches a lock or a file, since locks may be held for ever there and SQLite's file locks are not
 * inherited. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/check.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/options.h"
#include "onewriter/place.h"

/* How long ow_commit_seq of a handle that only reads waits for a reader. */
#define SEQ_WAIT_MS 1000

/* How many forks lie between this process and the one that first opened a database. The only state
 * outside the handle: fork has no other way to tell. */
static _Atomic uint32_t forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

bool ow_is_foreign(const struct ow *db, struct ow_err *err)
{
    if (db->fork_count == atomic_load_explicit(&forks, memory_order_relaxed))
        return false;
    ow_fail(err, OW_CLOSED, "this database was opened before fork: the child must open its own");
    return true;
}

static int64_t deadline_after(int timeout_ms)
{
    return clock_monotonic_us() + (int64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
}

/* ---- the gate ---- */

enum gate_rule { GATE_OPEN_ONLY, GATE_WHILE_CLOSING };

static int gate_enter(struct ow *db, enum gate_rule rule, struct ow_err *err)
{
    if (ow_is_foreign(db, err))
        return OW_CLOSED;
    if (ow_writer_is_caller(&db->writer))
        return ow_fail(err, OW_BUG, "a job may not call the database that runs it");
    LOCK(&db->gate.lock);
    if (db->gate.shut && rule == GATE_OPEN_ONLY)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    db->gate.inside++;
    return 0;
}

static void gate_leave(struct ow *db)
{
    LOCK(&db->gate.lock);
    if (--db->gate.inside == 0 && db->gate.shut)
        cond_broadcast(&db->gate.left);
}

static void gate_shut(struct ow_gate *gate)
{
    LOCK(&gate->lock);
    gate->shut = true;
}

/* Every job is answered and every waiter told by now, so this takes as long as threads take to
 * leave. */
static void gate_wait(struct ow_gate *gate)
{
    LOCK(&gate->lock);
    while (gate->inside)
        cond_wait_until(&gate->left, &gate->lock, clock_monotonic_us() + 1000000);
}

/* ---- open and close ---- */

static void close_parts(struct ow *db)
{
    ow_mover_stop(&db->mover);
    ow_watch_stop(&db->watch);
    ow_pool_fini(&db->pool);
    ow_writer_close(&db->writer);
}

static void free_handle(struct ow *db)
{
    close_parts(db);
    ow_place_unlock(&db->place);
    ow_lanes_fini(&db->lanes);
    cond_fini(&db->gate.left);
    mutex_fini(&db->gate.lock);
    free((char *)db->options.path);
    free(db);
}

static struct ow *new_handle(const struct ow_options *options)
{
    struct ow *db = calloc(1, sizeof(*db));
    if (!db)
        return NULL;
    db->options = *options;
    db->options.path = strdup(options->path);
    mutex_init(&db->gate.lock);
    cond_init(&db->gate.left);
    ow_stop_init(&db->stop);
    ow_snapshots_init(&db->snapshots, &db->options, &db->counters);
    ow_lanes_init(&db->lanes, db->options.lane);
    db->place.fd = -1;
    db->writer.options = &db->options;
    db->writer.counters = &db->counters;
    db->writer.lanes = &db->lanes;
    db->writer.stop = &db->stop;
    db->writer.answered = &db->answered;
    pthread_once(&forks_once, watch_forks);
    db->fork_count = atomic_load(&forks);
    return db;
}

static int open_parts(struct ow *db, struct ow_err *err)
{
    if (!db->options.path)
        return ow_fail(err, OW_RESOURCE, "no memory");
    bool writes = !db->options.read_only;
    int rc = writes ? ow_place_lock(&db->place, db->options.path, err) : 0;
    if (!rc && db->place.log_bytes)
        rc = ow_check_start(db, err);
    if (!rc && writes)
        rc = ow_writer_open(&db->writer, db, err);
    if (!rc)
        rc = ow_pool_init(&db->pool, db, &db->options, &db->stop, &db->counters, err);
    if (!rc)
        rc = ow_watch_start(&db->watch, &db->snapshots, err);
    if (!rc && writes && db->options.checkpoint_thread)
        rc = ow_mover_start(&db->mover, db, err);
    if (!rc && writes)
        rc = ow_writer_start(&db->writer, err);
    return rc;
}

int ow_open(const struct ow_options *options, struct ow **out, struct ow_err *err)
{
    struct ow_options taken;
    *out = NULL;
    int rc = ow_options_take(options, &taken, err);
    if (!rc)
        rc = ow_place_check(&taken, err);
    if (!rc)
        rc = ow_place_check_descriptors(&taken, err);
    if (rc)
        return rc;
    struct ow *db = new_handle(&taken);
    if (!db)
        return ow_fail(err, OW_RESOURCE, "no memory");
    rc = open_parts(db, err);
    if (rc) {
        free_handle(db);
        return rc;
    }
    ow_tell(&db->options, &(struct ow_event){.kind = OW_EVENT_POOL_OPENED, .a = taken.readers});
    *out = db;
    return 0;
}

/* Stops the writer and empties the log; done once, also when readers leak. */
static void close_writing(struct ow *db, int64_t deadline_us, struct ow_report *report)
{
    ow_stop_set(&db->stop, deadline_us);
    ow_pool_shut(&db->pool);
    ow_lanes_close(&db->lanes);
    ow_writer_join(&db->writer);
    ow_mover_stop(&db->mover);
    report->jobs_drained = db->writer.drained;
    report->jobs_abandoned = db->writer.abandoned;
}

int ow_close(struct ow *db, int timeout_ms, struct ow_report *report, struct ow_err *err)
{
    struct ow_report ignored;
    report = report ? report : &ignored;
    *report = (struct ow_report){0};
    if (!db)
        return 0;
    if (ow_is_foreign(db, err))
        return OW_CLOSED;
    if (ow_writer_is_caller(&db->writer))
        return ow_fail(err, OW_BUG, "a job may not close the database that runs it");
    int64_t deadline_us = deadline_after(timeout_ms);
    gate_shut(&db->gate);
    close_writing(db, deadline_us, report);
    report->leaked_readers = ow_pool_drain(&db->pool, deadline_us);
    if (db->writer.conn.db && !atomic_load(&db->counters.poisoned))
        report->checkpointed =
            ow_wal_empty(&db->writer.wal, &db->writer.conn, &db->counters, deadline_us, NULL);
    if (report->leaked_readers)
        return ow_fail(err, OW_BUG, "%d readers are still lent out: release them, then close again",
                       report->leaked_readers);
    gate_wait(&db->gate);
    uint64_t abandoned = report->jobs_abandoned;
    close_parts(db);
    report->leaked_statements = db->leaks.statements;
    if (!report->first_leak[0])
        memcpy(report->first_leak, db->leaks.first, sizeof(report->first_leak));
    free_handle(db);
    if (abandoned)
        return ow_fail(err, OW_TIMEOUT, "%llu jobs could not be written before the deadline",
                       (unsigned long long)abandoned);
    return 0;
}

/* ---- writing ---- */

static int check_call(struct ow *db, enum ow_lane lane, ow_job_fn *fn, struct ow_err *err)
{
    if ((unsigned)lane >= OW_LANES || !fn)
        return ow_fail(err, OW_BUG, "a job needs a function and one of the %d lanes", OW_LANES);
    if (db->options.read_only)
        return ow_fail(err, OW_CONFIG, "the database was opened for reading only");
    if (atomic_load(&db->counters.poisoned)) {
        if (err)
            *err = db->writer.poison;
        return db->writer.poison.code;
    }
    return 0;
}

static int put_job(struct ow *db, struct ow_job *job, int64_t place_until_us, struct ow_err *err)
{
    int rc = check_call(db, job->lane, job->fn, err);
    if (rc)
        return rc;
    job->submitted_us = clock_monotonic_us();
    rc = ow_lanes_put(&db->lanes, job, place_until_us, err);
    if (!rc)
        ow_count(&db->counters.jobs_submitted, 1);
    return rc;
}

/* Until the job is done, or deadline_us. */
static bool await_job(struct ow *db, struct ow_job *job, int64_t deadline_us)
{
    for (;;) {
        uint32_t seen = ow_bell_look(&db->answered);
        if (atomic_load(&job->state) == OW_JOB_DONE)
            return true;
        if (clock_monotonic_us() >= deadline_us)
            return false;
        ow_bell_wait(&db->answered, seen, deadline_us);
    }
}

static int job_result(const struct ow_job *job, struct ow_err *err)
{
    if (job->err.code != OW_OK && err)
        *err = job->err;
    return job->err.code;
}

int ow_submit(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
              struct ow_ticket *ticket, struct ow_err *err)
{
    int rc = gate_enter(db, GATE_OPEN_ONLY, err);
    if (rc)
        return rc;
    CLEANUP(free_ptr) struct ow_job *job = calloc(1, sizeof(*job));
    if (job) {
        *job = (struct ow_job){.fn = fn, .ctx = ctx, .lane = lane, .deadline_us = INT64_MAX};
        rc = put_job(db, job, deadline_after(timeout_ms), err);
        if (!rc)
            ticket->job = STEAL(job);
    } else {
        rc = ow_fail(err, OW_RESOURCE, "no memory for a job");
    }
    gate_leave(db);
    return rc;
}

int ow_wait(struct ow *db, struct ow_ticket *ticket, int timeout_ms, int64_t *commit_seq,
            struct ow_err *err)
{
    if (!ticket->job)
        return ow_fail(err, OW_BUG, "the ticket holds no job");
    /* A job that is done is told even when the handle is gone, and one that is not while the handle
     * is being closed: ow_close answers all jobs. */
    if (atomic_load(&ticket->job->state) != OW_JOB_DONE) {
        int rc = gate_enter(db, GATE_WHILE_CLOSING, err);
        if (rc)
            return rc;
        bool done = await_job(db, ticket->job, deadline_after(timeout_ms));
        gate_leave(db);
        if (!done)
            return ow_fail(err, OW_TIMEOUT, "the job is not finished yet");
    }
    CLEANUP(free_ptr) struct ow_job *job = STEAL(ticket->job);
    if (commit_seq && job->err.code == OW_OK)
        *commit_seq = job->commit_seq;
    return job_result(job, err);
}

int ow_write(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
             struct ow_err *err)
{
    int rc = gate_enter(db, GATE_OPEN_ONLY, err);
    if (rc)
        return rc;
    struct ow_job job = {.fn = fn, .ctx = ctx, .lane = lane};
    job.deadline_us = deadline_after(timeout_ms);
    rc = put_job(db, &job, job.deadline_us, err);
    if (!rc) {
        bool done = await_job(db, &job, job.deadline_us);
        if (!done && ow_lanes_withdraw(&db->lanes, &job)) {
            rc = ow_fail(err, OW_TIMEOUT, "the job was still queued after %d ms; it was withdrawn",
                         timeout_ms);
        } else {
            /* Running: its end is bounded by the writer's own deadlines and by ow_close. */
            while (!done)
                done = await_job(db, &job, clock_monotonic_us() + 1000000);
            rc = job_result(&job, err);
        }
    }
    gate_leave(db);
    return rc;
}

/* A handle that only reads learns of commits from the file. */
static void look_up_seq(struct ow *db)
{
    struct ow_conn *reader;
    int64_t seq;
    const struct ow_read how = {.label = "commit number", .timeout_ms = SEQ_WAIT_MS};
    if (ow_reader_acquire(db, &how, &reader, NULL))
        return;
    if (ow_conn_read_int(reader, "SELECT seq FROM " OW_COMMIT_TABLE " WHERE id=1", &seq, NULL) == 0)
        atomic_store(&db->counters.commit_seq, seq);
    ow_reader_release(reader);
}

int64_t ow_commit_seq(struct ow *db)
{
    if (db->options.read_only)
        look_up_seq(db);
    return atomic_load(&db->counters.commit_seq);
}

/* ---- reading ---- */

int ow_reader_acquire(struct ow *db, const struct ow_read *how, struct ow_conn **out,
                      struct ow_err *err)
{
    *out = NULL;
    int rc = gate_enter(db, GATE_OPEN_ONLY, err);
    if (rc)
        return rc;
    rc = ow_pool_acquire(&db->pool, how->label, deadline_after(how->timeout_ms), how->run_ms, out,
                         err);
    gate_leave(db);
    return rc;
}

int ow_reader_release(struct ow_conn *conn)
{
    if (conn && !ow_is_foreign(conn->owner, NULL))
        ow_pool_release(&conn->owner->pool, conn);
    return 0;
}

/* ---- sight ---- */

void ow_metrics_read(struct ow *db, struct ow_metrics *out)
{
    *out = (struct ow_metrics){0};
    if (ow_is_foreign(db, NULL))
        return;
    ow_counters_read(&db->counters, out);
    ow_lanes_measure(&db->lanes, out);
    ow_pool_measure(&db->pool, out);
    out->snapshot_oldest_us = ow_snapshots_oldest_us(&db->snapshots);
    char wal_path[4096];
    struct stat st;
    int n = snprintf(wal_path, sizeof(wal_path), "%s-wal", db->options.path);
    if (n > 0 && (size_t)n < sizeof(wal_path) && stat(wal_path, &st) == 0)
        out->wal_bytes = st.st_size;
}
