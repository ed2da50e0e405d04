/* The readers: opened once, lent first come, first served. */
#ifndef ONEWRITER_POOL_H
#define ONEWRITER_POOL_H

#include "base/sync.h"
#include "onewriter/conn.h"
#include "onewriter/metrics.h"
#include "onewriter/turn.h"

struct ow_pool {
    struct mutex lock;
    struct cond returned; /* ow_pool_drain waits here */
    struct ow_turn turn;
    struct ow_conn *idle; /* last returned first: its cache is warm */
    struct ow_conn *conns;
    struct ow_counters *counters; /* lent */
    int size, lent;
    bool closed;
};

/* Opens options->readers connections; the writer's must be open. */
int ow_pool_init(struct ow_pool *pool, struct ow *owner, const struct ow_options *options,
                 struct ow_stop *stop, struct ow_counters *counters, struct ow_err *err);
/* Closes what is idle; nothing may be lent any more. A pool that was never opened is allowed. */
void ow_pool_fini(struct ow_pool *pool);

int ow_pool_acquire(struct ow_pool *pool, const char *label, int64_t deadline_us, int run_ms,
                    struct ow_conn **out, struct ow_err *err);
void ow_pool_release(struct ow_pool *pool, struct ow_conn *conn);

/* Fills readers_total and readers_lent. */
void ow_pool_measure(struct ow_pool *pool, struct ow_metrics *out);

/* One who holds a reader (conn) or waits for one (conn NULL); sql is left empty. */
struct ow_pool_entry {
    struct ow_who who;
    struct ow_conn *conn;
};
/* Copies at most max of those who hold, then of those who wait; returns how many there are. kind of
 * a holder is OW_WHO_READS. */
int ow_pool_list(struct ow_pool *pool, struct ow_pool_entry *out, int max);

/* Lends nothing any more; who waits is told OW_CLOSED. */
void ow_pool_shut(struct ow_pool *pool);
/* Waits until all came back or deadline_us; returns how many are still lent. */
int ow_pool_drain(struct ow_pool *pool, int64_t deadline_us);

#endif
