/* The bell (bell.h) is a futex word that counts rings. A group commit wakes up to a thousand
 * waiting threads: one system call here, where a condition variable per job costs one each and a
 * shared one makes all of them queue for its mutex. What must stay true: the counter moves before
 * the wake, and a sleeper registers before the kernel compares the word; else a ring could be lost.
 */
#include "onewriter/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void ow_bell_ring(struct ow_bell *bell)
{
    atomic_fetch_add(&bell->rings, 1);
    if (atomic_load(&bell->sleepers))
        syscall(SYS_futex, &bell->rings, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void ow_bell_wait(struct ow_bell *bell, uint32_t seen, int64_t deadline_us)
{
    struct timespec at = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    atomic_fetch_add(&bell->sleepers, 1);
    syscall(SYS_futex, &bell->rings, FUTEX_WAIT_BITSET_PRIVATE, seen, &at, NULL,
            FUTEX_BITSET_MATCH_ANY);
    atomic_fetch_sub(&bell->sleepers, 1);
}

void ow_stop_init(struct ow_stop *stop)
{
    atomic_store(&stop->at_us, INT64_MAX);
}

void ow_stop_set(struct ow_stop *stop, int64_t at_us)
{
    atomic_store(&stop->at_us, at_us);
    ow_bell_ring(&stop->bell);
}

bool ow_stop_passed(const struct ow_stop *stop)
{
    int64_t at_us = atomic_load(&stop->at_us);
    return at_us != INT64_MAX && clock_monotonic_us() >= at_us;
}

void ow_stop_wait(struct ow_stop *stop, int64_t until_us)
{
    for (;;) {
        uint32_t seen = ow_bell_look(&stop->bell);
        int64_t at_us = atomic_load(&stop->at_us);
        int64_t end_us = until_us < at_us ? until_us : at_us;
        if (clock_monotonic_us() >= end_us)
            return;
        ow_bell_wait(&stop->bell, seen, end_us);
    }
}
