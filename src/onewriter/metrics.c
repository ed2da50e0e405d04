/* Sight (metrics.h). Counters are single atomics read one by one, so a copy may be torn by one
 * event between two of them, which a graph does not show and a lock would cost the writer. */
#include "onewriter/metrics.h"

#define COPY(field) out->field = atomic_load_explicit(&counters->field, memory_order_relaxed)

void ow_counters_read(struct ow_counters *counters, struct ow_metrics *out)
{
    COPY(jobs_submitted);
    COPY(jobs_committed);
    COPY(jobs_failed);
    COPY(jobs_rerun);
    COPY(groups);
    COPY(retries);
    COPY(gave_up);
    COPY(foreign_commits);
    COPY(commit_us_total);
    COPY(commit_us_max);
    COPY(group_jobs_max);
    COPY(checkpoints);
    COPY(checkpoint_us_total);
    COPY(wal_frames);
    COPY(reads);
    COPY(reader_waits);
    COPY(reader_wait_us_total);
    COPY(reader_wait_us_max);
    COPY(commit_seq);
    COPY(holding);
    COPY(poisoned);
}

void ow_tell(const struct ow_options *options, const struct ow_event *event)
{
    if (options->observer)
        options->observer(options->observer_ctx, event);
}
