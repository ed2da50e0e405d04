/* The counters behind ow_metrics_read: atomics, each written where the thing happens. */
#ifndef ONEWRITER_METRICS_H
#define ONEWRITER_METRICS_H

#include <stdatomic.h>

#include "onewriter/onewriter.h"

struct ow_counters {
    _Atomic uint64_t jobs_submitted, jobs_committed, jobs_failed, jobs_rerun;
    _Atomic uint64_t groups, retries, gave_up, foreign_commits;
    _Atomic uint64_t commit_us_total, commit_us_max, group_jobs_max;
    _Atomic uint64_t checkpoints, checkpoint_us_total;
    _Atomic int64_t wal_frames;
    _Atomic uint64_t reads, reader_waits, reader_wait_us_total, reader_wait_us_max;
    _Atomic int64_t commit_seq;
    _Atomic bool holding, poisoned;
};

static inline void ow_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* Raises a maximum. */
static inline void ow_count_max(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while (value > seen && !atomic_compare_exchange_weak(counter, &seen, value))
        ;
}

/* Copies what is counted here; queue, WAL size and readers are filled by their owners. */
void ow_counters_read(struct ow_counters *counters, struct ow_metrics *out);

/* Tells the observer, if there is one. */
void ow_tell(const struct ow_options *options, const struct ow_event *event);

#endif
