/* Snapshots (onewriter.h): several readers that see one and the same commit. SQLite can only say
 * "begin now", so either nobody commits between the first begin and the last, or it is found out
 * that somebody did. The second is tried first, since it needs no writer: PRAGMA data_version of
 * one connection, asked before the first begin and after its own, changes when anybody committed in
 * between. Where commits come too fast for that, the begins run as a job: inside its transaction
 * the writer holds the write lock, so there nobody can commit. What must stay true: a reader that
 * leaves here is in a transaction that has read. */
#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/loan.h"
#include "onewriter/read.h"
#include "onewriter/snapshot.h"

/* Tries without the writer. */
#define TRIES 3
/* Between tries where there is no writer to ask. */
#define PAUSE_US 1000

/* A transaction begins with its first read. */
static int begin(struct ow_conn *conn, int64_t *seq, struct ow_err *err)
{
    int rc = sqlite3_get_autocommit(conn->db) ? 0 : ow_exec(conn, "ROLLBACK", err);
    if (!rc)
        rc = ow_exec(conn, "BEGIN", err);
    return rc ? rc : ow_conn_seq(conn, seq, err);
}

/* The number that the database shows may lag behind that of the newest commit (group.c), and what
 * was committed before the begin is in the snapshot. */
static int begin_all(struct ow_snapshot *snapshot, struct ow_err *err)
{
    int rc = 0;
    int64_t known = atomic_load(&snapshot->conns[0]->owner->counters.commit_seq);
    for (int i = 0; i < snapshot->count && !rc; i++)
        rc = begin(snapshot->conns[i], &snapshot->seq, err);
    if (!rc && snapshot->seq < known)
        snapshot->seq = known;
    return rc;
}

static int end_all(struct ow_snapshot *snapshot, struct ow_err *err)
{
    int rc = 0;
    for (int i = 0; i < snapshot->count && !rc; i++)
        if (!sqlite3_get_autocommit(snapshot->conns[i]->db))
            rc = ow_exec(snapshot->conns[i], "ROLLBACK", err);
    return rc;
}

int ow_snapshot_try(struct ow_snapshot *snapshot, bool *equal, struct ow_err *err)
{
    struct ow_conn *last = snapshot->conns[snapshot->count - 1];
    int64_t before = 0, after = 0;
    int rc = end_all(snapshot, err);
    if (!rc)
        rc = ow_conn_read_int(last, "PRAGMA data_version", &before, err);
    if (!rc)
        rc = begin_all(snapshot, err);
    if (!rc)
        rc = ow_conn_read_int(last, "PRAGMA data_version", &after, err);
    *equal = !rc && before == after;
    return rc;
}

static int begin_in_job(struct ow_conn *writer, void *ctx, struct ow_err *err)
{
    (void)writer; /* it holds the write lock */
    return begin_all(ctx, err);
}

int ow_snapshot_by_writer(struct ow *db, struct ow_snapshot *snapshot, int64_t deadline_us,
                          struct ow_err *err)
{
    int64_t left_us = deadline_us - clock_monotonic_us();
    return ow_write(db, OW_LANE_URGENT, begin_in_job, snapshot,
                    left_us > 0 ? (int)((left_us + 999) / 1000) : 0, err);
}

static int begin_equal(struct ow *db, struct ow_snapshot *snapshot, int64_t deadline_us,
                       struct ow_err *err)
{
    for (int tries = 1;; tries++) {
        bool equal;
        int rc = ow_snapshot_try(snapshot, &equal, err);
        if (rc || equal)
            return rc;
        if (!db->options.read_only && tries == TRIES)
            return ow_snapshot_by_writer(db, snapshot, deadline_us, err);
        int64_t now_us = clock_monotonic_us();
        if (now_us >= deadline_us || ow_stop_passed(&db->stop))
            return ow_fail(err, OW_TIMEOUT, "commits came faster than %d readers could begin",
                           snapshot->count);
        if (db->options.read_only)
            ow_stop_wait(&db->stop, now_us + PAUSE_US);
    }
}

static int acquire(struct ow *db, const struct ow_wish *wish, struct ow_snapshot *snapshot,
                   struct ow_err *err)
{
    int rc = ow_read_acquire(db, wish, snapshot->conns, err);
    if (rc)
        return rc;
    rc = begin_equal(db, snapshot, wish->deadline_us, err);
    for (int i = 0; i < snapshot->count && rc; i++) {
        ow_pool_release(&db->pool, snapshot->conns[i]);
        snapshot->conns[i] = NULL;
    }
    return rc;
}

int ow_snapshot_acquire(struct ow *db, const struct ow_read *how, struct ow_conn **conns, int count,
                        int64_t *commit_seq, struct ow_err *err)
{
    for (int i = 0; i < count; i++)
        conns[i] = NULL;
    int rc = ow_read_check(how, err);
    if (!rc && count < 1)
        rc = ow_fail(err, OW_BUG, "a snapshot needs at least one reader");
    if (!rc && count > db->options.readers)
        rc = ow_fail(err, OW_CONFIG, "a snapshot of %d readers needs as many, and there are %d",
                     count, db->options.readers);
    if (!rc)
        rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    const struct ow_wish wish = {.how = how,
                                 .count = count,
                                 .shared = true,
                                 .since_us = clock_monotonic_us(),
                                 .deadline_us = ow_deadline_after(how->timeout_ms)};
    struct ow_snapshot snapshot = {.conns = conns, .count = count};
    rc = acquire(db, &wish, &snapshot, err);
    ow_leave(db);
    if (!rc && commit_seq)
        *commit_seq = snapshot.seq;
    return rc;
}
