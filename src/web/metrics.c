/* /metrics: Prometheus text exposition. One table of the program's own figures; docs/operations.md
 * is checked against it. Transfers per node are counters that go on from what the store holds, so a
 * restart is no counter reset. */
#include "web/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct figures {
    struct web *web;
    struct store_health health;
    struct store_node *nodes;
    size_t node_count;
};

enum metric_type { GAUGE, COUNTER };

/* The program's own figures, in the order they are printed. */
#define OWN_METRICS(X)                                                                             \
    X("nodewatch_database_bytes", GAUGE, "Size of the database file.", f->health.db_bytes)         \
    X("nodewatch_wal_bytes", GAUGE, "Size of the write-ahead log.", f->health.wal_bytes)           \
    X("nodewatch_commits_total", COUNTER, "Committed groups since the database was made.",         \
      f->health.commit_seq)                                                                        \
    X("nodewatch_write_jobs_total", COUNTER, "Committed write jobs since start.",                  \
      f->health.jobs_committed)                                                                    \
    X("nodewatch_write_jobs_failed_total", COUNTER, "Write jobs that were undone since start.",    \
      f->health.jobs_failed)                                                                       \
    X("nodewatch_write_queue_jobs", GAUGE, "Write jobs waiting.", f->health.queue_jobs)            \
    X("nodewatch_write_queue_oldest_seconds", GAUGE, "Age of the oldest waiting write job.",       \
      (double)f->health.queue_oldest_us / 1e6)                                                     \
    X("nodewatch_commit_seconds_total", COUNTER, "Time spent in COMMIT since start.",              \
      (double)f->health.commit_us_total / 1e6)                                                     \
    X("nodewatch_commit_seconds_max", GAUGE, "Longest COMMIT since start.",                        \
      (double)f->health.commit_us_max / 1e6)                                                       \
    X("nodewatch_checkpoints_total", COUNTER, "WAL checkpoints since start.",                      \
      f->health.checkpoints)                                                                       \
    X("nodewatch_checkpoint_seconds_total", COUNTER, "Time spent in checkpoints since start.",     \
      (double)f->health.checkpoint_us_total / 1e6)                                                 \
    X("nodewatch_lock_retries_total", COUNTER, "Operations repeated because of a lock.",           \
      f->health.retries)                                                                           \
    X("nodewatch_foreign_commits_total", COUNTER, "Commits by other processes noticed.",           \
      f->health.foreign_commits)                                                                   \
    X("nodewatch_reads_total", COUNTER, "Reads of the database since start.", f->health.reads)     \
    X("nodewatch_read_wait_seconds_total", COUNTER, "Time reads waited for a connection.",         \
      (double)f->health.reader_wait_us_total / 1e6)                                                \
    X("nodewatch_store_up", GAUGE, "1 while the database takes writes.",                           \
      !f->health.poisoned && !f->health.holding)                                                   \
    X("nodewatch_http_requests_total", COUNTER, "HTTP requests since start.", f->web->requests)    \
    X("nodewatch_http_refused_total", COUNTER, "HTTP requests refused by the guard.",              \
      f->web->refused)                                                                             \
    X("nodewatch_stream_clients", GAUGE, "Open live streams.", live_client_count(f->web->live))    \
    X("nodewatch_start_time_seconds", GAUGE, "Unix time of the program's start.",                  \
      (double)f->web->started_unix_ms / 1000)

static void add_head(struct buf *out, const char *name, enum metric_type type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
               type == GAUGE ? "gauge" : "counter");
}

static void add_own(struct buf *out, const struct figures *f)
{
#define PRINT(name, type, help, value)                                                             \
    add_head(out, name, type, help);                                                               \
    buf_printf(out, "%s %.15g\n", name, (double)(value));
    OWN_METRICS(PRINT)
#undef PRINT
}

/* A label value: backslash, quote and line feed are escaped (exposition format). */
static void add_label(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_printf(out, "\\%c", *text);
        else if (*text == '\n')
            buf_add_text(out, "\\n");
        else
            buf_add(out, text, 1);
    }
}

static void add_node_figure(struct buf *out, const struct figures *f, const char *name,
                            enum metric_type type, const char *help,
                            double (*value)(const struct figures *, const struct store_node *))
{
    add_head(out, name, type, help);
    for (size_t i = 0; i < f->node_count; i++) {
        double v = value(f, &f->nodes[i]);
        if (v < 0)
            continue; /* unknown: no sample, rather than a false 0 */
        buf_printf(out, "%s{node=\"", name);
        add_label(out, f->nodes[i].name);
        buf_printf(out, "\"} %.15g\n", v);
    }
}

static double lines_of(const struct figures *f, const struct store_node *n)
{
    (void)f;
    return (double)n->lines;
}

