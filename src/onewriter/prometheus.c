/* Prometheus text (prometheus.h). The names, types and help texts stand in one table with where
 * each figure is found, so a metric is one line here and cannot be shown differently from what the
 * docs are checked against. Times are shown in seconds and made of integers, because printf writes
 * a fraction as the program's locale wants it. What must stay true: a name appears once with its
 * HELP and TYPE, and all of its series follow it; every value of a label is escaped. */
#include "onewriter/prometheus.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"

#define METRIC(name, type, set, field, at, help)                                                   \
    {                                                                                              \
        "ow_" name, help, OW_##type, OW_EACH_##set, OW_IN_##field, offsetof(struct ow_metrics, at) \
    }

const struct ow_metric ow_metric_table[] = {
    METRIC("jobs_submitted_total", COUNTER, DATABASE, U64, jobs_submitted, "Jobs handed in."),
    METRIC("jobs_committed_total", COUNTER, DATABASE, U64, jobs_committed, "Jobs committed."),
    METRIC("jobs_failed_total", COUNTER, DATABASE, U64, jobs_failed, "Jobs that failed."),
    METRIC("jobs_rerun_total", COUNTER, DATABASE, U64, jobs_rerun,
           "Jobs run again because the transaction they shared was lost."),
    METRIC("groups_total", COUNTER, DATABASE, U64, groups, "Groups of jobs committed."),
    METRIC("groups_durable_total", COUNTER, DATABASE, U64, groups_durable,
           "Groups whose log was synced to the disk before they were acknowledged."),
    METRIC("groups_by_caller_total", COUNTER, DATABASE, U64, groups_by_caller,
           "Groups written by the thread that wanted them, without a hand-over."),
    METRIC("retries_total", COUNTER, DATABASE, U64, retries, "Attempts that were made again."),
    METRIC("retries_by_code_total", COUNTER, CODE, U64, retries_by_code,
           "Attempts that were made again, by the result code of SQLite."),
    METRIC("gave_up_total", COUNTER, DATABASE, U64, gave_up,
           "Failures told after the last attempt."),
    METRIC("foreign_commits_total", COUNTER, DATABASE, U64, foreign_commits,
           "Commits of other connections that were noticed."),
    METRIC("lane_jobs", GAUGE, LANE, U64, lane[0].queued, "Jobs queued now."),
    METRIC("lane_bytes", GAUGE, LANE, U64, lane[0].queued_bytes, "Bytes of rows queued now."),
    METRIC("lane_oldest_seconds", GAUGE, LANE, US, lane[0].oldest_us, "Age of the oldest job."),
    METRIC("lane_dropped_total", COUNTER, LANE, U64, lane[0].dropped,
           "Jobs dropped because the lane was full."),
    METRIC("lane_rejected_total", COUNTER, LANE, U64, lane[0].rejected,
           "Jobs refused because the lane was full."),
    METRIC("commit_seconds", HISTOGRAM, DATABASE, TIMES, commit, "Duration of commits."),
    METRIC("fsync_seconds", HISTOGRAM, DATABASE, TIMES, fsync, "Duration of syncs to the disk."),
    METRIC("checkpoint_seconds", HISTOGRAM, DATABASE, TIMES, checkpoint,
           "Duration of checkpoints."),
    METRIC("group_jobs", HISTOGRAM, DATABASE, SIZES, group_jobs, "Jobs in a group."),
    METRIC("job_wait_seconds", HISTOGRAM, DATABASE, TIMES, job_wait,
           "Time from handing a job in to its acknowledgement."),
    METRIC("reader_wait_seconds", HISTOGRAM, LABEL, TIMES, label[0].wait,
           "Time a borrower waited for a reader."),
    METRIC("reader_hold_seconds", HISTOGRAM, LABEL, TIMES, label[0].hold,
           "Time a borrower kept a reader."),
    METRIC("wal_frames", GAUGE, DATABASE, I64, wal_frames, "Frames in the write-ahead log."),
    METRIC("wal_bytes", GAUGE, DATABASE, I64, wal_bytes, "Size of the write-ahead log."),
    METRIC("wal_max_bytes", GAUGE, DATABASE, I64, wal_bytes_max,
           "Largest size of the write-ahead log so far."),
    METRIC("snapshot_oldest_seconds", GAUGE, DATABASE, US, snapshot_oldest_us,
           "Age of the oldest snapshot that a reader holds."),
    METRIC("snapshots_taken_total", COUNTER, DATABASE, U64, snapshots_taken,
           "Snapshots taken back from readers."),
    METRIC("canaries_total", COUNTER, DATABASE, U64, canaries,
           "Commits that were looked for, and found, by a reader."),
    METRIC("readers", GAUGE, DATABASE, INT, readers_total, "Reading connections."),
    METRIC("readers_lent", GAUGE, DATABASE, INT, readers_lent, "Reading connections lent now."),
    METRIC("readers_waited_for", GAUGE, DATABASE, INT, readers_waited_for,
           "Borrowers waiting for a reader now."),
    METRIC("reads_queued", GAUGE, DATABASE, U64, reads_queued, "Reads queued for the executor."),
    METRIC("executor_running", GAUGE, DATABASE, U64, executor_running,
           "Executor threads that run a read now."),
    METRIC("descriptors_needed", GAUGE, DATABASE, INT, descriptors_needed,
           "File descriptors the database may use at once."),
    METRIC("cache_hits_total", COUNTER, DATABASE, U64, cache_hit,
           "Pages found in the caches of the connections."),
    METRIC("cache_misses_total", COUNTER, DATABASE, U64, cache_miss,
           "Pages read because no cache held them."),
    METRIC("statements_prepared_total", COUNTER, DATABASE, U64, statements_prepared,
           "Statements prepared because the cache did not hold them."),
    METRIC("commit_seq", GAUGE, DATABASE, I64, commit_seq, "Number of the newest commit."),
    METRIC("holding", GAUGE, DATABASE, BOOL, holding, "1 while writing waits for disk space."),
    METRIC("poisoned", GAUGE, DATABASE, BOOL, poisoned, "1 when writing has stopped for good."),
};
const size_t ow_metric_count = ARRAY_LEN(ow_metric_table);

