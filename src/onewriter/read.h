/* What reading shares: with the executor and with snapshots. */
#ifndef ONEWRITER_READ_H
#define ONEWRITER_READ_H

#include "onewriter/pool.h"

/* OW_BUG when there is no such lane. */
int ow_read_check(const struct ow_read *how, struct ow_err *err);
/* Lends readers that see at least how->min_seq. The caller keeps the handle alive. */
int ow_read_acquire(struct ow *db, const struct ow_wish *wish, struct ow_conn **conns,
                    struct ow_err *err);
/* Runs fn with a lent reader; *err always tells what it came to. */
int ow_read_run(struct ow_conn *conn, ow_job_fn *fn, void *ctx, struct ow_err *err);
/* The commit that the connection sees. */
int ow_conn_seq(struct ow_conn *conn, int64_t *seq, struct ow_err *err);

#endif
