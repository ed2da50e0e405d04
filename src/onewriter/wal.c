/* Checkpoint policy (wal.h). Reads slow down as the log grows, and with synchronous=NORMAL the
 * fsync is paid here, so checkpoints go into idle moments and, under load, come in steps. PASSIVE
 * never waits, TRUNCATE waits a little for readers. After one that readers kept from its end, the
 * next comes when the log has grown by another soft limit, so that one long reader costs little.
 * What must stay true: only the writer's connection is ever given to these functions. */
#include "onewriter/wal.h"

#include <limits.h>

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
                      int mode)
{
    int in_log = -1, moved = -1;
    int64_t start_us = clock_monotonic_us();
    int rc = sqlite3_wal_checkpoint_v2(conn->db, "main", mode, &in_log, &moved);
    ow_count(&counters->checkpoints, 1);
    ow_count(&counters->checkpoint_us_total, (uint64_t)(clock_monotonic_us() - start_us));
    if (in_log >= 0) {
        wal->frames = in_log;
        wal->moved = moved;
        atomic_store(&counters->wal_frames, in_log);
    }
    ow_tell(conn->options,
            &(struct ow_event){.kind = OW_EVENT_CHECKPOINT, .a = in_log, .b = moved});
    return rc;
}

/* After a checkpoint that readers kept from its end, another is worth its fsync only when there is
 * more to move. */
static void checkpoint_paced(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters)
{
    checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_PASSIVE);
    wal->again = wal->moved < wal->frames ? wal->frames + conn->options->wal_soft_frames : 0;
}

bool ow_wal_wants_idle(const struct ow_wal *wal, const struct ow_options *options)
{
    return wal->frames - wal->moved >= options->wal_soft_frames && wal->frames >= wal->again;
}

void ow_wal_after_group(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters)
{
    const struct ow_options *options = conn->options;
    atomic_store(&counters->wal_frames, wal->frames);
    if (wal->frames < wal->again)
        return;
    if (wal->frames >= options->wal_hard_frames) {
        int64_t deadline_us = clock_monotonic_us() + TRUNCATE_WAIT_US;
        bool empty = ow_wal_empty(wal, conn, counters, deadline_us);
        wal->again = empty ? 0 : wal->frames + options->wal_soft_frames;
    } else if ((wal->frames - wal->moved) / 4 >= options->wal_soft_frames) {
        checkpoint_paced(wal, conn, counters);
    }
}

void ow_wal_idle(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters)
{
    checkpoint_paced(wal, conn, counters);
}

bool ow_wal_empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                  int64_t deadline_us)
{
    conn->busy_cap_us = deadline_us;
    int rc = checkpoint(wal, conn, counters, SQLITE_CHECKPOINT_TRUNCATE);
    conn->busy_cap_us = INT64_MAX;
    return rc == SQLITE_OK && wal->frames == 0;
}
