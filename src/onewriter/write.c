/* Handing jobs in and waiting for them (onewriter.h). A caller that finds the writer idle runs its
 * job itself; else the job is queued and the writer thread groups it with others. What must stay
 * true: a job on a caller's stack is settled or withdrawn before its function returns; a job that
 * the library owns is freed by who settles it. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"

#define LANE_MASK 0xffu

static int check_call(struct ow *db, unsigned how, bool has_work, struct ow_err *err)
{
    if ((how & LANE_MASK) >= OW_LANES || (how & ~(LANE_MASK | OW_DURABLE)))
        return ow_fail(err, OW_BUG, "0x%x is none of the %d lanes, with OW_DURABLE or without", how,
                       OW_LANES);
    if (!has_work)
        return ow_fail(err, OW_BUG, "a job needs a function, a row needs a statement");
    if (db->options.read_only)
        return ow_fail(err, OW_CONFIG, "the database was opened for reading only");
    if (atomic_load(&db->counters.poisoned)) {
        if (err)
            *err = db->writer.poison;
        return db->writer.poison.code;
    }
    return 0;
}

/* ow_enter and the checks of every call that hands in. */
static int enter_to_write(struct ow *db, unsigned how, bool has_work, struct ow_err *err)
{
    int rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    rc = check_call(db, how, has_work, err);
    if (rc)
        ow_leave(db);
    return rc;
}

static void set_out(struct ow_job *job, unsigned how)
{
    job->lane = (uint8_t)(how & LANE_MASK);
    job->durable = how & OW_DURABLE;
    job->submitted_us = clock_monotonic_us();
}

/* Those whom a lane's policy pushed out. */
static void answer_dropped(struct ow *db, struct ow_jobs *dropped)
{
    struct ow_err why;
    if (!dropped->first)
        return;
    enum ow_lane lane = (enum ow_lane)dropped->first->lane;
    ow_fail(&why, OW_QUEUE_FULL, "dropped: the lane is full and drops its oldest job");
    ow_writer_answer(&db->writer, dropped, &why);
    struct ow_metrics metrics = {0};
    ow_lanes_measure(&db->lanes, &metrics);
    ow_tell(&db->options, &(struct ow_event){.kind = OW_EVENT_DROPPED,
                                             .a = (int64_t)metrics.lane[lane].dropped,
                                             .b = lane});
}

static int put_job(struct ow *db, struct ow_job *job, int64_t place_until_us, struct ow_err *err)
{
    struct ow_jobs dropped = {0};
    int rc = ow_lanes_put(&db->lanes, job, place_until_us, &dropped, err);
    answer_dropped(db, &dropped);
    return rc;
}

bool ow_job_await(struct ow *db, struct ow_job *job, int64_t deadline_us)
{
    struct ow_bell *bell = &db->bells[job->bell];
    for (;;) {
        uint32_t seen = ow_bell_look(bell);
        if (atomic_load(&job->state) == OW_JOB_DONE)
            return true;
        if (clock_monotonic_us() >= deadline_us)
            return false;
        ow_bell_wait(bell, seen, deadline_us);
    }
}

/* The deadline passed while the job was queued. */
static int fail_withdrawn(struct ow *db, int timeout_ms, struct ow_err *err)
{
    struct ow_err trouble;
    ow_lanes_get_trouble(&db->lanes, &trouble);
    if (trouble.code == OW_OK)
        return ow_fail(err, OW_TIMEOUT, "the job was still queued after %d ms; it was withdrawn",
                       timeout_ms);
    int code = trouble.code == OW_DISK_FULL ? OW_DISK_FULL : OW_TIMEOUT;
    ow_fail(err, (enum ow_code)code, "the job could not be written in %d ms: %s", timeout_ms,
            trouble.text);
    if (err) {
        err->sqlite_code = trouble.sqlite_code;
        err->sys_errno = trouble.sys_errno;
    }
    return code;
}

/* Queues the job and waits for its end; withdraws it at its deadline when it does not run yet. */
static int queue_and_wait(struct ow *db, struct ow_job *job, int timeout_ms, bool taken,
                          struct ow_err *err)
{
    int rc = taken ? 0 : put_job(db, job, job->deadline_us, err);
    if (rc)
        return rc;
    bool done = ow_job_await(db, job, job->deadline_us);
    if (!done && ow_lanes_withdraw(&db->lanes, job)) {
        ow_count(&db->counters.jobs_failed, 1);
        return fail_withdrawn(db, timeout_ms, err);
    }
    /* Running: its end is bounded by the writer's own deadlines and by ow_close. */
    while (!done)
        done = ow_job_await(db, job, clock_monotonic_us() + 1000000);
    return job->err->code;
}

