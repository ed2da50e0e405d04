/* onewriter: many threads share one SQLite database; ONE of them writes.
 *
 *     struct ow_options options;
 *     ow_options_init(&options, "history.db");
 *     struct ow *db;
 *     struct ow_err err;
 *     if (ow_open(&options, &db, &err))
 *         die("%s", err.text);
 *     ow_write(db, OW_LANE_NORMAL, insert_row, &row, 5000, &err);     any thread: waits for COMMIT
 *
 *     struct ow_conn *reader;
 *     ow_reader_acquire(db, "list rows", 1000, &reader, &err);        any thread
 *     sqlite3_stmt *stmt;
 *     ow_prepare(reader, "SELECT ...", &stmt, &err);                  cached per connection
 *     while (sqlite3_step(stmt) == SQLITE_ROW) ...
 *     ow_reader_release(reader);
 *     ow_close(db, 5000, &report, &err);
 *
 * The contract:
 *   - One thread owns the only connection that writes, and only it checkpoints. Readers are
 *     read-only connections whose authorizer refuses writes, ATTACH, checkpoints and mode changes.
 *   - Jobs run in groups: BEGIN IMMEDIATE, a SAVEPOINT per job, the commit sequence, COMMIT. A
 *     failing job is rolled back alone. A job's success is reported only after COMMIT returned OK.
 *   - Every wait has a deadline. FIFO inside a lane; lanes are served by weight, none starves.
 *   - Retry is decided by result code, in one place (ow_code_class).
 *   - Nothing is hidden: errors carry SQLite's extended code and the errno; ow_metrics_read tells
 * the rest.
 *
 * Threads: every function may be called from any thread unless it says otherwise. A job function
 * runs on the writer thread and must not call ow_write/ow_submit/ow_wait/ow_reader_acquire of the
 * same database (it is told so: OW_BUG). A lent connection belongs to the thread that acquired it.
 */
#ifndef ONEWRITER_H
#define ONEWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OW_API __attribute__((visibility("default")))
#else
#define OW_API
#endif

struct ow;      /* one database, shared by all threads */
struct ow_conn; /* a connection: the writer's inside a job, or a lent reader */

/* What a call came to. Stable numbers. */
enum ow_code {
    OW_OK = 0,
    OW_CALLER = 1,     /* the statement or its values are wrong: constraint, syntax, type */
    OW_TIMEOUT = 2,    /* the deadline passed; see the function for what is known */
    OW_QUEUE_FULL = 3, /* the lane stayed full until the deadline */
    OW_CANCELLED = 4,
    OW_DISK_FULL = 5,
    OW_RESOURCE = 6, /* memory or descriptors ran out; may work later */
    OW_CONFIG = 7,   /* path, rights, settings: an operator must change something */
    OW_IO = 8,
    OW_CORRUPT = 9,  /* the file is damaged or no database; nothing was changed */
    OW_UNKNOWN = 10, /* a COMMIT's outcome could not be learnt */
    OW_CLOSED = 11,
    OW_BUG = 12, /* this library or its caller is wrong */
};

struct ow_err {
    enum ow_code code;
    int sqlite_code; /* extended result code, 0 when none */
    int sys_errno;   /* 0 when none */
    char text[320];  /* what failed, why, and what to do */
};

/* ---- Result codes ---------------------------------------------------------------------------- */

enum ow_class {
    OW_CLASS_OK,
    OW_CLASS_BACK_OFF,  /* somebody holds the lock; nothing was applied: same step again */
    OW_CLASS_REDO,      /* roll back and redo the whole transaction */
    OW_CLASS_RESOURCE,  /* memory, descriptors: again after relief */
    OW_CLASS_CONFIG,    /* path, rights: never again by itself */
    OW_CLASS_HOLD,      /* disk full: keep the work, wait for space */
    OW_CLASS_POISON,    /* corruption, failed fsync, replaced file: stop and keep the files */
    OW_CLASS_CALLER,    /* the caller's statement */
    OW_CLASS_CANCELLED, /* interrupted */
    OW_CLASS_CONN,      /* this connection is bad: discard it */
    OW_CLASS_BUG,
};

