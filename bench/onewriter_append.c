/* `bench-onewriter append`: rows that nobody waits for, one by one. Producers with ow_append,
 * beside one thread that groups the same rows by hand, 1,000 a transaction, on a bare connection
 * with a prepared statement; between them one thread that hands 1,000 rows at a time to ow_write.
 * The time of ow_append includes the flush at the end. What must stay true: every row that was
 * accepted is counted in the table. */
#include "onewriter.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/sync.h"
#include "folder.h"
#include "plain.h"
#include "stats.h"

#define BATCH   1000
#define WAIT_MS 60000

enum append_way { BY_HAND, BY_JOB, BY_APPEND, APPEND_WAYS };
static const char *const keys[APPEND_WAYS] = {"hand", "job", "append"};
static const char *const names[APPEND_WAYS] = {"a bare loop, 1,000 rows a transaction",
                                               "onewriter: ow_write, 1,000 rows a job",
                                               "onewriter: ow_append"};

struct outcome {
    uint64_t accepted;
    double seconds, cpu_s, flush_ms;
    double foreign_cores; /* that others used; of several rounds the most */
    int64_t rows, wal_end;
    char why[WHY_BYTES];
};

/* Its size at the end, while it is open. */
static void note_log(struct outcome *out)
{
    int64_t wal = folder_wal_bytes();
    if (wal > out->wal_end)
        out->wal_end = wal;
}

/* ---- by hand ---- */

static int hand_batch(struct plain *plain, struct row *row, const struct table *table, char *why)
{
    int rc = plain_begin(plain, why);
    for (int i = 0; i < BATCH && !rc; i++) {
        row_next(row, table);
        rc = plain_insert(plain, row, why);
    }
    return rc ? rc : plain_commit(plain, why);
}

static void run_by_hand(const struct target *target, int64_t end_ns, struct outcome *out)
{
    struct plain plain;
    struct row row;
    row_init(&row, 0);
    if (plain_open(&plain, target, out->why))
        die("%s", out->why);
    int64_t start_ns = now_ns();
    for (; now_ns() < end_ns; out->accepted += BATCH)
        if (hand_batch(&plain, &row, target->table, out->why))
            die("%s", out->why);
    out->seconds += (double)(now_ns() - start_ns) / 1e9;
    note_log(out);
    plain_close(&plain);
}

/* ---- by jobs of 1,000 rows ---- */

struct batch_job {
    const struct table *table;
    struct row *row;
};

static int insert_batch(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    const struct batch_job *job = ctx;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, job->table->insert, &stmt, err);
    for (int i = 0; i < BATCH && !rc; i++) {
        row_next(job->row, job->table);
        if (row_bind(stmt, job->row) || sqlite3_step(stmt) != SQLITE_DONE)
            return ow_conn_fail(conn, "inserting", err);
        sqlite3_reset(stmt);
    }
    return rc;
}

static void run_by_job(struct ow *db, const struct target *target, int64_t end_ns,
                       struct outcome *out)
{
    struct row row;
    row_init(&row, 0);
    struct batch_job job = {target->table, &row};
    struct ow_err err;
    int64_t start_ns = now_ns();
    for (; now_ns() < end_ns; out->accepted += BATCH)
        if (ow_write(db, OW_LANE_NORMAL, insert_batch, &job, WAIT_MS, &err))
            die("%s", err.text);
    out->seconds += (double)(now_ns() - start_ns) / 1e9;
}

/* ---- by ow_append ---- */

struct producer {
    struct ow *db;
    const struct table *table;
    pthread_t thread;
    unsigned number;
    int64_t end_ns;
    uint64_t accepted;
    struct ow_err err; /* why it stopped early */
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    struct row row;
    row_init(&row, p->number);
    while (now_ns() < p->end_ns) {
        row_next(&row, p->table);
        if (ow_append(p->db, OW_LANE_NORMAL, p->table->insert, row.values, row.count, WAIT_MS,
                      &p->err))
            break;
        p->accepted++;
    }
    return NULL;
}

