/* `bench-onewriter open`: how long it takes from nothing to the first answer, and what memory a
 * handle takes, with default options and with the small profile, beside a bare connection. Memory
 * is measured in a process of its own for each: after the first answer, and after every reader has
 * read the whole table and rows have been written, when the caches are full. What must stay true:
 * the child begins before any database is open, since none may be carried through fork. */
#include "onewriter.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "plain.h"
#include "stats.h"

#define ROWS_QUICK 300000
#define ROWS_FULL  1000000
#define WRITTEN    20000
#define WAIT_MS    60000
#define READERS    16
#define COUNT_SQL  "SELECT size FROM event WHERE id=1"
#define SCAN_SQL   "SELECT sum(size), max(piece) FROM event"

enum handle_kind { BARE, DEFAULTS, SMALL, KINDS };
static const char *const names[KINDS] = {"a bare connection", "onewriter, defaults",
                                         "onewriter, profile small"};
static const char *const keys[KINDS] = {"bare", "defaults", "small"};

struct handle {
    struct plain plain;
    struct ow *db;
    int readers;
};

struct memory {
    double rss_mb, anonymous_mb;
};

static void open_handle(enum handle_kind kind, const struct target *target, struct handle *handle)
{
    char why[WHY_BYTES];
    struct ow_options options;
    struct ow_err err;
    *handle = (struct handle){.readers = 1};
    if (kind == BARE) {
        if (plain_open(&handle->plain, target, why))
            die("%s", why);
        return;
    }
    ow_options_init(&options, target->path);
    if (kind == SMALL)
        ow_options_profile(&options, OW_SMALL);
    handle->readers = options.readers < READERS ? options.readers : READERS;
    if (ow_open(&options, &handle->db, &err))
        die("%s", err.text);
}

static void close_handle(struct handle *handle)
{
    plain_close(&handle->plain);
    ow_close(handle->db, WAIT_MS, NULL, NULL);
}

static void ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) || sqlite3_step(stmt) != SQLITE_ROW)
        die("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
}

/* On as many readers at once, so that each of the pool is used. */
static void ask_all(struct handle *handle, const char *sql, int readers)
{
    const struct ow_read how = {.label = "open", .timeout_ms = WAIT_MS};
    struct ow_conn *conns[READERS];
    struct ow_err err;
    if (!handle->db) {
        ask(handle->plain.db, sql);
        return;
    }
    for (int i = 0; i < readers; i++) {
        if (ow_reader_acquire(handle->db, &how, &conns[i], &err))
            die("%s", err.text);
        ask(ow_conn_handle(conns[i]), sql);
    }
    for (int i = 0; i < readers; i++)
        ow_reader_release(conns[i]);
}

/* ---- time ---- */

static void measure_time(enum handle_kind kind, const struct target *target, int rounds,
                         struct latency *latency)
{
    for (int i = 0; i < rounds; i++) {
        struct handle handle;
        int64_t start_ns = now_ns();
        open_handle(kind, target, &handle);
        ask_all(&handle, COUNT_SQL, 1);
        latency_add(latency, now_ns() - start_ns);
        close_handle(&handle);
    }
}

/* ---- memory ---- */

static double status_mb(const char *field)
{
    char line[256];
    double kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, field, strlen(field)) == 0)
            kb = strtod(line + strlen(field), NULL);
    if (file)
        fclose(file);
    return kb / 1024;
}

static struct memory memory_since(struct memory before)
{
    return (struct memory){status_mb("VmRSS:") - before.rss_mb,
                           status_mb("RssAnon:") - before.anonymous_mb};
}

struct writing {
    const struct target *target;
    struct row row;
};

static int insert_rows(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct writing *writing = ctx;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, writing->target->table->insert, &stmt, err);
    for (int i = 0; i < WRITTEN / 10 && !rc; i++) {
        row_next(&writing->row, writing->target->table);
        if (row_bind(stmt, &writing->row) || sqlite3_step(stmt) != SQLITE_DONE)
            return ow_conn_fail(conn, "inserting", err);
        sqlite3_reset(stmt);
    }
    return rc;
}

