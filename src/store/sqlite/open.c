/* Opening and closing the history, its nodes and its sources.
 *
 * One nodewatch writes: two would tail the same logs twice. onewriter keeps writers apart only
 * where SQLite needs it, by flock on PATH.lock; this lock is on a byte of the same file, held as
 * long as the store is open for writing. Both are the kernel's, which releases them when the
 * process dies, however it dies, and they do not see each other. */
#include "store/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/sqlite/schema.h"

#define READ_WAIT_MS  10000
#define WRITE_WAIT_MS 30000

int store_fail(struct err *err, const struct ow_err *cause, const char *what)
{
    static const enum err_code codes[] = {
        [OW_CALLER] = ERR_STORE,        [OW_TIMEOUT] = ERR_TIMEOUT, [OW_QUEUE_FULL] = ERR_FULL,
        [OW_CANCELLED] = ERR_CANCELLED, [OW_DISK_FULL] = ERR_FULL,  [OW_RESOURCE] = ERR_STORE,
        [OW_CONFIG] = ERR_USAGE,        [OW_IO] = ERR_STORE,        [OW_CORRUPT] = ERR_STORE,
        [OW_UNKNOWN] = ERR_STORE,       [OW_CLOSED] = ERR_CLOSED,   [OW_BUG] = ERR_BUG,
    };
    enum err_code code = (size_t)cause->code < ARRAY_LEN(codes) ? codes[cause->code] : ERR_BUG;
    err_set(err, code ? code : ERR_BUG, "%s: %s", what, cause->text);
    if (err) {
        err->sqlite_code = cause->sqlite_code;
        err->sys_errno = cause->sys_errno;
    }
    return code ? code : ERR_BUG;
}

/* What concerns the file itself names it; the rest is told in the library's words. */
static void observe(void *ctx, const struct ow_event *event)
{
    struct store *store = ctx;
    char text[480];
    char level = ow_event_line(event, text, sizeof(text));
    if (level == 'D')
        return; /* figures, no news */
    switch (event->kind) {
    case OW_EVENT_FOREIGN_WRITE:
        snprintf(text, sizeof(text),
                 "Another process wrote to %s. Only nodewatch may write to it: "
                 "stop the other writer.",
                 store->path);
        break;
    case OW_EVENT_HOLD:
        snprintf(text, sizeof(text),
                 "No space for %s: writing waits, nothing is lost. Free some disk "
                 "space. (%s)",
                 store->path, event->text ? event->text : "disk full");
        break;
    case OW_EVENT_RESUMED:
        snprintf(text, sizeof(text), "Writing to %s has resumed", store->path);
        break;
    case OW_EVENT_POISONED:
        snprintf(text, sizeof(text), "Writing to %s has stopped: %s", store->path,
                 event->text ? event->text : "");
        break;
    default:
        break;
    }
    store->log(store->log_ctx, level, text);
}

