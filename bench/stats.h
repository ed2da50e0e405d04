/* Latencies of the measuring programs: an HDR-style histogram, 32 buckets per power of two, so that
 * a value is known to within 3.2 % (1.6 % from the middle of its bucket). Nanoseconds. One thread
 * adds; merging comes after joining. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>

/* Values below 32 have a bucket each; the last bucket takes all from 2^42 ns (73 minutes). */
#define LATENCY_BUCKETS (38 * 32)

struct latency {
    uint64_t count[LATENCY_BUCKETS];
    uint64_t total;
    int64_t max_ns;
};

/* A negative value counts as 0. */
void latency_add(struct latency *h, int64_t ns);
void latency_merge(struct latency *into, const struct latency *from);
/* Milliseconds below which the fraction q (0..1) of the samples lie; 0 when empty. */
double latency_ms(const struct latency *h, double q);
double latency_max_ms(const struct latency *h);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t now_ns(void);
/* CPU seconds of the calling thread so far. */
double thread_cpu_s(void);
/* Sleeps until that time of now_ns. */
void sleep_until_ns(int64_t at_ns);

/* What this process and the rest of the machine used between two looks. */
struct usage {
    double own_cpu_s;     /* user and system time of this process */
    double foreign_cpu_s; /* of everybody else, from /proc/stat; 0 where that cannot be read */
    int64_t at_ns;
};
void usage_look(struct usage *usage);
/* *usage becomes what was used since *since (at_ns: how long that was). */
void usage_since(struct usage *usage, const struct usage *since);
int usage_cpus(void);
/* Cores that others used in that time. */
double usage_foreign(const struct usage *used);

#endif
