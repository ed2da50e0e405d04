/* Latency histogram and processor time (stats.h). The bucket of a value is its power of two and the
 * five bits below the top bit. What must stay true: bucket and floor agree, for every value. */
#include "stats.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PER_POWER 32 /* buckets per power of two */
#define LOW_BITS  5  /* log2 of that */

static unsigned bucket_of(int64_t ns)
{
    if (ns < PER_POWER)
        return ns < 0 ? 0 : (unsigned)ns;
    unsigned top = 63 - (unsigned)__builtin_clzll((uint64_t)ns);
    unsigned low = (unsigned)((uint64_t)ns >> (top - LOW_BITS)) & (PER_POWER - 1);
    unsigned bucket = (top - LOW_BITS + 1) * PER_POWER + low;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static double floor_of(unsigned bucket)
{
    if (bucket < PER_POWER)
        return bucket;
    unsigned shift = bucket / PER_POWER - 1;
    return (double)((uint64_t)(PER_POWER + bucket % PER_POWER) << shift);
}

void latency_add(struct latency *h, int64_t ns)
{
    h->count[bucket_of(ns)]++;
    h->total++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->count[i] += from->count[i];
    into->total += from->total;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

double latency_ms(const struct latency *h, double q)
{
    double rank = q * (double)h->total, below = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        double here = (double)h->count[i];
        if (here > 0 && below + here >= rank) {
            double low = floor_of(i), high = floor_of(i + 1), part = (rank - below) / here;
            double ns = low + (high - low) * (part < 0 ? 0 : part);
            return (ns < (double)h->max_ns ? ns : (double)h->max_ns) / 1e6;
        }
        below += here;
    }
    return 0;
}

double latency_max_ms(const struct latency *h)
{
    return (double)h->max_ns / 1e6;
}

int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

double thread_cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void sleep_until_ns(int64_t at_ns)
{
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static double seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Busy seconds of all processors since the start of the machine; 0 when unknown. */
static double machine_busy_s(void)
{
    unsigned long long user, nice, sys, idle, wait, irq, soft, steal;
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return 0;
    int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys,
                       &idle, &wait, &irq, &soft, &steal);
    fclose(file);
    return found == 8
               ? (double)(user + nice + sys + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK)
               : 0;
}

void usage_look(struct usage *usage)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    usage->own_cpu_s = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
    usage->foreign_cpu_s = machine_busy_s();
    usage->at_ns = now_ns();
}

void usage_since(struct usage *usage, const struct usage *since)
{
    struct usage now;
    usage_look(&now);
    usage->own_cpu_s = now.own_cpu_s - since->own_cpu_s;
    usage->foreign_cpu_s = now.foreign_cpu_s - since->foreign_cpu_s - usage->own_cpu_s;
    if (usage->foreign_cpu_s < 0)
        usage->foreign_cpu_s = 0;
    usage->at_ns = now.at_ns - since->at_ns;
}

int usage_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 0 ? (int)cpus : 1;
}

double usage_foreign(const struct usage *used)
{
    return used->foreign_cpu_s * 1e9 / (double)used->at_ns;
}
