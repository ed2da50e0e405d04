/* Prepared statements of one connection, found by their text. */
#ifndef ONEWRITER_STATEMENTS_H
#define ONEWRITER_STATEMENTS_H

#include <stdatomic.h>

#include "base/sync.h"
#include "onewriter/onewriter.h"

struct ow_statement {
    sqlite3_stmt *stmt;
    char *sql; /* owned */
    uint32_t length, hash;
    uint32_t newer, older; /* neighbours by last use */
    uint64_t loan;         /* that had it last */
};

/* Who looks at the text that was prepared last, from other threads. All are lent. */
struct ow_statements_sight {
    struct mutex *lock;           /* texts are freed under it */
    _Atomic(const char *) *shown; /* always NULL or a text of the cache */
    _Atomic uint64_t *prepared;   /* counts */
};

/* Zero-initialised it is empty, keeps nothing and shows nothing. */
struct ow_statements {
    struct ow_statement *items; /* from 1; items[0] closes the ring of last use */
    uint32_t *slots;            /* hash table of indexes into items; 0 = empty */
    uint32_t mask;              /* slots - 1 */
    uint32_t size;              /* items that there is memory for */
    uint32_t used;              /* items that were ever in use */
    uint32_t unused;            /* first of those that are free again, by their `older`; 0 = none */
    uint32_t count, limit;      /* statements: now, and kept beyond the present loan */
    uint64_t loan;              /* number of the present borrower or job */
    struct ow_statements_sight sight;
};

/* sight may be NULL. Forgets what was there: a new cache, or one whose content went elsewhere. */
void ow_statements_init(struct ow_statements *cache, uint32_t limit,
                        const struct ow_statements_sight *sight);
/* Finalizes everything. */
void ow_statements_fini(struct ow_statements *cache);
/* A new borrower or job: what earlier ones prepared may be evicted from now on. */
void ow_statements_begin(struct ow_statements *cache);
/* Finds or prepares; reset, with cleared bindings. */
int ow_statements_get(struct ow_statements *cache, sqlite3 *db, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err);
/* The same, but what was bound before stays: for a caller that binds every parameter. */
int ow_statements_find(struct ow_statements *cache, sqlite3 *db, const char *sql,
                       sqlite3_stmt **out, struct ow_err *err);
/* Ends statements of the present loan or job that still run. */
void ow_statements_reset(struct ow_statements *cache);
/* True when the cache owns that statement. */
bool ow_statements_has(const struct ow_statements *cache, const sqlite3_stmt *stmt);

#endif
