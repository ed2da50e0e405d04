/* The thread "ow-checkpoint" (options.checkpoint_thread): moves the log while the writer writes. */
#ifndef ONEWRITER_MOVER_H
#define ONEWRITER_MOVER_H

#include <pthread.h>

#include "onewriter/conn.h"
#include "onewriter/metrics.h"

/* What the newest checkpoint came to. */
struct ow_moved {
    int frames, moved; /* in the log then, and of those in the database */
    int code;          /* 0, or why it failed, with err filled */
    struct ow_err err;
};

struct ow_mover {
    struct ow_counters *counters; /* lent */
    struct ow_conn conn;
    pthread_t thread;
    bool started;
    struct mutex lock; /* guards the rest */
    struct cond changed;
    bool asked, running, paused, stop, has_news;
    struct ow_moved news;
};

/* After the writer's connection was opened. */
int ow_mover_start(struct ow_mover *mover, struct ow *owner, struct ow_err *err);
/* One that was never started is allowed. */
void ow_mover_stop(struct ow_mover *mover);

/* The writer, between two groups: asks for a checkpoint and does not wait for it. */
void ow_mover_ask(struct ow_mover *mover);
/* What a checkpoint since the last call came to. False when there was none. */
bool ow_mover_hear(struct ow_mover *mover, struct ow_moved *out);
/* No checkpoint runs or begins until ow_mover_resume. A running one is interrupted; false when it
 * had not ended by deadline_us. */
bool ow_mover_pause(struct ow_mover *mover, int64_t deadline_us);
void ow_mover_resume(struct ow_mover *mover);

#endif
