/* Threads that run reads for others. */
#ifndef ONEWRITER_EXECUTOR_H
#define ONEWRITER_EXECUTOR_H

#include <pthread.h>

#include "base/sync.h"
#include "onewriter/job.h"
#include "onewriter/turn.h"

/* A read that was handed in; begins with the job. */
struct ow_read_job {
    struct ow_job job;
    struct ow_err err; /* of the job */
    struct ow_read how;
};

struct ow_read_lane {
    struct ow_jobs jobs;
    uint32_t places; /* used: queued jobs and places granted to waiting threads */
    struct ow_turn turn;
    uint64_t dropped, rejected;
};

struct ow_executor {
    struct mutex lock;
    struct cond work;  /* threads without work wait here */
    struct cond ended; /* rings when nothing runs any more, and when a thread ended */
    struct ow *db;     /* lent */
    struct ow_read_lane lane[OW_LANES];
    struct ow_jobs running;
    struct ow_jobs over; /* have their result; a thread is to call their `done` */
    uint32_t queued;     /* in all lanes */
    pthread_t *threads;
    int max, started; /* threads */
    int idle, alive;
    bool closed;
};

/* Starts nothing yet. */
int ow_executor_init(struct ow_executor *executor, struct ow *db, struct ow_err *err);
/* After ow_executor_stop returned 0. One that was never opened is allowed. */
void ow_executor_fini(struct ow_executor *executor);

/* Hands the job in; waits for a place until deadline_us as the lane's policy says: OW_QUEUE_FULL
 * then, OW_CLOSED when closed. */
int ow_executor_put(struct ow_executor *executor, struct ow_read_job *job, int64_t deadline_us,
                    struct ow_err *err);
/* Asks a read to end; the job is not done. */
void ow_executor_cancel(struct ow_executor *executor, struct ow_job *job);

/* Adds reads_queued, executor_running and what the lanes refused. */
void ow_executor_measure(struct ow_executor *executor, struct ow_metrics *out);

/* Waits until nothing is queued and nothing runs, or deadline_us. */
void ow_executor_drain(struct ow_executor *executor, int64_t deadline_us);
/* Accepts nothing any more, answers what is queued with OW_CLOSED (*abandoned counts), cancels what
 * runs and waits a moment for its end. Returns how many threads are still inside a function of the
 * caller's; with 0 all have ended. May be called again. After ow_pool_shut. */
int ow_executor_stop(struct ow_executor *executor, uint64_t *abandoned);

#endif
