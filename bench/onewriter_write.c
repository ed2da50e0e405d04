/* `bench-onewriter write`: every way, from few threads and from many. A table for each kind of
 * table, synchronous setting and number of threads; its last columns tell how often faster the two
 * ways of onewriter are than that line. What must stay true: the ways of one table are measured in
 * turn, within the same seconds. */
#include "onewriter.h"

#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "load.h"

struct cell {
    struct load_plan plan;
    struct load_result result;
};

static double rate_of(const struct cell *cells, int count, const struct way *way)
{
    for (int i = 0; i < count; i++)
        if (cells[i].plan.way == way)
            return cells[i].result.per_second;
    return 0;
}

static void print_ratio(double rate, double base)
{
    if (rate > 0 && base > 0)
        printf(" %8.2f", rate / base);
    else
        printf(" %8s", "-");
}

static void print_cell(const struct cell *cell, double job, double row)
{
    const struct load_result *r = &cell->result;
    printf("%-34s %9.0f %8.3f %9.3f %9.3f %9.2f %8.1f %7.1f %6.2f", cell->plan.way->name,
           r->per_second, latency_ms(&r->latency, 0.5), latency_ms(&r->latency, 0.99),
           latency_ms(&r->latency, 0.999), latency_max_ms(&r->latency), (double)r->wal_peak / 1e6,
           r->cpu_s * 1e6 / (double)r->done, r->least_share);
    print_ratio(job, r->per_second);
    print_ratio(row, r->per_second);
    putchar('\n');
    load_print_trouble(&cell->plan, r);
}

static void tell_cell(struct report *report, const struct cell *cell, double job, double row)
{
    json_begin(report, "write");
    load_json(report, &cell->plan, &cell->result);
    json_num(report, "job_is", job / cell->result.per_second);
    json_num(report, "row_is", row / cell->result.per_second);
    json_end(report);
}

static void print_head(const struct target *target)
{
    printf("\n%s, synchronous=%s, %d thread%s\n", target->table->name,
           target->full ? "FULL" : "NORMAL", target->threads, target->threads == 1 ? "" : "s");
    printf("%-34s %9s %8s %9s %9s %9s %8s %7s %6s %8s %8s\n", "", "tx/s", "p50 ms", "p99", "p99.9",
           "max", "log MB", "us CPU", "least", "job:this", "row:this");
}

static bool is_onewriter(const struct way *way)
{
    return way == &way_job || way == &way_row;
}

/* True when onewriter failed or lost something. */
static bool print_cells(struct report *report, const struct cell *cells, int count)
{
    double job = rate_of(cells, count, &way_job), row = rate_of(cells, count, &way_row);
    bool bad = false;
    double foreign = 0;
    print_head(&cells[0].plan.target);
    for (int i = 0; i < count; i++) {
        const struct load_result *r = &cells[i].result;
        print_cell(&cells[i], job, row);
        tell_cell(report, &cells[i], job, row);
        foreign = r->foreign_cores > foreign ? r->foreign_cores : foreign;
        bad |= is_onewriter(cells[i].plan.way) && (r->failed || r->rows != (int64_t)r->done);
    }
    print_foreign(foreign);
    fflush(stdout);
    return bad;
}

static bool measure(const struct settings *s, struct report *report, const struct target *target)
{
    struct cell *cells = calloc((size_t)s->ways_count, sizeof(*cells));
    if (!cells)
        die("no memory");
    for (int round = 0; round < s->rounds; round++)
        for (int i = 0; i < s->ways_count; i++) {
            cells[i].plan = (struct load_plan){.way = s->way[i], .target = *target, .ms = s->ms};
            progress("%s, %s, %d threads, round %d of %d: %s", target->table->name,
                     target->full ? "FULL" : "NORMAL", target->threads, round + 1, s->rounds,
                     s->way[i]->name);
            load_run(&cells[i].plan, &cells[i].result);
        }
    progress_clear();
    bool bad = print_cells(report, cells, s->ways_count);
    free(cells);
    return bad;
}

int bench_write(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder), .pool = s->pool};
    bool bad = false;
    printf("SQLite %s; %d x %d ms for each line; log MB: the log's peak; us CPU: of all threads, a "
           "transaction;\nleast: transactions of the slowest thread : mean; last two: ow_write and "
           "ow_write_row : this line\n",
           sqlite3_libversion(), s->rounds, s->ms);
    for (int t = 0; t < s->tables_count; t++)
        for (int f = 0; f < s->sync_count; f++)
            for (int n = 0; n < s->threads_count; n++) {
                target.table = s->table[t];
                target.full = s->sync_full[f];
                target.threads = s->threads[n];
                bad |= measure(s, report, &target);
            }
    return bad;
}