static int take_lock(struct store *store, struct err *err)
{
    CLEANUP(free_ptr) char *lock = NULL;
    if (asprintf(&lock, "%s.lock", store->path) < 0) {
        lock = NULL;
        return err_set(err, ERR_MEMORY, "no memory to open %s", store->path);
    }
    store->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (store->lock_fd < 0)
        return err_set_errno(err, errno, "cannot open the database %s: its lock file %s",
                             store->path, lock);
    struct flock first = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    if (fcntl(store->lock_fd, F_OFD_SETLK, &first) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return err_set(
            err, ERR_USAGE,
            "another nodewatch process is writing to %s: stop it first, or give this one a "
            "database of its own with --db",
            store->path);
    return err_set_errno(err, errno, "cannot lock %s", lock);
}

static void free_store(struct store *store)
{
    if (!store)
        return;
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    free(store->path);
    free(store);
}

static void free_store_scope(struct store **store)
{
    free_store(*store);
}

static void tune(struct ow_options *to, const struct store_options *from)
{
    to->create = !from->read_only;
    to->read_only = from->read_only;
    if (from->read_only)
        to->snapshot_max_ms = 0; /* an export reads in one statement, for as long as it takes */
    to->synchronous_full = from->synchronous_full;
    ow_options_profile(to, (enum ow_profile)from->profile);
    if (from->thread_pool_size)
        to->thread_pool_size = from->thread_pool_size;
    if (from->connection_pool_size)
        to->readers = from->connection_pool_size;
    if (from->connection_timeout_ms)
        to->busy_timeout_ms = from->connection_timeout_ms;
    if (from->max_retries)
        to->max_attempts = from->max_retries;
    if (from->retry_base_delay_ms)
        to->retry_base_delay_ms = from->retry_base_delay_ms;
    if (from->retry_max_delay_ms)
        to->retry_max_delay_ms = from->retry_max_delay_ms;
}

/* A reading process must not touch the schema, but must not misread a newer or an empty one. */
static int check_version(struct store *store, struct err *err)
{
    struct ow_err cause;
    struct ow_conn *conn;
    if (ow_reader_acquire(store->db,
                          &(struct ow_read){.label = "schema version", .timeout_ms = READ_WAIT_MS},
                          &conn, &cause))
        return store_fail(err, &cause, "reading the schema version");
    sqlite3_stmt *stmt;
    int version = -1;
    int rc = ow_prepare(conn, "PRAGMA user_version", &stmt, &cause);
    if (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    else if (!rc)
        rc = ow_conn_fail(conn, "reading the schema version", &cause);
    ow_reader_release(conn);
    if (rc)
        return store_fail(err, &cause, store->path);
    int known = schema_steps[schema_step_count - 1].number;
    if (version == known)
        return 0;
    return err_set(
        err, ERR_USAGE,
        version == 0 ? "%s is not a nodewatch database (schema version %d, this program "
                       "knows %d)"
        : version > known
            ? "%s was written by a newer nodewatch (schema version %d, this program knows "
              "%d): update this program"
            : "%s was written by an older nodewatch (schema version %d, this program has "
              "%d): start `nodewatch run` once to bring it up to date",
        store->path, version, known);
}

static int adopt_schema(struct store *store, bool read_only, struct err *err)
{
    if (read_only)
        return check_version(store, err);
    struct ow_err cause;
    if (ow_migrate(store->db, schema_steps, schema_step_count, &cause))
        return store_fail(err, &cause, store->path);
    return 0;
}

int store_open(const struct store_options *options, struct store **out, struct err *err)
{
    CLEANUP(free_store_scope) struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return err_set(err, ERR_MEMORY, "no memory to open %s", options->path);
    store->lock_fd = -1;
    store->transfer_sequence.newest_s = store->note_sequence.newest_s = INT64_MIN;
    store->log = options->log;
    store->log_ctx = options->log_ctx;
    store->path = strdup(options->path);
    if (!store->path)
        return err_set(err, ERR_MEMORY, "no memory to open %s", options->path);

    struct stat st;
    if (options->read_only && stat(options->path, &st) != 0)
        return err_set(err, errno == ENOENT ? ERR_USAGE : ERR_IO, "cannot open the database %s: %s",
                       options->path, strerror(errno));
    if (!options->read_only && take_lock(store, err))
        return err ? (int)err->code : ERR_IO;

    struct ow_options tuned;
    ow_options_init(&tuned, options->path);
    tune(&tuned, options);
    tuned.observer = store->log ? observe : NULL;
    tuned.observer_ctx = store;
    struct ow_err cause;
    if (ow_open(&tuned, &store->db, &cause)) {
        store->db = NULL;
        int rc = store_fail(err, &cause, store->path);
        err_prefix(err, "cannot open the database");
        return rc;
    }
    int rc = adopt_schema(store, options->read_only, err);
    if (rc) {
        ow_close(store->db, 1000, NULL, &cause);
        return rc;
    }
    *out = STEAL(store);
    return 0;
}

int store_close(struct store *store, int timeout_ms, struct err *err)
{
    if (!store)
        return 0;
    struct ow_err cause;
    int rc = ow_close(store->db, timeout_ms, NULL, &cause);
    if (rc)
        rc = store_fail(err, &cause, "closing the database");
    free_store(store);
    return rc;
}

int store_read(struct store *store, const struct store_read *read, struct err *err)
{
    struct ow_err cause;
    struct ow_conn *conn;
    if (ow_reader_acquire(store->db,
                          &(struct ow_read){.label = read->label,
                                            .timeout_ms = READ_WAIT_MS,
                                            .run_ms = read->run_ms},
                          &conn, &cause))
        return store_fail(err, &cause, read->label);
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, read->sql, &stmt, &cause);
    if (rc) {
        rc = store_fail(err, &cause, read->label);
        ow_reader_release(conn);
        return rc;
    }
    if (read->bind)
        read->bind(stmt, read->ctx);
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (read->row(stmt, read->ctx)) {
            rc = err_set(err, ERR_CANCELLED, "%s: stopped", read->label);
            break;
        }
    }
    if (!rc && step != SQLITE_DONE) {
        ow_conn_fail(conn, read->label, &cause);
        rc = store_fail(err, &cause, store->path);
    }
    ow_reader_release(conn);
    return rc;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

struct node_job {
    const char *name, *log;
    int64_t id;
};

static int ensure_node(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct node_job *job = ctx;
    sqlite3_stmt *stmt;
    int rc =
        ow_prepare(conn,
                   "INSERT INTO node (name, log, created_unix_ms) VALUES (?1, coalesce(?2, ''), "
                   "?3) ON CONFLICT (name) DO UPDATE SET log = coalesce(?2, log) RETURNING id",
                   &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_text(stmt, 1, job->name, -1, SQLITE_STATIC);
    if (job->log)
        sqlite3_bind_text(stmt, 2, job->log, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, clock_unix_ms());
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return ow_conn_fail(conn, "storing a node", err);
    job->id = sqlite3_column_int64(stmt, 0);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "storing a node", err);
    sqlite3_reset(stmt);
    return 0;
}

int store_node_ensure(struct store *store, const char *name, const char *log, int64_t *id,
                      struct err *err)
{
    struct node_job job = {.name = name, .log = log};
    struct ow_err cause;
    if (ow_write(store->db, OW_LANE_URGENT, ensure_node, &job, WRITE_WAIT_MS, &cause))
        return store_fail(err, &cause, "storing a node");
    *id = job.id;
    return 0;
}

struct node_list {
    struct store_node *nodes;
    size_t count, cap;
    bool failed;
};

static int collect_node(sqlite3_stmt *stmt, void *ctx)
{
    struct node_list *list = ctx;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        struct store_node *more = realloc(list->nodes, cap * sizeof(*more));
        if (!more)
            return list->failed = true;
        list->nodes = more;
        list->cap = cap;
    }
    struct store_node *node = &list->nodes[list->count++];
    *node = (struct store_node){
        .id = sqlite3_column_int64(stmt, 0),
        .name = strdup((const char *)sqlite3_column_text(stmt, 1)),
        .log = strdup((const char *)sqlite3_column_text(stmt, 2)),
        .last_event_unix_ms = sqlite3_column_type(stmt, 3) == SQLITE_NULL
                                  ? EVENT_NO_TIME
                                  : sqlite3_column_int64(stmt, 3),
        .lines = (uint64_t)sqlite3_column_int64(stmt, 4),
        .transfers = (uint64_t)sqlite3_column_int64(stmt, 5),
        .twins = (uint64_t)sqlite3_column_int64(stmt, 6),
        .unparsed = (uint64_t)sqlite3_column_int64(stmt, 7),
        .cut_lines = (uint64_t)sqlite3_column_int64(stmt, 8),
        .nul_bytes = (uint64_t)sqlite3_column_int64(stmt, 9),
    };
    return list->failed = !node->name || !node->log;
}

