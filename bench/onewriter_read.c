/* `bench-onewriter read`: threads that read 100,000 rows, by point queries and by aggregates,
 * alone, beside a writer at 2,000 transactions a second and beside one at full speed; through
 * onewriter's pool, and with a connection per thread beside the bare group-commit loop. A writer
 * takes processor time as well as locks; so that the two are told apart, the time of the reading
 * threads and of all others is measured, and the rate is also given for each core that was left to
 * the readers. What must stay true: cores left are measured, never guessed. */
#include "onewriter.h"

#include <stdlib.h>

#include "folder.h"
#include "load.h"
#include "readers.h"

#define PACE         2000
#define PACED_BY     4
#define FULL_BY      8
#define WRITER_KINDS 3
#define LIBRARIES    2

static const char *const writer_names[WRITER_KINDS] = {"none", "2,000/s", "full speed"};
static const struct {
    const char *name, *key;
    enum reader_way reader;
    const struct way *writer;
} libraries[LIBRARIES] = {
    {"bare", "bare", READ_KEPT, &way_group},
    {"onewriter", "onewriter", READ_ONEWRITER, &way_job},
};

struct outcome {
    struct readers_result readers;
    struct load_result writer;
    double cores_left; /* to the readers, at most one each */
    double per_second, per_core;
};

static void settle(struct outcome *out, const struct usage *used, int threads)
{
    double seconds = (double)used->at_ns / 1e9;
    double others = (used->own_cpu_s - out->readers.cpu_s + used->foreign_cpu_s) / seconds;
    out->cores_left = usage_cpus() - others;
    if (out->cores_left > threads)
        out->cores_left = threads;
    out->writer.foreign_cores = usage_foreign(used);
    out->per_second = (double)out->readers.done / out->readers.seconds;
    out->per_core = out->cores_left > 0 ? out->per_second / out->cores_left : 0;
}

static void measure(const struct settings *s, const struct target *target, int library, int kind,
                    bool aggregate, int threads, struct outcome *out)
{
    struct load_plan plan = {.way = libraries[library].writer,
                             .target = *target,
                             .ms = s->ms,
                             .prefill = PREFILL,
                             .per_second = kind == 1 ? PACE : 0};
    plan.target.threads = kind == 1 ? PACED_BY : FULL_BY;
    struct usage before, used;
    struct load *load = load_open(&plan);
    struct readers_plan readers = {.way = libraries[library].reader,
                                   .target = plan.target,
                                   .aggregate = aggregate,
                                   .threads = threads};
    if (readers.way == READ_ONEWRITER)
        readers.db = onewriter_of(load_shared(load));
    *out = (struct outcome){0};
    usage_look(&before);
    if (kind)
        load_start(load);
    struct readers *running = readers_start(&readers);
    load_watch(s->ms, &out->writer.wal_peak);
    readers_stop(running, &out->readers);
    if (kind)
        load_stop(load, &out->writer);
    usage_since(&used, &before);
    load_close(load);
    settle(out, &used, threads);
}

static void print_outcome(const struct outcome *out, const struct outcome *alone,
                          const struct outcome *bare, int library, int kind)
{
    printf("  %-11s %-10s %10.0f %9.3f %9.3f %6.2f %10.0f %6.2f %6.2f", writer_names[kind],
           libraries[library].name, out->per_second, latency_ms(&out->readers.latency, 0.5),
           latency_ms(&out->readers.latency, 0.99), out->cores_left, out->per_core,
           out->per_core / alone->per_core, out->per_core / bare->per_core);
    if (kind)
        printf(" %9.0f %9.2f %9.2f %7.1f", out->writer.per_second,
               latency_ms(&out->writer.latency, 0.99), latency_max_ms(&out->writer.latency),
               (double)out->writer.wal_peak / 1e6);
    putchar('\n');
    if (out->readers.failed || out->writer.failed)
        printf("      FAILED: %llu reads %s, %llu writes %s\n",
               (unsigned long long)out->readers.failed, out->readers.why,
               (unsigned long long)out->writer.failed, out->writer.why);
}

