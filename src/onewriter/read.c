/* Reading (onewriter.h): lends readers, waits for the commit that a reader must see. Our own
 * commits are known at once, by the bell that rings when jobs are answered; a handle that only
 * reads learns of another process's commits from the file, and there is nothing to wait on but to
 * look again. What must stay true: nobody waits for a commit while holding what others wait for,
 * except a handle that only reads, which has no other way to look. */
#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/loan.h"
#include "onewriter/number.h"
#include "onewriter/read.h"

/* Between two looks at the file for another process's commit. */
#define LOOK_US 5000

int ow_read_check(const struct ow_read *how, struct ow_err *err)
{
    if (!how || (unsigned)how->lane >= OW_LANES)
        return ow_fail(err, OW_BUG, "a reader needs one of the %d lanes", OW_LANES);
    return 0;
}

static int fail_seq(const struct ow_read *how, struct ow_err *err)
{
    return ow_fail(err, OW_TIMEOUT, "%s: commit %lld was not visible in time",
                   how->label ? how->label : "reading", (long long)how->min_seq);
}

/* Until our writer has committed min_seq. */
static int await_commit(struct ow *db, const struct ow_read *how, int64_t deadline_us,
                        struct ow_err *err)
{
    for (;;) {
        uint32_t seen = ow_bell_look(&db->bells[OW_BELL_OTHER]);
        if (atomic_load(&db->counters.commit_seq) >= how->min_seq)
            return 0;
        if (atomic_load(&db->stop.at_us) != INT64_MAX)
            return ow_fail(err, OW_CLOSED, "the database is being closed");
        if (clock_monotonic_us() >= deadline_us)
            return fail_seq(how, err);
        ow_bell_wait(&db->bells[OW_BELL_OTHER], seen, deadline_us);
    }
}

int ow_conn_seq(struct ow_conn *conn, int64_t *seq, struct ow_err *err)
{
    return ow_number_read(conn, seq, NULL, err);
}

/* Until the reader sees min_seq. */
static int look_for_commit(struct ow *db, struct ow_conn *conn, const struct ow_read *how,
                           int64_t deadline_us, struct ow_err *err)
{
    for (;;) {
        int64_t seq = 0;
        int rc = ow_conn_seq(conn, &seq, err);
        if (rc || seq >= how->min_seq)
            return rc;
        int64_t now_us = clock_monotonic_us();
        if (atomic_load(&db->stop.at_us) != INT64_MAX)
            return ow_fail(err, OW_CLOSED, "the database is being closed");
        if (now_us >= deadline_us)
            return fail_seq(how, err);
        ow_stop_wait(&db->stop, now_us + LOOK_US < deadline_us ? now_us + LOOK_US : deadline_us);
    }
}

int ow_read_acquire(struct ow *db, const struct ow_wish *wish, struct ow_conn **conns,
                    struct ow_err *err)
{
    const struct ow_read *how = wish->how;
    int rc = 0;
    if (how->min_seq > 0 && !db->options.read_only)
        rc = await_commit(db, how, wish->deadline_us, err);
    if (!rc)
        rc = ow_pool_acquire(&db->pool, wish, conns, err);
    if (rc || how->min_seq <= 0 || !db->options.read_only)
        return rc;
    rc = look_for_commit(db, conns[0], how, wish->deadline_us, err);
    for (int i = 0; i < wish->count && rc; i++) {
        ow_pool_release(&db->pool, conns[i]);
        conns[i] = NULL;
    }
    return rc;
}

int ow_reader_acquire(struct ow *db, const struct ow_read *how, struct ow_conn **out,
                      struct ow_err *err)
{
    *out = NULL;
    int rc = ow_read_check(how, err);
    if (!rc)
        rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    const struct ow_wish wish = {.how = how,
                                 .count = 1,
                                 .since_us = clock_monotonic_us(),
                                 .deadline_us = ow_deadline_after(how->timeout_ms)};
    rc = ow_read_acquire(db, &wish, out, err);
    ow_leave(db);
    return rc;
}

int ow_reader_release(struct ow_conn *conn)
{
    if (!conn)
        return 0;
    if (ow_is_foreign(conn->owner, NULL))
        return OW_CLOSED;
    return ow_pool_release(&conn->owner->pool, conn);
}

uint64_t ow_reader_loan(const struct ow_conn *conn)
{
    return atomic_load(&conn->loan);
}

bool ow_reader_cancel(struct ow *db, uint64_t loan)
{
    if (ow_enter(db, OW_WHILE_CLOSING, NULL))
        return false;
    bool found = ow_pool_cancel(&db->pool, loan);
    ow_leave(db);
    return found;
}

int ow_read_run(struct ow_conn *conn, ow_job_fn *fn, void *ctx, struct ow_err *err)
{
    *err = (struct ow_err){0};
    int rc = fn(conn, ctx, err);
    if (rc && err->code == OW_OK)
        ow_fail(err, (enum ow_code)rc, "%s: it returned %d and gave no reason",
                conn->label ? conn->label : "reading", rc);
    if (!rc)
        *err = (struct ow_err){0};
    return rc;
}

int ow_read(struct ow *db, const struct ow_read *how, ow_job_fn *fn, void *ctx, struct ow_err *err)
{
    struct ow_conn *conn;
    struct ow_err why;
    if (!fn)
        return ow_fail(err, OW_BUG, "a read needs a function");
    int rc = ow_reader_acquire(db, how, &conn, err);
    if (rc)
        return rc;
    rc = ow_read_run(conn, fn, ctx, &why);
    ow_reader_release(conn);
    if (rc && err)
        *err = why;
    return rc;
}
