/* What group commit brings: N threads, each waiting for its own small transaction, through
 * onewriter, beside two other ways in the same run on the same disk: a connection per thread with
 * BEGIN IMMEDIATE, and one connection behind a mutex. Prints transactions per second, latencies and
 * the ratio.
 *
 *     onewriter [seconds [full]]      default: 2 seconds each, synchronous=NORMAL */
#include <onewriter/onewriter.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/sync.h"

#define MAX_THREADS 64
#define INSERT_SQL  "INSERT INTO event(at, node, size, code) VALUES(?1, ?2, ?3, ?4)"
#define CREATE_SQL                                                                                 \
    "CREATE TABLE event(id INTEGER PRIMARY KEY, at INTEGER, node INTEGER, size INTEGER, code "     \
    "INTEGER)"

struct load {
    const char *path;
    bool full;
    struct ow *db;
    sqlite3 *shared; /* one connection behind the mutex */
    sqlite3_stmt *shared_insert;
    struct mutex lock;
    _Atomic bool stop;
};

struct client {
    struct load *load;
    int number;
    uint64_t done, failed;
    struct histogram us;
};

static int insert(sqlite3_stmt *stmt, const struct client *client)
{
    sqlite3_bind_int64(stmt, 1, (int64_t)client->done);
    sqlite3_bind_int(stmt, 2, client->number);
    sqlite3_bind_int(stmt, 3, 4096);
    sqlite3_bind_int(stmt, 4, 200);
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : rc;
}

static int insert_job(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, INSERT_SQL, &stmt, err);
    if (rc)
        return rc;
    return insert(stmt, ctx) ? ow_conn_fail(conn, "inserting", err) : 0;
}

static int by_onewriter(struct client *client, void *own)
{
    (void)own;
    return ow_write(client->load->db, OW_LANE_NORMAL, insert_job, client, 60000, NULL);
}

/* A connection of the thread's own with its statement. */
struct own {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static sqlite3 *open_plain(const struct load *load)
{
    sqlite3 *db = NULL;
    sqlite3_open(load->path, &db);
    sqlite3_busy_timeout(db, 60000);
    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000",
                 NULL, NULL, NULL);
    sqlite3_exec(db, load->full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL,
                 NULL, NULL);
    return db;
}

static int transact(sqlite3 *db, sqlite3_stmt *stmt, const struct client *client)
{
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (!rc)
        rc = insert(stmt, client);
    return rc ? rc : sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

static int by_own_connection(struct client *client, void *own)
{
    struct own *mine = own;
    if (!mine->db) {
        mine->db = open_plain(client->load);
        sqlite3_prepare_v2(mine->db, INSERT_SQL, -1, &mine->insert, NULL);
    }
    return transact(mine->db, mine->insert, client);
}

static int by_mutex(struct client *client, void *own)
{
    (void)own;
    struct load *load = client->load;
    LOCK(&load->lock);
    return transact(load->shared, load->shared_insert, client);
}

struct way {
    const char *name;
    int (*write)(struct client *client, void *own);
};

static const struct way ways[] = {
    {"onewriter", by_onewriter},
    {"connection per thread", by_own_connection},
    {"mutex", by_mutex},
};

struct running {
    struct client client;
    const struct way *way;
};

static void *run_client(void *arg)
{
    struct running *running = arg;
    struct client *client = &running->client;
    struct own own = {0};
    while (!atomic_load_explicit(&client->load->stop, memory_order_relaxed)) {
        int64_t start_us = clock_monotonic_us();
        if (running->way->write(client, &own))
            client->failed++;
        else
            client->done++;
        histogram_add(&client->us, clock_monotonic_us() - start_us);
    }
    sqlite3_finalize(own.insert);
    sqlite3_close(own.db);
    return NULL;
}

static void remove_files(const char *path)
{
    char name[4200];
    const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void open_way(struct load *load, const struct way *way)
{
    struct ow_options options;
    struct ow_err err;
    const struct ow_migration step = {1, CREATE_SQL};
    remove_files(load->path);
    atomic_store(&load->stop, false);
    if (way->write != by_onewriter) {
        load->shared = open_plain(load);
        sqlite3_exec(load->shared, CREATE_SQL, NULL, NULL, NULL);
        sqlite3_prepare_v2(load->shared, INSERT_SQL, -1, &load->shared_insert, NULL);
        return;
    }
    ow_options_init(&options, load->path);
    options.synchronous_full = load->full;
    if (ow_open(&options, &load->db, &err) || ow_migrate(load->db, &step, 1, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void close_way(struct load *load)
{
    ow_close(load->db, 60000, NULL, NULL);
    sqlite3_finalize(load->shared_insert);
    sqlite3_close(load->shared);
    load->db = NULL;
    load->shared = NULL;
    load->shared_insert = NULL;
}

static uint64_t count_rows(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    uint64_t count = 0;
    sqlite3_open(path, &db);
    sqlite3_prepare_v2(db, "SELECT count(*) FROM event", -1, &stmt, NULL);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        count = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

/* Runs one way with so many threads; returns transactions per second. */
static double measure(struct load *load, const struct way *way, int threads, int seconds)
{
    static struct running running[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    struct histogram us = {0};
    uint64_t done = 0, failed = 0;
    memset(running, 0, sizeof(running));
    open_way(load, way);
    int64_t start_us = clock_monotonic_us();
    for (int i = 0; i < threads; i++) {
        running[i].way = way;
        running[i].client.load = load;
        running[i].client.number = i;
        thread_start(&ids[i], "client", run_client, &running[i], NULL);
    }
    sleep((unsigned)seconds);
    atomic_store(&load->stop, true);
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        done += running[i].client.done;
        failed += running[i].client.failed;
        for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
            us.count[b] += running[i].client.us.count[b];
    }
    double rate = (double)done * 1e6 / (double)(clock_monotonic_us() - start_us);
    close_way(load);
    printf("%-22s %2d threads %9.0f tx/s  p50 %6.2f  p99 %8.2f  p99.9 %8.2f ms%s%s\n", way->name,
           threads, rate, histogram_quantile(&us, 0.5) / 1e3, histogram_quantile(&us, 0.99) / 1e3,
           histogram_quantile(&us, 0.999) / 1e3, failed ? "  FAILED SOME" : "",
           count_rows(load->path) == done ? "" : "  ROWS DIFFER");
    fflush(stdout);
    return rate;
}

int main(int argc, char **argv)
{
    const int threads[] = {1, 8, 64};
    int seconds = argc > 1 ? atoi(argv[1]) : 2;
    char dir[] = "/tmp/onewriter-bench-XXXXXX", path[64];
    if (seconds < 1 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: onewriter [seconds [full]]\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/bench.db", dir);
    struct load load = {.path = path, .full = argc > 2 && strcmp(argv[2], "full") == 0};
    mutex_init(&load.lock);
    printf("SQLite %s, synchronous=%s\n", sqlite3_libversion(), load.full ? "FULL" : "NORMAL");
    for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
        double rate[ARRAY_LEN(ways)];
        for (size_t w = 0; w < ARRAY_LEN(ways); w++)
            rate[w] = measure(&load, &ways[w], threads[t], seconds);
        printf("ratio to a connection per thread: %.2f\n", rate[0] / rate[1]);
    }
    remove_files(path);
    rmdir(dir);
    mutex_fini(&load.lock);
    return 0;
}
