/* Checkpoint policy (wal.h). Reads slow down as the log grows, and with synchronous=NORMAL the
 * fsync is paid here, so checkpoints go into idle moments and, under load, come in steps. PASSIVE
 * never waits. After one that readers kept from its end, the next comes when the log has grown by
 * another soft limit, so that one long reader costs little.
 *
 * At the hard limit the log is emptied whatever our readers do. First the bulk is moved, with the
 * gate open. Then new snapshots wait at the gate, the present ones have gate_ms to end, what is
 * left is taken back (snapshots.c), and TRUNCATE finds nobody in its way. A snapshot that is
 * already older than snapshot_warn_ms will not end within gate_ms: it is taken back at once. Only a
 * foreign process's reader can make this fail.
 *
 * The canary: when a checkpoint moved all there was, a new snapshot must show the newest commit
 * that was acknowledged. It does not when two connections checkpoint at once (the WAL-reset bug) or
 * somebody replaced the log; then nothing may be written on top.
 *
 * With options.checkpoint_thread the PASSIVE ones are made elsewhere (mover.h), from the soft limit
 * on; the hard limit stays here.
 *
 * What must stay true: only the writer's connection is ever given to these functions, between two
 * groups; the gate is open when they return. */
#include "onewriter/wal.h"

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/number.h"

/* Least time for TRUNCATE: a reader of ours may hold one of the log's locks for an instant even at
 * a shut gate. */
#define TRUNCATE_LEAST_US 10000

/* How long a checkpoint of the other thread, once interrupted, may take to end: an fsync. */
#define MOVER_WAIT_US 5000000

static int count_frames(void *ctx, sqlite3 *db, const char *schema, int frames)
{
    (void)db;
    (void)schema;
    struct ow_wal *wal = ctx;
    if (frames < wal->frames) { /* the log was begun anew */
        wal->moved = 0;
        wal->again = wal->retry = 0;
    }
    wal->frames = frames;
    return SQLITE_OK;
}

void ow_wal_watch(struct ow_wal *wal, struct ow_conn *conn)
{
    sqlite3_wal_hook(conn->db, count_frames, wal);
}

static int checkpoint(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                      int mode, struct ow_err *err)
{
    int in_log = -1, moved = -1;
    int64_t start_us = clock_monotonic_us();
    int rc = sqlite3_wal_checkpoint_v2(conn->db, "main", mode, &in_log, &moved);
    int64_t took_us = clock_monotonic_us() - start_us;
    ow_tally_add(&counters->checkpoint, took_us);
    if (in_log >= 0) {
        wal->frames = in_log;
        wal->moved = moved;
        atomic_store(&counters->wal_frames, in_log);
    }
    /* After a checkpoint that readers kept from its end, or that failed, another is worth its fsync
     * only when there is more to move. */
    bool rest = rc != SQLITE_OK || wal->moved < wal->frames;
    wal->again = rest ? wal->frames + conn->options->wal_soft_frames : 0;
    ow_tell(conn->options, &(struct ow_event){.kind = OW_EVENT_CHECKPOINT,
                                              .a = in_log,
                                              .b = moved,
                                              .delay_ms = (double)took_us / 1000});
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
        return 0;
    return ow_conn_fail(conn, "moving the write-ahead log into the database", err);
}

bool ow_wal_wants_idle(const struct ow_wal *wal, const struct ow_options *options)
{
    return !options->checkpoint_thread &&
           wal->frames - wal->moved >= (options->wal_soft_frames + 3) / 4 &&
           wal->frames >= wal->again;
}

static int truncate_log(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                        int64_t deadline_us, struct ow_err *err)
{
    int64_t least_us = clock_monotonic_us() + TRUNCATE_LEAST_US;
    conn->busy_cap_us = deadline_us > least_us ? deadline_us : least_us;
    int rc = checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_TRUNCATE, err);
    conn->busy_cap_us = INT64_MAX;
    wal->retry = wal->frames ? wal->frames + conn->options->wal_soft_frames : 0;
    return rc;
}

