/* What may be run on a connection: the authorizers of readers and of jobs. */
#ifndef ONEWRITER_GUARD_H
#define ONEWRITER_GUARD_H

#include <sqlite3.h>

/* Authorizer of readers: reads, functions, transactions, pragmas that only tell. ctx is its
 * struct ow_conn. */
int ow_guard_reader(void *ctx, int action, const char *a, const char *b, const char *schema,
                    const char *trigger);

/* Authorizer of the writer; ctx is its struct ow_conn. Inside a job: no BEGIN, COMMIT or ROLLBACK,
 * not the savepoint of the job, no ATTACH, no change of settings, nothing on table ow_commit. */
int ow_guard_writer(void *ctx, int action, const char *a, const char *b, const char *schema,
                    const char *trigger);

#endif
