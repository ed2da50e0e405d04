/* Stands in for the core's ow_enter, ow_leave and ow_write_bare until they are merged. */
#include "onewriter/database.h"
#include "onewriter/fail.h"

struct bare {
    ow_job_fn *fn;
    void *ctx;
};

static int run_bare(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct bare *bare = ctx;
    conn->in_job = false;
    int rc = ow_exec(conn, "COMMIT", err);
    if (rc)
        return rc;
    rc = bare->fn(conn, bare->ctx, err);
    int again = ow_exec(conn, "BEGIN IMMEDIATE; SAVEPOINT " OW_JOB_SAVEPOINT, rc ? NULL : err);
    return rc ? rc : again;
}

int ow_write_bare(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                  struct ow_err *err)
{
    struct bare bare = {fn, ctx};
    return ow_write(db, lane, run_bare, &bare, timeout_ms, err);
}
