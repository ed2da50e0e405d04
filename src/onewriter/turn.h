/* A queue of waiting threads, served by arrival. The owner's mutex guards it. */
#ifndef ONEWRITER_TURN_H
#define ONEWRITER_TURN_H

#include "base/sync.h"
#include "onewriter/onewriter.h"

/* One waiting thread; lives on its stack. */
struct ow_waiter {
    int64_t arrival_us; /* by which it is served, see ow_turn_arrival */
    int want;           /* so many things at once */
    /* Who it is, for those who look. */
    const char *label;
    enum ow_lane lane;
    int64_t since_us;
    /* Of turn.c. */
    struct ow_waiter *next;
    struct cond granted;
    void *gift;
};

struct ow_turn {
    struct ow_waiter *first; /* in the order in which they are served */
    int length;
};

/* The one rule by which lanes share: each lane counts as having arrived so much later than it did
 * (0, 250 and 500 ms). So a lane is first in, first out, urgent work goes first, and nobody is
 * overtaken by who came more than 500 ms after him. */
int64_t ow_turn_arrival(int64_t now_us, enum ow_lane lane);

/* Waits in line, with the mutex held, until ow_turn_grant reaches this thread. Returns what was
 * granted, or NULL when deadline_us passed first. */
void *ow_turn_wait_as(struct ow_turn *turn, struct ow_waiter *self, struct mutex *lock,
                      int64_t deadline_us);
/* The same for one thing, first come, first served. */
void *ow_turn_wait(struct ow_turn *turn, struct mutex *lock, int64_t deadline_us);
/* True when somebody waits who is served before a newcomer with that arrival. */
bool ow_turn_is_ahead(const struct ow_turn *turn, int64_t arrival_us);
/* How many things the first in line wants; 0 = nobody waits. */
int ow_turn_wanted(const struct ow_turn *turn);
/* Hands gift (not NULL) to the first in line. False when nobody waits. */
bool ow_turn_grant(struct ow_turn *turn, void *gift);

#endif
