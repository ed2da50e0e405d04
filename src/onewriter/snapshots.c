/* Snapshots of our readers (snapshots.h). A read transaction holds one of the five read locks of
 * the log's index, and while it does, the log cannot be begun anew: a reader whose thread sleeps
 * would let it grow for ever. So any thread may take a snapshot back: it gives up the reader's lock
 * for it. Why that is sound, in SQLite 3.40 as in 3.54 (wal.c, pager.c, os_unix.c):
 *   - Without its lock the reader's view of the log may be overwritten under it. Everything it can
 *     still fetch comes through xRead of the database or the log, since readers map no file
 *     (vfs.c), and from then on xRead refuses. It takes the same mutex as the taking back, so a
 *     page is read wholly before that or not at all.
 *   - The log's index stays readable memory: it is unmapped only by its own connection. A search in
 *     it may find a wrong frame, none, or (were the index being rebuilt) report damage; each ends
 *     in the refused xRead or in an error, and ow_pin_fail says what it really was.
 *   - A page that could not be read is dropped by the pager. Pages already in the connection's
 *     cache are of its snapshot; results made of them are right. The next read transaction compares
 *     the index's header with the one the cache belongs to and throws the cache away when they
 *     differ, whether or not the lock was held in between.
 *   - The lock is given up by xShmLock of the reader's own file. Its flags are guarded by SQLite's
 *     mutex, and by ours against the reader's thread. A read-only connection that holds a snapshot
 *     calls xShmLock next to end it; that call is swallowed.
 *   - A lock that was given up between being taken and being checked (walTryBeginRead) is harmless:
 *     the check fails and it is released (swallowed), or the snapshot begins as a revoked one.
 * SQLITE_INTERRUPT is the refusal: it is no I/O error for the pager, which keeps its state.
 *
 * The gate: while it is shut, a reader that wants a read lock waits before it takes it. The writer
 * shuts it, then looks at each pin under the pin's mutex; a reader looks at the gate under the same
 * mutex, so it is either seen by the writer or sees the gate.
 *
 * What must stay true: a pin's mutex is a leaf but for the real file's xRead and xShmLock, which
 * know nothing of this library; a connection is closed with no snapshot. */
#include "onewriter/snapshots.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "onewriter/fail.h"
#include "onewriter/loan.h"

/* Read locks in the log's index: WAL_READ_LOCK(i) is slot 3+i. */
#define FIRST_READ_SLOT 3

/* WAL_CKPT_LOCK. Taken alone it begins a checkpoint, which no authorizer can refuse to a caller of
 * sqlite3_wal_checkpoint; the recovery of the index takes it together with its neighbour. */
#define CHECKPOINT_SLOT 1

/* A reader passes a shut gate so long after the writer should have opened it. */
#define GATE_SLACK_US 1000000

void ow_snapshots_init(struct ow_snapshots *all, const struct ow_options *options,
                       struct ow_counters *counters)
{
    *all = (struct ow_snapshots){.options = options, .counters = counters};
}

void ow_pin_init(struct ow_pin *pin, struct ow_snapshots *all, struct ow_conn *conn)
{
    *pin = (struct ow_pin){
        .all = all, .conn = conn, .slot = -1, .read_until_us = INT64_MAX, .next = all->pins};
    mutex_init(&pin->lock);
    all->pins = pin;
}

void ow_pin_fini(struct ow_pin *pin)
{
    if (!pin->all)
        return;
    struct ow_pin **at = &pin->all->pins;
    while (*at != pin)
        at = &(*at)->next;
    *at = pin->next;
    mutex_fini(&pin->lock);
    pin->all = NULL;
}

/* ---- the connection's thread ---- */

void ow_pin_lend(struct ow_pin *pin, const char *label, uint64_t loan)
{
    LOCK(&pin->lock);
    pin->label = label;
    pin->loan = loan;
    pin->taken.age_us = 0;
}

bool ow_pin_limit_reads(struct ow_pin *pin, int64_t until_us)
{
    LOCK(&pin->lock);
    bool cut = pin->cut;
    pin->read_until_us = until_us;
    pin->cut = false;
    return cut;
}

bool ow_pin_fail(struct ow_pin *pin, const char *what, struct ow_err *err)
{
    mutex_lock(&pin->lock);
    struct ow_taken taken = pin->taken;
    mutex_unlock(&pin->lock);
    if (!taken.age_us)
        return false;
    double age_s = (double)taken.age_us / 1e6;
    if (taken.why == OW_TAKEN_AGE)
        ow_fail(err, OW_TIMEOUT,
                "%s: the snapshot was taken back after %.1f s: read in smaller pieces, or raise "
                "snapshot_max_ms (%d)",
                what, age_s, pin->all->options->snapshot_max_ms);
    else
        ow_fail(err, OW_TIMEOUT,
                "%s: the snapshot was taken back after %.1f s because it kept the log at %lld "
                "frames: read in smaller pieces, or raise wal_hard_frames (%d)",
                what, age_s, (long long)taken.frames, pin->all->options->wal_hard_frames);
    return true;
}

