/* The WAL-reset bug of SQLite before 3.51.3: a checkpoint that reads the log's header, while
 * another connection that had moved everything begins the log anew, publishes the old length as
 * moved, and the new frames up to there are skipped by every reader. The control loses commits that
 * way: its writer checkpoints every 8 frames, as connections do by default every 1000, a second
 * connection does too, and each row fills a page, so that no later write of the same page heals it.
 * It shows that this machine and this SQLite can lose them, so that the same load on onewriter
 * means something. What was acknowledged is the oracle; integrity_check is not, since a database
 * that lost whole commits is sound.
 *
 * Arguments: the number of commits through onewriter (50000). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ow_support.h"

#define ROUNDS     60
#define CONTROL_US 20000000
#define ROUND_US   250000
#define WRITERS    3

static int64_t commits = 50000;

static bool is_safe(void)
{
    return ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
}

/* ---- the control: plain SQLite, two connections checkpoint ---- */

struct round {
    const char *path;
    _Atomic bool stop, broken;
    _Atomic int64_t acknowledged;
};

static sqlite3 *open_plain(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        return db;
    sqlite3_busy_timeout(db, WAIT_MS);
    sqlite3_exec(db,
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;"
                 "PRAGMA mmap_size=268435456;",
                 NULL, NULL, NULL);
    return db;
}

static bool is_damage(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_IOERR;
}