/* Runs or queues a job of the caller's stack and waits for it. */
static int write_and_wait(struct ow *db, struct ow_job *job, unsigned how, int timeout_ms,
                          struct ow_err *err)
{
    struct ow_err own;
    bool taken = false;
    job->err = err ? err : &own;
    job->err->code = OW_OK;
    set_out(job, how);
    job->deadline_us = ow_deadline_after(timeout_ms);
    ow_count(&db->counters.jobs_submitted, 1);
    int rc = ow_writer_run_here(&db->writer, job, &taken)
                 ? (int)job->err->code
                 : queue_and_wait(db, job, timeout_ms, taken, job->err);
    ow_leave(db);
    return rc;
}

int ow_write(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, int timeout_ms,
             struct ow_err *err)
{
    int rc = enter_to_write(db, how, fn != NULL, err);
    if (rc)
        return rc;
    struct ow_job job = {.fn = fn, .ctx = ctx};
    return write_and_wait(db, &job, how, timeout_ms, err);
}

int ow_write_bare(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                  struct ow_err *err)
{
    int rc = enter_to_write(db, lane, fn != NULL, err);
    if (rc)
        return rc;
    struct ow_job job = {.fn = fn, .ctx = ctx, .bare = true};
    return write_and_wait(db, &job, lane, timeout_ms, err);
}

static int check_row(const char *sql, const struct ow_value *values, int count, struct ow_err *err)
{
    if (count < 0 || (count && !values))
        return ow_fail(err, OW_BUG, "\"%.120s\" is given %d values but no array", sql, count);
    return 0;
}

int ow_write_row(struct ow *db, unsigned how, const char *sql, const struct ow_value *values,
                 int count, int timeout_ms, struct ow_err *err)
{
    int rc = enter_to_write(db, how, sql != NULL, err);
    if (rc)
        return rc;
    rc = check_row(sql, values, count, err);
    if (rc) {
        ow_leave(db);
        return rc;
    }
    struct ow_row row = {.sql = sql, .values = values, .count = count};
    return write_and_wait(db, &row.job, how, timeout_ms, err);
}

int ow_append(struct ow *db, unsigned how, const char *sql, const struct ow_value *values,
              int count, int timeout_ms, struct ow_err *err)
{
    int rc = enter_to_write(db, how, sql != NULL, err);
    if (rc)
        return rc;
    struct ow_row model = {.sql = sql, .values = values, .count = count};
    struct ow_jobs dropped = {0};
    set_out(&model.job, how);
    model.job.deadline_us = INT64_MAX;
    rc = check_row(sql, values, count, err);
    if (!rc)
        rc = ow_lanes_append(&db->lanes, &model,
                             model.job.submitted_us + (timeout_ms > 0 ? timeout_ms * 1000LL : 0),
                             &dropped, err);
    answer_dropped(db, &dropped);
    if (!rc)
        ow_count(&db->counters.jobs_submitted, 1);
    ow_leave(db);
    return rc;
}

/* ---- tickets and callbacks ---- */

static int hand_in(struct ow *db, unsigned how, struct ow_own_job *own, int timeout_ms,
                   struct ow_err *err)
{
    if (!own)
        return ow_fail(err, OW_RESOURCE, "no memory for a job");
    own->job.err = &own->err;
    own->job.deadline_us = INT64_MAX;
    set_out(&own->job, how);
    int rc = put_job(db, &own->job, ow_deadline_after(timeout_ms), err);
    if (!rc)
        ow_count(&db->counters.jobs_submitted, 1);
    return rc;
}

static int submit(struct ow *db, unsigned how, const struct ow_job *model, int timeout_ms,
                  struct ow_ticket *ticket, struct ow_err *err)
{
    int rc = enter_to_write(db, how, model->fn && ticket, err);
    if (rc)
        return rc;
    CLEANUP(free_ptr) struct ow_own_job *own = calloc(1, sizeof(*own));
    if (own)
        own->job = *model;
    rc = hand_in(db, how, own, timeout_ms, err);
    if (!rc)
        ticket->job = &STEAL(own)->job;
    ow_leave(db);
    return rc;
}

int ow_submit(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, int timeout_ms,
              struct ow_ticket *ticket, struct ow_err *err)
{
    return submit(db, how, &(struct ow_job){.fn = fn, .ctx = ctx}, timeout_ms, ticket, err);
}

