/* struct ow: one database and everything that belongs to it. */
#ifndef ONEWRITER_DATABASE_H
#define ONEWRITER_DATABASE_H

#include "onewriter/pool.h"
#include "onewriter/writer.h"

/* Counts the threads inside calls that wait, so that ow_close knows when the last has left. */
struct ow_gate {
    struct mutex lock;
    struct cond left;
    int inside;
    bool shut;
};

struct ow {
    struct ow_options options; /* path is owned */
    uint32_t fork_count;       /* of the process that opened it */
    struct ow_counters counters;
    struct ow_stop stop;
    struct ow_bell answered;
    struct ow_gate gate;
    struct ow_lanes lanes;
    struct ow_pool pool;
    struct ow_writer writer;
    struct ow_backup *backups; /* under way; guarded by owning the writer's connection */
};

enum ow_rule { OW_WHILE_OPEN, OW_WHILE_CLOSING };
int ow_enter(struct ow *db, enum ow_rule rule, struct ow_err *err);
void ow_leave(struct ow *db);

/* Runs fn on the writer's connection between two groups, outside of any transaction, and waits for
 * its end as ow_write does. For checkpoints, vacuum and backup steps. */
int ow_write_bare(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                  struct ow_err *err);

/* True in a forked child: the handle's threads and locks stayed in the parent. */
bool ow_is_foreign(const struct ow *db, struct ow_err *err);

#endif
