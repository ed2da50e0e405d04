/* Readers that are to see one commit. */
#ifndef ONEWRITER_SNAPSHOT_H
#define ONEWRITER_SNAPSHOT_H

#include "onewriter/pool.h"

struct ow_snapshot {
    struct ow_conn **conns; /* lent readers */
    int count;
    int64_t seq; /* that they see */
};

/* Begins on all; *equal tells whether nobody committed meanwhile. */
int ow_snapshot_try(struct ow_snapshot *snapshot, bool *equal, struct ow_err *err);
/* Begins on all while the writer holds the write lock. */
int ow_snapshot_by_writer(struct ow *db, struct ow_snapshot *snapshot, int64_t deadline_us,
                          struct ow_err *err);

#endif
