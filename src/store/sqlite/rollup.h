/* Rollups and line counts of a batch, added to what is stored (rollup.c). Jobs only. */
#ifndef STORE_SQLITE_ROLLUP_H
#define STORE_SQLITE_ROLLUP_H

#include "node/batch.h"
#include "onewriter/onewriter.h"

/* satellite_ids[i] is the stored id of batch->satellites[i]. Returns 0 or an enum ow_code. */
int rollup_add(struct ow_conn *conn, const struct batch *batch, const int64_t *satellite_ids,
               struct ow_err *err);

#endif
