/* The three bounded queues before the writer, and the job that stands in them. */
#ifndef ONEWRITER_LANES_H
#define ONEWRITER_LANES_H

#include <stdatomic.h>

#include "base/sync.h"
#include "onewriter/onewriter.h"
#include "onewriter/turn.h"

enum ow_job_state { OW_JOB_QUEUED, OW_JOB_TAKEN, OW_JOB_DONE };

struct ow_job {
    struct ow_job *next, *before; /* in a lane, or in one of the writer's lists */
    ow_job_fn *fn;
    void *ctx;
    enum ow_lane lane;
    int64_t submitted_us;
    int64_t deadline_us; /* INT64_MAX: none of its own */
    bool alone;          /* broke a shared transaction: runs in one of its own */
    bool is_read;        /* belongs to the executor */
    ow_done_fn *done;    /* the library owns the job and tells its end; NULL = somebody waits */
    struct ow_cq *cq;    /* where done is called; NULL = at once */
    /* Written by the writer, read by the owner after state became DONE. */
    struct ow_err err;
    int64_t commit_seq;
    _Atomic bool cancelled; /* asked to end */
    _Atomic uint64_t loan;  /* number of the run while it runs; 0 = not running */
    /* QUEUED and TAKEN under the lanes' mutex; DONE is the writer's last touch of the job. */
    _Atomic int state;
};

/* A list of jobs in order. */
struct ow_jobs {
    struct ow_job *first, *last;
    uint32_t count;
};

void ow_jobs_append(struct ow_jobs *list, struct ow_job *job);
struct ow_job *ow_jobs_pop(struct ow_jobs *list);
/* Moves all of `from` before the first of list. */
void ow_jobs_prepend_all(struct ow_jobs *list, struct ow_jobs *from);
void ow_jobs_remove(struct ow_jobs *list, struct ow_job *job);

struct ow_lane_queue {
    struct ow_jobs jobs;
    uint32_t places; /* used: queued jobs and places granted to waiting threads */
    struct ow_turn turn;
    int credit; /* picks left in this round */
};

struct ow_lanes {
    struct mutex lock;
    struct cond work; /* the writer waits here */
    bool writer_waits;
    bool closed;
    const struct ow_lane_limit *limit; /* lent: one per lane */
    uint32_t queued; /* in all lanes */
    struct ow_lane_queue lane[OW_LANES];
};

/* limits: OW_LANES of them, lent. */
void ow_lanes_init(struct ow_lanes *lanes, const struct ow_lane_limit *limits);
void ow_lanes_fini(struct ow_lanes *lanes);

/* Queues the job, waiting for a place until deadline_us: OW_QUEUE_FULL then, OW_CLOSED when closed.
 */
int ow_lanes_put(struct ow_lanes *lanes, struct ow_job *job, int64_t deadline_us,
                 struct ow_err *err);
/* Takes a job back that the writer has not taken yet. False when it has. */
bool ow_lanes_withdraw(struct ow_lanes *lanes, struct ow_job *job);
/* No job is accepted any more; those queued can still be taken. */
void ow_lanes_close(struct ow_lanes *lanes);

enum ow_wake { OW_WAKE_WORK, OW_WAKE_IDLE, OW_WAKE_CLOSED };
/* Writer: until there is a job (WORK), the lanes are closed and empty (CLOSED), or deadline_us. */
enum ow_wake ow_lanes_wait(struct ow_lanes *lanes, int64_t deadline_us);
/* Writer: the next job by weight, or NULL. */
struct ow_job *ow_lanes_take(struct ow_lanes *lanes);
/* Writer: takes every job submitted before since_us into list. */
void ow_lanes_take_older(struct ow_lanes *lanes, int64_t since_us, struct ow_jobs *list);

/* Fills the lanes' lines. */
void ow_lanes_measure(struct ow_lanes *lanes, struct ow_metrics *out);

#endif
