/* One tuned connection: the writer's, or one of the readers'. */
#ifndef ONEWRITER_CONN_H
#define ONEWRITER_CONN_H

#include <pthread.h>
#include <stdatomic.h>

#include "onewriter/bell.h"
#include "onewriter/onewriter.h"
#include "onewriter/snapshots.h"
#include "onewriter/statements.h"

#define OW_JOB_SAVEPOINT "ow_job"

enum ow_role { OW_WRITER, OW_READER, OW_MOVER /* only checkpoints, see mover.h */ };

struct ow_conn {
    sqlite3 *db; /* NULL: not open */
    enum ow_role role;
    const struct ow_options *options; /* lent */
    struct ow_stop *stop;             /* lent */
    struct ow *owner;                 /* lent; the handle that readers go back to */
    struct ow_statements statements;
    _Atomic(const char *) sql; /* prepared last; read it with ow_conn_copy_sql. NULL = none */

    /* The loan of a reader, written under the pool's mutex, see loan.h; of the writer's, loan is
     * the number of the job that runs or ran last. */
    _Atomic uint64_t loan;           /* of a reader: unique in the database; 0 = not lent */
    _Atomic uint64_t cancelled_loan; /* what runs under this number is ended */
    _Atomic pthread_t thread;        /* that acquired it */
    _Atomic bool idle;               /* in the pool: nobody may use it */
    _Atomic bool shared;             /* of a snapshot: any thread may use and release it */
    bool handle_given;               /* ow_conn_handle was called: settings are in doubt */
    bool guard_asked;                /* the authorizer was called */
    bool keeps_statements;           /* a virtual table has statements of its own */
    enum ow_lane lane;
    int64_t lent_us;
    const char *label;    /* of the borrower; static storage */
    struct ow_conn *next; /* in the pool's idle list, or in a gift of several */

    struct ow_pin pin;     /* of a reader */
    int64_t busy_until_us; /* of the present wait for a foreign lock */
    int64_t busy_cap_us;   /* no such wait goes beyond this; INT64_MAX = options.busy_timeout_ms */
    int64_t run_until_us;  /* statements end with INTERRUPT after this; INT64_MAX = never */
    uint64_t random;       /* spreads the polls of a foreign lock */
    bool in_job;           /* a job runs: the guard is strict */
    bool has_savepoint;    /* the job used savepoints of its own */
    bool uncounted;        /* something ran whose changes sqlite3_total_changes may not tell */
    bool bad;              /* saw a failure that makes its files doubtful */
};

/* Opens and tunes; every setting is read back. conn keeps options, stop and owner from before. */
int ow_conn_open(struct ow_conn *conn, enum ow_role role, struct ow_err *err);
/* Closes; statements that somebody else never finalized are told as leaks, and their connection
 * lives on unseen until they are. Returns how many. A connection that is not open is allowed. */
int ow_conn_close(struct ow_conn *conn);

/* A new borrower or job. */
void ow_conn_begin(struct ow_conn *conn);
/* Sets the handlers again that a borrower with the raw handle may have replaced. */
void ow_conn_rearm(struct ow_conn *conn, bool authorizer);
/* Ends statements that still run, whoever prepared them. */
void ow_conn_reset(struct ow_conn *conn);

/* A number that changes when this connection ends a transaction and when it begins one after
 * another connection has committed: compare its value inside a transaction with that at the end of
 * the one before. (PRAGMA data_version leaves the own part out, and costs a statement.) */
uint32_t ow_conn_data_version(struct ow_conn *conn);
/* Syncs the write-ahead log to the disk. */
int ow_conn_sync_log(struct ow_conn *conn, struct ow_err *err);

/* First column of the first row of sql as an integer. */
int ow_conn_read_int(struct ow_conn *conn, const char *sql, int64_t *out, struct ow_err *err);

#endif