static void run_by_append(struct ow *db, const struct target *target, int64_t end_ns,
                          struct outcome *out)
{
    struct producer *all = calloc((size_t)target->threads, sizeof(*all));
    struct err why;
    struct ow_err err;
    if (!all)
        die("no memory");
    int64_t start_ns = now_ns();
    for (int i = 0; i < target->threads; i++) {
        all[i] = (struct producer){db, target->table, .number = (unsigned)i, .end_ns = end_ns};
        if (thread_start(&all[i].thread, "producer", produce, &all[i], &why))
            die("%s", why.text);
    }
    for (int i = 0; i < target->threads; i++) {
        pthread_join(all[i].thread, NULL);
        out->accepted += all[i].accepted;
        if (all[i].err.code)
            die("ow_append: %s", all[i].err.text);
    }
    free(all);
    int64_t flush_ns = now_ns();
    if (ow_flush(db, OW_LANE_NORMAL, WAIT_MS, &err))
        die("ow_flush: %s", err.text);
    int64_t end = now_ns();
    out->flush_ms = (double)(end - flush_ns) / 1e6;
    out->seconds += (double)(end - start_ns) / 1e9;
}

/* ---- the command ---- */

static void run_way(enum append_way way, const struct target *target, int ms, struct outcome *out)
{
    struct usage before, used;
    folder_clear();
    if (way == BY_HAND)
        plain_create(target);
    void *shared = way == BY_HAND ? NULL : onewriter_open(target);
    usage_look(&before);
    int64_t end_ns = now_ns() + ms * 1000000LL;
    if (way == BY_HAND)
        run_by_hand(target, end_ns, out);
    else if (way == BY_JOB)
        run_by_job(onewriter_of(shared), target, end_ns, out);
    else
        run_by_append(onewriter_of(shared), target, end_ns, out);
    usage_since(&used, &before);
    out->cpu_s += used.own_cpu_s;
    if (usage_foreign(&used) > out->foreign_cores)
        out->foreign_cores = usage_foreign(&used);
    note_log(out);
    if (shared)
        onewriter_close(shared);
    out->rows += plain_ask(target->path, "SELECT count(*) FROM event");
}

static bool report_way(struct report *report, enum append_way way, const struct target *target,
                       const struct outcome *out, const struct outcome *hand)
{
    double rate = (double)out->accepted / out->seconds;
    double ratio = rate / ((double)hand->accepted / hand->seconds);
    bool differs = out->rows != (int64_t)out->accepted;
    printf("  %-40s %10.0f %6.2f %8.3f %8.1f %s\n", names[way], rate, ratio,
           out->cpu_s * 1e6 / (double)out->accepted, (double)out->wal_end / 1e6,
           differs ? "ROWS DIFFER" : "");
    json_begin(report, "append");
    json_text(report, "way", keys[way]);
    json_text(report, "table", target->table->name);
    json_text(report, "sync", target->full ? "full" : "normal");
    json_int(report, "producers", way == BY_APPEND ? target->threads : 1);
    json_num(report, "seconds", out->seconds);
    json_num(report, "rows_per_second", rate);
    json_num(report, "is_hand", ratio);
    json_int(report, "accepted", (int64_t)out->accepted);
    json_int(report, "rows", out->rows);
    json_num(report, "cpu_us_per_row", out->cpu_s * 1e6 / (double)out->accepted);
    json_num(report, "flush_ms", out->flush_ms);
    json_int(report, "wal_end_bytes", out->wal_end);
    json_num(report, "foreign_cores", out->foreign_cores);
    json_end(report);
    return differs;
}

static bool compare(const struct settings *s, struct report *report, const struct target *target)
{
    struct outcome out[APPEND_WAYS] = {0};
    double foreign = 0;
    bool bad = false;
    for (int round = 0; round < s->rounds; round++)
        for (int way = 0; way < APPEND_WAYS; way++) {
            progress("%s, round %d of %d: %s", target->table->name, round + 1, s->rounds,
                     names[way]);
            run_way((enum append_way)way, target, s->ms, &out[way]);
        }
    progress_clear();
    printf("%s, synchronous=%s, %d producers\n", target->table->name,
           target->full ? "FULL" : "NORMAL", target->threads);
    for (int way = 0; way < APPEND_WAYS; way++) {
        bad |= report_way(report, (enum append_way)way, target, &out[way], &out[BY_HAND]);
        if (out[way].foreign_cores > foreign)
            foreign = out[way].foreign_cores;
    }
    print_foreign(foreign);
    fflush(stdout);
    return bad;
}

int bench_append(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder), .pool = s->pool};
    bool bad = false;
    printf("SQLite %s; us CPU: of all threads, a row\n  %-40s %10s %6s %8s %8s\n",
           sqlite3_libversion(), "", "rows/s", ": hand", "us CPU", "log MB");
    for (int t = 0; t < s->tables_count; t++)
        for (int f = 0; f < s->sync_count; f++)
            for (int n = 0; n < s->threads_count; n++) {
                target.table = s->table[t];
                target.full = s->sync_full[f];
                target.threads = s->threads[n];
                bad |= compare(s, report, &target);
            }
    return bad;
}