int store_nodes(struct store *store, struct store_node **out, size_t *count, struct err *err)
{
    struct node_list list = {0};
    struct store_read read = {
        .label = "list nodes",
        .sql = "SELECT n.id, n.name, n.log, n.last_event_unix_ms, coalesce(sum(s.lines), 0),"
               " coalesce(sum(s.transfers), 0), coalesce(sum(s.twins), 0),"
               " coalesce(sum(s.unparsed), 0), coalesce(sum(s.cut_lines), 0),"
               " coalesce(sum(s.nul_bytes), 0)"
               " FROM node n LEFT JOIN source s ON s.node_id = n.id GROUP BY n.id ORDER BY n.name",
        .row = collect_node,
        .ctx = &list,
    };
    int rc = store_read(store, &read, err);
    if (rc) {
        store_nodes_free(list.nodes, list.count);
        return list.failed ? err_set(err, ERR_MEMORY, "no memory for the list of nodes") : rc;
    }
    *out = list.nodes;
    *count = list.count;
    return 0;
}

void store_nodes_free(struct store_node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(nodes[i].name);
        free(nodes[i].log);
    }
    free(nodes);
}

void store_health(struct store *store, struct store_health *out)
{
    struct ow_metrics m;
    ow_metrics_read(store->db, &m);
    *out = (struct store_health){
        .wal_bytes = m.wal_bytes,
        .commit_seq = ow_commit_seq(store->db), /* the metrics count what this process commits */
        .groups = m.groups,
        .jobs_committed = m.jobs_committed,
        .jobs_failed = m.jobs_failed,
        .retries = m.retries,
        .foreign_commits = m.foreign_commits,
        .checkpoints = m.checkpoint.count,
        .commit_us_total = m.commit.sum_us,
        .commit_us_max = m.commit.max_us,
        .checkpoint_us_total = m.checkpoint.sum_us,
        .holding = m.holding,
        .poisoned = m.poisoned,
        .sqlite_version = sqlite3_libversion(),
    };
    for (int lane = 0; lane < OW_LANES; lane++) {
        out->queue_jobs += m.lane[lane].queued;
        if (m.lane[lane].oldest_us > out->queue_oldest_us)
            out->queue_oldest_us = m.lane[lane].oldest_us;
    }
    for (int i = 0; i < OW_LABELS; i++) {
        out->reads += m.label[i].hold.count;
        out->reader_wait_us_total += m.label[i].wait.sum_us;
    }
    /* stat, never open: closing a second descriptor would drop SQLite's locks. */
    struct stat st;
    if (stat(store->path, &st) == 0)
        out->db_bytes = st.st_size;
    char wal[4096];
    int n = snprintf(wal, sizeof(wal), "%s-wal", store->path);
    if (n > 0 && (size_t)n < sizeof(wal) && stat(wal, &st) == 0)
        out->wal_bytes = st.st_size;
}

size_t store_database_metrics(struct store *store, char *text, size_t size)
{
    return ow_metrics_text(store->db, NULL, text, size);
}
