/* The handle (onewriter.h): opens the parts in order, hands calls to them, and takes them down in
 * reverse. What must stay true: the writer's connection opens first and closes last; a call inside
 * the library keeps the handle alive (the gate); in a forked child every call is refused before it
 * touches a lock or a file, since locks may be held for ever there and SQLite's file locks are not
 * inherited. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/check.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/number.h"
#include "onewriter/options.h"
#include "onewriter/place.h"

/* How long ow_commit_seq of a handle that only reads waits for a reader. */
#define SEQ_WAIT_MS 1000

/* How many forks lie between this process and the one that first opened a database. The only state
 * outside the handle: fork has no other way to tell. */
static _Atomic uint32_t forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

bool ow_is_foreign(const struct ow *db, struct ow_err *err)
{
    if (db->fork_count == atomic_load_explicit(&forks, memory_order_relaxed))
        return false;
    ow_fail(err, OW_CLOSED, "this database was opened before fork: the child must open its own");
    return true;
}

int64_t ow_deadline_after(int timeout_ms)
{
    return clock_monotonic_us() + (int64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
}

/* ---- who is inside ---- */

int ow_enter(struct ow *db, enum ow_rule rule, struct ow_err *err)
{
    if (ow_is_foreign(db, err))
        return OW_CLOSED;
    if (ow_writer_is_caller(&db->writer))
        return ow_fail(err, OW_BUG, "a job may not call the database that runs it");
    atomic_fetch_add(&db->inside, 1);
    int life = atomic_load(&db->life);
    if (life == OW_LIFE_OPEN || (life == OW_LIFE_CLOSING && rule == OW_WHILE_CLOSING))
        return 0;
    ow_leave(db);
    return ow_fail(err, OW_CLOSED, "the database is closed or being closed");
}

void ow_leave(struct ow *db)
{
    if (atomic_fetch_sub(&db->inside, 1) == 1 && atomic_load(&db->life) != OW_LIFE_OPEN)
        ow_bell_ring(&db->left);
}

/* Every job is answered and every waiter told by now, so this takes as long as threads take to
 * leave. */
static void wait_until_left(struct ow *db)
{
    for (;;) {
        uint32_t seen = ow_bell_look(&db->left);
        if (!atomic_load(&db->inside))
            return;
        ow_bell_wait(&db->left, seen, clock_monotonic_us() + 1000000);
    }
}

/* ---- closed handles ---- */

/* A call with a handle that was closed shall be answered, so its memory stays for a while: that of
 * the last GRAVES handles. */
#define GRAVES 64

static struct {
    pthread_mutex_t lock;
    struct ow *handle[GRAVES];
    unsigned next;
} graveyard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void bury(struct ow *db)
{
    pthread_mutex_lock(&graveyard.lock);
    struct ow *oldest = graveyard.handle[graveyard.next];
    graveyard.handle[graveyard.next] = db;
    graveyard.next = (graveyard.next + 1) % GRAVES;
    pthread_mutex_unlock(&graveyard.lock);
    if (oldest)
        ow_pool_free(&oldest->pool);
    free(oldest);
}

/* ---- open and close ---- */

static void close_parts(struct ow *db)
{
    ow_executor_fini(&db->executor);
    ow_mover_stop(&db->mover);
    ow_watch_stop(&db->watch);
    ow_pool_fini(&db->pool);
    ow_writer_close(&db->writer);
}

static void free_handle(struct ow *db)
{
    close_parts(db);
    ow_place_unlock(&db->place);
    ow_lanes_fini(&db->lanes);
    mutex_fini(&db->texts);
    free((char *)db->options.path);
    db->options.path = NULL;
    atomic_store(&db->life, OW_LIFE_CLOSED);
    bury(db);
}

static struct ow *new_handle(const struct ow_options *options)
{
    struct ow *db = calloc(1, sizeof(*db));
    if (!db)
        return NULL;
    db->options = *options;
    db->options.path = strdup(options->path);
    mutex_init(&db->texts);
    ow_stop_init(&db->stop);
    ow_snapshots_init(&db->snapshots, &db->options, &db->counters);
    ow_lanes_init(&db->lanes, db->options.lane);
    db->place.fd = -1;
    db->writer.options = &db->options;
    db->writer.counters = &db->counters;
    db->writer.lanes = &db->lanes;
    db->writer.stop = &db->stop;
    db->writer.bells = db->bells;
    pthread_once(&forks_once, watch_forks);
    db->fork_count = atomic_load(&forks);
    return db;
}

static int open_parts(struct ow *db, struct ow_err *err)
{
    if (!db->options.path)
        return ow_fail(err, OW_RESOURCE, "no memory");
    bool writes = !db->options.read_only;
    int rc = writes ? ow_place_lock(&db->place, db->options.path, err) : 0;
    if (!rc && db->place.log_bytes)
        rc = ow_check_start(db, err);
    if (!rc && writes)
        rc = ow_writer_open(&db->writer, db, err);
    if (!rc)
        rc = ow_pool_init(&db->pool, db, &db->options, &db->stop, &db->counters, err);
    if (!rc)
        rc = ow_executor_init(&db->executor, db, err);
    if (!rc)
        rc = ow_watch_start(&db->watch, &db->snapshots, err);
    if (!rc && writes && db->options.checkpoint_thread)
        rc = ow_mover_start(&db->mover, db, err);
    if (!rc && writes)
        rc = ow_writer_start(&db->writer, err);
    return rc;
}

int ow_open(const struct ow_options *options, struct ow **out, struct ow_err *err)
{
    struct ow_options taken;
    *out = NULL;
    int rc = ow_options_take(options, &taken, err);
    if (!rc)
        rc = ow_place_check(&taken, err);
    if (!rc)
        rc = ow_place_check_descriptors(&taken, err);
    if (rc)
        return rc;
    struct ow *db = new_handle(&taken);
    if (!db)
        return ow_fail(err, OW_RESOURCE, "no memory");
    rc = open_parts(db, err);
    if (rc) {
        free_handle(db);
        return rc;
    }
    ow_tell(&db->options, &(struct ow_event){.kind = OW_EVENT_POOL_OPENED, .a = taken.readers});
    ow_tell(&db->options,
            &(struct ow_event){.kind = OW_EVENT_EXECUTOR_OPENED, .a = taken.thread_pool_size});
    *out = db;
    return 0;
}

/* Stops the executor and the writer; done once, also when readers leak. Returns how many threads of
 * the executor are still inside a caller's function. */
static int close_working(struct ow *db, int64_t deadline_us, struct ow_report *report)
{
    uint64_t unread = 0;
    ow_lanes_close(&db->lanes); /* first: nothing is queued behind a writer that has ended */
    ow_stop_set(&db->stop, deadline_us);
    ow_bell_ring(&db->bells[OW_BELL_OTHER]); /* who waits for a commit sees that none will come */
    ow_executor_drain(&db->executor, deadline_us);
    ow_pool_shut(&db->pool);
    int busy = ow_executor_stop(&db->executor, &unread);
    ow_writer_join(&db->writer);
    ow_mover_stop(&db->mover);
    report->jobs_drained = db->writer.drained;
    report->jobs_abandoned = db->writer.abandoned + unread;
    return busy;
}

int ow_close(struct ow *db, int timeout_ms, struct ow_report *report, struct ow_err *err)
{
    struct ow_report ignored;
    report = report ? report : &ignored;
    *report = (struct ow_report){0};
    if (!db)
        return 0;
    if (ow_is_foreign(db, err))
        return OW_CLOSED;
    if (ow_writer_is_caller(&db->writer))
        return ow_fail(err, OW_BUG, "a job may not close the database that runs it");
    if (atomic_load(&db->life) == OW_LIFE_CLOSED)
        return ow_fail(err, OW_CLOSED, "the database is closed already");
    int64_t deadline_us = ow_deadline_after(timeout_ms);
    atomic_store(&db->life, OW_LIFE_CLOSING);
    int busy = close_working(db, deadline_us, report);
    report->leaked_readers =
        ow_pool_drain(&db->pool, deadline_us, report->first_leak, sizeof(report->first_leak));
    if (db->writer.conn.db && !atomic_load(&db->counters.poisoned))
        report->checkpointed =
            ow_wal_empty(&db->writer.wal, &db->writer.conn, &db->counters, deadline_us, NULL);
    if (report->leaked_readers)
        return ow_fail(err, OW_BUG,
                       "%d readers are still lent out, the first to \"%s\": release them, then "
                       "close again",
                       report->leaked_readers, report->first_leak);
    if (busy)
        return ow_fail(err, OW_BUG,
                       "%d threads of the executor are still inside a function that was called at "
                       "the end of a read: close again when it has returned",
                       busy);
    atomic_store(&db->life, OW_LIFE_CLOSED);
    wait_until_left(db);
    uint64_t abandoned = report->jobs_abandoned;
    close_parts(db);
    report->leaked_statements = db->leaks.statements;
    if (!report->first_leak[0])
        memcpy(report->first_leak, db->leaks.first, sizeof(report->first_leak));
    free_handle(db);
    if (abandoned)
        return ow_fail(err, OW_TIMEOUT, "%llu jobs could not be written before the deadline",
                       (unsigned long long)abandoned);
    return 0;
}

/* A handle that only reads learns of commits from the file. */
static void look_up_seq(struct ow *db)
{
    struct ow_conn *reader;
    int64_t seq;
    const struct ow_read how = {.label = "commit number", .timeout_ms = SEQ_WAIT_MS};
    if (ow_reader_acquire(db, &how, &reader, NULL))
        return;
    if (ow_number_read(reader, &seq, NULL, NULL) == 0)
        atomic_store(&db->counters.commit_seq, seq);
    ow_reader_release(reader);
}

int64_t ow_commit_seq(struct ow *db)
{
    if (db->options.read_only && !ow_is_foreign(db, NULL))
        look_up_seq(db);
    return atomic_load(&db->counters.commit_seq);
}

/* ---- sight ---- */

void ow_metrics_read(struct ow *db, struct ow_metrics *out)
{
    *out = (struct ow_metrics){0};
    if (ow_enter(db, OW_WHILE_CLOSING, NULL))
        return;
    ow_counters_read(&db->counters, out);
    ow_lanes_measure(&db->lanes, out);
    ow_pool_measure(&db->pool, out);
    ow_executor_measure(&db->executor, out);
    out->snapshot_oldest_us = ow_snapshots_oldest_us(&db->snapshots);
    char wal_path[4096];
    struct stat st;
    int n = snprintf(wal_path, sizeof(wal_path), "%s-wal", db->options.path);
    if (n > 0 && (size_t)n < sizeof(wal_path) && stat(wal_path, &st) == 0)
        out->wal_bytes = st.st_size;
    ow_leave(db);
}
