/* The readers' pool (pool.h). Connections are opened once: opening per call costs three to four
 * times the query and is what exhausts descriptors. A returned connection is put into the state it
 * had when new; one that cannot be, or that met an I/O error, is closed, and the next borrower
 * opens it again. What must stay true: opening, closing and rolling back happen outside the mutex,
 * on a connection that nobody else can see. */
#include "onewriter/pool.h"

#include <stdlib.h>

#include "base/clock.h"
#include "onewriter/fail.h"

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
        int rc = ow_conn_open(conn, OW_READER, err);
        if (rc)
            return rc;
        conn->next = pool->idle;
        pool->idle = conn;
    }
    return 0;
}

void ow_pool_fini(struct ow_pool *pool)
{
    if (!pool->counters)
        return;
    for (int i = 0; i < pool->size; i++)
        ow_conn_close(&pool->conns[i]);
    free(pool->conns);
    cond_fini(&pool->returned);
    mutex_fini(&pool->lock);
    *pool = (struct ow_pool){0};
}

static void give_back(struct ow_pool *pool, struct ow_conn *conn)
{
    LOCK(&pool->lock);
    if (!pool->closed && ow_turn_grant(&pool->turn, conn))
        return;
    conn->next = pool->idle;
    pool->idle = conn;
    pool->lent--;
    cond_broadcast(&pool->returned);
}

/* An idle connection; waits for one in turn. NULL at the deadline or when shut. */
static struct ow_conn *take(struct ow_pool *pool, int64_t deadline_us, bool *waited, bool *closed)
{
    LOCK(&pool->lock);
    struct ow_conn *conn = pool->closed ? NULL : pool->idle;
    if (conn) {
        pool->idle = conn->next;
        pool->lent++;
    } else if (!pool->closed) {
        *waited = true;
        conn = ow_turn_wait(&pool->turn, &pool->lock, deadline_us);
        if (conn == (void *)pool)
            conn = NULL; /* shut while waiting */
    }
    *closed = pool->closed;
    return conn;
}

int ow_pool_acquire(struct ow_pool *pool, const char *label, int64_t deadline_us, int run_ms,
                    struct ow_conn **out, struct ow_err *err)
{
    bool waited = false, closed = false;
    struct ow_conn *conn = take(pool, deadline_us, &waited, &closed);
    int64_t now_us = clock_monotonic_us();
    if (!conn && closed)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    if (!conn)
        return ow_fail(err, OW_TIMEOUT, "%s: all %d readers stayed lent out", label, pool->size);
    int rc = conn->db ? 0 : ow_conn_open(conn, OW_READER, err);
    if (rc) {
        give_back(pool, conn);
        return rc;
    }
    conn->label = label;
    conn->run_until_us = run_ms > 0 ? now_us + (int64_t)run_ms * 1000 : INT64_MAX;
    ow_conn_begin(conn);
    *out = conn;
    return 0;
}

void ow_pool_release(struct ow_pool *pool, struct ow_conn *conn)
{
    conn->run_until_us = INT64_MAX;
    conn->label = NULL;
    ow_conn_reset(conn);
    if (!sqlite3_get_autocommit(conn->db) && ow_exec(conn, "ROLLBACK", NULL) != 0)
        conn->bad = true;
    if (conn->bad)
        ow_conn_close(conn);
    give_back(pool, conn);
}

void ow_pool_measure(struct ow_pool *pool, struct ow_metrics *out)
{
    LOCK(&pool->lock);
    out->readers_total = pool->size;
    out->readers_lent = pool->lent;
}

/* Stands in for the pool that knows its borrowers, until that is merged. */
int ow_pool_list(struct ow_pool *pool, struct ow_pool_entry *out, int max)
{
    LOCK(&pool->lock);
    for (int i = 0; i < pool->lent && i < max; i++)
        out[i] = (struct ow_pool_entry){.who = {.kind = OW_WHO_READS, .label = ""}};
    return pool->lent;
}

void ow_pool_shut(struct ow_pool *pool)
{
    LOCK(&pool->lock);
    pool->closed = true;
    while (ow_turn_grant(&pool->turn, pool))
        ;
}

int ow_pool_drain(struct ow_pool *pool, int64_t deadline_us)
{
    LOCK(&pool->lock);
    while (pool->lent && cond_wait_until(&pool->returned, &pool->lock, deadline_us))
        ;
    return pool->lent;
}
