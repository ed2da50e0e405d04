/* The watcher (watch.h). A snapshot that is begun must not cost a system call, so the watcher is
 * woken only when it said that it is asleep: by the first snapshot after a quiet time. From then on
 * it looks by itself, at the times when a snapshot is due and, while snapshots keep being begun, at
 * half the shortest limit, so that none grows old unseen. After a look that found no new ones it
 * sleeps again, until one that is held is due: an idle database wakes nobody.
 *
 * What must stay true: it says that it sleeps before it looks for the last time, and a reader
 * begins its snapshot before it looks whether the watcher sleeps; so one sees the other. */
#include "onewriter/watch.h"

#include "base/clock.h"
#include "onewriter/fail.h"

#define FAR_US (3600LL * 1000000)

static int64_t tick_us(const struct ow_options *options)
{
    int ms = options->snapshot_warn_ms;
    if (options->snapshot_max_ms && options->snapshot_max_ms < ms)
        ms = options->snapshot_max_ms;
    return ms * 1000LL / 2;
}

static void *watch_main(void *arg)
{
    struct ow_watch *watch = arg;
    struct ow_snapshots *all = watch->all;
    uint64_t known = 0;
    for (;;) {
        uint32_t seen = ow_bell_look(&all->begun);
        if (atomic_load(&watch->stop))
            return NULL;
        uint64_t begun;
        int64_t due_us = ow_snapshots_watch(all, &begun);
        bool is_quiet = begun == known;
        known = begun;
        if (is_quiet && !atomic_exchange(&all->is_asleep, true))
            continue; /* the last look */
        if (!is_quiet)
            atomic_store(&all->is_asleep, false);
        int64_t wake_us = clock_monotonic_us() + (is_quiet ? FAR_US : tick_us(all->options));
        ow_bell_wait(&all->begun, seen, due_us < wake_us ? due_us : wake_us);
    }
}

int ow_watch_start(struct ow_watch *watch, struct ow_snapshots *all, struct ow_err *err)
{
    struct err why;
    watch->all = all;
    if (thread_start(&watch->thread, "ow-watch", watch_main, watch, &why))
        return ow_fail(err, OW_RESOURCE, "%s", why.text);
    watch->started = true;
    return 0;
}

void ow_watch_stop(struct ow_watch *watch)
{
    if (!watch->started)
        return;
    atomic_store(&watch->stop, true);
    ow_bell_ring(&watch->all->begun);
    pthread_join(watch->thread, NULL);
    watch->started = false;
}