static double unparsed_of(const struct figures *f, const struct store_node *n)
{
    (void)f;
    return (double)n->unparsed;
}

static double last_event_of(const struct figures *f, const struct store_node *n)
{
    (void)f;
    return n->last_event_unix_ms == EVENT_NO_TIME ? -1 : (double)n->last_event_unix_ms / 1000;
}

static double backlog_of(const struct figures *f, const struct store_node *n)
{
    const struct web_options *o = &f->web->options;
    return o->log_status && web_node_find(f->web, n->id)
               ? (double)o->log_status(o->log_status_ctx, n->id).backlog_bytes
               : -1;
}

/* ---- Transfers by node, action and outcome -------------------------------------------------- */

struct transfer_lines {
    const struct figures *figures;
    struct buf *count, *bytes;
};

static void add_labels(struct buf *out, const struct figures *f, const struct store_outcome *sum)
{
    const char *node = "";
    for (size_t i = 0; i < f->node_count; i++) {
        if (f->nodes[i].id == sum->node_id)
            node = f->nodes[i].name;
    }
    buf_add_text(out, "{node=\"");
    add_label(out, node);
    buf_printf(out, "\",action=\"%s\",outcome=\"%s\"} ", action_name(sum->action),
               outcome_name(sum->outcome));
}

static void add_transfer(void *ctx, const struct store_outcome *sum)
{
    struct transfer_lines *t = ctx;
    buf_add_text(t->count, "nodewatch_transfers_total");
    add_labels(t->count, t->figures, sum);
    buf_printf(t->count, "%" PRIu64 "\n", sum->count);
    buf_add_text(t->bytes, "nodewatch_transfer_bytes_total");
    add_labels(t->bytes, t->figures, sum);
    buf_printf(t->bytes, "%" PRIu64 "\n", sum->bytes);
}

static int add_transfers(struct buf *out, const struct figures *f, struct err *err)
{
    CLEANUP(buf_fini) struct buf count = {0};
    CLEANUP(buf_fini) struct buf bytes = {0};
    struct transfer_lines lines = {f, &count, &bytes};
    struct store_range ever = {.from_unix_s = 0, .to_unix_s = INT64_MAX / 1000};
    int rc = store_outcomes(f->web->options.store, BATCH_DAY, &ever, add_transfer, &lines, err);
    if (rc)
        return rc;
    add_head(out, "nodewatch_transfers_total", COUNTER, "Ended transfers by outcome.");
    buf_add(out, count.data ? count.data : "", count.len);
    add_head(out, "nodewatch_transfer_bytes_total", COUNTER, "Bytes named by ended transfers.");
    buf_add(out, bytes.data ? bytes.data : "", bytes.len);
    out->failed |= count.failed || bytes.failed;
    return 0;
}

/* The database layer's own. Its text grows with the labels of its borrowers, so it may be longer
 * when it is written than when it was measured: then once more. */
static void add_database(struct buf *out, struct store *store)
{
    size_t length = store_database_metrics(store, NULL, 0), size;
    do {
        size = length + 1024;
        char *at = buf_reserve(out, size);
        if (!at)
            return;
        length = store_database_metrics(store, at, size);
    } while (length >= size);
    out->len += length;
    out->data[out->len] = '\0';
}

void answer_metrics(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    (void)query;
    struct figures f = {.web = web};
    struct err err;
    store_health(web->options.store, &f.health);
    if (store_nodes(web->options.store, &f.nodes, &f.node_count, &err)) {
        reply_error(request, 503, "%s", err.text);
        return;
    }
    CLEANUP(buf_fini) struct buf out = {0};
    buf_printf(&out,
               "# HELP nodewatch_build_info The program's version.\n"
               "# TYPE nodewatch_build_info gauge\n"
               "nodewatch_build_info{version=\"%s\",sqlite=\"%s\"} 1\n",
               web->options.version, f.health.sqlite_version);
    add_own(&out, &f);
    add_node_figure(&out, &f, "nodewatch_log_lines_total", COUNTER, "Lines read.", lines_of);
    add_node_figure(&out, &f, "nodewatch_log_unparsed_lines_total", COUNTER,
                    "Lines that are not node lines.", unparsed_of);
    add_node_figure(&out, &f, "nodewatch_log_last_event_timestamp_seconds", GAUGE,
                    "Unix time of the newest line.", last_event_of);
    add_node_figure(&out, &f, "nodewatch_log_backlog_bytes", GAUGE,
                    "Bytes of the log not yet committed.", backlog_of);
    add_database(&out, web->options.store);
    int rc = add_transfers(&out, &f, &err);
    store_nodes_free(f.nodes, f.node_count);
    if (rc)
        reply_error(request, 503, "%s", err.text);
    else if (out.failed)
        reply_error(request, 503, "no memory for this answer");
    else
        reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", out.data);
}
