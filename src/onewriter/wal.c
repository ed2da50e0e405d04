/* Checkpoint policy (wal.h). Reads slow down as the log grows, and with synchronous=NORMAL the
 * fsync is paid here, so checkpoints go into idle moments and, under load, come in steps. PASSIVE
 * never waits, TRUNCATE waits a little for readers. After one that readers kept from its end, the
 * next comes when the log has grown by another soft limit, so that one long reader costs little.
 * What must stay true: only the writer's connection is ever given to these functions. */
#include "onewriter/wal.h"

#include "base/clock.h"

/* How long a group may be delayed for readers to leave the log. */
#define TRUNCATE_WAIT_US 50000

static int count_frames(void *ctx, sqlite3 *db, const char *schema, int frames)
{
    (void)db;
    (void)schema;
    struct ow_wal *wal = ctx;
    if (frames < wal->frames) { /* the log was begun anew */
        wal->moved = 0;
        wal->again = 0;
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
    ow_tell(conn->options,
            &(struct ow_event){.kind = OW_EVENT_CHECKPOINT,
                                .a = in_log,
                                .b = moved,
                                .delay_ms = (double)took_us / 1000});
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
        return 0;
    return ow_conn_fail(conn, "moving the write-ahead log into the database", err);
}

bool ow_wal_wants_idle(const struct ow_wal *wal, const struct ow_options *options)
{
    return wal->frames - wal->moved >= options->wal_soft_frames && wal->frames >= wal->again;
}

static int empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                 int64_t deadline_us, struct ow_err *err)
{
    conn->busy_cap_us = deadline_us;
    int rc = checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_TRUNCATE, err);
    conn->busy_cap_us = INT64_MAX;
    if (wal->frames) /* all may be moved, and yet a reader keeps the log from being begun anew */
        wal->again = wal->frames + conn->options->wal_soft_frames;
    return rc;
}

int ow_wal_after_group(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                       struct ow_err *err)
{
    const struct ow_options *options = conn->options;
    atomic_store(&counters->wal_frames, wal->frames);
    if (wal->frames < wal->again)
        return 0;
    if (wal->frames >= options->wal_hard_frames)
        return empty(wal, conn, counters, clock_monotonic_us() + TRUNCATE_WAIT_US, err);
    if ((wal->frames - wal->moved) / 4 >= options->wal_soft_frames)
        return checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE, err);
    return 0;
}

int ow_wal_idle(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                struct ow_err *err)
{
    return checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE, err);
}

bool ow_wal_empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                  int64_t deadline_us, struct ow_err *err)
{
    return empty(wal, conn, counters, deadline_us, err) == 0 && wal->frames == 0;
}
