/* One tuned connection: the writer's, or one of the readers'. */
#ifndef ONEWRITER_CONN_H
#define ONEWRITER_CONN_H

#include "onewriter/bell.h"
#include "onewriter/onewriter.h"
#include "onewriter/snapshots.h"
#include "onewriter/statements.h"

#define OW_COMMIT_TABLE  "ow_commit"
#define OW_JOB_SAVEPOINT "ow_job"

enum ow_role { OW_WRITER, OW_READER, OW_MOVER /* only checkpoints, see mover.h */ };

struct ow_conn {
    sqlite3 *db; /* NULL: not open */
    enum ow_role role;
    const struct ow_options *options; /* lent */
    struct ow_stop *stop;             /* lent */
    struct ow *owner;                 /* lent; the handle that readers go back to */
    struct ow_statements statements;
    struct ow_pin pin;     /* of a reader */
    const char *label;     /* of the borrower; static storage */
    struct ow_conn *next;  /* in the pool's idle list */
    int64_t busy_until_us; /* of the present wait for a foreign lock */
    int64_t busy_cap_us;   /* no such wait goes beyond this; INT64_MAX = options.busy_timeout_ms */
    int64_t run_until_us;  /* statements end with INTERRUPT after this; INT64_MAX = never */
    uint64_t random;       /* spreads the polls of a foreign lock */
    bool in_job;           /* a job runs: the guard is strict */
    bool bad;              /* saw a failure that makes its files doubtful */
};

/* Opens and tunes; every setting is read back. conn keeps options, stop and owner from before. */
int ow_conn_open(struct ow_conn *conn, enum ow_role role, struct ow_err *err);
/* Closes; statements that somebody else never finalized are told as leaks, and their connection
 * lives on unseen until they are. A connection that is not open is allowed. */
void ow_conn_close(struct ow_conn *conn);

/* A new borrower or job. */
void ow_conn_begin(struct ow_conn *conn);
/* Ends statements that still run, whoever prepared them. */
void ow_conn_reset(struct ow_conn *conn);

/* First column of the first row of sql as an integer. */
int ow_conn_read_int(struct ow_conn *conn, const char *sql, int64_t *out, struct ow_err *err);

#endif
