/* struct ow: one database and everything that belongs to it. */
#ifndef ONEWRITER_DATABASE_H
#define ONEWRITER_DATABASE_H

#include "onewriter/mover.h"
#include "onewriter/place.h"
#include "onewriter/pool.h"
#include "onewriter/watch.h"
#include "onewriter/writer.h"

/* Counts the threads inside calls that wait, so that ow_close knows when the last has left. */
struct ow_gate {
    struct mutex lock;
    struct cond left;
    int inside;
    bool shut;
};

/* Statements that were never finalized when their connection was closed. */
struct ow_leaks {
    int statements;
    char first[160];
};

struct ow {
    struct ow_options options; /* path is owned */
    uint32_t fork_count;       /* of the process that opened it */
    struct ow_place place;
    struct ow_counters counters;
    struct ow_stop stop;
    struct ow_bell answered;
    struct ow_gate gate;
    struct ow_leaks leaks; /* guarded by gate.lock */
    struct ow_lanes lanes;
    struct ow_snapshots snapshots;
    struct ow_pool pool;
    struct ow_writer writer;
    struct ow_watch watch;
    struct ow_mover mover; /* options.checkpoint_thread */
};

/* Runs fn on the writer's connection between two groups, outside of any transaction, and waits for
 * its end as ow_write does. For checkpoints, vacuum and backup steps. */
int ow_write_bare(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                  struct ow_err *err);

/* True in a forked child: the handle's threads and locks stayed in the parent. */
bool ow_is_foreign(const struct ow *db, struct ow_err *err);

#endif
