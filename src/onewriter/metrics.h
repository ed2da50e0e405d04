/* The counters behind ow_metrics_read: atomics, each written where the thing happens. */
#ifndef ONEWRITER_METRICS_H
#define ONEWRITER_METRICS_H

#include <stdatomic.h>

#include "onewriter/onewriter.h"

/* struct ow_histogram while it is being filled by any thread. */
struct ow_tally {
    _Atomic uint64_t count, sum, max;
    _Atomic uint64_t bucket[OW_BUCKETS];
};

struct ow_retry_count {
    _Atomic int sqlite_code; /* 0: free */
    _Atomic uint64_t count;
};

struct ow_counters {
    _Atomic uint64_t jobs_submitted, jobs_committed, jobs_failed, jobs_rerun;
    _Atomic uint64_t groups, groups_durable, groups_by_caller;
    _Atomic uint64_t retries, gave_up, foreign_commits;
    struct ow_retry_count retries_by_code[OW_RETRY_CODES];
    struct ow_tally commit, fsync, checkpoint, group_jobs, job_wait;
    _Atomic int64_t wal_frames, wal_bytes_max;
    _Atomic uint64_t snapshots_taken, canaries;
    _Atomic uint64_t cache_hit, cache_miss, statements_prepared;
    _Atomic int64_t commit_seq, recorded_seq; /* given, and stored in the database */
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

/* Adds one value (negative counts as 0). */
void ow_tally_add(struct ow_tally *tally, int64_t value);
void ow_tally_read(struct ow_tally *tally, struct ow_histogram *out);
/* Counts a retry under its result code. */
void ow_count_retry(struct ow_counters *counters, int sqlite_code);

/* Copies what is counted here; queue, WAL size and readers are filled by their owners. */
void ow_counters_read(struct ow_counters *counters, struct ow_metrics *out);

/* Tells the observer, if there is one. */
void ow_tell(const struct ow_options *options, const struct ow_event *event);

#endif
