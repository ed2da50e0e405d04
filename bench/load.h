/* Threads that write through one of the ways, each waiting for its own transaction, for a time or
 * for a number of tasks, at full speed or at a pace. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "report.h"
#include "stats.h"
#include "ways.h"

struct load_plan {
    const struct way *way;
    struct target target;
    int ms;            /* how long; load_stop comes no sooner. Ignored when tasks is not 0 */
    uint64_t tasks;    /* of each thread */
    int prefill;       /* rows that are there before */
    double per_second; /* of all threads together, on a timetable; 0 = full speed */
};

struct load_result {
    uint64_t done, failed;
    double per_second;       /* acknowledged within the time, a second */
    double slowest, fastest; /* of the rounds */
    struct latency latency;  /* of all calls; at a pace, from the time on the timetable */
    int64_t rows;            /* in the table afterwards, counted by load_check */
    int64_t wal_peak;        /* bytes, looked at every few milliseconds */
    double cpu_s;            /* of this process, per load */
    double foreign_cores;    /* that others used meanwhile; of several rounds the most */
    double least_share;      /* transactions of the slowest thread : mean of all */
    double seconds;
    char why[WHY_BYTES]; /* the first failure; "" = none */
};

/* A whole run of plan->ms: opens a new database, writes, closes, counts rows. Adds to *result,
 * which is zeroed before the first of several rounds. */
void load_run(const struct load_plan *plan, struct load_result *result);

/* The same in steps, for what happens beside the writers. The database is open between
 * load_open and load_close; writers run between load_start and load_stop. */
struct load;
struct load *load_open(const struct load_plan *plan);
void *load_shared(struct load *load); /* of the way */
void load_start(struct load *load);
/* Ends the writers and adds their figures. */
void load_stop(struct load *load, struct load_result *result);
/* Closes the way; the file stays. */
void load_close(struct load *load);

/* Sleeps so long and looks at the log meanwhile; *wal_peak only grows. */
void load_watch(int ms, int64_t *wal_peak);

/* The fields of a result, into an object that was begun. */
void load_json(struct report *report, const struct load_plan *plan,
               const struct load_result *result);
/* Writes below a line of a table what went wrong, or what the way does not share, if anything. */
void load_print_trouble(const struct load_plan *plan, const struct load_result *result);

#endif
