/* onewriter: many threads share one SQLite database; ONE of them writes.
 *
 *     struct ow_options options;
 *     ow_options_init(&options, "notes.db");
 *     struct ow *db;
 *     struct ow_err err;
 *     if (ow_open(&options, &db, &err))
 *         die("%s", err.text);
 *
 *     struct ow_value row[] = {ow_int(7), ow_text("seven")};                    any thread:
 *     ow_write_row(db, OW_LANE_NORMAL, "INSERT INTO note VALUES(?1, ?2)", row, 2, 5000, &err);
 *     ow_write(db, OW_LANE_NORMAL, job, &ctx, 5000, &err);           both wait for the COMMIT
 *
 *     struct ow_read how = {.label = "list notes", .timeout_ms = 1000};         any thread:
 *     struct ow_conn *reader;
 *     ow_reader_acquire(db, &how, &reader, &err);
 *     ow_prepare(reader, "SELECT id, text FROM note", &stmt, &err);
 *     while (!ow_step(reader, stmt, &row, &err) && row) ...
 *     ow_reader_release(reader);
 *
 *     ow_close(db, 5000, &report, &err);
 *
 * The contract:
 *   - One connection writes, and only it checkpoints (but for checkpoint_thread). It has one owner
 * at a time: the writer thread, or a caller that found it idle. Readers are read-only connections
 * whose authorizer refuses writes, ATTACH, checkpoints and mode changes.
 *   - Jobs run in groups: BEGIN IMMEDIATE, the jobs, the commit's number, COMMIT. A failing job is
 *     undone alone. A job's success is reported only after COMMIT returned OK, or with OW_DURABLE
 *     after the log was synced to the disk.
 *   - Every wait has a deadline. FIFO inside a lane; no lane starves.
 *   - Retry is decided by result code, in one place (ow_code_class).
 *   - Nothing is hidden: errors carry SQLite's extended code and the errno; events, metrics and
 *     ow_who tell the rest.
 *
 * Threads: every function may be called from any thread unless it says otherwise. A job must not
 * call the database that runs it (it is told so: OW_BUG). A lent connection belongs to the thread
 * that acquired it. Times are milliseconds of the monotonic clock; a timeout of 0 does not wait.
 * Functions return 0 or an enum ow_code and fill *err, which may be NULL.
 */
#ifndef ONEWRITER_H
#define ONEWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
    OW_QUEUE_FULL = 3, /* the lane stayed full until the deadline, or its policy dropped the job */
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

/* "OW_TIMEOUT"; static storage. */
OW_API const char *ow_code_text(enum ow_code code);

/* ---- Result codes of SQLite ------------------------------------------------------------------ */

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
/* What the library does about a class, and what an operator should do; static storage. */
OW_API const char *ow_class_retry(enum ow_class cls);
OW_API const char *ow_class_advice(enum ow_class cls);
/* True when that SQLite carries the fix of the WAL-reset bug (3.51.3, 3.50.7, 3.44.6 ...). */
OW_API bool ow_sqlite_is_wal_reset_safe(int libversion_number);

/* ---- Events ---------------------------------------------------------------------------------- */

enum ow_event_kind {
    OW_EVENT_POOL_OPENED,     /* a: readers */
    OW_EVENT_EXECUTOR_OPENED, /* a: threads at most */
    OW_EVENT_RETRY,           /* a: attempt, b: of, delay_ms; text: SQLite's message */
    OW_EVENT_GAVE_UP,         /* a: attempts; text: SQLite's message */
    OW_EVENT_CHECKPOINT,      /* a: frames in the WAL, b: moved; delay_ms: how long it took */
    OW_EVENT_FOREIGN_WRITE,   /* another connection than ours committed to this database */
    OW_EVENT_HOLD,            /* disk full: writing waits; text says why */
    OW_EVENT_RESUMED,
    OW_EVENT_POISONED,       /* writing stopped for good; text says why and what to do */
    OW_EVENT_ROW_FAILED,     /* an appended row was refused; text says why. Nobody waits for it */
    OW_EVENT_DROPPED,        /* a: jobs dropped by a lane's policy so far, b: the lane */
    OW_EVENT_SNAPSHOT_OLD,   /* a reader pins the log; a: age in ms, b: loan; text: label and SQL */
    OW_EVENT_SNAPSHOT_TAKEN, /* a snapshot was taken back from such a reader; same fields */
    OW_EVENT_LEAK,           /* a statement that was never finalized; text: its SQL */
    OW_EVENT_UNCLEAN_START,  /* the last process did not close; a: bytes of log found */
    OW_EVENT_CHECKED,        /* quick_check after that; a: 1 passed, 0 cut short; delay_ms */
    OW_EVENT_KINDS,
};

