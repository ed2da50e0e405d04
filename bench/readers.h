/* Threads that read: point queries or aggregates, as fast as they can, beside a load. */
#ifndef BENCH_READERS_H
#define BENCH_READERS_H

#include "stats.h"
#include "ways.h"

#define PREFILL 100000 /* rows that are read */

enum reader_way {
    READ_KEPT,      /* a connection per thread with its prepared statement */
    READ_EACH,      /* a connection per query */
    READ_ONEWRITER, /* a reader lent by the pool for every query */
};

struct readers_plan {
    enum reader_way way;
    struct target target;
    struct ow *db; /* of READ_ONEWRITER */
    bool aggregate;
    int threads;
    uint64_t tasks; /* of each thread; 0 = until readers_stop */
};

struct readers_result {
    uint64_t done, failed;
    double seconds;
    double cpu_s; /* of the reading threads alone */
    struct latency latency;
    char why[WHY_BYTES]; /* the first failure; "" = none */
};

struct readers;
struct readers *readers_start(const struct readers_plan *plan);
/* Ends (or, with tasks, awaits) them and frees them. */
void readers_stop(struct readers *readers, struct readers_result *result);

#endif
