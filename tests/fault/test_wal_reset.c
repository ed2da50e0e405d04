/* The WAL-reset bug of SQLite before 3.51.3: a checkpoint that has read the log's header, while
 * another connection that had moved everything begins the log anew, publishes the old length as
 * moved, and the new frames up to there are skipped by every reader. Between the two SQLite unmaps
 * the database (xUnfetch), which takes long enough for it to happen by chance: two threads on plain
 * SQLite lose commits within a few seconds. The control needs no chance: it writes from within that
 * call. So it shows that the linked SQLite has the bug, or has not, and that the load on onewriter
 * means something. What was acknowledged is the oracle; integrity_check is not, since a database
 * that lost whole commits is sound.
 *
 * Arguments: the number of commits through onewriter (50000). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ow_support.h"

#define WRITERS 3

static int64_t commits = 50000;

static bool is_safe(void)
{
    return ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
}

/* ---- the control: plain SQLite, two connections checkpoint, all on this thread ---- */

static sqlite3_vfs *real_vfs;
static const sqlite3_io_methods *plain;
static sqlite3_io_methods hooked;
static sqlite3 *writes_at_unmap; /* NULL: nothing happens then */
static int64_t acknowledged;

/* Each row fills a page, so that no later write of the same page heals a lost frame. */
static void write_rows(sqlite3 *db, int count)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_exec(db, "INSERT INTO item(value) VALUES(zeroblob(3500))", NULL, NULL, NULL) ==
            SQLITE_OK)
            acknowledged++;
}

static int unfetch(sqlite3_file *file, sqlite3_int64 at, void *page)
{
    int rc = plain->xUnfetch(file, at, page);
    if (writes_at_unmap && !page)
        write_rows(STEAL(writes_at_unmap), 1);
    return rc;
}

static int hook_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int rc = real_vfs->xOpen(real_vfs, name, file, flags, out);
    if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB))
        return rc;
    plain = file->pMethods;
    hooked = *plain;
    hooked.xUnfetch = unfetch;
    file->pMethods = &hooked;
    return rc;
}

static void register_hook(void)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "hook";
    vfs.pNext = NULL;
    vfs.xOpen = hook_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
}

static sqlite3 *open_plain(const char *path)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(path, &db, flags, "hook"), SQLITE_OK);
    int rc = sqlite3_exec(db,
                          "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
                          "PRAGMA mmap_size=268435456;"
                          "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, value BLOB)",
                          NULL, NULL, NULL);
    assert_int_equal(rc, SQLITE_OK);
    return db;
}

static int checkpoint(sqlite3 *db)
{
    return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* How many rows a new connection sees; -1 when it cannot read the file. */
static int64_t count_rows(const char *path)
{
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *stmt = NULL;
    int64_t count = -1;
    sqlite3_prepare_v2(db, "SELECT count(*) FROM item", -1, &stmt, NULL);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

static void control_two_connections_that_checkpoint_lose_commits_on_an_unsafe_sqlite(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    register_hook();
    sqlite3 *writer = open_plain(items_path(dir)), *other = open_plain(items_path(dir));
    acknowledged = 0;
    write_rows(writer, 50);
    /* The other one maps the file and knows an older header than the one its checkpoint will see.
     */
    assert_int_equal(sqlite3_exec(other, "SELECT * FROM item", NULL, NULL, NULL), SQLITE_OK);
    write_rows(writer, 50);
    assert_int_equal(checkpoint(writer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL),
                     SQLITE_OK);
    write_rows(writer, 50);
    assert_int_equal(checkpoint(writer), SQLITE_OK);
    writes_at_unmap = writer;
    checkpoint(other);
    assert_null(writes_at_unmap); /* the window was met */
    write_rows(writer, 20);
    int64_t seen = count_rows(items_path(dir));
    print_message("# SQLite %s: %lld of %lld commits are there (-1: the file cannot be read)\n",
                  sqlite3_libversion(), (long long)seen, (long long)acknowledged);
    assert_int_equal(seen != acknowledged, !is_safe());
    sqlite3_close(other);
    sqlite3_close(writer);
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
        int64_t before = atomic_load(&load->acknowledged);
        if (ow_reader_acquire(load->db, &how, &reader, NULL))
            return (void *)1;
        wrong += ow_exec(reader, "PRAGMA wal_checkpoint(PASSIVE)", NULL) != OW_CALLER;
        wrong += sqlite3_wal_checkpoint(ow_conn_handle(reader), NULL) == SQLITE_OK;
        ow_reader_release(reader);
        int64_t seen = read_int(load->db, "SELECT count(*) FROM item");
        wrong += seen >= 0 && seen < before; /* -1: its snapshot was taken back */
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
    print_message("# SQLite %s: %lld commits acknowledged in %llu groups, %llu checkpoints, %llu "
                  "canaries\n",
                  sqlite3_libversion(), (long long)load.acknowledged,
                  (unsigned long long)metrics.groups, (unsigned long long)metrics.checkpoint.count,
                  (unsigned long long)metrics.canaries);
    assert_true(metrics.checkpoint.count >= (uint64_t)commits / 500);
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
