/* Threads in line (turn.h). A condition variable alone wakes waiters in any order and lets a
 * newcomer overtake them; here the giver hands the thing to one named waiter. What must stay true:
 * the list is sorted by arrival, equals in the order in which they came; a granted waiter has been
 * unlinked by the giver, a timed-out one unlinks itself, both under the owner's mutex, so a gift is
 * never handed to a thread that has left. */
#include "onewriter/turn.h"

#include <stddef.h>

#define LANE_US 250000

int64_t ow_turn_arrival(int64_t now_us, enum ow_lane lane)
{
    return now_us + (int64_t)lane * LANE_US;
}

static void insert(struct ow_turn *turn, struct ow_waiter *self)
{
    struct ow_waiter **at = &turn->first;
    while (*at && (*at)->arrival_us <= self->arrival_us)
        at = &(*at)->next;
    self->next = *at;
    *at = self;
    turn->length++;
}

static void unlink_waiter(struct ow_turn *turn, struct ow_waiter *self)
{
    struct ow_waiter **at = &turn->first;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    turn->length--;
}

void *ow_turn_wait_as(struct ow_turn *turn, struct ow_waiter *self, struct mutex *lock,
                      int64_t deadline_us)
{
    self->gift = NULL;
    cond_init(&self->granted);
    insert(turn, self);
    while (!self->gift && cond_wait_until(&self->granted, lock, deadline_us))
        ;
    if (!self->gift)
        unlink_waiter(turn, self);
    cond_fini(&self->granted);
    return self->gift;
}

void *ow_turn_wait(struct ow_turn *turn, struct mutex *lock, int64_t deadline_us)
{
    struct ow_waiter self = {.want = 1};
    return ow_turn_wait_as(turn, &self, lock, deadline_us);
}

bool ow_turn_is_ahead(const struct ow_turn *turn, int64_t arrival_us)
{
    return turn->first && turn->first->arrival_us <= arrival_us;
}

int ow_turn_wanted(const struct ow_turn *turn)
{
    return turn->first ? turn->first->want : 0;
}

bool ow_turn_grant(struct ow_turn *turn, void *gift)
{
    struct ow_waiter *waiter = turn->first;
    if (!waiter)
        return false;
    turn->first = waiter->next;
    turn->length--;
    waiter->gift = gift;
    cond_signal(&waiter->granted);
    return true;
}
