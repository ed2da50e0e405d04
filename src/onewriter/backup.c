/* Backup (onewriter.h). The writer's own connection is the source, because SQLite carries what that
 * connection changes over into a copy that has been begun, so the copy need not begin anew with
 * each commit. It does begin anew after a rollback of pages that were already in the log, and after
 * a foreign commit; each time the slices get longer, so that the copy ends even so.
 *
 * A slice is a bare job, since no step can be made inside a write transaction. A failure of the
 * place where the copy goes is no trouble of the database, so a slice never fails as a job: what
 * became of it stands in the backup. What must stay true: `steps` is touched by the owner of the
 * writer's connection only, and is finished before that connection is closed (SQLite refuses to
 * close it otherwise); who runs the backup may leave before that, hence two references. */
#include "onewriter/backup.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/slices.h"
#include "onewriter/target.h"

#define AIM_MS      10
#define MOST_AIM_US 640000
#define PAGES_START 64
#define PAGES_LEAST 8
#define PAGES_MOST  16384

/* How long the end of a backup that failed waits for the writer. When that is not enough, the next
 * backup or the close ends it. */
#define FINISH_MS 1000

struct ow_backup {
    struct ow_backup *next; /* in the database's list while steps is set */
    sqlite3 *to;
    sqlite3 *from;         /* NULL: not begun */
    sqlite3_backup *steps; /* NULL: not begun, or finished */
    struct ow_slices slices;
    int done, total; /* pages */
    bool complete;
    struct ow_err err;    /* why it ended */
    _Atomic bool is_left; /* nobody runs it any more */
    _Atomic int refs;     /* the runner's and the list's */
};

static void drop(struct ow_backup *backup)
{
    if (atomic_fetch_sub(&backup->refs, 1) != 1)
        return;
    sqlite3_close(backup->to);
    free(backup);
}

/* ---- by the owner of the writer's connection ---- */

/* Returns SQLite's verdict on the whole copy; `to` then holds its words. */
static int finish(struct ow *db, struct ow_backup *backup)
{
    struct ow_backup **at = &db->backups;
    while (*at != backup)
        at = &(*at)->next;
    *at = backup->next;
    int rc = sqlite3_backup_finish(backup->steps);
    backup->steps = NULL;
    return rc;
}

static void end_left_ones(struct ow *db)
{
    struct ow_backup *next;
    for (struct ow_backup *backup = db->backups; backup; backup = next) {
        next = backup->next;
        if (!atomic_load(&backup->is_left))
            continue;
        finish(db, backup);
        drop(backup);
    }
}

static void begin(struct ow_conn *conn, struct ow_backup *backup)
{
    struct ow *db = conn->owner;
    end_left_ones(db);
    backup->from = conn->db;
    backup->steps = sqlite3_backup_init(backup->to, "main", conn->db, "main");
    if (!backup->steps) {
        ow_fail_sqlite(backup->to, sqlite3_extended_errcode(backup->to), "beginning a backup",
                       &backup->err);
        return;
    }
    backup->next = db->backups;
    db->backups = backup;
    atomic_fetch_add(&backup->refs, 1);
}

/* What a step came to. */
static void judge(struct ow *db, struct ow_backup *backup, int rc, int64_t took_us)
{
    struct ow_slices *slices = &backup->slices;
    int expected = backup->done + slices->size;
    backup->total = sqlite3_backup_pagecount(backup->steps);
    backup->done = backup->total - sqlite3_backup_remaining(backup->steps);
    if (rc == SQLITE_OK) {
        bool began_anew = backup->done < expected;
        if (began_anew && slices->aim_us < MOST_AIM_US)
            slices->aim_us *= 2;
        ow_slices_learn(slices, slices->size, took_us);
    }
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
        return;
    int verdict = finish(db, backup);
    backup->complete = rc == SQLITE_DONE && verdict == SQLITE_OK;
    if (!backup->complete)
        ow_fail_sqlite(backup->to, verdict ? verdict : rc, "copying the database", &backup->err);
    drop(backup);
}