static const char *const type_names[] = {
    [OW_COUNTER] = "counter", [OW_GAUGE] = "gauge", [OW_HISTOGRAM] = "histogram"};

static const char *const lane_names[OW_LANES] = {"urgent", "normal", "bulk"};

/* The text so far; length counts also what did not fit. */
struct page {
    char *text;
    size_t size, length;
    const char *labels; /* the caller's; "" = none */
};

__attribute__((format(printf, 2, 3))) static void add(struct page *page, const char *format, ...)
{
    va_list args;
    bool fits = page->length < page->size;
    va_start(args, format);
    int n = vsnprintf(fits ? page->text + page->length : NULL, fits ? page->size - page->length : 0,
                      format, args);
    va_end(args);
    page->length += n > 0 ? (size_t)n : 0;
}

static void add_escaped(struct page *page, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            add(page, "\\n");
        else
            add(page, *value == '\\' || *value == '"' ? "\\%c" : "%c", *value);
    }
}

static void add_seconds(struct page *page, uint64_t us)
{
    add(page, "%llu.%06llu", (unsigned long long)(us / 1000000),
        (unsigned long long)(us % 1000000));
}

static void add_value(struct page *page, const struct ow_metric *metric, const char *at)
{
    switch (metric->field) {
    case OW_IN_U64:
        add(page, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
        break;
    case OW_IN_I64:
        add(page, "%lld", (long long)*(const int64_t *)(const void *)at);
        break;
    case OW_IN_INT:
        add(page, "%d", *(const int *)(const void *)at);
        break;
    case OW_IN_BOOL:
        add(page, "%d", *(const bool *)(const void *)at);
        break;
    case OW_IN_US: {
        int64_t us = *(const int64_t *)(const void *)at;
        add_seconds(page, us > 0 ? (uint64_t)us : 0);
        break;
    }
    case OW_IN_TIMES:
    case OW_IN_SIZES:
        break; /* not one value: see add_histogram */
    }
}

/* One line, or one histogram. */
struct series {
    const struct ow_metric *metric;
    const char *key, *value; /* the label of the set; key NULL = none */
};

/* The caller's labels and the set's, without braces. True when there are any. */
static bool add_labels(struct page *page, const struct series *series)
{
    add(page, "%s", page->labels);
    if (series->key) {
        add(page, "%s%s=\"", *page->labels ? "," : "", series->key);
        add_escaped(page, series->value);
        add(page, "\"");
    }
    return *page->labels || series->key;
}

static void add_name(struct page *page, const struct series *series, const char *suffix)
{
    bool labelled = *page->labels || series->key;
    add(page, "%s%s%s", series->metric->name, suffix, labelled ? "{" : "");
    add_labels(page, series);
    add(page, labelled ? "} " : " ");
}

/* A bucket of times ends below 2^i microseconds. One of sizes, which are whole numbers, ends with
 * 2^i - 1. */
static void add_bucket(struct page *page, const struct series *series, int bucket, uint64_t count)
{
    add(page, "%s_bucket{", series->metric->name);
    add(page, "%sle=\"", add_labels(page, series) ? "," : "");
    if (bucket == OW_BUCKETS - 1)
        add(page, "+Inf");
    else if (series->metric->field == OW_IN_SIZES)
        add(page, "%llu", (1ULL << bucket) - 1);
    else
        add_seconds(page, 1ULL << bucket);
    add(page, "\"} %llu\n", (unsigned long long)count);
}

static void add_histogram(struct page *page, const struct series *series,
                          const struct ow_histogram *h)
{
    uint64_t count = 0;
    for (int i = 0; i < OW_BUCKETS; i++) {
        count += h->bucket[i];
        add_bucket(page, series, i, count);
    }
    add_name(page, series, "_sum");
    if (series->metric->field == OW_IN_SIZES)
        add(page, "%llu", (unsigned long long)h->sum_us);
    else
        add_seconds(page, h->sum_us);
    add(page, "\n");
    add_name(page, series, "_count");
    add(page, "%llu\n", (unsigned long long)count);
}

static void add_series(struct page *page, const struct series *series, const char *at)
{
    if (series->metric->type == OW_HISTOGRAM) {
        add_histogram(page, series, (const struct ow_histogram *)(const void *)at);
        return;
    }
    add_name(page, series, "");
    add_value(page, series->metric, at);
    add(page, "\n");
}

static void add_codes(struct page *page, struct series *series, const struct ow_metrics *metrics)
{
    for (int i = 0; i < OW_RETRY_CODES; i++) {
        const struct ow_retry_metrics *line = &metrics->retries_by_code[i];
        char number[16];
        if (!line->sqlite_code)
            continue;
        series->value = ow_code_name(line->sqlite_code);
        if (series->value[7] == '?') { /* unknown to this build: several may be */
            snprintf(number, sizeof(number), "%d", line->sqlite_code);
            series->value = number;
        }
        add_series(page, series, (const char *)&line->count);
    }
}

static void add_metric(struct page *page, const struct ow_metric *metric,
                       const struct ow_metrics *metrics)
{
    const char *at = (const char *)metrics + metric->offset;
    struct series series = {.metric = metric};
    add(page, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
        type_names[metric->type]);
    switch (metric->set) {
    case OW_EACH_DATABASE:
        add_series(page, &series, at);
        break;
    case OW_EACH_LANE:
        series.key = "lane";
        for (int i = 0; i < OW_LANES; i++) {
            series.value = lane_names[i];
            add_series(page, &series, at + (size_t)i * sizeof(struct ow_lane_metrics));
        }
        break;
    case OW_EACH_LABEL:
        series.key = "label";
        for (int i = 0; i < OW_LABELS; i++) {
            series.value = metrics->label[i].label;
            if (series.value)
                add_series(page, &series, at + (size_t)i * sizeof(struct ow_label_metrics));
        }
        break;
    case OW_EACH_CODE:
        series.key = "code";
        add_codes(page, &series, metrics);
        break;
    }
}

size_t ow_prometheus_write(const struct ow_metrics *metrics, const char *labels, char *text,
                           size_t size)
{
    struct page page = {.text = text, .size = size, .labels = labels ? labels : ""};
    if (size)
        text[0] = '\0';
    for (size_t i = 0; i < ow_metric_count; i++)
        add_metric(&page, &ow_metric_table[i], metrics);
    return page.length;
}

size_t ow_metrics_text(struct ow *db, const char *labels, char *text, size_t size)
{
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    return ow_prometheus_write(&metrics, labels, text, size);
}
