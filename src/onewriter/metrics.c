/* Sight (metrics.h). Counters are single atomics read one by one, so a copy may be torn by one
 * event between two of them, which a graph does not show and a lock would cost the writer. */
#include "onewriter/metrics.h"

#define COPY(field) out->field = atomic_load_explicit(&counters->field, memory_order_relaxed)

static unsigned bucket_of(uint64_t value)
{
    unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
    return bits < OW_BUCKETS ? bits : OW_BUCKETS - 1;
}

void ow_tally_add(struct ow_tally *tally, int64_t value)
{
    uint64_t v = value > 0 ? (uint64_t)value : 0;
    ow_count(&tally->bucket[bucket_of(v)], 1);
    ow_count(&tally->sum, v);
    ow_count_max(&tally->max, v);
    ow_count(&tally->count, 1);
}

void ow_tally_read(struct ow_tally *tally, struct ow_histogram *out)
{
    out->sum_us = atomic_load_explicit(&tally->sum, memory_order_relaxed);
    out->max_us = atomic_load_explicit(&tally->max, memory_order_relaxed);
    out->count = 0;
    for (int i = 0; i < OW_BUCKETS; i++) {
        out->bucket[i] = atomic_load_explicit(&tally->bucket[i], memory_order_relaxed);
        out->count += out->bucket[i]; /* so that count and buckets always agree */
    }
}

double ow_histogram_quantile(const struct ow_histogram *h, double q)
{
    double rank = q * (double)h->count, below = 0;
    if (!h->count)
        return -1;
    for (int i = 0; i < OW_BUCKETS; i++) {
        double here = (double)h->bucket[i];
        if (here > 0 && below + here >= rank) {
            double low = i ? (double)(1ULL << (i - 1)) : 0, high = i ? low * 2 : 1;
            double part = (rank - below) / here;
            double value = low + (high - low) * (part < 0 ? 0 : part);
            return value < (double)h->max_us ? value : (double)h->max_us;
        }
        below += here;
    }
    return (double)h->max_us;
}

void ow_count_retry(struct ow_counters *counters, int sqlite_code)
{
    ow_count(&counters->retries, 1);
    for (int i = 0; i < OW_RETRY_CODES; i++) {
        struct ow_retry_count *line = &counters->retries_by_code[i];
        int free_line = 0;
        if (atomic_load(&line->sqlite_code) == sqlite_code ||
            atomic_compare_exchange_strong(&line->sqlite_code, &free_line, sqlite_code) ||
            free_line == sqlite_code) {
            ow_count(&line->count, 1);
            return;
        }
    }
}

void ow_counters_read(struct ow_counters *counters, struct ow_metrics *out)
{
    COPY(jobs_submitted);
    COPY(jobs_committed);
    COPY(jobs_failed);
    COPY(jobs_rerun);
    COPY(groups);
    COPY(groups_durable);
    COPY(groups_by_caller);
    COPY(retries);
    COPY(gave_up);
    COPY(foreign_commits);
    COPY(wal_frames);
    COPY(wal_bytes_max);
    COPY(snapshots_taken);
    COPY(canaries);
    COPY(cache_hit);
    COPY(cache_miss);
    COPY(statements_prepared);
    COPY(commit_seq);
    COPY(holding);
    COPY(poisoned);
    ow_tally_read(&counters->commit, &out->commit);
    ow_tally_read(&counters->fsync, &out->fsync);
    ow_tally_read(&counters->checkpoint, &out->checkpoint);
    ow_tally_read(&counters->group_jobs, &out->group_jobs);
    ow_tally_read(&counters->job_wait, &out->job_wait);
    for (int i = 0; i < OW_RETRY_CODES; i++) {
        COPY(retries_by_code[i].sqlite_code);
        COPY(retries_by_code[i].count);
    }
}

void ow_tell(const struct ow_options *options, const struct ow_event *event)
{
    if (options->observer)
        options->observer(options->observer_ctx, event);
}