static void *write_plain(void *arg)
{
    struct round *round = arg;
    sqlite3 *db = open_plain(round->path);
    sqlite3_stmt *stmt = NULL;
    sqlite3_wal_autocheckpoint(db, 8); /* it checkpoints too, as connections do by default */
    sqlite3_prepare_v2(db, "INSERT INTO item(id, value) VALUES(?1, zeroblob(3500))", -1, &stmt,
                       NULL);
    int64_t until_us = clock_monotonic_us() + ROUND_US;
    for (int64_t i = 1; stmt && clock_monotonic_us() < until_us; i++) {
        sqlite3_bind_int64(stmt, 1, i);
        int rc = sqlite3_step(stmt);
        sqlite3_reset(stmt);
        if (rc != SQLITE_DONE) {
            atomic_store(&round->broken, true); /* damaged, or a row that is gone came back */
            break;
        }
        atomic_store(&round->acknowledged, i);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return NULL;
}

static void *checkpoint_plain(void *arg)
{
    struct round *round = arg;
    sqlite3 *db = open_plain(round->path);
    while (!atomic_load(&round->stop)) {
        /* Reading maps the file; the checkpoint unmaps it, in the moment that matters. */
        int rc = sqlite3_exec(db, "SELECT 1 FROM filler LIMIT 1", NULL, NULL, NULL);
        if (!is_damage(rc))
            rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (is_damage(rc))
            atomic_store(&round->broken, true);
    }
    sqlite3_close(db);
    return NULL;
}

static void make_plain(const char *path)
{
    sqlite3 *db = open_plain(path);
    int rc = sqlite3_exec(db,
                          "CREATE TABLE filler(data BLOB);"
                          "INSERT INTO filler WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT"
                          " i + 1 FROM n WHERE i < 1000) SELECT randomblob(3000) FROM n;"
                          "CREATE TABLE item(id INTEGER PRIMARY KEY, value INTEGER);"
                          "PRAGMA wal_checkpoint(TRUNCATE)",
                          NULL, NULL, NULL);
    assert_int_equal(rc, SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* How many rows of 1..upto are there; -1 when the file cannot be read. */
static int64_t count_rows(const char *path, int64_t upto)
{
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *stmt = NULL;
    int64_t count = -1;
    sqlite3_prepare_v2(db, "SELECT count(*) FROM item WHERE id BETWEEN 1 AND ?1", -1, &stmt, NULL);
    sqlite3_bind_int64(stmt, 1, upto);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

/* True when a round lost something that was acknowledged, or the file. */
static bool plain_loses(void)
{
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct round round = {.path = items_path(dir)};
    pthread_t writer, checkpointer;
    make_plain(round.path);
    struct err err;
    assert_int_equal(thread_start(&writer, "writer", write_plain, &round, &err), 0);
    assert_int_equal(thread_start(&checkpointer, "checkpointer", checkpoint_plain, &round, &err),
                     0);
    pthread_join(writer, NULL);
    atomic_store(&round.stop, true);
    pthread_join(checkpointer, NULL);
    int64_t acknowledged = atomic_load(&round.acknowledged);
    return atomic_load(&round.broken) || count_rows(round.path, acknowledged) != acknowledged;
}

static void control_two_connections_that_checkpoint_lose_commits_on_an_unsafe_sqlite(void **state)
{
    (void)state;
    int64_t until_us = clock_monotonic_us() + CONTROL_US;
    int rounds = 0, lost = 0;
    while (rounds < ROUNDS && clock_monotonic_us() < until_us && !lost) {
        rounds++;
        lost = plain_loses();
    }
    print_message("SQLite %s is %s: %s after %d rounds\n", sqlite3_libversion(),
                  is_safe() ? "safe" : "unsafe", lost ? "commits were lost" : "nothing was lost",
                  rounds);
    assert_int_equal(lost, !is_safe());
}

/* ---- onewriter under the same load ---- */

struct load {
    struct ow *db;
    _Atomic int64_t next, acknowledged;
    _Atomic bool stop;
};

static void *write_items(void *arg)
{
    struct load *load = arg;
    int64_t value, failed = 0;
    while ((value = atomic_fetch_add(&load->next, 1)) <= commits)
        if (ow_write(load->db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, NULL) == 0)
            atomic_fetch_add(&load->acknowledged, 1);
        else
            failed++;
    return (void *)(intptr_t)failed;
}

/* Reads, and asks for checkpoints as a careless borrower would: each must be refused. */
static void *ask_for_checkpoints(void *arg)
{
    struct load *load = arg;
    intptr_t wrong = 0;
    while (!atomic_load(&load->stop)) {
        struct ow_conn *reader;
        const struct ow_read how = {.label = "careless", .timeout_ms = WAIT_MS};
        int64_t acknowledged = atomic_load(&load->acknowledged);
        if (ow_reader_acquire(load->db, &how, &reader, NULL))
            return (void *)1;
        wrong += ow_exec(reader, "PRAGMA wal_checkpoint(PASSIVE)", NULL) != OW_CALLER;
        wrong += sqlite3_wal_checkpoint(ow_conn_handle(reader), NULL) == SQLITE_OK;
        ow_reader_release(reader);
        wrong += read_int(load->db, "SELECT count(*) FROM item") < acknowledged;
    }
    return (void *)wrong;
}

static void onewriter_loses_nothing_under_that_load(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow_metrics metrics;
    struct err err;
    pthread_t writers[WRITERS], asker;
    ow_options_init(&options, NULL);
    options.synchronous_full = false;
    options.wal_soft_frames = 8;
    options.wal_hard_frames = 64;
    struct load load = {.db = open_items(dir, &options), .next = 1};
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(thread_start(&writers[i], "writer", write_items, &load, &err), 0);
    assert_int_equal(thread_start(&asker, "asker", ask_for_checkpoints, &load, &err), 0);
    void *failed, *wrong;
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], &failed);
        assert_null(failed);
    }
    atomic_store(&load.stop, true);
    pthread_join(asker, &wrong);
    assert_null(wrong);
    ow_metrics_read(load.db, &metrics);
    print_message("%llu groups, %llu checkpoints, %llu canaries\n",
                  (unsigned long long)metrics.groups, (unsigned long long)metrics.checkpoint.count,
                  (unsigned long long)metrics.canaries);
    assert_true(metrics.checkpoint.count > 100);
    assert_int_equal(read_int(load.db, "SELECT count(*) FROM item"), commits);
    close_items(load.db);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), commits);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT sum(value) FROM item"),
                     commits * (commits + 1) / 2);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        commits = atoll(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_two_connections_that_checkpoint_lose_commits_on_an_unsafe_sqlite),
        cmocka_unit_test(onewriter_loses_nothing_under_that_load),
    };
    return cmocka_run_group_tests_name("WAL reset", tests, NULL, NULL);
}
