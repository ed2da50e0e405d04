/* struct ow: one database and everything that belongs to it. */
#ifndef ONEWRITER_DATABASE_H
#define ONEWRITER_DATABASE_H

#include "onewriter/executor.h"
#include "onewriter/mover.h"
#include "onewriter/place.h"
#include "onewriter/pool.h"
#include "onewriter/watch.h"
#include "onewriter/writer.h"

enum ow_life { OW_LIFE_OPEN, OW_LIFE_CLOSING, OW_LIFE_CLOSED };

/* Statements that were never finalized when their connection was closed. */
struct ow_leaks {
    int statements;
    char first[160];
};

struct ow {
    struct ow_options options; /* path is owned */
    uint32_t fork_count;       /* of the process that opened it */
    _Atomic int life;          /* enum ow_life */
    _Atomic uint32_t inside;   /* calls that use the parts below */
    struct ow_bell left;       /* rings when the last of them leaves a closing handle */
    struct mutex texts;        /* leaf: the texts of cached statements are freed under it */
    struct ow_counters counters;
    struct ow_stop stop;
    struct ow_bell bells[OW_BELLS];
    struct ow_place place;
    struct ow_leaks leaks; /* guarded by texts */
    struct ow_lanes lanes;
    struct ow_snapshots snapshots;
    struct ow_pool pool;
    struct ow_executor executor;
    struct ow_writer writer;
    struct ow_watch watch;
    struct ow_backup *backups; /* under way; guarded by owning the writer's connection */
    struct ow_mover mover;     /* options.checkpoint_thread */
};

/* Every public call passes here: refused in a forked child (CLOSED), from a job of this database
 * (BUG) and once the handle is closed; while it is being closed only OW_WHILE_CLOSING may enter.
 * 0: the parts stay until ow_leave. */
enum ow_rule { OW_WHILE_OPEN, OW_WHILE_CLOSING };
int ow_enter(struct ow *db, enum ow_rule rule, struct ow_err *err);
void ow_leave(struct ow *db);

/* clock_monotonic_us() after so many milliseconds; negative counts as 0. */
int64_t ow_deadline_after(int timeout_ms);

/* Waits until the job is done or deadline_us. True when it is done. */
bool ow_job_await(struct ow *db, struct ow_job *job, int64_t deadline_us);

/* Runs fn on the writer's connection between two groups, outside of any transaction, and waits for
 * its end as ow_write does. For checkpoints, vacuum and backup steps. */
int ow_write_bare(struct ow *db, unsigned lane, ow_job_fn *fn, void *ctx, int timeout_ms,
                  struct ow_err *err);

/* True in a forked child: the handle's threads and locks stayed in the parent. */
bool ow_is_foreign(const struct ow *db, struct ow_err *err);

#endif
