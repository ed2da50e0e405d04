/* `bench-onewriter fds`: many writers and 20 readers, each with a fixed number of tasks, in a
 * process that may have 64 files open: what systemd and containers limit is met by programs that
 * open a connection per operation, as "unable to open database file". Counted is what failed. What
 * must stay true: the limit is set before anything is opened, and lifted for counting only. */
#include "onewriter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "folder.h"
#include "load.h"
#include "plain.h"
#include "readers.h"

#define LIMIT       64
#define READERS     20
#define READ_TASKS  50
#define WRITE_TASKS 50

static rlim_t set_limit(rlim_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("no limit of descriptors to set");
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("cannot set the limit of descriptors");
    return before;
}

static enum reader_way reader_of(const struct way *way)
{
    if (way == &way_job || way == &way_row)
        return READ_ONEWRITER;
    return way == &way_each || way == &way_seed ? READ_EACH : READ_KEPT;
}

static void run(const struct load_plan *plan, struct load_result *writes,
                struct readers_result *reads)
{
    rlim_t before = set_limit(LIMIT);
    struct load *load = load_open(plan);
    struct readers_plan readers = {.way = reader_of(plan->way),
                                   .target = plan->target,
                                   .threads = READERS,
                                   .tasks = READ_TASKS};
    if (readers.way == READ_ONEWRITER)
        readers.db = onewriter_of(load_shared(load));
    load_start(load);
    if (!plan->way->sqlite) { /* another copy of SQLite: nobody beside it */
        struct readers *running = readers_start(&readers);
        readers_stop(running, reads);
    }
    load_stop(load, writes);
    load_close(load);
    set_limit(before);
    writes->rows = plain_ask(plan->target.path, "SELECT count(*) FROM event") - plan->prefill;
}

static void print_result(const struct load_plan *plan, const struct load_result *w,
                         const struct readers_result *r)
{
    printf("  %-34s %8llu %8llu %9.0f %9.1f %8llu %8llu\n", plan->way->name,
           (unsigned long long)(w->done + w->failed), (unsigned long long)w->failed, w->per_second,
           latency_max_ms(&w->latency), (unsigned long long)(r->done + r->failed),
           (unsigned long long)r->failed);
    load_print_trouble(plan, w);
    if (r->failed)
        printf("      the first read that failed: %s\n", r->why);
}

static void tell_result(struct report *report, const struct load_plan *plan,
                        const struct load_result *w, const struct readers_result *r)
{
    json_begin(report, "fds");
    load_json(report, plan, w);
    json_int(report, "descriptors", LIMIT);
    json_int(report, "reads", (int64_t)(r->done + r->failed));
    json_int(report, "reads_failed", (int64_t)r->failed);
    json_text(report, "first_failed_read", r->why);
    json_end(report);
}

static bool measure(struct report *report, const struct way *way, const struct target *target)
{
    struct load_plan plan = {
        .way = way, .target = *target, .tasks = WRITE_TASKS, .prefill = PREFILL};
    struct load_result *writes = calloc(1, sizeof(*writes));
    struct readers_result *reads = calloc(1, sizeof(*reads));
    if (!writes || !reads)
        die("no memory");
    progress("%s, %d threads: %s", target->table->name, target->threads, way->name);
    run(&plan, writes, reads);
    progress_clear();
    print_result(&plan, writes, reads);
    tell_result(report, &plan, writes, reads);
    fflush(stdout);
    bool bad = reader_of(way) == READ_ONEWRITER &&
               (writes->failed || reads->failed || writes->rows != (int64_t)writes->done);
    free(writes);
    free(reads);
    return bad;
}

int bench_fds(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder)};
    bool bad = false;
    printf("SQLite %s; %d descriptors; %d tasks for each writer, %d for each of %d readers\n"
           "  %-34s %8s %8s %9s %9s %8s %8s\n",
           sqlite3_libversion(), LIMIT, WRITE_TASKS, READ_TASKS, READERS, "", "writes", "failed",
           "tx/s", "max ms", "reads", "failed");
    for (int t = 0; t < s->tables_count; t++)
        for (int f = 0; f < s->sync_count; f++)
            for (int n = 0; n < s->threads_count; n++) {
                target.table = s->table[t];
                target.full = s->sync_full[f];
                target.threads = s->threads[n];
                printf("%s, %d writers\n", target.table->name, target.threads);
                for (int w = 0; w < s->ways_count; w++)
                    bad |= measure(report, s->way[w], &target);
            }
    return bad;
}