struct ow_event {
    enum ow_event_kind kind;
    int64_t a, b;
    double delay_ms;
    const char *text; /* lent for the call; NULL when the kind has none */
};

/* One log line of an event: "Database operation failed (attempt 1/3): database is locked. Retrying
 * in 0.50s...". Returns the level, 'I', 'W' or 'E'; 'D' for figures that are no news. Never more
 * than size bytes are written, with a NUL. */
OW_API char ow_event_line(const struct ow_event *event, char *line, size_t size);

/* ---- Opening --------------------------------------------------------------------------------- */

/* Three priorities, for jobs and for readers. */
enum ow_lane {
    OW_LANE_URGENT = 0, /* somebody looks at a screen */
    OW_LANE_NORMAL = 1,
    OW_LANE_BULK = 2, /* reports, upkeep */
    OW_LANES = 3,
    OW_LANE_INTERACTIVE = OW_LANE_URGENT,
    OW_LANE_BACKGROUND = OW_LANE_BULK,
};

/* Added to a lane where a job is handed in: acknowledged only when it is on the disk (fsync). */
#define OW_DURABLE 0x100u

/* What a full lane does with one more job. */
enum ow_policy {
    OW_BLOCK,       /* the caller waits for a place, first come, first served */
    OW_REJECT,      /* OW_QUEUE_FULL at once */
    OW_DROP_OLDEST, /* the oldest job of the lane is answered OW_QUEUE_FULL, counted and told */
};

struct ow_lane_limit {
    uint32_t max_jobs;
    uint32_t max_bytes; /* of appended rows; one row always fits an empty lane */
    enum ow_policy policy;
};

enum ow_profile { OW_BALANCED, OW_CONCURRENCY, OW_LATENCY, OW_SMALL };

struct ow_options {
    uint32_t struct_size; /* set by ow_options_init: lets the library grow this struct */
    const char *path;
    bool create;             /* true: make the file when missing */
    bool read_only;          /* readers only: no writer, writing answers OW_CONFIG; the file must
                                exist. For a second process that only looks. */
    int busy_timeout_ms;     /* 30000: how long a foreign lock is waited for by a connection */
    int max_attempts;        /* 3: failed attempts that are told as OW_EVENT_GAVE_UP */
    int retry_base_delay_ms; /* 500 */
    int retry_max_delay_ms;  /* 5000 */
    int readers;             /* 5 */
    int64_t cache_bytes;     /* 64 MB for all connections together: half to the writer */
    int64_t mmap_bytes;      /* 32 MB when the linked SQLite is WAL-reset safe, else 0 and
                                refused. The writer's only: see docs/onewriter.md */
    bool synchronous_full;   /* true: every commit is OW_DURABLE. false = NORMAL: a power
                                cut may take the last commits that are not */
    int group_max_jobs;      /* 1024 jobs in one transaction at most */
    int group_max_ms;        /* 20: a group takes no further job after that */
    int wal_soft_frames; /* 1000: checkpoint after a group; when idle from a quarter of it, for a
                            lone caller at three times that */
    int wal_hard_frames; /* 3600 (15 MB): from here readers that pin the log lose
                            their snapshots, so that it can be emptied */
    int64_t journal_size_limit_bytes; /* 64 MB */
    int page_size;                    /* 0 = SQLite's own; only for a new file */
    /* Told what happens; called from any thread, must not call back. May be NULL. */
    void (*observer)(void *ctx, const struct ow_event *event);
    void *observer_ctx;
    struct ow_lane_limit lane[OW_LANES]; /* 4096 jobs, 4 MB, OW_BLOCK */
    int thread_pool_size;                /* 10: executor threads, started when needed */
    int attempt_timeout_ms;  /* 2000: one attempt of the writer waits so long for a foreign lock, so
                                that the log tells of it early; at most busy_timeout_ms */
    int retry_budget;        /* 10: so many retries may be ahead of one in ten successes */
    int statement_cache;     /* 128 prepared statements kept per connection */
    int snapshot_warn_ms;    /* 1000: an older snapshot is named (OW_EVENT_SNAPSHOT_OLD) */
    int snapshot_max_ms;     /* 30000: an older snapshot is taken back; 0 = never by age */
    int gate_ms;             /* 50: the writer waits so long for readers to leave a full log, new
                                snapshots wait meanwhile */
    bool checkpoint_thread;  /* false; true = PASSIVE checkpoints on a thread and connection of
                                their own: refused unless the linked SQLite is WAL-reset safe */
    int start_check_ms;      /* 2000: time for quick_check after an unclean end; 0 = none */
    bool incremental_vacuum; /* false; true = a new file gets auto_vacuum=INCREMENTAL */
};

