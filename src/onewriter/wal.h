/* When the writer moves the write-ahead log into the database. */
#ifndef ONEWRITER_WAL_H
#define ONEWRITER_WAL_H

#include "onewriter/conn.h"
#include "onewriter/metrics.h"

struct ow_wal {
    int frames; /* in the log after the last commit */
    int moved;  /* of those, known to be in the database */
    int again;  /* no PASSIVE below so many frames: readers kept the last one from its end */
    int retry;  /* no TRUNCATE below so many frames: somebody else kept the last one from its end */
};

/* Counts the frames of every commit on conn into wal. */
void ow_wal_watch(struct ow_wal *wal, struct ow_conn *conn);
/* True when an idle moment should be used for a checkpoint. */
bool ow_wal_wants_idle(const struct ow_wal *wal, const struct ow_options *options);
/* After a group: PASSIVE from the soft limit, or from three times that when the group was one
 * caller's own job (is_lone); from the hard limit our readers lose their snapshots and the log is
 * emptied. A foreign reader in the way is no failure. */
int ow_wal_after_group(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                       bool is_lone, struct ow_err *err);
/* No job is waiting: PASSIVE from a quarter of the soft limit. */
int ow_wal_idle(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                struct ow_err *err);
/* Empties the log as at the hard limit, then waits for foreign readers until deadline_us. True when
 * it is empty. */
bool ow_wal_empty(struct ow_wal *wal, struct ow_conn *conn, struct ow_counters *counters,
                  int64_t deadline_us, struct ow_err *err);

#endif
