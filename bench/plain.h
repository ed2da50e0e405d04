/* A connection to SQLite without any library, tuned as onewriter tunes its own, with the statements
 * of one small write transaction. */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include "ways.h"

#define BUSY_MS 30000

struct plain {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit, *rollback;
};

/* Opens, tunes and prepares. Returns SQLite's code, and why[WHY_BYTES] when that is not 0; nothing
 * is open then. */
int plain_open(struct plain *plain, const struct target *target, char *why);
void plain_close(struct plain *plain);
/* BEGIN IMMEDIATE, the row, COMMIT; rolled back when one of them fails. */
int plain_write(struct plain *plain, const struct row *row, char *why);
int plain_begin(struct plain *plain, char *why);
int plain_insert(struct plain *plain, const struct row *row, char *why);
/* Rolls back when it fails. */
int plain_commit(struct plain *plain, char *why);

/* Makes the file: WAL and the table. Ends the program when it cannot. */
void plain_create(const struct target *target);
/* Puts so many rows into it, in one transaction. */
void plain_fill(const struct target *target, int rows);
/* Answer of a query of one number; -1 when it fails. */
int64_t plain_ask(const char *path, const char *sql);
/* Puts SQLite's last message into why and returns its code. */
int plain_fail(sqlite3 *db, const char *what, char *why);

#endif
