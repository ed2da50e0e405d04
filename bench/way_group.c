/* The bare group-commit loop (ways.h): the least that many waiting threads and one writing thread
 * can get by with, and so the yardstick for onewriter. A list under a mutex; the writer runs
 * BEGIN IMMEDIATE, the rows of all on the list, COMMIT, and wakes everybody with one futex call. No
 * savepoints, no commit number, no deadlines, no way to end a wait; checkpoints as SQLite does them
 * by default, after a commit, every 1,000 pages. Who hands in while the rows are being written
 * still joins the group: taken with the next, the first few that wake after a commit would get one
 * of their own, and everybody else would wait for two syncs.
 *
 * A group waits on the word of its parity, since the threads of the next group, which wait already
 * when this one is woken, would else be woken with it. What must stay true: a request is not
 * touched after its group's word was written, since it lies on its owner's stack. */
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sync.h"
#include "plain.h"
#include "report.h"

struct request {
    const struct row *row;
    struct request *next;
    int rc;
    char *why;
};

struct group {
    struct plain plain;
    pthread_t thread;
    struct mutex lock;
    struct request *first, **end; /* under lock, with the next four */
    uint32_t collecting;          /* number of the group that `first` will be */
    bool asleep, stop;
    _Atomic uint32_t bell;    /* wakes the writer */
    _Atomic uint32_t done[2]; /* last finished group, by parity */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* ---- the writer ---- */

/* All that wait now, as members of the group that is being collected; NULL: nobody does, and the
 * group is closed: who comes later is in the next one. */
static struct request *take_or_close(struct group *group)
{
    LOCK(&group->lock);
    struct request *first = group->first;
    group->first = NULL;
    group->end = &group->first;
    if (!first)
        group->collecting++;
    return first;
}

/* Sleeps until somebody waits; false when stopped. */
static bool await_first(struct group *group)
{
    for (;;) {
        mutex_lock(&group->lock);
        bool some = group->first, stop = group->stop;
        uint32_t seen = atomic_load_explicit(&group->bell, memory_order_relaxed);
        group->asleep = !some;
        mutex_unlock(&group->lock);
        if (some || stop)
            return some;
        futex_wait(&group->bell, seen);
    }
}

static void fail_all(struct request *list, int rc, const char *why)
{
    for (struct request *request = list; request; request = request->next) {
        request->rc = rc;
        snprintf(request->why, WHY_BYTES, "%s", why);
    }
}

/* Writes the rows, unless the transaction has not begun; who comes meanwhile is taken along.
 * Returns all members in one list. */
static struct request *fill(struct group *group, bool begun)
{
    struct request *members = NULL, **end = &members, *request;
    while ((request = take_or_close(group))) {
        *end = request;
        for (; request; end = &request->next, request = request->next)
            if (begun)
                request->rc = plain_insert(&group->plain, request->row, request->why);
    }
    return members;
}

static void write_members(struct group *group)
{
    char why[WHY_BYTES];
    int rc = plain_begin(&group->plain, why);
    struct request *members = fill(group, rc == 0);
    if (!rc)
        rc = plain_commit(&group->plain, why);
    if (rc)
        fail_all(members, rc, why);
}

static void *run(void *arg)
{
    struct group *group = arg;
    while (await_first(group)) {
        uint32_t number = group->collecting; /* only this thread changes it */
        write_members(group);
        _Atomic uint32_t *word = &group->done[number & 1];
        atomic_store_explicit(word, number, memory_order_release);
        futex_wake(word, INT_MAX);
    }
    return NULL;
}

/* ---- the way ---- */

static void *open_group(const struct target *target)
{
    char why[WHY_BYTES];
    struct group *group = calloc(1, sizeof(*group));
    if (!group)
        die("no memory");
    plain_create(target);
    if (plain_open(&group->plain, target, why))
        die("%s", why);
    mutex_init(&group->lock);
    group->end = &group->first;
    group->collecting = 2;
    atomic_store(&group->done[1], 1);
    struct err err;
    if (thread_start(&group->thread, "bare-writer", run, group, &err))
        die("%s", err.text);
    return group;
}

static void *join_group(void *shared)
{
    (void)shared;
    return NULL;
}

static uint32_t hand_in(struct group *group, struct request *request)
{
    mutex_lock(&group->lock);
    *group->end = request;
    group->end = &request->next;
    uint32_t number = group->collecting;
    bool wake = group->asleep;
    group->asleep = false;
    mutex_unlock(&group->lock);
    if (wake) {
        atomic_fetch_add(&group->bell, 1);
        futex_wake(&group->bell, 1);
    }
    return number;
}

static int write_group(void *arg, void *own, const struct row *row, char *why)
{
    struct group *group = arg;
    (void)own;
    struct request request = {.row = row, .why = why};
    uint32_t number = hand_in(group, &request), seen;
    _Atomic uint32_t *word = &group->done[number & 1];
    while ((int32_t)((seen = atomic_load_explicit(word, memory_order_acquire)) - number) < 0)
        futex_wait(word, seen);
    return request.rc;
}

static void leave_group(void *shared, void *own)
{
    (void)shared;
    (void)own;
}

static void close_group(void *arg)
{
    struct group *group = arg;
    mutex_lock(&group->lock);
    group->stop = true;
    mutex_unlock(&group->lock);
    atomic_fetch_add(&group->bell, 1);
    futex_wake(&group->bell, 1);
    pthread_join(group->thread, NULL);
    plain_close(&group->plain);
    mutex_fini(&group->lock);
    free(group);
}

const struct way way_group = {
    "group",    "the bare group-commit loop", open_group, join_group, write_group, leave_group,
    close_group};
