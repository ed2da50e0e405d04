/* The executor (executor.h): blocking reads for callers that must not block. Threads are started
 * when work comes and nobody is idle, and stay until the close; which job is next is decided by
 * the same rule as which borrower gets a reader (turn.h), and a job's turn at the pool counts from
 * when it was handed in. What must stay true: a job is in one lane or in `running`, and is finished
 * after it left; a cancel sets job->cancelled before it looks at job->loan, the thread sets the
 * loan before it looks at cancelled, so one of them sees the other. */
#include "onewriter/executor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/completion.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/read.h"

/* A cancelled statement looks each 2000 steps, some tens of microseconds. */
#define GRACE_US 1000000
#define FAR_US   (3600LL * 1000000)

int ow_executor_init(struct ow_executor *executor, struct ow *db, struct ow_err *err)
{
    *executor = (struct ow_executor){.db = db, .max = db->options.thread_pool_size};
    mutex_init(&executor->lock);
    cond_init(&executor->work);
    cond_init(&executor->ended);
    executor->threads = calloc((size_t)executor->max, sizeof(*executor->threads));
    return executor->threads ? 0 : ow_fail(err, OW_RESOURCE, "no memory for threads");
}

void ow_executor_fini(struct ow_executor *executor)
{
    if (!executor->db)
        return;
    free(executor->threads);
    cond_fini(&executor->ended);
    cond_fini(&executor->work);
    mutex_fini(&executor->lock);
    *executor = (struct ow_executor){0};
}

/* Without locks: the job is in no list. */
static void finish(struct ow_executor *executor, struct ow_job *job, const struct ow_err *result)
{
    *job->err = *result;
    ow_job_finish(job);
    ow_bell_ring(&executor->db->bells[OW_BELL_OTHER]);
}

/* The end of a job that no thread ran: its callback belongs on one of our threads all the same,
 * since the caller may hold whatever it takes. */
static void finish_unrun(struct ow_executor *executor, struct ow_job *job,
                         const struct ow_err *result)
{
    if (!job->done || job->cq) {
        finish(executor, job, result);
        return;
    }
    *job->err = *result;
    LOCK(&executor->lock);
    ow_jobs_append(&executor->over, job);
    cond_signal(&executor->work);
}

/* ---- lanes: under the mutex ---- */

/* A job has left its lane: its place goes to who waits, or becomes free. */
static void unqueue(struct ow_executor *executor, struct ow_job *job)
{
    struct ow_read_lane *lane = &executor->lane[job->lane];
    ow_jobs_remove(&lane->jobs, job);
    executor->queued--;
    if (!ow_turn_grant(&lane->turn, lane))
        lane->places--;
}

/* The next job by arrival; NULL when there is none, or no time for it any more. */
static struct ow_job *pick(const struct ow_executor *executor)
{
    if (ow_stop_passed(&executor->db->stop))
        return NULL; /* ow_executor_stop answers it */
    struct ow_job *first = NULL;
    int64_t first_us = INT64_MAX;
    for (int i = 0; i < OW_LANES; i++) {
        struct ow_job *job = executor->lane[i].jobs.first;
        if (!job)
            continue;
        int64_t arrival_us = ow_turn_arrival(job->submitted_us, (enum ow_lane)i);
        if (arrival_us < first_us) {
            first = job;
            first_us = arrival_us;
        }
    }
    return first;
}

static int fail_full(struct ow_read_lane *lane, uint32_t max_jobs, struct ow_err *err)
{
    lane->rejected++;
    return ow_fail(err, OW_QUEUE_FULL, "%u reads are queued already and none left in time",
                   (unsigned)max_jobs);
}

static int fail_closed(struct ow_err *err)
{
    return ow_fail(err, OW_CLOSED, "the database is being closed");
}

/* A place in the lane. *dropped receives the job that made room, if any. */
static int get_place(struct ow_executor *executor, int number, int64_t deadline_us,
                     struct ow_job **dropped, struct ow_err *err)
{
    struct ow_read_lane *lane = &executor->lane[number];
    const struct ow_lane_limit *limit = &executor->db->options.lane[number];
    if (executor->closed)
        return fail_closed(err);
    if (lane->places < limit->max_jobs) {
        lane->places++;
        return 0;
    }
    if (limit->policy == OW_DROP_OLDEST && lane->jobs.first) {
        *dropped = ow_jobs_pop(&lane->jobs); /* its place passes on */
        atomic_store(&(*dropped)->state, OW_JOB_TAKEN);
        executor->queued--;
        lane->dropped++;
        return 0;
    }
    bool granted = limit->policy == OW_BLOCK &&
                   ow_turn_wait(&lane->turn, &executor->lock, deadline_us) != NULL;
    if (!executor->closed)
        return granted ? 0 : fail_full(lane, limit->max_jobs, err);
    lane->places -= granted;
    return fail_closed(err);
}

/* ---- threads ---- */