/* The balanced profile. The path is lent until ow_open returned. */
OW_API void ow_options_init(struct ow_options *options, const char *path);
/* Sets what a profile decides (docs/onewriter.md has the table) and leaves the rest. */
OW_API void ow_options_profile(struct ow_options *options, enum ow_profile profile);
/* "balanced", "concurrency", "latency", "small". False when there is no such profile. */
OW_API bool ow_profile_parse(const char *name, enum ow_profile *out);

/* Opens, tunes (each PRAGMA is read back) and starts the threads. On failure *out is NULL. */
OW_API int ow_open(const struct ow_options *options, struct ow **out, struct ow_err *err);
/* File descriptors that a handle with these options may use at once. */
OW_API int ow_descriptors(const struct ow_options *options);

struct ow_report {
    uint64_t jobs_drained;   /* committed during the close */
    uint64_t jobs_abandoned; /* answered OW_CLOSED because the deadline passed */
    int leaked_readers;      /* still lent out */
    int leaked_statements;   /* never finalized; each was told as OW_EVENT_LEAK */
    bool checkpointed;       /* the WAL was emptied */
    char first_leak[160];    /* label of the first leaked reader, or SQL of the first statement */
};

/* Stops intake, drains, checkpoints (TRUNCATE), closes readers, then the writer. Returns OW_TIMEOUT
 * when the deadline cut the drain short (report says what was abandoned); the handle is closed in
 * every case but leaked readers (OW_BUG: release them and call again). Calls with a closed handle
 * answer OW_CLOSED. NULL db is allowed. */
OW_API int ow_close(struct ow *db, int timeout_ms, struct ow_report *report, struct ow_err *err);

/* ---- Values ---------------------------------------------------------------------------------- */

enum ow_type { OW_NULL, OW_INT, OW_REAL, OW_TEXT, OW_BLOB };

/* A parameter of a statement. Text and blob are lent: see the function that takes them. */
struct ow_value {
    enum ow_type type;
    uint32_t bytes; /* of text (without NUL) or blob */
    union {
        int64_t i;
        double real;
        const void *data;
    } as;
};

