/* First come, first served (turn.h). A condition variable alone wakes waiters in any order and lets
 * a newcomer overtake them; here the giver hands the thing to one named waiter. What must stay
 * true: a granted waiter has been unlinked by the giver, a timed-out one unlinks itself, both under
 * the owner's mutex, so a gift is never handed to a thread that has left. */
#include "onewriter/turn.h"

#include <stddef.h>

struct ow_waiter {
    struct ow_waiter *next;
    struct cond granted;
    void *gift;
};

static void unlink_waiter(struct ow_turn *turn, struct ow_waiter *waiter)
{
    struct ow_waiter *before = NULL;
    for (struct ow_waiter *at = turn->first; at != waiter; at = at->next)
        before = at;
    *(before ? &before->next : &turn->first) = waiter->next;
    if (turn->last == waiter)
        turn->last = before;
    turn->length--;
}

void *ow_turn_wait(struct ow_turn *turn, struct mutex *lock, int64_t deadline_us)
{
    struct ow_waiter self = {0};
    cond_init(&self.granted);
    *(turn->last ? &turn->last->next : &turn->first) = &self;
    turn->last = &self;
    turn->length++;
    while (!self.gift && cond_wait_until(&self.granted, lock, deadline_us))
        ;
    if (!self.gift)
        unlink_waiter(turn, &self);
    cond_fini(&self.granted);
    return self.gift;
}

bool ow_turn_grant(struct ow_turn *turn, void *gift)
{
    struct ow_waiter *waiter = turn->first;
    if (!waiter)
        return false;
    turn->first = waiter->next;
    if (!turn->first)
        turn->last = NULL;
    turn->length--;
    waiter->gift = gift;
    cond_signal(&waiter->granted);
    return true;
}