/* The next job to run, NULL when closed; one that is over first, as *over. */
static struct ow_read_job *next_job(struct ow_executor *executor, struct ow_job **over)
{
    LOCK(&executor->lock);
    struct ow_job *job = NULL;
    while (!(*over = ow_jobs_pop(&executor->over)) && !(job = pick(executor)) &&
           !executor->closed) {
        executor->idle++;
        cond_wait_until(&executor->work, &executor->lock, clock_monotonic_us() + FAR_US);
        executor->idle--;
    }
    if (*over || !job)
        return NULL;
    unqueue(executor, job);
    ow_jobs_append(&executor->running, job);
    atomic_store(&job->state, OW_JOB_TAKEN);
    return (struct ow_read_job *)job;
}

static int fail_cancelled(const struct ow_read *how, struct ow_err *err)
{
    return ow_fail(err, OW_CANCELLED, "%s: it was cancelled", how->label ? how->label : "reading");
}

static void run(struct ow_executor *executor, struct ow_read_job *read, struct ow_err *err)
{
    struct ow_job *job = &read->job;
    struct ow_conn *conn;
    const struct ow_wish wish = {.how = &read->how,
                                 .count = 1,
                                 .since_us = job->submitted_us,
                                 .deadline_us = ow_deadline_after(read->how.timeout_ms)};
    if (ow_read_acquire(executor->db, &wish, &conn, err))
        return;
    atomic_store(&job->loan, ow_reader_loan(conn));
    if (atomic_load(&job->cancelled))
        fail_cancelled(&read->how, err);
    else
        ow_read_run(conn, job->fn, job->ctx, err);
    atomic_store(&job->loan, 0);
    ow_reader_release(conn);
}

static void run_and_finish(struct ow_executor *executor, struct ow_read_job *read)
{
    struct ow_err err = {0};
    run(executor, read, &err);
    mutex_lock(&executor->lock);
    ow_jobs_remove(&executor->running, &read->job);
    cond_broadcast(&executor->ended);
    mutex_unlock(&executor->lock);
    finish(executor, &read->job, &err);
}

static void *thread_main(void *arg)
{
    struct ow_executor *executor = arg;
    for (;;) {
        struct ow_job *over;
        struct ow_read_job *read = next_job(executor, &over);
        if (over)
            ow_job_finish(over);
        else if (read)
            run_and_finish(executor, read);
        else
            break;
    }
    LOCK(&executor->lock);
    executor->alive--;
    cond_broadcast(&executor->ended);
    return NULL;
}

/* Under the mutex: a thread for the job that was just queued, when none is free for it. */
static int start_thread(struct ow_executor *executor, struct ow_err *err)
{
    char name[24];
    struct err why;
    if (executor->queued <= (uint32_t)executor->idle || executor->started == executor->max)
        return 0;
    snprintf(name, sizeof(name), "ow-exec-%d", executor->started + 1);
    if (thread_start(&executor->threads[executor->started], name, thread_main, executor, &why))
        /* Those that run will get to it. */
        return executor->started ? 0 : ow_fail(err, OW_RESOURCE, "%s", why.text);
    executor->started++;
    executor->alive++;
    return 0;
}

static int queue(struct ow_executor *executor, struct ow_read_job *read, int64_t deadline_us,
                 struct ow_job **dropped, uint64_t *dropped_count, struct ow_err *err)
{
    struct ow_job *job = &read->job;
    struct ow_read_lane *lane = &executor->lane[job->lane];
    LOCK(&executor->lock);
    int rc = get_place(executor, job->lane, deadline_us, dropped, err);
    if (rc)
        return rc;
    *dropped_count = lane->dropped;
    atomic_store(&job->state, OW_JOB_QUEUED);
    ow_jobs_append(&lane->jobs, job);
    executor->queued++;
    rc = start_thread(executor, err);
    if (rc)
        unqueue(executor, job);
    else
        cond_signal(&executor->work);
    return rc;
}

int ow_executor_put(struct ow_executor *executor, struct ow_read_job *read, int64_t deadline_us,
                    struct ow_err *err)
{
    struct ow_job *dropped = NULL;
    uint64_t count = 0;
    int lane = (int)read->job.lane;
    int rc = queue(executor, read, deadline_us, &dropped, &count, err);
    if (dropped) {
        struct ow_err full;
        ow_fail(&full, OW_QUEUE_FULL, "dropped: the lane was full and a newer read came");
        finish_unrun(executor, dropped, &full);
        ow_tell(&executor->db->options,
                &(struct ow_event){.kind = OW_EVENT_DROPPED, .a = (int64_t)count, .b = lane});
    }
    return rc;
}

void ow_executor_cancel(struct ow_executor *executor, struct ow_job *job)
{
    bool withdrawn = false;
    struct ow_err err;
    fail_cancelled(&((struct ow_read_job *)job)->how, &err);
    {
        LOCK(&executor->lock);
        atomic_store(&job->cancelled, true);
        if (atomic_load(&job->state) == OW_JOB_QUEUED) {
            unqueue(executor, job);
            atomic_store(&job->state, OW_JOB_TAKEN);
            withdrawn = true;
            cond_broadcast(&executor->ended);
        }
    }
    if (withdrawn)
        finish(executor, job, &err);
    else
        ow_pool_cancel(&executor->db->pool, atomic_load(&job->loan));
}

