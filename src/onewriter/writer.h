/* The connection that writes, what its owner does with it, and the thread that owns it when many
 * jobs wait. */
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
    OW_SQL_COUNT,
};

/* Below "owner" is who owns the connection, see enum ow_owner: only it may touch the fields. */
struct ow_writer {
    const struct ow_options *options; /* lent, as all pointers here */
    struct ow_counters *counters;
    struct ow_lanes *lanes;
    struct ow_stop *stop;
    struct ow_bell *bells; /* OW_BELLS of them */

    pthread_t thread;
    bool started;
    struct ow_conn conn;
    sqlite3_stmt *sql[OW_SQL_COUNT];
    struct ow_wal wal;
    struct ow_retry retry; /* failures since the last commit */
    bool reopen;           /* the connection is in doubt: open another before the next group */
    bool in_trouble;       /* lanes->trouble is set */
    int guarded;           /* so many of the next jobs run under a savepoint */
    int job_code;          /* of the connection when the job that ran last had returned */
    bool committed_beside; /* the newest group was committed while jobs stood in redo */
    bool others_first;     /* a culprit failed alone: whoever else waits goes before it */
    bool reread;           /* another connection's number could not be read yet */
    uint64_t runs;         /* of functions, so far: the number of each is its loan */
    int64_t changes;       /* sqlite3_total_changes64 when the running job began */
    _Atomic int64_t busy_since_us;  /* when the running group began its jobs; 0 = none runs */
    _Atomic int busy_lane;          /* of the job that runs */
    _Atomic bool idle_armed;        /* the thread waits for an idle moment */
    _Atomic uint32_t alone_waiting; /* culprits that were put back and not settled */
    int64_t seq;                    /* newest commit; up to OW_NUMBER_GAP ahead of recorded */
    bool shares; /* others commit, too: every number is stored at once, so that they see it */
    int64_t recorded, recorded_at; /* newest row of ow_commit that is known */
    uint32_t data_version;         /* changes when another connection commits */

    struct ow_jobs redo;    /* taken and undone: run again before anything new */
    struct ow_jobs taken;   /* from the lanes, not run yet */
    struct ow_jobs members; /* ran well in the open transaction */
    struct ow_jobs kept;    /* committed with number seq, owner not told yet */
    struct ow_jobs settled; /* have another result, owner not told yet */
    int durable_members;

    struct ow_err row_err; /* for jobs whose error nobody waits for */
    struct ow_err trouble; /* why jobs in redo have not been written yet; code 0 = no reason */
    uint64_t abandoned;    /* answered OW_CLOSED at the end */
    uint64_t drained;      /* committed while closing */
    struct ow_err poison;  /* constant once counters->poisoned is set */
};

/* Opens the connection and prepares table ow_commit; waits for a foreign lock as groups do, but no
 * longer than busy_timeout_ms and max_attempts. */
int ow_writer_open(struct ow_writer *writer, struct ow *owner, struct ow_err *err);
int ow_writer_start(struct ow_writer *writer, struct ow_err *err);
/* Waits for the thread's end: after ow_lanes_close and ow_stop_set. */
void ow_writer_join(struct ow_writer *writer);
/* True inside a job of this writer, on whatever thread. */
bool ow_writer_is_caller(const struct ow_writer *writer);
/* Closes the connection; poisoned databases keep their -wal file. */
void ow_writer_close(struct ow_writer *writer);

/* Runs the job on the calling thread if the connection is idle. True when it was settled (its state
 * is DONE); false when it is queued nowhere yet (*taken false) or has met trouble that the writer
 * thread goes on with (*taken true). */
bool ow_writer_run_here(struct ow_writer *writer, struct ow_job *job, bool *taken);
/* Answers jobs that never reach the connection: dropped or withdrawn ones. Any thread. */
void ow_writer_answer(struct ow_writer *writer, struct ow_jobs *jobs, const struct ow_err *why);

/* ---- for group.c: by the owner ---- */

/* Deals with a failure of the database (not of one job's own): waits, opens a new connection, holds
 * or poisons. True when the same work may be tried again. */
bool ow_writer_recover(struct ow_writer *writer, const struct ow_err *why);
/* A commit that is being made. */
struct ow_commit {
    int64_t seq, at_unix_ms;
    bool is_recorded; /* its number is in the transaction */
    uint32_t changes; /* else: the log's index counted so many commits before it */
};
/* What became of a commit that failed oddly. */
enum ow_fate { OW_FATE_COMMITTED, OW_FATE_UNDONE, OW_FATE_UNKNOWN };
enum ow_fate ow_writer_resolve(struct ow_writer *writer, const struct ow_commit *commit);
/* Stops writing for good. */
void ow_writer_poison(struct ow_writer *writer, const struct ow_err *why);
/* A failed checkpoint takes nothing from the jobs, but a broken fsync poisons all the same. */
void ow_writer_checkpoint_failed(struct ow_writer *writer, const struct ow_err *why);
/* The earliest time at which a taken job wants its answer; INT64_MAX when none does. */
int64_t ow_writer_taken_deadline(const struct ow_writer *writer);
/* Steps one of the writer's own statements. 0 or a result code with *err filled. */
int ow_writer_step(struct ow_writer *writer, enum ow_writer_sql which, struct ow_err *err);

/* ---- group.c ---- */

/* One transaction: runs what may be run, commits, tells the owners. only: just what is in redo. */
void ow_group_run(struct ow_writer *writer, bool only);
/* Stores the newest number, if it is not stored yet. Waits for nobody's lock. */
void ow_group_record(struct ow_writer *writer);
/* ---- answer.c ---- */

/* The jobs of list are in commit number writer->seq. */
void ow_group_keep(struct ow_writer *writer, struct ow_jobs *list);
/* One job, or all of list, have failed with the reason. */
void ow_group_fail_one(struct ow_writer *writer, struct ow_job *job, const struct ow_err *why);
void ow_group_fail(struct ow_writer *writer, struct ow_jobs *list, const struct ow_err *why);
/* Answers jobs that trouble has kept until their deadline, with its reason. */
void ow_group_expire(struct ow_writer *writer);
/* Tells the owners of settled jobs. */
void ow_group_answer(struct ow_writer *writer);

/* ---- run.c ---- */

/* Runs the job in the open transaction; 0 when its changes are in it, else a code and *err. */
int ow_job_run(struct ow_writer *writer, struct ow_job *job, bool guarded, struct ow_err *err);
/* True when a job that has just failed changed nothing, so that there is nothing to undo. */
bool ow_job_left_nothing(struct ow_writer *writer);
/* True when the error of the job that has just failed is one of this connection, not of another
 * database that the job may use: only then it says something about ours. */
bool ow_job_is_believed(struct ow_writer *writer, const struct ow_err *err);
/* Where the job's error goes. */
struct ow_err *ow_job_err(struct ow_writer *writer, struct ow_job *job);

#endif
