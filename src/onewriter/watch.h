/* The thread "ow-watch": old snapshots are named and taken back in time. */
#ifndef ONEWRITER_WATCH_H
#define ONEWRITER_WATCH_H

#include <pthread.h>

#include "onewriter/snapshots.h"

struct ow_watch {
    struct ow_snapshots *all; /* lent */
    pthread_t thread;
    bool started;
    _Atomic bool stop;
};

int ow_watch_start(struct ow_watch *watch, struct ow_snapshots *all, struct ow_err *err);
/* Ends and joins the thread. One that was never started is allowed. */
void ow_watch_stop(struct ow_watch *watch);

#endif