int ow_pin_read(struct ow_pin *pin, sqlite3_file *real, void *buf, int amount, sqlite3_int64 at)
{
    LOCK(&pin->lock);
    if (pin->read_until_us != INT64_MAX && clock_monotonic_us() >= pin->read_until_us)
        pin->cut = true;
    if (atomic_load_explicit(&pin->revoked, memory_order_relaxed) || pin->cut)
        return SQLITE_INTERRUPT;
    return real->pMethods->xRead(real, buf, amount, at);
}

/* With the pin's mutex held. */
static int begin_locked(struct ow_pin *pin, sqlite3_file *real, int slot, int flags)
{
    int rc = real->pMethods->xShmLock(real, slot, 1, flags);
    if (rc != SQLITE_OK)
        return rc;
    pin->file = real;
    pin->slot = slot;
    pin->number++;
    pin->since_us = clock_monotonic_us();
    pin->told = false;
    pin->taken.age_us = 0;
    return SQLITE_OK;
}

static int begin(struct ow_pin *pin, sqlite3_file *real, int slot, int flags)
{
    struct ow_snapshots *all = pin->all;
    int64_t until_us = INT64_MAX;
    for (;;) {
        uint32_t seen = ow_bell_look(&all->opened);
        mutex_lock(&pin->lock);
        bool pass = !atomic_load(&all->shut) || clock_monotonic_us() >= until_us;
        int rc = pass ? begin_locked(pin, real, slot, flags) : SQLITE_OK;
        mutex_unlock(&pin->lock);
        if (pass) {
            if (atomic_load(&all->is_asleep) && atomic_exchange(&all->is_asleep, false))
                ow_bell_ring(&all->begun);
            return rc;
        }
        if (until_us == INT64_MAX)
            until_us = clock_monotonic_us() + (int64_t)all->options->gate_ms * 1000 + GATE_SLACK_US;
        ow_bell_wait(&all->opened, seen, until_us);
    }
}

static int end(struct ow_pin *pin, sqlite3_file *real, int flags)
{
    mutex_lock(&pin->lock);
    int rc = SQLITE_OK;
    if (!atomic_load(&pin->revoked))
        rc = real->pMethods->xShmLock(real, pin->slot, 1, flags);
    pin->slot = -1;
    pin->file = NULL;
    atomic_store(&pin->revoked, false);
    mutex_unlock(&pin->lock);
    if (atomic_load(&pin->all->shut))
        ow_bell_ring(&pin->all->left);
    return rc;
}

int ow_pin_shm_lock(struct ow_pin *pin, sqlite3_file *real, int offset, int count, int flags)
{
    if (offset == CHECKPOINT_SLOT && count == 1 && (flags & SQLITE_SHM_EXCLUSIVE) &&
        (flags & SQLITE_SHM_LOCK))
        return SQLITE_READONLY;
    bool reads = (flags & SQLITE_SHM_SHARED) && offset >= FIRST_READ_SLOT;
    if (reads && (flags & SQLITE_SHM_LOCK))
        return begin(pin, real, offset, flags);
    /* Only this thread changes the slot, so it may look without the mutex. */
    if (reads && offset == pin->slot)
        return end(pin, real, flags);
    LOCK(&pin->lock);
    return real->pMethods->xShmLock(real, offset, count, flags);
}

/* ---- any thread ---- */

/* Tells about a snapshot, as "label: SQL". Without the pin's mutex: the text has its own. */
static void tell(struct ow_pin *pin, struct ow_event *event, const char *label)
{
    char sql[200], text[320];
    ow_conn_copy_sql(pin->conn, sql, sizeof(sql));
    snprintf(text, sizeof(text), "%s: %s", label ? label : "", sql);
    event->text = text;
    ow_tell(pin->all->options, event);
}

static bool revoke(struct ow_pin *pin, uint64_t number, struct ow_taken *taken,
                   struct ow_event *event, const char **label)
{
    LOCK(&pin->lock);
    if (pin->slot < 0 || pin->number != number || atomic_load(&pin->revoked))
        return false;
    int flags = SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED;
    if (pin->file->pMethods->xShmLock(pin->file, pin->slot, 1, flags) != SQLITE_OK)
        return false;
    int64_t age_us = clock_monotonic_us() - pin->since_us;
    taken->age_us = age_us > 0 ? age_us : 1;
    pin->taken = *taken;
    atomic_store(&pin->revoked, true);
    event->a = age_us / 1000;
    event->b = (int64_t)pin->loan;
    *label = pin->label;
    return true;
}