static void tell_outcome(struct report *report, const struct outcome *out, int library, int kind,
                         const struct target *target, bool aggregate, int threads)
{
    json_begin(report, "read");
    json_text(report, "library", libraries[library].key);
    json_text(report, "table", target->table->name);
    json_text(report, "query", aggregate ? "aggregate" : "point");
    json_text(report, "writer", writer_names[kind]);
    json_int(report, "readers", threads);
    json_int(report, "pool", target->pool);
    json_num(report, "seconds", out->readers.seconds);
    json_num(report, "reads_per_second", out->per_second);
    json_num(report, "p50_ms", latency_ms(&out->readers.latency, 0.5));
    json_num(report, "p99_ms", latency_ms(&out->readers.latency, 0.99));
    json_num(report, "p999_ms", latency_ms(&out->readers.latency, 0.999));
    json_num(report, "max_ms", latency_max_ms(&out->readers.latency));
    json_int(report, "failed", (int64_t)out->readers.failed);
    json_num(report, "reader_cpu_s", out->readers.cpu_s);
    json_num(report, "cores_left", out->cores_left);
    json_num(report, "reads_per_second_per_core_left", out->per_core);
    json_num(report, "foreign_cores", out->writer.foreign_cores);
    json_num(report, "writer_tx_per_second", out->writer.per_second);
    json_num(report, "writer_p50_ms", latency_ms(&out->writer.latency, 0.5));
    json_num(report, "writer_p99_ms", latency_ms(&out->writer.latency, 0.99));
    json_num(report, "writer_p999_ms", latency_ms(&out->writer.latency, 0.999));
    json_num(report, "writer_max_ms", latency_max_ms(&out->writer.latency));
    json_int(report, "writer_failed", (int64_t)out->writer.failed);
    json_int(report, "wal_peak_bytes", out->writer.wal_peak);
    json_end(report);
}

static bool compare(const struct settings *s, struct report *report, const struct target *target,
                    bool aggregate, int threads)
{
    static struct outcome out[WRITER_KINDS][LIBRARIES];
    double foreign = 0;
    bool bad = false;
    for (int kind = 0; kind < WRITER_KINDS; kind++)
        for (int library = 0; library < LIBRARIES; library++) {
            progress("%s, %d readers, writer %s, %s", target->table->name, threads,
                     writer_names[kind], libraries[library].name);
            measure(s, target, library, kind, aggregate, threads, &out[kind][library]);
        }
    progress_clear();
    printf("%s, %d reader%s, %s\n", target->table->name, threads, threads == 1 ? "" : "s",
           aggregate ? "aggregates over 100,000 rows" : "point queries");
    for (int kind = 0; kind < WRITER_KINDS; kind++)
        for (int library = 0; library < LIBRARIES; library++) {
            const struct outcome *o = &out[kind][library];
            print_outcome(o, &out[0][library], &out[kind][0], library, kind);
            tell_outcome(report, o, library, kind, target, aggregate, threads);
            if (o->writer.foreign_cores > foreign)
                foreign = o->writer.foreign_cores;
            bad |= library == 1 && (o->readers.failed || o->writer.failed);
        }
    print_foreign(foreign);
    fflush(stdout);
    return bad;
}

int bench_read(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder), .pool = s->pool};
    bool bad = false;
    printf(
        "SQLite %s, %d cores; cores: left to the readers, at most one each; kept: reads per core "
        "left : the same alone\n  %-11s %-10s %10s %9s %9s %6s %10s %6s %6s %9s %9s %9s %7s\n",
        sqlite3_libversion(), usage_cpus(), "writer", "", "reads/s", "p50 ms", "p99", "cores",
        "/core", "kept", ": bare", "write tx/s", "p99 ms", "max", "log MB");
    for (int t = 0; t < s->tables_count; t++)
        for (int f = 0; f < s->sync_count; f++)
            for (int aggregate = 0; aggregate < 2; aggregate++)
                for (int n = 0; n < s->threads_count; n++) {
                    target.table = s->table[t];
                    target.full = s->sync_full[f];
                    bad |= compare(s, report, &target, aggregate, s->threads[n]);
                }
    return bad;
}