static void write_some(struct handle *handle, const struct target *target)
{
    struct writing writing = {.target = target};
    struct ow_err err;
    row_init(&writing.row, 1);
    for (int i = 0; i < 10 && handle->db; i++)
        if (ow_write(handle->db, OW_LANE_NORMAL, insert_rows, &writing, WAIT_MS, &err))
            die("%s", err.text);
    char why[WHY_BYTES];
    for (int i = 0; i < WRITTEN && !handle->db; i++) {
        row_next(&writing.row, target->table);
        if (plain_write(&handle->plain, &writing.row, why))
            die("%s", why);
    }
}

/* In the child. */
static void use_handle(enum handle_kind kind, const struct target *target, struct memory memory[2])
{
    struct handle handle;
    malloc_trim(0); /* what the parent freed must not be used for nothing */
    struct memory before = memory_since((struct memory){0, 0});
    open_handle(kind, target, &handle);
    ask_all(&handle, COUNT_SQL, 1);
    memory[0] = memory_since(before);
    ask_all(&handle, SCAN_SQL, handle.readers);
    write_some(&handle, target);
    memory[1] = memory_since(before);
    close_handle(&handle);
}

static void measure_memory(enum handle_kind kind, const struct target *target,
                           struct memory memory[2])
{
    int ends[2], status;
    const size_t bytes = 2 * sizeof(*memory);
    fflush(NULL);
    if (pipe(ends) != 0)
        die("no pipe");
    pid_t child = fork();
    if (child == 0) {
        use_handle(kind, target, memory);
        _exit(write(ends[1], memory, bytes) == (ssize_t)bytes ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], memory, bytes) != (ssize_t)bytes ||
        waitpid(child, &status, 0) != child || status != 0)
        die("measuring memory failed");
    close(ends[0]);
}

/* ---- the command ---- */

static void report_kind(struct report *report, enum handle_kind kind, const struct target *target,
                        const struct latency *latency, const struct memory memory[2])
{
    printf("  %-26s %8.2f %8.2f %8.2f %8.1f %8.1f %8.1f %8.1f\n", names[kind],
           latency_ms(latency, 0.5), latency_ms(latency, 0.99), latency_max_ms(latency),
           memory[0].rss_mb, memory[0].anonymous_mb, memory[1].rss_mb, memory[1].anonymous_mb);
    json_begin(report, "open");
    json_text(report, "handle", keys[kind]);
    json_text(report, "table", target->table->name);
    json_int(report, "opened", (int64_t)latency->total);
    json_num(report, "p50_ms", latency_ms(latency, 0.5));
    json_num(report, "p99_ms", latency_ms(latency, 0.99));
    json_num(report, "max_ms", latency_max_ms(latency));
    json_num(report, "opened_rss_mb", memory[0].rss_mb);
    json_num(report, "opened_anonymous_mb", memory[0].anonymous_mb);
    json_num(report, "used_rss_mb", memory[1].rss_mb);
    json_num(report, "used_anonymous_mb", memory[1].anonymous_mb);
    json_end(report);
}

int bench_open(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder), .table = s->table[0]};
    plain_create(&target);
    plain_fill(&target, s->full ? ROWS_FULL : ROWS_QUICK);
    printf("SQLite %s; to the first answer from a database of %.0f MB, %d times; memory that the "
           "handle added (MB),\nall and what is its own (without mapped files): after the first "
           "answer, and in use\n  %-26s %8s %8s %8s %8s %8s %8s %8s\n",
           sqlite3_libversion(), (double)folder_db_bytes() / 1e6, s->rounds, "", "p50 ms", "p99",
           "max", "RSS", "own", "used RSS", "own");
    for (int kind = 0; kind < KINDS; kind++) {
        struct memory memory[2];
        struct latency *latency = calloc(1, sizeof(*latency));
        if (!latency)
            die("no memory");
        progress("%s", names[kind]);
        measure_memory((enum handle_kind)kind, &target, memory);
        measure_time((enum handle_kind)kind, &target, s->rounds, latency);
        progress_clear();
        report_kind(report, (enum handle_kind)kind, &target, latency, memory);
        free(latency);
    }
    return 0;
}