static int empty_alone(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                       struct ow_err *err)
{
    struct ow_snapshots *snapshots = &conn->owner->snapshots;
    const struct ow_options *options = conn->options;
    ow_snapshots_revoke(snapshots, (int64_t)options->snapshot_warn_ms * 1000, OW_TAKEN_LOG,
                        wal->frames);
    int rc = wal->moved < wal->frames
                 ? checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE, err)
                 : 0;
    if (rc)
        return rc;
    int64_t deadline_us = clock_monotonic_us() + (int64_t)options->gate_ms * 1000;
    ow_snapshots_shut(snapshots, deadline_us);
    ow_snapshots_revoke(snapshots, 0, OW_TAKEN_LOG, wal->frames);
    rc = truncate_log(wal, conn, counters, deadline_us, err);
    ow_snapshots_open(snapshots);
    return rc;
}

static int empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                 struct ow_err *err)
{
    struct ow_mover *mover = &conn->owner->mover;
    if (!mover->started)
        return empty_alone(wal, conn, counters, err);
    ow_mover_pause(mover, clock_monotonic_us() + MOVER_WAIT_US);
    int rc = empty_alone(wal, conn, counters, err);
    ow_mover_resume(mover);
    return rc;
}

/* Reads the newest commit's number through a reader that is idle; none is waited for. */
static int check_canary(struct ow_conn *conn, struct ow_counters *counters, struct ow_err *err)
{
    struct ow_pool *pool = &conn->owner->pool;
    struct ow_conn *reader;
    int64_t acknowledged = atomic_load(&counters->recorded_seq), seen = 0;
    const struct ow_read how = {.label = "canary"};
    const struct ow_wish wish = {.how = &how, .count = 1, .since_us = clock_monotonic_us()};
    if (ow_pool_acquire(pool, &wish, &reader, NULL) != 0)
        return 0;
    int rc = ow_number_read(reader, &seen, NULL, NULL);
    ow_pool_release(pool, reader);
    if (rc)
        return 0; /* says nothing about commits; the next borrower meets it */
    ow_count(&counters->canaries, 1);
    if (seen >= acknowledged)
        return 0;
    ow_fail(err, OW_CORRUPT,
            "a commit that was acknowledged is not visible any more: number %lld after a "
            "checkpoint, %lld before; stop the program and keep the database with its -wal file",
            (long long)seen, (long long)acknowledged);
    if (err)
        err->sqlite_code = SQLITE_CORRUPT;
    return OW_CORRUPT;
}

/* What the checkpoints of the other thread came to, and whether another is worth its fsync. */
static int direct_mover(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                        struct ow_err *err)
{
    struct ow_mover *mover = &conn->owner->mover;
    struct ow_moved news;
    bool heard = ow_mover_hear(mover, &news);
    if (heard && news.code) {
        if (err)
            *err = news.err;
        return news.code;
    }
    bool ours = heard && news.frames >= 0 && news.frames <= wal->frames; /* else of an older log */
    bool all = ours && news.moved == news.frames;
    if (ours) {
        wal->moved = news.moved;
        wal->again = all ? 0 : news.frames + conn->options->wal_soft_frames;
    }
    if (wal->frames >= wal->again && wal->frames - wal->moved >= conn->options->wal_soft_frames)
        ow_mover_ask(mover);
    return all ? check_canary(conn, counters, err) : 0;
}

/* A checkpoint costs two syncs, however little it moves. Who writes alone pays them himself and
 * keeps nobody waiting, so for him they are made seldom. */
#define LONE_STEP 3

int ow_wal_after_group(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                       bool is_lone, struct ow_err *err)
{
    const struct ow_options *options = conn->options;
    int rc = 0;
    int step = is_lone ? options->wal_soft_frames * LONE_STEP : options->wal_soft_frames;
    atomic_store(&counters->wal_frames, wal->frames);
    if (wal->frames >= options->wal_hard_frames && wal->frames >= wal->retry)
        rc = empty(wal, conn, counters, err);
    else if (conn->owner->mover.started)
        return direct_mover(wal, conn, counters, err);
    else if (wal->frames >= wal->again && wal->frames - wal->moved >= step)
        rc = checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE, err);
    else
        return 0;
    return rc || wal->moved < wal->frames ? rc : check_canary(conn, counters, err);
}

int ow_wal_idle(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                struct ow_err *err)
{
    int rc = checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE, err);
    return rc || wal->moved < wal->frames ? rc : check_canary(conn, counters, err);
}

bool ow_wal_empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                  int64_t deadline_us, struct ow_err *err)
{
    int rc = empty(wal, conn, counters, err);
    if (!rc && wal->frames && clock_monotonic_us() < deadline_us)
        rc = truncate_log(wal, conn, counters, deadline_us, err);
    return rc == 0 && wal->frames == 0;
}