/* Bare job: one slice; tells in the backup what became of it. */
static int run_slice(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct ow_backup *backup = ctx;
    (void)err;
    if (!backup->from)
        begin(conn, backup);
    if (!backup->steps)
        return 0;
    conn->busy_cap_us = backup->slices.deadline_us;
    int64_t start_us = clock_monotonic_us();
    int rc = sqlite3_backup_step(backup->steps, backup->slices.size);
    int64_t took_us = clock_monotonic_us() - start_us;
    conn->busy_cap_us = INT64_MAX;
    judge(conn->owner, backup, rc, took_us);
    return 0;
}

/* Bare job. */
static int end_early(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    (void)err;
    end_left_ones(conn->owner);
    return 0;
}

void ow_backup_detach(struct ow *db, sqlite3 *from)
{
    struct ow_backup *next;
    for (struct ow_backup *backup = db->backups; backup; backup = next) {
        next = backup->next;
        if (backup->from != from)
            continue;
        finish(db, backup);
        ow_fail(&backup->err, OW_IO,
                "copying the database: the writer had to open another connection; begin again");
        drop(backup);
    }
}

/* ---- who runs it ---- */

/* The copy is thrown away when anything fails and synced when it is whole, so SQLite need not take
 * care of that, least of all on the thread that writes. Its lock is taken once and kept, so that no
 * slice ever waits for it. */
static const char to_sql[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                             "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT";

static struct ow_backup *new_backup(const char *path, int timeout_ms, struct ow_err *err)
{
    struct ow_backup *backup = calloc(1, sizeof(*backup));
    if (!backup) {
        ow_fail(err, OW_RESOURCE, "no memory for a backup");
        return NULL;
    }
    atomic_store(&backup->refs, 1);
    ow_slices_init(&backup->slices, PAGES_START, PAGES_LEAST, PAGES_MOST, AIM_MS, timeout_ms);
    int rc = sqlite3_open_v2(path, &backup->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(backup->to, to_sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return backup;
    ow_fail_sqlite(backup->to, rc, path, err);
    drop(backup);
    return NULL;
}

static int next_slice(struct ow *db, struct ow_backup *backup, struct ow_err *err)
{
    int left_ms = ow_slices_left_ms(&backup->slices);
    int rc = OW_TIMEOUT;
    if (left_ms)
        rc = ow_write_bare(db, OW_LANE_BULK, run_slice, backup, left_ms, err);
    if (ow_slices_is_late(&backup->slices, rc))
        return ow_fail(err, OW_TIMEOUT, "copying the database: time was up after %d of %d pages",
                       backup->done, backup->total);
    if (!rc && backup->err.code != OW_OK)
        *err = backup->err;
    return rc ? rc : (int)backup->err.code;
}

static int copy(struct ow *db, const char *path, ow_backup_fn *progress, void *ctx, int timeout_ms,
                struct ow_err *err)
{
    struct ow_err why = {0};
    struct ow_backup *backup = new_backup(path, timeout_ms, err);
    if (!backup)
        return err ? (int)err->code : OW_RESOURCE;
    int rc;
    do {
        rc = next_slice(db, backup, &why);
        if (!rc && progress && progress(ctx, backup->done, backup->total))
            rc = ow_fail(&why, OW_CANCELLED, "the backup was cancelled after %d of %d pages",
                         backup->done, backup->total);
    } while (!rc && !backup->complete);
    if (rc) {
        atomic_store(&backup->is_left, true);
        ow_write_bare(db, OW_LANE_URGENT, end_early, NULL, FINISH_MS, NULL);
    }
    drop(backup);
    if (rc && err)
        *err = why;
    return rc;
}

int ow_backup(struct ow *db, const char *to_path, ow_backup_fn *progress, void *ctx, int timeout_ms,
              struct ow_err *err)
{
    struct ow_err ignored;
    CLEANUP(ow_target_close) struct ow_target target = {.fd = -1};
    err = err ? err : &ignored;
    if (!to_path || !*to_path)
        return ow_fail(err, OW_BUG, "a backup needs a path");
    int rc = ow_enter(db, OW_WHILE_OPEN, err);
    if (rc)
        return rc;
    rc = ow_target_open(&target, db->options.path, to_path, err);
    if (!rc)
        rc = copy(db, target.temporary, progress, ctx, timeout_ms, err);
    if (!rc)
        rc = ow_target_publish(&target, err);
    ow_leave(db);
    return rc;
}
