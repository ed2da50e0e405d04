/* The history: every SQL statement of the program is behind this header. One implementation today
 * (store/sqlite); a second one implements the same functions.
 *
 * Threads: all functions may be called from any thread. Reads never wait for writes. Every function
 * returns 0 or an enum err_code and fills *err. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/batch.h"
#include "node/event.h"
#include "node/source.h"

struct store;

/* What the database layer tells while it works; level 'I', 'W' or 'E', text is lent. Called from
 * any thread; must not call back into the store. */
typedef void store_log_fn(void *ctx, char level, const char *text);

struct store_options {
    const char *path;
    bool read_only; /* for a second process that only looks: no writer, file must exist */
    /* Settings of the `db:` section; 0 means the default of onewriter.h. */
    int profile, thread_pool_size, connection_pool_size, connection_timeout_ms, max_retries,
        retry_base_delay_ms, retry_max_delay_ms;
    bool synchronous_full;
    store_log_fn *log; /* may be NULL */
    void *log_ctx;
};

/* Opens and migrates to the newest schema. A second writing process is refused. */
int store_open(const struct store_options *options, struct store **out, struct err *err);
/* Drains what was handed in (at most timeout_ms), then closes. NULL is allowed. */
int store_close(struct store *store, int timeout_ms, struct err *err);

/* ---- Nodes and sources -------------------------------------------------------------------- */

struct store_node {
    int64_t id;
    char *name, *log;           /* log: path as configured, "" when none */
    int64_t last_event_unix_ms; /* EVENT_NO_TIME before the first */
    uint64_t lines, transfers, twins, unparsed, cut_lines, nul_bytes; /* over all its sources */
};

/* Finds or makes a node; log may be NULL (unchanged). */
int store_node_ensure(struct store *store, const char *name, const char *log, int64_t *id,
                      struct err *err);
/* All nodes by name. Free with store_nodes_free. */
int store_nodes(struct store *store, struct store_node **out, size_t *count, struct err *err);
void store_nodes_free(struct store_node *nodes, size_t count);

/* The functions of ingest/sink.h; their contract is written there. */
int store_sources(struct store *store, int64_t node_id, struct source **out, size_t *count,
                  struct err *err);
int store_source_add(struct store *store, int64_t node_id, const char *name, struct source *source,
                     struct err *err);
int store_batch_submit(struct store *store, struct batch *batch, void **ticket, struct err *err);
int store_batch_wait(struct store *store, void *ticket, int timeout_ms, struct err *err);

/* ---- Reading ------------------------------------------------------------------------------ */

/* Half-open time range [from, to) and nodes. node_count 0 means all nodes. */
struct store_range {
    int64_t from_unix_s, to_unix_s;
    const int64_t *node_ids;
    size_t node_count;
};

/* One ended transfer, as it is exported. Texts are lent for the call; "" = unknown. */
struct store_transfer {
    int64_t at_unix_ms;
    const char *node, *satellite, *action, *outcome, *piece, *remote, *error;
    int64_t size_bytes, duration_ms; /* EVENT_NO_NUMBER when unknown */
};
/* Return non-zero to stop; the walk then returns ERR_CANCELLED. */
typedef int store_transfer_fn(void *ctx, const struct store_transfer *transfer);
/* In order of their second; lines of one second in the order they were read. from/to in ms. */
int store_transfers(struct store *store, int64_t from_unix_ms, int64_t to_unix_ms,
                    int64_t node_id /* 0 = all */, store_transfer_fn *fn, void *ctx,
                    struct err *err);

/* Sums of the rollups over a range. step picks the table; the range is widened to whole steps. */
struct store_outcome {
    int64_t node_id;
    enum action action;
    enum outcome outcome;
    uint64_t count, bytes;
    int64_t oldest_unix_s; /* start of the oldest step that has one */
};
typedef void store_outcome_fn(void *ctx, const struct store_outcome *sum);
int store_outcomes(struct store *store, enum batch_step step, const struct store_range *range,
                   store_outcome_fn *fn, void *ctx, struct err *err);

/* Completed transfers per bucket of bucket_s seconds (a multiple of the step). */
struct store_point {
    int64_t at_unix_s;
    enum action action;
    uint64_t count, bytes;
};
typedef void store_point_fn(void *ctx, const struct store_point *point);
int store_series(struct store *store, enum batch_step step, const struct store_range *range,
                 int bucket_s, store_point_fn *fn, void *ctx, struct err *err);

/* Buckets in which any line of these nodes was read (a gap is where none was). step is
 * BATCH_MINUTE or BATCH_HOUR. */
typedef void store_alive_fn(void *ctx, int64_t at_unix_s);
int store_alive(struct store *store, enum batch_step step, const struct store_range *range,
                int bucket_s, store_alive_fn *fn, void *ctx, struct err *err);

/* Lines by node, kind and level over a range. step is BATCH_MINUTE or BATCH_HOUR. */
struct store_line_count {
    int64_t node_id;
    enum event_kind kind;
    enum level level;
    uint64_t count;
    int64_t newest_unix_s; /* start of the newest step that has one */
};
typedef void store_line_count_fn(void *ctx, const struct store_line_count *count);
int store_line_counts(struct store *store, enum batch_step step, const struct store_range *range,
                      store_line_count_fn *fn, void *ctx, struct err *err);

/* Newest notable lines of the given kinds, newest first, at most `max`. Texts are lent. */
struct store_note {
    int64_t at_unix_ms, node_id;
    enum event_kind kind;
    enum level level;
    const char *logger, *message, *detail;
};
typedef void store_note_fn(void *ctx, const struct store_note *note);
int store_notes(struct store *store, const struct store_range *range, uint64_t kinds_mask,
                size_t max, store_note_fn *fn, void *ctx, struct err *err);

/* ---- Health ------------------------------------------------------------------------------- */

struct store_health {
    int64_t db_bytes, wal_bytes, commit_seq;
    uint64_t queue_jobs, groups, jobs_committed, jobs_failed, retries, foreign_commits, checkpoints;
    uint64_t commit_us_total, commit_us_max, checkpoint_us_total, reads, reader_wait_us_total;
    int64_t queue_oldest_us;
    bool holding, poisoned;
    const char *sqlite_version; /* static */
};
void store_health(struct store *store, struct store_health *out);

/* What the database layer counts, as Prometheus text (names ow_*). Returns the length of the whole
 * text as snprintf does; writes at most size bytes with a NUL. */
size_t store_database_metrics(struct store *store, char *text, size_t size);

#endif
