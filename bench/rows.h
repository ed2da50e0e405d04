/* The tables that are written to, and their made-up rows. Every way of writing gets the same rows,
 * as onewriter's values, and binds them with the same function, so that only the way differs. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <onewriter/onewriter.h>

#define ROW_VALUES 13

struct row {
    struct ow_value values[ROW_VALUES];
    int count;
    unsigned client; /* who writes it */
    uint64_t number; /* of its rows */
    int64_t second;  /* of the text in `at` */
    char at[40];     /* ISO-8601, the predecessor's way */
    char piece_id[53], ip[16];
    unsigned char piece[32];
};

struct table {
    const char *name;
    const char *create; /* script: the table, named event, and its indexes */
    const char *insert;
    void (*fill)(struct row *row);
    const char *point;     /* one row by ?1, its number from 1 */
    const char *aggregate; /* over the first 100,000 rows */
};

extern const struct table tables[];
extern const unsigned tables_count;

/* Zeroes a row and makes its client known. */
void row_init(struct row *row, unsigned client);
/* The client's next row. What the values point to stays until the next call. */
void row_next(struct row *row, const struct table *table);
/* Binds the values; they must stay until the statement is reset. Returns SQLite's code. */
int row_bind(sqlite3_stmt *stmt, const struct row *row);

#endif
