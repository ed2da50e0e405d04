/* A queue of waiting threads: who came first gets the thing first. The owner's mutex guards it. */
#ifndef ONEWRITER_TURN_H
#define ONEWRITER_TURN_H

#include "base/sync.h"

struct ow_turn {
    struct ow_waiter *first, *last;
    int length;
};

/* Waits, with the mutex held, until ow_turn_grant reaches this thread. Returns what was granted, or
 * NULL when deadline_us passed first. */
void *ow_turn_wait(struct ow_turn *turn, struct mutex *lock, int64_t deadline_us);
/* Hands gift (not NULL) to the thread that has waited longest. False when nobody waits. */
bool ow_turn_grant(struct ow_turn *turn, void *gift);

#endif
