/* The readers' pool (pool.h). Connections are opened once: opening per call costs three to four
 * times the query and is what exhausts descriptors. Who wants several gets them in one step, so two
 * such borrowers cannot each hold half of what the other waits for; while the first in line is
 * not yet served, nobody behind him is. What must stay true: opening, closing and rolling back
 * happen outside the mutex, on a connection that nobody else can see; whoever leaves the line or
 * gives back serves the line again; a loan's number is never used twice. */
#include "onewriter/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/health.h"

static void push_idle(struct ow_pool *pool, struct ow_conn *conn)
{
    atomic_store(&conn->idle, true);
    conn->next = pool->idle;
    pool->idle = conn;
}

int ow_pool_init(struct ow_pool *pool, struct ow *owner, const struct ow_options *options,
                 struct ow_stop *stop, struct ow_counters *counters, struct ow_err *err)
{
    *pool = (struct ow_pool){.counters = counters};
    mutex_init(&pool->lock);
    cond_init(&pool->returned);
    pool->conns = calloc((size_t)options->readers, sizeof(*pool->conns));
    if (!pool->conns)
        return ow_fail(err, OW_RESOURCE, "no memory for %d readers", options->readers);
    for (pool->size = 0; pool->size < options->readers; pool->size++) {
        struct ow_conn *conn = &pool->conns[pool->size];
        *conn = (struct ow_conn){.options = options, .stop = stop, .owner = owner};
        ow_pin_init(&conn->pin, &owner->snapshots, conn);
        int rc = ow_conn_open(conn, OW_READER, err);
        if (rc) {
            ow_pin_fini(&conn->pin);
            return rc;
        }
        push_idle(pool, conn);
    }
    return 0;
}

void ow_pool_fini(struct ow_pool *pool)
{
    if (!pool->counters)
        return;
    for (int i = 0; i < pool->size; i++) {
        ow_conn_close(&pool->conns[i]);
        ow_pin_fini(&pool->conns[i].pin);
    }
    cond_fini(&pool->returned);
    mutex_fini(&pool->lock);
    *pool = (struct ow_pool){.conns = pool->conns};
}

void ow_pool_free(struct ow_pool *pool)
{
    free(pool->conns);
    pool->conns = NULL;
}

/* ---- under the mutex ---- */

/* Takes `count` idle connections as a chain by `next`; NULL when there are not as many. */
static struct ow_conn *take_idle(struct ow_pool *pool, int count)
{
    struct ow_conn *first = pool->idle, *last = first;
    if (pool->size - pool->lent < count)
        return NULL;
    for (int i = 1; i < count; i++)
        last = last->next;
    pool->idle = last->next;
    last->next = NULL;
    pool->lent += count;
    return first;
}

/* Serves the line as far as there is something to give. */
static void serve(struct ow_pool *pool)
{
    int wanted;
    struct ow_conn *gift;
    while (!pool->closed && (wanted = ow_turn_wanted(&pool->turn)) > 0 &&
           (gift = take_idle(pool, wanted)))
        ow_turn_grant(&pool->turn, gift);
}

/* How many the calling thread holds that no other may release. */
static int count_own(const struct ow_pool *pool)
{
    int held = 0;
    for (int i = 0; i < pool->size; i++) {
        const struct ow_conn *conn = &pool->conns[i];
        held += conn->loan && !conn->shared && pthread_equal(conn->thread, pthread_self());
    }
    return held;
}

static const char *name_of(const char *label)
{
    return label ? label : "a reader without a label";
}

static int fail_timeout(const struct ow_pool *pool, const struct ow_wish *wish, int64_t now_us,
                        struct ow_err *err)
{
    const struct ow_conn *oldest = NULL;
    for (int i = 0; i < pool->size; i++) {
        const struct ow_conn *conn = &pool->conns[i];
        if (conn->loan && (!oldest || conn->lent_us < oldest->lent_us))
            oldest = conn;
    }
    double waited_s = (double)(now_us - wish->since_us) / 1e6;
    const char *who = name_of(wish->how->label);
    if (!oldest)
        return ow_fail(err, OW_TIMEOUT, "%s: no reader came free in %.3f s", who, waited_s);
    return ow_fail(err, OW_TIMEOUT,
                   "%s: no reader came free in %.3f s; %d of %d are lent out, the longest for "
                   "%.3f s to \"%s\"",
                   who, waited_s, pool->lent, pool->size, (double)(now_us - oldest->lent_us) / 1e6,
                   name_of(oldest->label));
}

static int fail_hopeless(const struct ow_pool *pool, const struct ow_wish *wish, struct ow_err *err)
{
    return ow_fail(err, OW_BUG,
                   "%s: this thread holds readers itself and waits for %d more of %d in all, which "
                   "can never come free: release first",
                   name_of(wish->how->label), wish->count, pool->size);
}

static void begin_loan(struct ow_pool *pool, struct ow_conn *conn, const struct ow_wish *wish,
                       int64_t now_us)
{
    atomic_store(&conn->shared, wish->shared);
    atomic_store(&conn->thread, pthread_self());
    atomic_store(&conn->loan, ++pool->last_loan);
    conn->label = wish->how->label;
    conn->lane = wish->how->lane;
    conn->lent_us = now_us;
    conn->handle_given = false;
    conn->run_until_us =
        wish->how->run_ms > 0 ? now_us + (int64_t)wish->how->run_ms * 1000 : INT64_MAX;
    atomic_store(&conn->idle, false);
}

/* ---- lending ---- */