int ow_post(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, ow_done_fn *done,
            struct ow_cq *cq, int timeout_ms, struct ow_err *err)
{
    int rc = enter_to_write(db, how, fn && done, err);
    if (rc)
        return rc;
    CLEANUP(free_ptr) struct ow_own_job *own = calloc(1, sizeof(*own));
    if (own)
        own->job = (struct ow_job){.fn = fn, .ctx = ctx, .done = done, .cq = cq};
    rc = hand_in(db, how, own, timeout_ms, err);
    if (!rc)
        (void)STEAL(own); /* freed by who tells its end */
    ow_leave(db);
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
        int rc = ow_enter(db, OW_WHILE_CLOSING, err);
        if (rc)
            return rc;
        bool done = ow_job_await(db, ticket->job, ow_deadline_after(timeout_ms));
        ow_leave(db);
        if (!done)
            return ow_fail(err, OW_TIMEOUT, "the job is not finished yet");
    }
    CLEANUP(free_ptr) struct ow_job *job = STEAL(ticket->job);
    int rc = job->err->code;
    if (commit_seq && !rc)
        *commit_seq = job->commit_seq;
    if (rc && err)
        *err = *job->err;
    return rc;
}

static void cancel_write(struct ow *db, struct ow_job *job)
{
    struct ow_err why;
    atomic_store(&job->cancelled, true);
    if (ow_lanes_withdraw(&db->lanes, job)) {
        struct ow_jobs list = {0};
        ow_jobs_append(&list, job);
        ow_fail(&why, OW_CANCELLED, "the job was cancelled before it ran");
        ow_writer_answer(&db->writer, &list, &why);
        return;
    }
    uint64_t loan = atomic_load(&job->loan);
    if (loan)
        atomic_store(&db->writer.conn.cancelled_loan, loan);
}

int ow_cancel(struct ow *db, struct ow_ticket *ticket, struct ow_err *err)
{
    if (!ticket->job)
        return ow_fail(err, OW_BUG, "the ticket holds no job");
    if (atomic_load(&ticket->job->state) == OW_JOB_DONE)
        return 0;
    int rc = ow_enter(db, OW_WHILE_CLOSING, err);
    if (rc)
        return rc;
    if (ticket->job->is_read)
        ow_executor_cancel(&db->executor, ticket->job);
    else
        cancel_write(db, ticket->job);
    ow_leave(db);
    return 0;
}

/* ---- flush ---- */

static int do_nothing(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    (void)ctx;
    (void)err;
    return 0;
}

/* Waits for one marker; one that does not come in time is taken back. */
static int await_marker(struct ow *db, struct ow_ticket *marker, int64_t deadline_us,
                        struct ow_err *err)
{
    int64_t left_us = deadline_us - clock_monotonic_us();
    int rc = ow_wait(db, marker, left_us > 0 ? (int)(left_us / 1000) : 0, NULL, err);
    if (!marker->job)
        return rc;
    ow_cancel(db, marker, NULL);
    ow_wait(db, marker, INT32_MAX, NULL, NULL); /* withdrawn, or it ends with its group */
    return rc;
}

/* Culprits that were put back for a transaction of their own may still be behind the markers. */
static int await_culprits(struct ow *db, int64_t deadline_us, struct ow_err *err)
{
    struct ow_bell *bell = &db->bells[OW_BELL_OTHER];
    for (;;) {
        uint32_t seen = ow_bell_look(bell);
        if (!atomic_load(&db->writer.alone_waiting))
            return 0;
        if (clock_monotonic_us() >= deadline_us)
            return ow_fail(err, OW_TIMEOUT, "some jobs could not be written yet");
        ow_bell_wait(bell, seen, deadline_us);
    }
}

/* A job at the end of each lane comes after all that was there. It needs no place and is never
 * dropped, so a full lane loses nothing by it. */
int ow_flush(struct ow *db, unsigned how, int timeout_ms, struct ow_err *err)
{
    const struct ow_job model = {.fn = do_nothing, .is_marker = true};
    struct ow_ticket markers[OW_LANES] = {{NULL}};
    int64_t deadline_us = ow_deadline_after(timeout_ms);
    int rc = 0;
    for (unsigned lane = 0; !rc && lane < OW_LANES; lane++)
        rc = submit(db, lane | (how & OW_DURABLE), &model, 0, &markers[lane], err);
    for (int lane = 0; lane < OW_LANES; lane++) {
        if (!markers[lane].job)
            continue;
        int one = await_marker(db, &markers[lane], deadline_us, rc ? NULL : err);
        rc = rc ? rc : one;
    }
    return rc ? rc : await_culprits(db, deadline_us, err);
}
