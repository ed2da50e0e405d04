/* Ways to do one small write transaction and to wait for it, from many threads. Each way opens what
 * the threads share, lets every thread join, and writes one row per call. */
#ifndef BENCH_WAYS_H
#define BENCH_WAYS_H

#include <stdbool.h>

#include "rows.h"

/* A database that is to be written to: made anew, in WAL mode, with its table. */
struct target {
    const char *path;
    const struct table *table;
    bool full;   /* synchronous=FULL, else NORMAL */
    int threads; /* that will join */
    int pool;    /* readers of onewriter; 0 = its default */
    void (*observer)(void *ctx, const struct ow_event *event); /* onewriter's; NULL = none */
    void *observer_ctx;
};

#define WHY_BYTES 200

struct way {
    const char *key;  /* on the command line and in JSON */
    const char *name; /* for people */
    /* What the threads share. Ends the program when it cannot be opened. */
    void *(*open)(const struct target *target);
    /* What a thread has for itself; may be NULL. */
    void *(*join)(void *shared);
    /* One transaction; 0 when it was committed. Else why[WHY_BYTES] says why not. */
    int (*write)(void *shared, void *own, const struct row *row, char *why);
    void (*leave)(void *shared, void *own);
    /* Everything is closed; the rows are in the file afterwards. */
    void (*close)(void *shared);
    /* Version of the SQLite that it works with; NULL = that of this program. */
    const char *(*sqlite)(void);
};

extern const struct way way_each, way_seed, way_kept, way_mutex; /* plain SQLite */
extern const struct way way_zdb;                                 /* libzdb */
extern const struct way way_job, way_row;                        /* onewriter */
extern const struct way way_group;                               /* the bare group-commit loop */

extern const struct way *const ways[];
extern const unsigned ways_count;
/* NULL when there is none of that key in this build. */
const struct way *way_named(const char *key);

/* The database behind the shared part of way_job and way_row. */
struct ow *onewriter_of(void *shared);
/* Opens it by itself: the shared part of those two ways. */
void *onewriter_open(const struct target *target);
void onewriter_close(void *shared);

#endif