bool ow_snapshot_revoke(struct ow_pin *pin, uint64_t number, enum ow_taken_why why, int64_t frames)
{
    const char *label;
    struct ow_taken taken = {.why = why, .frames = frames};
    struct ow_event event = {.kind = OW_EVENT_SNAPSHOT_TAKEN};
    if (!revoke(pin, number, &taken, &event, &label))
        return false;
    ow_count(&pin->all->counters->snapshots_taken, 1);
    tell(pin, &event, label);
    return true;
}

struct look {
    bool holds, told;
    uint64_t number;
    int64_t since_us;
};

static struct look look_at(struct ow_pin *pin)
{
    LOCK(&pin->lock);
    return (struct look){
        .holds = pin->slot >= 0 && !atomic_load(&pin->revoked),
        .told = pin->told,
        .number = pin->number,
        .since_us = pin->since_us,
    };
}

void ow_snapshots_revoke(struct ow_snapshots *all, int64_t min_age_us, enum ow_taken_why why,
                         int64_t frames)
{
    int64_t before_us = clock_monotonic_us() - min_age_us;
    for (struct ow_pin *pin = all->pins; pin; pin = pin->next) {
        struct look look = look_at(pin);
        if (look.holds && look.since_us <= before_us)
            ow_snapshot_revoke(pin, look.number, why, frames);
    }
}

static int64_t oldest_since_us(struct ow_snapshots *all)
{
    int64_t since_us = INT64_MAX;
    for (struct ow_pin *pin = all->pins; pin; pin = pin->next) {
        struct look look = look_at(pin);
        if (look.holds && look.since_us < since_us)
            since_us = look.since_us;
    }
    return since_us;
}

int64_t ow_pin_age_us(struct ow_pin *pin)
{
    int64_t now_us = clock_monotonic_us();
    LOCK(&pin->lock);
    if (pin->slot < 0 || atomic_load(&pin->revoked))
        return -1;
    return now_us > pin->since_us ? now_us - pin->since_us : 0;
}

int64_t ow_snapshots_oldest_us(struct ow_snapshots *all)
{
    int64_t since_us = oldest_since_us(all);
    if (since_us == INT64_MAX)
        return 0;
    int64_t age_us = clock_monotonic_us() - since_us;
    return age_us > 0 ? age_us : 1;
}

void ow_snapshots_shut(struct ow_snapshots *all, int64_t deadline_us)
{
    atomic_store(&all->shut, true);
    for (;;) {
        uint32_t seen = ow_bell_look(&all->left);
        if (oldest_since_us(all) == INT64_MAX || clock_monotonic_us() >= deadline_us)
            return;
        ow_bell_wait(&all->left, seen, deadline_us);
    }
}

void ow_snapshots_open(struct ow_snapshots *all)
{
    atomic_store(&all->shut, false);
    ow_bell_ring(&all->opened);
}

static void tell_old(struct ow_pin *pin, uint64_t number)
{
    struct ow_event event = {.kind = OW_EVENT_SNAPSHOT_OLD};
    mutex_lock(&pin->lock);
    bool is_news = pin->slot >= 0 && pin->number == number && !pin->told;
    pin->told |= is_news;
    event.a = (clock_monotonic_us() - pin->since_us) / 1000;
    event.b = (int64_t)pin->loan;
    const char *label = pin->label;
    mutex_unlock(&pin->lock);
    if (is_news)
        tell(pin, &event, label);
}

/* When this snapshot is due next, after what is due now was done. */
static int64_t watch_one(struct ow_snapshots *all, struct ow_pin *pin, const struct look *look)
{
    const struct ow_options *options = all->options;
    int64_t now_us = clock_monotonic_us();
    int64_t warn_us = look->since_us + (int64_t)options->snapshot_warn_ms * 1000;
    int64_t max_us = options->snapshot_max_ms
                         ? look->since_us + (int64_t)options->snapshot_max_ms * 1000
                         : INT64_MAX;
    if (!look->told && now_us >= warn_us)
        tell_old(pin, look->number);
    else if (!look->told && warn_us < max_us)
        return warn_us;
    if (now_us < max_us)
        return max_us;
    ow_snapshot_revoke(pin, look->number, OW_TAKEN_AGE, atomic_load(&all->counters->wal_frames));
    return INT64_MAX;
}

int64_t ow_snapshots_watch(struct ow_snapshots *all, uint64_t *begun)
{
    int64_t next_us = INT64_MAX;
    *begun = 0;
    for (struct ow_pin *pin = all->pins; pin; pin = pin->next) {
        struct look look = look_at(pin);
        int64_t due_us = look.holds ? watch_one(all, pin, &look) : INT64_MAX;
        *begun += look.number;
        if (due_us < next_us)
            next_us = due_us;
    }
    return next_us;
}
