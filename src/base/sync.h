/* Mutex, condition with monotonic deadline, named thread. Leaf locks only: whoever holds one takes
 * no second one and calls nothing that might. */
#ifndef BASE_SYNC_H
#define BASE_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mutex {
    pthread_mutex_t raw;
};

struct cond {
    pthread_cond_t raw;
};

void mutex_init(struct mutex *m);
void mutex_fini(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
/* Waits until signalled or until clock_monotonic_us() reaches deadline_us. False when the deadline
 * passed. Wakes may be spurious: loop on the condition. */
bool cond_wait_until(struct cond *c, struct mutex *m, int64_t deadline_us);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Starts a joinable thread named `name` (at most 15 bytes are kept by the kernel) with all signals
 * blocked, so that signals reach the main thread only. */
int thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg, struct err *err);

/* LOCK(&m): holds the mutex until the end of the scope. */
static inline struct mutex *mutex_lock_scope(struct mutex *m)
{
    mutex_lock(m);
    return m;
}
static inline void mutex_unlock_scope(struct mutex **m)
{
    mutex_unlock(*m);
}
#define LOCK(m)                                                                                    \
    __attribute__((cleanup(mutex_unlock_scope), unused)) struct mutex *lock_scope_ =               \
        mutex_lock_scope(m)

#endif