/* Class of an extended result code. CANTOPEN and IOERR are decided by sys_errno (0 = unknown). */
OW_API enum ow_class ow_code_class(int sqlite_code, int sys_errno);
/* "SQLITE_BUSY_SNAPSHOT"; static storage, "SQLITE_?" for a code unknown to this build. */
OW_API const char *ow_code_name(int sqlite_code);
/* True when the linked SQLite carries the fix of the WAL-reset bug (3.51.3, 3.50.7, 3.44.6 ...). */
OW_API bool ow_sqlite_is_wal_reset_safe(int libversion_number);

/* ---- Opening --------------------------------------------------------------------------------- */

enum ow_lane { OW_LANE_URGENT = 0, OW_LANE_NORMAL = 1, OW_LANE_BULK = 2, OW_LANES = 3 };

enum ow_event_kind {
    OW_EVENT_POOL_OPENED,   /* a: connections */
    OW_EVENT_RETRY,         /* a: attempt, b: of, delay_ms; text: SQLite's message */
    OW_EVENT_GAVE_UP,       /* a: attempts; text: SQLite's message */
    OW_EVENT_CHECKPOINT,    /* a: frames in the WAL, b: moved */
    OW_EVENT_FOREIGN_WRITE, /* another process committed to this database */
    OW_EVENT_HOLD,          /* disk full: writing waits */
    OW_EVENT_RESUMED,
    OW_EVENT_POISONED, /* writing stopped for good; text says why and what to do */
};

struct ow_event {
    enum ow_event_kind kind;
    int64_t a, b;
    double delay_ms;
    const char *text; /* lent for the call */
};

struct ow_options {
    uint32_t struct_size; /* set by ow_options_init: lets the library grow this struct */
    const char *path;
    bool create;         /* true: make the file when missing */
    bool read_only;      /* readers only: no writer thread, ow_submit answers OW_CONFIG; the file
                            must exist. For a second process that only looks. */
    int busy_timeout_ms; /* 30000: how long a foreign lock is waited for */
    int max_attempts;    /* 3 */
    int retry_base_delay_ms;          /* 500 */
    int retry_max_delay_ms;           /* 5000 */
    int readers;                      /* 5 */
    int64_t cache_bytes;              /* 64 MB for all connections together: half to the writer */
    int64_t mmap_bytes;               /* 0; refused unless the linked SQLite is WAL-reset safe */
    bool synchronous_full;            /* false = NORMAL: a power cut may take the last commits */
    int group_max_jobs;               /* 1024 jobs in one transaction at most */
    int group_max_ms;                 /* 50: a group takes no further job after that */
    uint32_t lane_max_jobs;           /* 1024 per lane */
    int wal_soft_frames;              /* 1000: checkpoint when idle */
    int wal_hard_frames;              /* 16384: checkpoint in any case */
    int64_t journal_size_limit_bytes; /* 64 MB */
    int page_size;                    /* 0 = SQLite's own; only for a new file */
    /* Told what happens; called from any thread of the library, must not call back. May be NULL. */
    void (*observer)(void *ctx, const struct ow_event *event);
    void *observer_ctx;
};

OW_API void ow_options_init(struct ow_options *options, const char *path);

/* Opens, tunes (each PRAGMA is read back) and starts the writer thread. The path is copied. */
OW_API int ow_open(const struct ow_options *options, struct ow **out, struct ow_err *err);

struct ow_report {
    uint64_t jobs_drained;   /* committed during the close */
    uint64_t jobs_abandoned; /* answered OW_CLOSED because the deadline passed */
    int leaked_readers;      /* still lent out */
    bool checkpointed;       /* the WAL was emptied */
};

/* Stops intake, drains, checkpoints (TRUNCATE), closes readers, then the writer. Returns OW_TIMEOUT
 * when the deadline cut the drain short (report says what was abandoned); the handle is gone in
 * every case but leaked readers (OW_BUG: release them and call again). NULL db is allowed. */
OW_API int ow_close(struct ow *db, int timeout_ms, struct ow_report *report, struct ow_err *err);

/* ---- Writing --------------------------------------------------------------------------------- */