void ow_executor_measure(struct ow_executor *executor, struct ow_metrics *out)
{
    LOCK(&executor->lock);
    out->reads_queued = executor->queued;
    out->executor_running = executor->running.count;
    for (int i = 0; i < OW_LANES; i++) {
        out->lane[i].dropped += executor->lane[i].dropped;
        out->lane[i].rejected += executor->lane[i].rejected;
    }
}

/* ---- the end ---- */

void ow_executor_drain(struct ow_executor *executor, int64_t deadline_us)
{
    LOCK(&executor->lock);
    while ((executor->queued || executor->running.count) &&
           cond_wait_until(&executor->ended, &executor->lock, deadline_us))
        ;
}

/* Closes, wakes everybody, and takes what is queued. */
static void close_lanes(struct ow_executor *executor, struct ow_jobs *queued)
{
    LOCK(&executor->lock);
    executor->closed = true;
    for (int i = 0; i < OW_LANES; i++) {
        struct ow_read_lane *lane = &executor->lane[i];
        struct ow_job *job;
        while (ow_turn_grant(&lane->turn, lane))
            lane->places++; /* each gives it back when it sees that all is closed */
        while ((job = lane->jobs.first)) {
            unqueue(executor, job);
            atomic_store(&job->state, OW_JOB_TAKEN);
            ow_jobs_append(queued, job);
        }
    }
    cond_broadcast(&executor->work);
}

/* One running job that was not cancelled yet; its loan may be 0. */
static bool mark_cancelled(struct ow_executor *executor, uint64_t *loan)
{
    LOCK(&executor->lock);
    for (struct ow_job *job = executor->running.first; job; job = job->next) {
        if (atomic_load(&job->cancelled))
            continue;
        atomic_store(&job->cancelled, true);
        *loan = atomic_load(&job->loan);
        return true;
    }
    return false;
}

static int await_threads(struct ow_executor *executor)
{
    int64_t until_us = clock_monotonic_us() + GRACE_US;
    LOCK(&executor->lock);
    while (executor->alive && cond_wait_until(&executor->ended, &executor->lock, until_us))
        ;
    return executor->alive;
}

int ow_executor_stop(struct ow_executor *executor, uint64_t *abandoned)
{
    struct ow_jobs queued = {0};
    struct ow_job *job;
    struct ow_err closed;
    uint64_t loan;
    fail_closed(&closed);
    close_lanes(executor, &queued);
    *abandoned += queued.count;
    while ((job = ow_jobs_pop(&queued)))
        finish_unrun(executor, job, &closed);
    while (mark_cancelled(executor, &loan))
        ow_pool_cancel(&executor->db->pool, loan);
    int alive = await_threads(executor);
    if (alive)
        return alive;
    for (int i = 0; i < executor->started; i++)
        pthread_join(executor->threads[i], NULL);
    executor->started = 0;
    while ((job = ow_jobs_pop(&executor->over))) /* came after the last thread had looked */
        ow_job_finish(job);
    return 0;
}

/* ---- the public part, see onewriter.h ---- */

static int hand_in(struct ow *db, const struct ow_read *how, const struct ow_job *job,
                   struct ow_ticket *ticket, struct ow_err *err)
{
    int rc = ow_read_check(how, err);
    if (!rc && !job->fn)
        rc = ow_fail(err, OW_BUG, "a read needs a function");
    if (rc)
        return rc;
    CLEANUP(free_ptr) struct ow_read_job *read = calloc(1, sizeof(*read));
    if (!read)
        return ow_fail(err, OW_RESOURCE, "no memory for a read");
    read->job.fn = job->fn;
    read->job.ctx = job->ctx;
    read->job.done = job->done;
    read->job.cq = job->cq;
    read->job.is_read = true;
    read->job.bell = OW_BELL_OTHER;
    read->job.err = &read->err;
    read->job.lane = (uint8_t)how->lane;
    read->job.deadline_us = INT64_MAX;
    read->job.submitted_us = clock_monotonic_us();
    read->how = *how;
    rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    struct ow_job *handed = &read->job;
    rc = ow_executor_put(&db->executor, read, ow_deadline_after(how->timeout_ms), err);
    if (!rc)
        read = NULL; /* taken */
    if (!rc && ticket)
        ticket->job = handed;
    ow_leave(db);
    return rc;
}

int ow_read_submit(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx,
                   struct ow_ticket *ticket, struct ow_err *err)
{
    if (!ticket)
        return ow_fail(err, OW_BUG, "a read that is handed in needs a ticket");
    return hand_in(db, how, &(struct ow_job){.fn = fn, .ctx = ctx}, ticket, err);
}

int ow_read_post(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx,
                 ow_done_fn *done, struct ow_cq *cq, struct ow_err *err)
{
    if (!done)
        return ow_fail(err, OW_BUG, "a posted read needs a function for its end");
    return hand_in(db, how, &(struct ow_job){.fn = fn, .ctx = ctx, .done = done, .cq = cq}, NULL,
                   err);
}
