/* Prepared statements of one connection, found by their text. */
#ifndef ONEWRITER_STATEMENTS_H
#define ONEWRITER_STATEMENTS_H

#include "onewriter/onewriter.h"

struct ow_statement {
    sqlite3_stmt *stmt;
    char *sql; /* owned */
    uint32_t hash;
    uint64_t used; /* by the clock of struct ow_statements */
};

#define OW_STATEMENT_HINTS 64

struct ow_statements {
    struct ow_statement *items;
    uint32_t count, size;
    uint64_t clock; /* counts uses */
    uint64_t loan;  /* clock when the present borrower or job came */
    /* Where a caller's pointer was found last: literals hit at once. */
    uint32_t hint[OW_STATEMENT_HINTS];
};

/* Finalizes everything. */
void ow_statements_fini(struct ow_statements *cache);
/* A new borrower or job: what earlier ones prepared may be evicted from now on. */
void ow_statements_begin(struct ow_statements *cache);
/* Finds or prepares; reset, with cleared bindings. */
int ow_statements_get(struct ow_statements *cache, sqlite3 *db, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err);

#endif
