/* The readers: opened once, lent by lane and arrival. */
#ifndef ONEWRITER_POOL_H
#define ONEWRITER_POOL_H

#include "base/sync.h"
#include "onewriter/conn.h"
#include "onewriter/labels.h"
#include "onewriter/metrics.h"
#include "onewriter/turn.h"

struct ow_pool {
    struct mutex lock;
    struct cond returned; /* ow_pool_drain waits here */
    struct ow_turn turn;
    struct ow_conn *idle; /* last returned first: its cache is warm */
    struct ow_conn *conns;
    struct ow_counters *counters; /* lent */
    struct ow_labels labels;
    uint64_t last_loan; /* numbers of loans, from 1 */
    int size, lent;
    bool closed;
};

/* What a borrower wants. */
struct ow_wish {
    const struct ow_read *how;
    int count;           /* so many readers at once, all or none */
    bool shared;         /* any thread may use and release them */
    int64_t since_us;    /* when it was first wanted: decides the turn */
    int64_t deadline_us; /* for them to come free */
};

/* Opens options->readers connections; the writer's must be open. */
int ow_pool_init(struct ow_pool *pool, struct ow *owner, const struct ow_options *options,
                 struct ow_stop *stop, struct ow_counters *counters, struct ow_err *err);
/* Closes what is idle; nothing may be lent any more. A pool that was never opened is allowed. */
void ow_pool_fini(struct ow_pool *pool);
/* Frees what ow_pool_fini leaves: the closed connections, which answer late callers until then. */
void ow_pool_free(struct ow_pool *pool);

/* Lends wish->count readers into conns. OW_TIMEOUT says who holds one longest; OW_BUG when it would
 * wait for what the calling thread holds itself; OW_CLOSED after ow_pool_shut. */
int ow_pool_acquire(struct ow_pool *pool, const struct ow_wish *wish, struct ow_conn **conns,
                    struct ow_err *err);
/* OW_BUG, and nothing is done, when it is not lent to the calling thread. */
int ow_pool_release(struct ow_pool *pool, struct ow_conn *conn);
/* Any thread: ends what that loan runs now and later. False when it has ended. */
bool ow_pool_cancel(struct ow_pool *pool, uint64_t loan);

/* Fills readers_total, readers_lent, readers_waited_for and the labels. */
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
/* Waits until all came back or deadline_us; returns how many are still lent and writes the label of
 * the first into `first`. */
int ow_pool_drain(struct ow_pool *pool, int64_t deadline_us, char *first, size_t size);

#endif
