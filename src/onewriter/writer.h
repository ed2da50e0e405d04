/* The one thread that writes, and the connection that only it uses. */
#ifndef ONEWRITER_WRITER_H
#define ONEWRITER_WRITER_H

#include <pthread.h>

#include "onewriter/bell.h"
#include "onewriter/conn.h"
#include "onewriter/lanes.h"
#include "onewriter/metrics.h"
#include "onewriter/retry.h"
#include "onewriter/wal.h"

enum ow_writer_sql {
    OW_SQL_BEGIN,
    OW_SQL_COMMIT,
    OW_SQL_ROLLBACK,
    OW_SQL_SAVEPOINT,
    OW_SQL_RELEASE,
    OW_SQL_ROLLBACK_TO,
    OW_SQL_RECORD,
    OW_SQL_DATA_VERSION,
    OW_SQL_COUNT,
};

struct ow_writer {
    const struct ow_options *options; /* lent, as all pointers here */
    struct ow_counters *counters;
    struct ow_lanes *lanes;
    struct ow_stop *stop;
    struct ow_bell *answered; /* rings when jobs became DONE */

    pthread_t thread;
    bool started;
    struct ow_conn conn;
    sqlite3_stmt *sql[OW_SQL_COUNT];
    struct ow_wal wal;
    struct ow_retry retry; /* failures since the last commit */
    bool reopen;           /* the connection is in doubt: open another before the next group */
    int64_t data_version;  /* changes when another process commits */
    int64_t seq, seq_at;   /* newest row of ow_commit that is known */

    struct ow_jobs redo;    /* taken and undone: run again before anything new */
    struct ow_jobs members; /* ran well in the open transaction */
    struct ow_jobs settled; /* result known, owner not told yet */

    struct ow_err trouble; /* why jobs in redo have not been written yet */
    uint64_t abandoned;    /* answered OW_CLOSED at the end */
    uint64_t drained;      /* committed while closing */
    struct ow_err poison;  /* constant once counters->poisoned is set */
};

/* Opens the connection and prepares table ow_commit; waits for a foreign lock as groups do. */
int ow_writer_open(struct ow_writer *writer, struct ow *owner, struct ow_err *err);
int ow_writer_start(struct ow_writer *writer, struct ow_err *err);
/* Waits for the thread's end: after ow_lanes_close and ow_stop_set. */
void ow_writer_join(struct ow_writer *writer);
/* True on the writer's own thread: inside a job. */
bool ow_writer_is_caller(const struct ow_writer *writer);
/* Closes the connection; poisoned databases keep their -wal file. */
void ow_writer_close(struct ow_writer *writer);

/* ---- for group.c ---- */

/* Deals with a failure of the database (not of one job's own): waits, opens a new connection, holds
 * or poisons. True when the same work may be tried again. */
bool ow_writer_recover(struct ow_writer *writer, const struct ow_err *why);
/* What became of commit number `seq` after a COMMIT that failed oddly. */
enum ow_fate { OW_FATE_COMMITTED, OW_FATE_UNDONE, OW_FATE_UNKNOWN };
enum ow_fate ow_writer_resolve(struct ow_writer *writer, int64_t seq, int64_t at_unix_ms);
/* A failed checkpoint takes nothing from the jobs, but a broken fsync poisons all the same. */
void ow_writer_checkpoint_failed(struct ow_writer *writer, const struct ow_err *why);
/* The earliest time at which a taken job wants its answer; INT64_MAX when none does. */
int64_t ow_writer_redo_deadline(const struct ow_writer *writer);
/* Steps one of the writer's own statements. 0 or a result code with *err filled. */
int ow_writer_step(struct ow_writer *writer, enum ow_writer_sql which, struct ow_err *err);

/* ---- group.c ---- */

/* One transaction: runs what may be run, commits, tells the owners. */
void ow_group_run(struct ow_writer *writer);
/* Answers all jobs of list: why NULL = committed. */
void ow_group_settle(struct ow_writer *writer, struct ow_jobs *list, const struct ow_err *why);
/* Answers jobs that trouble has kept until their deadline, with its reason. */
void ow_group_expire(struct ow_writer *writer);
/* Tells the owners of settled jobs. */
void ow_group_answer(struct ow_writer *writer);

#endif