/* A job. Runs on the writer thread inside a transaction, under a savepoint of its own; returns 0 to
 * keep its changes, else an enum ow_code to undo them. It may run more than once (after a lost lock
 * or when an innocent job is redone), so it changes nothing but the database and what it resets
 * itself. Report SQLite's failures with ow_conn_fail. */
typedef int ow_job_fn(struct ow_conn *conn, void *ctx, struct ow_err *err);

/* Where a job stands; the caller keeps it until ow_wait returned. Zero-initialise. */
struct ow_ticket {
    struct ow_job *job;
};

/* Hands a job in. ctx is lent until ow_wait returns. Waits at most timeout_ms for a place in the
 * lane: OW_QUEUE_FULL then, and nothing was handed in. */
OW_API int ow_submit(struct ow *db, enum ow_lane lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                     struct ow_ticket *ticket, struct ow_err *err);

/* Waits until the job's transaction was committed or undone. Returns the job's result, or
 * OW_TIMEOUT: the job is then still in the queue or running, the ticket stays valid, wait again.
 * commit_seq (may be NULL) receives the number of the commit. */
OW_API int ow_wait(struct ow *db, struct ow_ticket *ticket, int timeout_ms, int64_t *commit_seq,
                   struct ow_err *err);

/* Submit and wait in one. When the deadline passes while the job is still queued it is withdrawn
 * (OW_TIMEOUT, nothing was applied); when it is already running its end is awaited. */
OW_API int ow_write(struct ow *db, enum ow_lane lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                    struct ow_err *err);

/* Number of the newest committed group; survives restarts (stored in table ow_commit). */
OW_API int64_t ow_commit_seq(struct ow *db);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Lends a read-only connection, first come first served. label (static storage) names the borrower
 * in metrics. run_ms limits how long statements on it may run in all (0 = no limit): past that they
 * end with SQLITE_INTERRUPT. */
OW_API int ow_reader_acquire(struct ow *db, const char *label, int timeout_ms, int run_ms,
                             struct ow_conn **out, struct ow_err *err);
/* Gives it back: running statements are reset, an open transaction is rolled back. NULL is allowed.
 */
OW_API void ow_reader_release(struct ow_conn *conn);

/* ---- Connections and statements (writer inside a job, or lent reader) -------------------------
 */

OW_API sqlite3 *ow_conn_handle(struct ow_conn *conn);
/* Prepares or finds in the connection's cache. The statement is reset and its bindings cleared; it
 * belongs to the connection: reset it when done, never finalize it. sql is compared by content. */
OW_API int ow_prepare(struct ow_conn *conn, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err);
/* Runs statements without results. */
OW_API int ow_exec(struct ow_conn *conn, const char *sql, struct ow_err *err);
/* Fills *err from the connection's last error (what: "inserting events") and returns its code. */
OW_API int ow_conn_fail(struct ow_conn *conn, const char *what, struct ow_err *err);

/* ---- Migrations ------------------------------------------------------------------------------ */

struct ow_migration {
    int number;      /* 1, 2, 3 ... */
    const char *sql; /* run in one transaction with the number's record */
};

/* Brings the database to the last of `count` steps (PRAGMA user_version holds the number).
 * OW_CONFIG when the database is newer than the program. */
OW_API int ow_migrate(struct ow *db, const struct ow_migration *steps, size_t count,
                      struct ow_err *err);

/* ---- Sight ----------------------------------------------------------------------------------- */

struct ow_metrics {
    uint64_t jobs_submitted, jobs_committed, jobs_failed, jobs_rerun;
    uint64_t groups, retries, gave_up, foreign_commits;
    uint64_t queue_depth[OW_LANES];
    int64_t queue_oldest_us; /* age of the oldest queued job */
    uint64_t commit_us_total, commit_us_max, group_jobs_max;
    uint64_t checkpoints, checkpoint_us_total;
    int64_t wal_frames, wal_bytes;
    uint64_t reads, reader_waits, reader_wait_us_total, reader_wait_us_max;
    int readers_total, readers_lent;
    int64_t commit_seq;
    bool holding, poisoned;
};

/* A consistent-enough copy of the counters; takes no lock that a writer could hold for long. */
OW_API void ow_metrics_read(struct ow *db, struct ow_metrics *out);

#ifdef __cplusplus
}
#endif

#endif