/* The chain of connections for the wish, marked as lent. */
static int take(struct ow_pool *pool, const struct ow_wish *wish, struct ow_conn **out,
                struct ow_err *err)
{
    struct ow_waiter self = {
        .arrival_us = ow_turn_arrival(wish->since_us, wish->how->lane),
        .want = wish->count,
        .label = wish->how->label,
        .lane = wish->how->lane,
        .since_us = wish->since_us,
    };
    LOCK(&pool->lock);
    struct ow_conn *chain = NULL;
    /* Who is ahead may be waiting for what this thread holds: then standing behind him would end
     * at the deadline only. What is idle is too little for him. */
    int own = count_own(pool);
    if (!pool->closed && (own || !ow_turn_is_ahead(&pool->turn, self.arrival_us)))
        chain = take_idle(pool, wish->count);
    if (!chain && !pool->closed) {
        if (own && own + wish->count > pool->size)
            return fail_hopeless(pool, wish, err);
        chain = ow_turn_wait_as(&pool->turn, &self, &pool->lock, wish->deadline_us);
        if (!chain)
            serve(pool); /* who stood behind may want less */
        if (chain == (void *)pool)
            chain = NULL; /* shut while waiting */
    }
    int64_t now_us = clock_monotonic_us();
    for (struct ow_conn *conn = chain; conn; conn = conn->next)
        begin_loan(pool, conn, wish, now_us);
    *out = chain;
    if (chain)
        return 0;
    if (pool->closed)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    return fail_timeout(pool, wish, now_us, err);
}

static void give_back(struct ow_pool *pool, struct ow_conn *conn)
{
    LOCK(&pool->lock);
    atomic_store(&conn->loan, 0);
    conn->label = NULL;
    push_idle(pool, conn);
    pool->lent--;
    serve(pool);
    cond_broadcast(&pool->returned);
}

int ow_pool_acquire(struct ow_pool *pool, const struct ow_wish *wish, struct ow_conn **conns,
                    struct ow_err *err)
{
    struct ow_conn *chain = NULL;
    int rc = take(pool, wish, &chain, err), taken = 0;
    if (rc)
        return rc;
    struct ow_label *label = ow_labels_find(&pool->labels, wish->how->label);
    ow_tally_add(&label->wait, clock_monotonic_us() - wish->since_us);
    for (struct ow_conn *conn = chain; conn; conn = conn->next)
        conns[taken++] = conn;
    for (int i = 0; i < taken && !rc; i++) {
        rc = conns[i]->db ? 0 : ow_conn_open(conns[i], OW_READER, err);
        if (rc)
            break;
        ow_pin_lend(&conns[i]->pin, wish->how->label, atomic_load(&conns[i]->loan));
        ow_conn_begin(conns[i]);
    }
    for (int i = 0; i < taken && rc; i++) {
        give_back(pool, conns[i]);
        conns[i] = NULL;
    }
    return rc;
}

int ow_pool_release(struct ow_pool *pool, struct ow_conn *conn)
{
    struct ow_label *label;
    int64_t held_us;
    {
        LOCK(&pool->lock);
        if (!conn->loan || (!conn->shared && !pthread_equal(conn->thread, pthread_self())))
            return OW_BUG;
        atomic_store(&conn->loan, 0);
        atomic_store(&conn->idle, true);
        held_us = clock_monotonic_us() - conn->lent_us;
        label = ow_labels_find(&pool->labels, conn->label);
    }
    ow_tally_add(&label->hold, held_us);
    ow_conn_clean(conn);
    give_back(pool, conn);
    return 0;
}

bool ow_pool_cancel(struct ow_pool *pool, uint64_t loan)
{
    LOCK(&pool->lock);
    for (int i = 0; loan && i < pool->size; i++)
        if (pool->conns[i].loan == loan) {
            atomic_store(&pool->conns[i].cancelled_loan, loan);
            return true;
        }
    return false;
}

/* ---- sight ---- */

void ow_pool_measure(struct ow_pool *pool, struct ow_metrics *out)
{
    ow_labels_read(&pool->labels, out);
    LOCK(&pool->lock);
    out->readers_total = pool->size;
    out->readers_lent = pool->lent;
    out->readers_waited_for = pool->turn.length;
}

int ow_pool_list(struct ow_pool *pool, struct ow_pool_entry *out, int max)
{
    int64_t now_us = clock_monotonic_us();
    int n = 0;
    LOCK(&pool->lock);
    for (int i = 0; i < pool->size; i++) {
        struct ow_conn *conn = &pool->conns[i];
        if (conn->loan && n++ < max)
            out[n - 1] = (struct ow_pool_entry){
                .who = {.kind = OW_WHO_READS,
                        .lane = conn->lane,
                        .label = conn->label ? conn->label : "",
                        .loan = conn->loan,
                        .age_us = now_us - conn->lent_us},
                .conn = conn,
            };
    }
    for (const struct ow_waiter *w = pool->turn.first; w; w = w->next)
        if (n++ < max)
            out[n - 1] = (struct ow_pool_entry){
                .who = {.kind = OW_WHO_WAITS,
                        .lane = w->lane,
                        .label = w->label ? w->label : "",
                        .age_us = now_us - w->since_us},
            };
    return n;
}

/* ---- the end ---- */

void ow_pool_shut(struct ow_pool *pool)
{
    LOCK(&pool->lock);
    pool->closed = true;
    while (ow_turn_grant(&pool->turn, pool))
        ;
}

int ow_pool_drain(struct ow_pool *pool, int64_t deadline_us, char *first, size_t size)
{
    LOCK(&pool->lock);
    while (pool->lent && cond_wait_until(&pool->returned, &pool->lock, deadline_us))
        ;
    for (int i = 0; i < pool->size; i++)
        if (pool->conns[i].loan) {
            snprintf(first, size, "%s", name_of(pool->conns[i].label));
            break;
        }
    return pool->lent;
}