static inline struct ow_value ow_null(void)
{
    struct ow_value value;
    value.type = OW_NULL;
    value.bytes = 0;
    value.as.i = 0;
    return value;
}
static inline struct ow_value ow_int(int64_t i)
{
    struct ow_value value = ow_null();
    value.type = OW_INT;
    value.as.i = i;
    return value;
}
static inline struct ow_value ow_real(double real)
{
    struct ow_value value = ow_null();
    value.type = OW_REAL;
    value.as.real = real;
    return value;
}
/* NULL data gives an SQL NULL. */
static inline struct ow_value ow_bytes(enum ow_type type, const void *data, size_t bytes)
{
    struct ow_value value = ow_null();
    value.type = data ? type : OW_NULL;
    value.bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes; /* too big for SQLite */
    value.as.data = data;
    return value;
}
static inline struct ow_value ow_text(const char *text)
{
    return ow_bytes(OW_TEXT, text, text ? strlen(text) : 0);
}
static inline struct ow_value ow_text_n(const char *text, size_t bytes)
{
    return ow_bytes(OW_TEXT, text, bytes);
}
static inline struct ow_value ow_blob(const void *data, size_t bytes)
{
    return ow_bytes(OW_BLOB, data, bytes);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A job. Runs inside a transaction on the thread that owns the writer's connection (which may be
 * the caller's own); returns 0 to keep its changes, else an enum ow_code to undo them. It may run
 * more than once (after a lost lock or when an innocent job is redone), so it changes nothing but
 * the database and what it resets itself. Report SQLite's failures with ow_conn_fail. */
typedef int ow_job_fn(struct ow_conn *conn, void *ctx, struct ow_err *err);

/* how, in all functions below: a lane, with | OW_DURABLE when it must be on the disk. */

/* Runs the job and waits for the commit. When the deadline passes while the job is still queued it
 * is withdrawn (OW_TIMEOUT, nothing was applied); when it is already running its end is awaited. */
OW_API int ow_write(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, int timeout_ms,
                    struct ow_err *err);

/* One statement with its values ?1 .. ?count: waits for the commit as ow_write does. sql and what
 * the values point to are lent until it returns. */
OW_API int ow_write_row(struct ow *db, unsigned how, const char *sql, const struct ow_value *values,
                        int count, int timeout_ms, struct ow_err *err);

/* The same, but returns as soon as the row is queued; waits at most timeout_ms for a place in the
 * lane. Everything is copied. The row is written soon, in the order of its lane; a row that SQLite
 * refuses is counted and told (OW_EVENT_ROW_FAILED). A crash before that loses it. */
OW_API int ow_append(struct ow *db, unsigned how, const char *sql, const struct ow_value *values,
                     int count, int timeout_ms, struct ow_err *err);

/* Waits until everything that was handed in before this call has been written or refused. how:
 * | OW_DURABLE and it is on the disk, too. */
OW_API int ow_flush(struct ow *db, unsigned how, int timeout_ms, struct ow_err *err);

/* Where a job stands; the caller keeps it until ow_wait returned. Zero-initialise. */
struct ow_ticket {
    struct ow_job *job;
};

/* Hands a job in. ctx is lent until ow_wait returns the result. Waits at most timeout_ms for a
 * place in the lane: OW_QUEUE_FULL then, and nothing was handed in. */
OW_API int ow_submit(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, int timeout_ms,
                     struct ow_ticket *ticket, struct ow_err *err);

/* Waits until the job's transaction was committed or undone, or the read ended. Returns the job's
 * result, or OW_TIMEOUT: the job is then still in the queue or running, the ticket stays valid,
 * wait again. commit_seq (may be NULL) receives the number of the commit. */
OW_API int ow_wait(struct ow *db, struct ow_ticket *ticket, int timeout_ms, int64_t *commit_seq,
                   struct ow_err *err);

/* Asks a job to end: a queued one is withdrawn, the statement of a running one is interrupted; no
 * other job is touched. ow_wait then tells what became of it (OW_CANCELLED, or a result that was
 * faster). The ticket stays valid. */
OW_API int ow_cancel(struct ow *db, struct ow_ticket *ticket, struct ow_err *err);

/* Called once with the result of a job: err->code is OW_OK and commit_seq its commit, or why not.
 */
typedef void ow_done_fn(void *ctx, int64_t commit_seq, const struct ow_err *err);

/* A completion queue: results wait in it until a thread of yours, usually an event loop, calls
 * ow_cq_dispatch. */
struct ow_cq;

/* As ow_submit; done is called by ow_cq_dispatch of cq or, when cq is NULL, on the library's
 * thread or on that of a caller whose job pushed this one out of a full lane, where it must be
 * quick and must not wait for the database. ctx is lent until done was called. done is called
 * exactly once when this returned 0, and never otherwise. */
OW_API int ow_post(struct ow *db, unsigned how, ow_job_fn *fn, void *ctx, ow_done_fn *done,
                   struct ow_cq *cq, int timeout_ms, struct ow_err *err);

OW_API int ow_cq_open(struct ow_cq **out, struct ow_err *err);
/* An eventfd that is readable while results wait. Watch it, do not read it. */
OW_API int ow_cq_fd(const struct ow_cq *cq);
/* Calls done for every result that waits, on the calling thread; returns how many. */
OW_API int ow_cq_dispatch(struct ow_cq *cq);
/* After the databases that use it were closed; what still waits is called first. NULL is allowed.
 */
OW_API void ow_cq_close(struct ow_cq *cq);

/* Number of the newest committed group. After ow_write returned 0 it is at least the number of that
 * commit. It is stored in the database (view ow_commit) and never goes back, also over restarts;
 * the stored number may lag behind by a few lone commits until the next quiet moment. */
OW_API int64_t ow_commit_seq(struct ow *db);

/* ---- Reading --------------------------------------------------------------------------------- */

/* How a reader is wanted. Zero-initialise what you do not need. */
struct ow_read {
    const char *label; /* static storage: names the borrower in errors, events and metrics */
    enum ow_lane lane; /* OW_LANE_INTERACTIVE = 0 goes first; who waits long goes first, too */
    int timeout_ms;    /* for a reader to come free, and for min_seq */
    int run_ms;        /* statements end with SQLITE_INTERRUPT after that; 0 = no limit */
    int64_t min_seq;   /* wait until this commit is visible (read your writes); 0 = any */
};

/* Lends a read-only connection: FIFO in its lane. OW_TIMEOUT names who holds the readers. */
OW_API int ow_reader_acquire(struct ow *db, const struct ow_read *how, struct ow_conn **out,
                             struct ow_err *err);
/* Gives it back, from the thread that acquired it: running statements are reset, an open
 * transaction is rolled back. NULL is allowed. OW_BUG when it is not lent to this thread. */
OW_API int ow_reader_release(struct ow_conn *conn);

/* Number of this loan: unique, so that ow_reader_cancel cannot hit the next borrower. */
OW_API uint64_t ow_reader_loan(const struct ow_conn *conn);
/* Any thread: interrupts what that loan runs now and later. False when the loan has ended. */
OW_API bool ow_reader_cancel(struct ow *db, uint64_t loan);

/* Lends count readers that see one and the same state, until each is released. *commit_seq (may be
 * NULL) is the newest commit known to be in it. They may be used by count threads and released by
 * any of them. */
OW_API int ow_snapshot_acquire(struct ow *db, const struct ow_read *how, struct ow_conn **conns,
                               int count, int64_t *commit_seq, struct ow_err *err);

/* Runs fn with a lent reader on the calling thread. */
OW_API int ow_read(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx,
                   struct ow_err *err);
/* Runs fn with a lent reader on an executor thread; ow_wait and ow_cancel take the ticket.
 * how->label must stay. When the queue of its lane (lane[].max_jobs) is full: OW_QUEUE_FULL after
 * how->timeout_ms. */
OW_API int ow_read_submit(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx,
                          struct ow_ticket *ticket, struct ow_err *err);
/* The same with a callback, see ow_post; commit_seq is 0. */
OW_API int ow_read_post(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx,
                        ow_done_fn *done, struct ow_cq *cq, struct ow_err *err);

/* ---- Connections and statements (the writer's inside a job, or a lent reader) -----------------
 */

OW_API sqlite3 *ow_conn_handle(struct ow_conn *conn);
/* Prepares or finds in the connection's cache (least recently used leaves). The statement is reset
 * and its bindings cleared; it belongs to the connection and stays valid until the job ends or the
 * reader is released: never finalize it. SQLite prepares it again by itself when the schema
 * changed. sql is compared by content. */
OW_API int ow_prepare(struct ow_conn *conn, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err);
/* Binds ?1 .. ?count. Text and blobs are lent until the statement is reset or bound anew. */
OW_API int ow_bind(struct ow_conn *conn, sqlite3_stmt *stmt, const struct ow_value *values,
                   int count, struct ow_err *err);
/* One step: *row tells whether there is a row. At the end and on failure the statement is reset. */
OW_API int ow_step(struct ow_conn *conn, sqlite3_stmt *stmt, bool *row, struct ow_err *err);
/* Columns of the present row, from 0, converted as SQLite does. Text and blob are lent until the
 * next ow_step, reset or release; text ends with a NUL. NULL for an SQL NULL. */
OW_API bool ow_column_is_null(sqlite3_stmt *stmt, int column);
OW_API int64_t ow_column_int(sqlite3_stmt *stmt, int column);
OW_API double ow_column_real(sqlite3_stmt *stmt, int column);
OW_API const char *ow_column_text(sqlite3_stmt *stmt, int column, size_t *bytes /* may be NULL */);
OW_API const void *ow_column_blob(sqlite3_stmt *stmt, int column, size_t *bytes);
/* Given: free() it. NULL for an SQL NULL and when there is no memory. */
OW_API char *ow_column_text_dup(sqlite3_stmt *stmt, int column);
/* Prepares, binds and steps to the end; rows are skipped. */
OW_API int ow_run(struct ow_conn *conn, const char *sql, const struct ow_value *values, int count,
                  struct ow_err *err);
/* First column of the first row as an integer; OW_CALLER when there is no row. */
OW_API int ow_get_int(struct ow_conn *conn, const char *sql, const struct ow_value *values,
                      int count, int64_t *out, struct ow_err *err);
/* Runs a script of statements without results. */
OW_API int ow_exec(struct ow_conn *conn, const char *sql, struct ow_err *err);
/* Rows changed by the last statement, and the rowid of the last INSERT, of this connection. */
OW_API int64_t ow_changes(struct ow_conn *conn);
OW_API int64_t ow_last_rowid(struct ow_conn *conn);
/* Fills *err from the connection's last error (what: "inserting events") and returns its code. */
OW_API int ow_conn_fail(struct ow_conn *conn, const char *what, struct ow_err *err);
/* Fills *err with a refusal of your own ("no such account") and returns code. */
OW_API int ow_refuse(struct ow_err *err, enum ow_code code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* ---- Retry, for connections that are not onewriter's ------------------------------------------
 */

struct ow_retry_policy {
    int max_attempts;  /* 3 */
    int base_delay_ms; /* 500: doubled each time, with up to a quarter more by chance */
    int max_delay_ms;  /* 5000 */
    int timeout_ms;    /* 30000: no attempt begins after that */
    void (*observer)(void *ctx, const struct ow_event *event); /* RETRY and GAVE_UP; may be NULL */
    void *observer_ctx;
};

OW_API void ow_retry_policy_init(struct ow_retry_policy *policy);
/* One attempt: 0, or a code with *err filled by ow_sqlite_fail. It undoes what it began. */
typedef int ow_attempt_fn(void *ctx, struct ow_err *err);
/* Runs fn until it succeeds, fails for a reason that time does not heal (ow_code_class), or
 * attempts or time run out. Sleeps on the calling thread. policy NULL = the defaults. */
OW_API int ow_retry(const struct ow_retry_policy *policy, ow_attempt_fn *fn, void *ctx,
                    struct ow_err *err);
/* Fills *err from a result code of SQLite: rc is what the failed call returned, db (may be NULL)
 * knows the rest. Returns the code. */
OW_API int ow_sqlite_fail(sqlite3 *db, int rc, const char *what, struct ow_err *err);

/* ---- Migrations ------------------------------------------------------------------------------ */

struct ow_migration {
    int number;      /* 1, 2, 3 ... */
    const char *sql; /* run in one transaction with the number's record */
};

/* Brings the database to the last of `count` steps (PRAGMA user_version holds the number).
 * OW_CONFIG when the database is newer than the program. */
OW_API int ow_migrate(struct ow *db, const struct ow_migration *steps, size_t count,
                      struct ow_err *err);

/* ---- Upkeep: on the writer, in slices that let waiting jobs pass ------------------------------
 */

/* Runs a DELETE again and again, a slice a transaction, until it finds nothing. Its last parameter,
 * ?count+1, is how many rows a slice may take:
 *     DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < ?1 LIMIT ?2)
 * The slice grows and shrinks so that it takes about slice_ms. *rows (may be NULL) counts, also
 * when OW_TIMEOUT ends it early. */
OW_API int ow_purge(struct ow *db, const char *sql, const struct ow_value *values, int count,
                    int slice_ms, int timeout_ms, int64_t *rows, struct ow_err *err);
/* Gives free pages back to the file system (the file needs auto_vacuum=INCREMENTAL; else
 * OW_CONFIG). max_pages 0 = all. *pages (may be NULL) counts. */
OW_API int ow_vacuum(struct ow *db, int max_pages, int timeout_ms, int64_t *pages,
                     struct ow_err *err);
/* PRAGMA optimize with an analysis limit. */
OW_API int ow_optimize(struct ow *db, int timeout_ms, struct ow_err *err);

/* Told after each slice of a backup, on the calling thread; non-zero stops it (OW_CANCELLED). */
typedef int ow_backup_fn(void *ctx, int pages_done, int pages_total);
/* Copies the database while it is written to: the copy is the state at the end. It is made beside
 * to_path, synced, and renamed over it. progress may be NULL. */
OW_API int ow_backup(struct ow *db, const char *to_path, ow_backup_fn *progress, void *ctx,
                     int timeout_ms, struct ow_err *err);

/* Empties the log (TRUNCATE), taking snapshots back as at the hard limit. OW_TIMEOUT when a foreign
 * process kept it. */
OW_API int ow_checkpoint(struct ow *db, int timeout_ms, struct ow_err *err);

/* ---- Sight ----------------------------------------------------------------------------------- */

/* Times in microseconds. Bucket i counts values below 2^i; the last takes all above. */
#define OW_BUCKETS 32
struct ow_histogram {
    uint64_t count, sum_us, max_us;
    uint64_t bucket[OW_BUCKETS];
};
/* Value below which the fraction q (0..1) of the samples lie, interpolated inside its bucket, in
 * microseconds; -1 when empty. */
OW_API double ow_histogram_quantile(const struct ow_histogram *h, double q);

struct ow_lane_metrics {
    uint64_t queued, queued_bytes; /* now */
    int64_t oldest_us;             /* age of the oldest queued job */
    uint64_t dropped, rejected;    /* by the lane's policy, or because no place came free */
};

/* Borrowers of one label; the first 31 labels have a line each, later ones share "(other)". */
#define OW_LABELS 32
struct ow_label_metrics {
    const char *label; /* NULL = unused line */
    struct ow_histogram wait, hold;
};

#define OW_RETRY_CODES 16
struct ow_retry_metrics {
    int sqlite_code; /* 0 = unused line */
    uint64_t count;
};

struct ow_metrics {
    uint64_t jobs_submitted, jobs_committed, jobs_failed, jobs_rerun;
    uint64_t groups, groups_durable, groups_by_caller; /* by_caller: ran without a hand-over */
    uint64_t retries, gave_up, foreign_commits;
    struct ow_retry_metrics retries_by_code[OW_RETRY_CODES];
    struct ow_lane_metrics lane[OW_LANES];
    struct ow_histogram commit, fsync, checkpoint;
    struct ow_histogram group_jobs; /* jobs in a group, not a time */
    struct ow_histogram job_wait;   /* from the hand-in to the acknowledgement */
    struct ow_label_metrics label[OW_LABELS];
    int64_t wal_frames, wal_bytes, wal_bytes_max;
    int64_t snapshot_oldest_us; /* of our readers; 0 = none holds one */
    uint64_t snapshots_taken, canaries;
    int readers_total, readers_lent, readers_waited_for;
    uint64_t reads_queued, executor_running;
    int descriptors_needed;
    uint64_t cache_hit, cache_miss, statements_prepared; /* page cache, statement cache */
    int64_t commit_seq;
    bool holding, poisoned;
};

/* A consistent-enough copy of the counters; takes no lock that a writer could hold for long. */
OW_API void ow_metrics_read(struct ow *db, struct ow_metrics *out);
/* The same as Prometheus text, names ow_*. labels, such as db="history", may be NULL. Returns the
 * length of the whole text as snprintf does; writes at most size bytes with a NUL. */
OW_API size_t ow_metrics_text(struct ow *db, const char *labels, char *text, size_t size);

enum ow_who_kind {
    OW_WHO_WRITES, /* owns the writer's connection and runs a job */
    OW_WHO_READS,  /* holds a reader without a snapshot */
    OW_WHO_PINS,   /* holds a reader whose snapshot keeps the log */
    OW_WHO_WAITS,  /* waits for a reader or a place in a lane */
};
struct ow_who {
    enum ow_who_kind kind;
    enum ow_lane lane;
    const char *label; /* "" = none */
    uint64_t loan;     /* of a reader; 0 = none */
    int64_t age_us;    /* of the hold, the snapshot or the wait */
    char sql[200];     /* the statement that was prepared last; cut */
};
/* Calls fn for everybody who holds, pins or waits at this moment. */
OW_API void ow_who(struct ow *db, void (*fn)(void *ctx, const struct ow_who *who), void *ctx);

#ifdef __cplusplus
}
#endif

#endif
