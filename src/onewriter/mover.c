/* Checkpoints beside the writer (mover.h). With the WAL-reset bug this is what loses commits, so
 * options.c refuses it unless the linked SQLite is fixed. PASSIVE only: it takes no lock that the
 * writer waits for. The hard limit stays the writer's, which pauses this thread first, since a
 * second checkpoint is refused at once while one runs. What must stay true: the connection is used
 * by this thread alone, but for sqlite3_interrupt; a failure is heard by the writer, who decides.
 */
#include "onewriter/mover.h"

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"

#define FAR_US (3600LL * 1000000)

static void move(struct ow_mover *mover, struct ow_moved *out)
{
    struct ow_conn *conn = &mover->conn;
    *out = (struct ow_moved){.frames = -1, .moved = -1};
    int64_t start_us = clock_monotonic_us();
    int rc = sqlite3_wal_checkpoint_v2(conn->db, "main", SQLITE_CHECKPOINT_PASSIVE, &out->frames,
                                       &out->moved);
    int64_t took_us = clock_monotonic_us() - start_us;
    ow_tally_add(&mover->counters->checkpoint, took_us);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_INTERRUPT)
        out->code = ow_conn_fail(conn, "moving the write-ahead log into the database", &out->err);
    ow_tell(conn->options, &(struct ow_event){.kind = OW_EVENT_CHECKPOINT,
                                              .a = out->frames,
                                              .b = out->moved,
                                              .delay_ms = (double)took_us / 1000});
}

/* True with a checkpoint to do; false at the end. */
static bool await(struct ow_mover *mover)
{
    LOCK(&mover->lock);
    while (!mover->stop && (!mover->asked || mover->paused))
        cond_wait_until(&mover->changed, &mover->lock, clock_monotonic_us() + FAR_US);
    mover->asked = false;
    mover->running = !mover->stop;
    return mover->running;
}

static void *mover_main(void *arg)
{
    struct ow_mover *mover = arg;
    while (await(mover)) {
        struct ow_moved news;
        move(mover, &news);
        LOCK(&mover->lock);
        mover->news = news;
        mover->has_news = true;
        mover->running = false;
        cond_broadcast(&mover->changed);
    }
    return NULL;
}

int ow_mover_start(struct ow_mover *mover, struct ow *owner, struct ow_err *err)
{
    struct err why;
    mover->counters = &owner->counters;
    mover->conn =
        (struct ow_conn){.options = &owner->options, .stop = &owner->stop, .owner = owner};
    mutex_init(&mover->lock);
    cond_init(&mover->changed);
    int rc = ow_conn_open(&mover->conn, OW_MOVER, err);
    if (rc)
        return rc;
    if (thread_start(&mover->thread, "ow-checkpoint", mover_main, mover, &why))
        return ow_fail(err, OW_RESOURCE, "%s", why.text);
    mover->started = true;
    return 0;
}

void ow_mover_stop(struct ow_mover *mover)
{
    if (!mover->counters)
        return;
    if (mover->started) {
        mutex_lock(&mover->lock);
        mover->stop = true;
        cond_broadcast(&mover->changed);
        mutex_unlock(&mover->lock);
        pthread_join(mover->thread, NULL);
    }
    ow_conn_close(&mover->conn);
    cond_fini(&mover->changed);
    mutex_fini(&mover->lock);
    *mover = (struct ow_mover){0};
}

/* ---- the writer ---- */

void ow_mover_ask(struct ow_mover *mover)
{
    LOCK(&mover->lock);
    if (!mover->asked && !mover->running) {
        mover->asked = true;
        cond_broadcast(&mover->changed);
    }
}

bool ow_mover_hear(struct ow_mover *mover, struct ow_moved *out)
{
    LOCK(&mover->lock);
    bool heard = mover->has_news;
    mover->has_news = false;
    *out = mover->news;
    return heard;
}

bool ow_mover_pause(struct ow_mover *mover, int64_t deadline_us)
{
    mutex_lock(&mover->lock);
    mover->paused = true;
    bool runs = mover->running;
    mutex_unlock(&mover->lock);
    if (runs)
        sqlite3_interrupt(mover->conn.db);
    LOCK(&mover->lock);
    while (mover->running && cond_wait_until(&mover->changed, &mover->lock, deadline_us))
        ;
    return !mover->running;
}

void ow_mover_resume(struct ow_mover *mover)
{
    LOCK(&mover->lock);
    mover->paused = false;
    cond_broadcast(&mover->changed);
}
