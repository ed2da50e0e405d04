/* Four ways without a library (ways.h). Two open a connection for every operation, as programs do
 * that grew: `each` plainly, `seed` as the Python monitor did that came before, with six PRAGMAs, a
 * busy timeout of 30 s and three attempts. For both, one idle connection stays open beside them:
 * without it every operation of a lone thread would be the last to close, and would move and delete
 * the log. `kept` has a connection per thread, `mutex` one for all.
 * What must stay true: each is as good as its design allows, so that a ratio to it means something.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/sync.h"
#include "plain.h"
#include "report.h"

#define EACH_BUSY_MS 10000
#define ATTEMPTS     3

struct shared {
    struct target target;
    struct plain keeper; /* idle, or the one connection of `mutex` */
    struct mutex lock;
};

static void *open_shared(const struct target *target)
{
    char why[WHY_BYTES];
    struct shared *shared = calloc(1, sizeof(*shared));
    if (!shared)
        die("no memory");
    shared->target = *target;
    mutex_init(&shared->lock);
    plain_create(target);
    if (plain_open(&shared->keeper, target, why))
        die("%s", why);
    return shared;
}

static void close_shared(void *arg)
{
    struct shared *shared = arg;
    plain_close(&shared->keeper);
    mutex_fini(&shared->lock);
    free(shared);
}

static void *join_nothing(void *shared)
{
    (void)shared;
    return NULL;
}

static void leave_nothing(void *shared, void *own)
{
    (void)shared;
    (void)own;
}

/* ---- a connection per operation ---- */

static int insert_once(sqlite3 *db, const struct shared *shared, const struct row *row)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, shared->target.table->insert, -1, &stmt, NULL);
    if (rc)
        return rc;
    rc = row_bind(stmt, row);
    if (!rc)
        rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : rc;
}

/* Opens, runs the PRAGMAs, writes in a deferred transaction, closes. */
static int write_once(const struct shared *shared, const char *pragmas, int busy_ms,
                      const struct row *row, char *why)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(shared->target.path, &db);
    if (!rc)
        rc = sqlite3_busy_timeout(db, busy_ms);
    if (!rc)
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    if (!rc)
        rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    if (!rc)
        rc = insert_once(db, shared, row);
    if (!rc)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc)
        plain_fail(db, "a connection per operation", why);
    sqlite3_close(db); /* rolls back what is left */
    return rc;
}

static int write_each(void *arg, void *own, const struct row *row, char *why)
{
    const struct shared *shared = arg;
    (void)own;
    return write_once(shared,
                      shared->target.full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                      EACH_BUSY_MS, row, why);
}

static void sleep_s(double seconds)
{
    struct timespec ts = {.tv_sec = (time_t)seconds};
    ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
    nanosleep(&ts, NULL);
}

/* Up to a tenth of a second, from the clock as the seed took it. */
static double jitter(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)(ts.tv_nsec % 100000000) / 1e9;
}

static int write_seed(void *arg, void *own, const struct row *row, char *why)
{
    static const char *const pragmas[] = {
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-64000;"
        "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=33554432; PRAGMA page_size=4096;"
        "PRAGMA busy_timeout=30000",
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64000;"
        "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=33554432; PRAGMA page_size=4096;"
        "PRAGMA busy_timeout=30000"};
    const struct shared *shared = arg;
    double delay = 0.5;
    (void)own;
    for (int attempt = 1;; attempt++) {
        int rc = write_once(shared, pragmas[shared->target.full], BUSY_MS, row, why);
        int primary = rc & 0xff;
        bool again =
            primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_CANTOPEN;
        if (!again || attempt == ATTEMPTS)
            return rc;
        sleep_s(delay);
        delay = delay * 2 + jitter();
        delay = delay > 5 ? 5 : delay;
    }
}

/* ---- a connection per thread ---- */

static void *join_kept(void *arg)
{
    (void)arg;
    return calloc(1, sizeof(struct plain));
}

static int write_kept(void *arg, void *own, const struct row *row, char *why)
{
    const struct shared *shared = arg;
    struct plain *mine = own;
    int rc = mine->db ? 0 : plain_open(mine, &shared->target, why);
    return rc ? rc : plain_write(mine, row, why);
}

static void leave_kept(void *shared, void *own)
{
    (void)shared;
    plain_close(own);
    free(own);
}

/* ---- one connection, one mutex ---- */

static int write_mutex(void *arg, void *own, const struct row *row, char *why)
{
    struct shared *shared = arg;
    (void)own;
    LOCK(&shared->lock);
    return plain_write(&shared->keeper, row, why);
}

const struct way way_each = {
    "each",      "a connection per operation", open_shared, join_nothing, write_each, leave_nothing,
    close_shared};
const struct way way_seed = {"seed",      "the seed: per operation, retried",
                             open_shared, join_nothing,
                             write_seed,  leave_nothing,
                             close_shared};
const struct way way_kept = {
    "kept",      "a connection per thread", open_shared, join_kept, write_kept, leave_kept,
    close_shared};
const struct way way_mutex = {
    "mutex",     "one connection, one mutex", open_shared, join_nothing, write_mutex, leave_nothing,
    close_shared};
