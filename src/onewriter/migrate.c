/* Migrations (onewriter.h). Each step is one job: the step's statements and the new user_version
 * are in one transaction, so a step is done whole or not at all, and a crash between steps
 * continues with the next one. What must stay true: the version is read again inside the
 * transaction, because another process may have migrated since. */
#include <stdio.h>

#include "onewriter/database.h"
#include "onewriter/fail.h"

/* A step may wait for other jobs and for its turn; how long it runs is its own matter. */
#define STEP_QUEUE_MS 600000

struct step_job {
    const struct ow_migration *step;
    int last; /* what this program knows */
};

static int check_version(int64_t version, int last, struct ow_err *err)
{
    if (version >= 0 && version <= last)
        return 0;
    return ow_fail(err, OW_CONFIG,
                   "the database has schema version %lld, this program knows up to %d: use a newer "
                   "program",
                   (long long)version, last);
}

static int run_step(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    const struct step_job *job = ctx;
    int64_t version = 0;
    int rc = ow_conn_read_int(conn, "PRAGMA user_version", &version, err);
    if (!rc)
        rc = check_version(version, job->last, err);
    if (rc || version >= job->step->number)
        return rc;
    char sql[64], what[64];
    snprintf(what, sizeof(what), "migration %d", job->step->number);
    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", job->step->number);
    rc = ow_exec(conn, job->step->sql, err);
    if (!rc)
        rc = ow_exec(conn, sql, err);
    if (rc)
        ow_fail_prefix(err, what);
    return rc;
}

/* What the readers see; no lock is taken when nothing is to be done. */
static int read_version(struct ow *db, int64_t *version, struct ow_err *err)
{
    struct ow_conn *reader;
    int rc = ow_reader_acquire(
        db, &(struct ow_read){.label = "schema version", .timeout_ms = STEP_QUEUE_MS}, &reader,
        err);
    if (rc)
        return rc;
    rc = ow_conn_read_int(reader, "PRAGMA user_version", version, err);
    ow_reader_release(reader);
    return rc;
}

int ow_migrate(struct ow *db, const struct ow_migration *steps, size_t count, struct ow_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].number != (int)i + 1)
            return ow_fail(err, OW_BUG, "migration %zu of the list has number %d", i + 1,
                           steps[i].number);
    int64_t version = 0;
    int rc = read_version(db, &version, err);
    if (!rc)
        rc = check_version(version, (int)count, err);
    for (size_t i = (size_t)version; !rc && i < count; i++) {
        struct step_job job = {.step = &steps[i], .last = (int)count};
        rc = ow_write(db, OW_LANE_URGENT, run_step, &job, STEP_QUEUE_MS, err);
    }
    return rc;
}
