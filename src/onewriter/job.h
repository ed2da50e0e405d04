/* A job on its way: handed in, queued, run, settled. Writes stand in a lane (lanes.h), reads in the
 * executor's queue. */
#ifndef ONEWRITER_JOB_H
#define ONEWRITER_JOB_H

#include <stdatomic.h>

#include "onewriter/onewriter.h"

enum ow_job_state { OW_JOB_QUEUED, OW_JOB_TAKEN, OW_JOB_DONE };

/* What an appended row uses comes first, in one cache line: rows are written by one core and read
 * by another. */
struct ow_job {
    struct ow_job *next, *before; /* in a lane, or in one of the writer's lists */
    ow_job_fn *fn;                /* NULL: a row, see struct ow_row */
    struct ow_err *err;           /* lent: the result; NULL when nobody asks (an appended row) */
    int64_t submitted_us;
    int64_t deadline_us; /* INT64_MAX: none of its own */
    uint32_t bytes;
    uint8_t lane;
    uint8_t bell; /* enum ow_bell_name: rings when it is DONE */
    bool durable; /* acknowledged after the log was synced */
    bool alone;   /* broke a shared transaction: runs in one of its own */
    bool bare;    /* runs outside of any transaction */
    /* QUEUED and TAKEN under the queue's mutex; DONE is the last touch of the job. */
    _Atomic int state;
    bool is_read;   /* belongs to the executor */
    bool is_marker; /* of a flush: stands in a full lane, too, and is never dropped */
    uint8_t tries;  /* failed so often alone */
    void *ctx;
    ow_done_fn *done;       /* the library owns the job and tells its end; NULL = somebody waits */
    struct ow_cq *cq;       /* where done is called; NULL = at once */
    int64_t commit_seq;     /* written by who runs the job, read by the owner after it is DONE */
    _Atomic bool cancelled; /* asked to end */
    _Atomic uint64_t loan;  /* number of the run while it runs, for ow_cancel; 0 = not running */
};

/* A job with a place for its error: of a ticket or a callback. */
struct ow_own_job {
    struct ow_job job;
    struct ow_err err;
};

/* A job that is one statement. Appended rows live in a slab with all they point to. */
struct ow_row {
    struct ow_job job;
    struct ow_slab *slab; /* NULL: the caller's stack */
    const char *sql;
    const struct ow_value *values;
    int count;
};

/* Nobody waits for an appended row, and its memory is a slab's. */
static inline bool ow_job_is_appended(const struct ow_job *job)
{
    return !job->fn && !job->err;
}

/* A list of jobs in order. Zero-initialised is empty. */
struct ow_jobs {
    struct ow_job *first, *last;
    uint32_t count;
};

void ow_jobs_append(struct ow_jobs *list, struct ow_job *job);
void ow_jobs_prepend(struct ow_jobs *list, struct ow_job *job);
struct ow_job *ow_jobs_pop(struct ow_jobs *list);
void ow_jobs_remove(struct ow_jobs *list, struct ow_job *job);
/* Moves all of `from` before the first, or behind the last, of list. */
void ow_jobs_prepend_all(struct ow_jobs *list, struct ow_jobs *from);
void ow_jobs_append_all(struct ow_jobs *list, struct ow_jobs *from);

#endif
