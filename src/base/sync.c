/* Locks and threads (sync.h). Every failure of a pthread call here is a programming error, so it is
 * asserted rather than returned; only thread creation can fail for want of resources. */
#include "base/sync.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void mutex_init(struct mutex *m)
{
    int rc = pthread_mutex_init(&m->raw, NULL);
    assert(rc == 0);
}

void mutex_fini(struct mutex *m)
{
    int rc = pthread_mutex_destroy(&m->raw);
    assert(rc == 0);
}

void mutex_lock(struct mutex *m)
{
    int rc = pthread_mutex_lock(&m->raw);
    assert(rc == 0);
}

void mutex_unlock(struct mutex *m)
{
    int rc = pthread_mutex_unlock(&m->raw);
    assert(rc == 0);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&c->raw, &attr);
    assert(rc == 0);
    pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *c)
{
    int rc = pthread_cond_destroy(&c->raw);
    assert(rc == 0);
}

bool cond_wait_until(struct cond *c, struct mutex *m, int64_t deadline_us)
{
    struct timespec at = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    int rc = pthread_cond_timedwait(&c->raw, &m->raw, &at);
    assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(&c->raw);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(&c->raw);
}

struct thread_start_args {
    void *(*fn)(void *);
    void *arg;
    char name[16];
};

static void *thread_main(void *p)
{
    struct thread_start_args args = *(struct thread_start_args *)p;
    free(p);
    pthread_setname_np(pthread_self(), args.name);
    return args.fn(args.arg);
}

int thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg, struct err *err)
{
    struct thread_start_args *args = calloc(1, sizeof(*args));
    if (!args)
        return err_set(err, ERR_MEMORY, "no memory for thread %s", name);
    args->fn = fn;
    args->arg = arg;
    memcpy(args->name, name, strnlen(name, sizeof(args->name) - 1));
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = pthread_create(out, NULL, thread_main, args);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        free(args);
        return err_set_errno(err, rc, "cannot start thread %s", name);
    }
    return 0;
}
