/* Upkeep: old rows go in slices between which others write, pages go back, the log is emptied, and
 * every deadline ends it with what was done counted. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "onewriter/slices.h"
#include "ow_support.h"

#define PURGE                                                                                      \
    "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE value >= ?1 AND value < ?2 LIMIT ?3)"

/* Job: fills item with the values 0 .. *(int64_t *)ctx - 1. */
static int fill_items(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %lld)"
             " INSERT INTO item(value) SELECT i FROM n",
             (long long)*(int64_t *)ctx);
    return ow_exec(conn, sql, err);
}

static void fill(struct ow *db, int64_t rows)
{
    struct ow_err err;
    if (ow_write(db, OW_LANE_NORMAL, fill_items, &rows, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

static void adapts_the_size_of_a_slice_to_the_time_it_takes(void **state)
{
    (void)state;
    struct ow_slices slices;
    ow_slices_init(&slices, 1000, 10, 100000, 10, 1000);
    ow_slices_learn(&slices, 1000, 1);
    assert_int_equal(slices.size, 2000); /* twice at most */
    for (int i = 0; i < 20; i++)
        ow_slices_learn(&slices, slices.size, 0);
    assert_int_equal(slices.size, 100000);
    ow_slices_learn(&slices, 100000, 1000000);
    assert_int_equal(slices.size, 1000); /* at once */
    ow_slices_learn(&slices, 500, 5000);
    assert_int_equal(slices.size, 1000); /* fits, but does not tell of more */
    ow_slices_learn(&slices, 5, 1);
    assert_int_equal(slices.size, 1000);
    ow_slices_learn(&slices, 1000, 100000000);
    assert_int_equal(slices.size, 10);
    ow_slices_learn(&slices, 0, 100000000);
    assert_int_equal(slices.size, 10);
}

static void purges_what_matches_and_counts_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_value range[] = {ow_int(1000), ow_int(4500)};
    struct ow_err err;
    int64_t rows = -1;
    fill(db, 5000);
    if (ow_purge(db, PURGE, range, 2, 0, WAIT_MS, &rows, &err))
        fail_msg("%s", err.text);
    assert_int_equal(rows, 3500);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1500);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item WHERE value BETWEEN 1000 AND 4499"),
                     0);
    assert_int_equal(ow_purge(db, PURGE, range, 2, 0, WAIT_MS, NULL, NULL), 0);
    close_items(db);
}

static void binds_every_type_of_value(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *sql =
        "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE ?1 IS NULL AND ?2 = 0.5"
        " AND ?3 = 'a' AND hex(?4) = '0001' AND value < ?5 LIMIT ?6)";
    struct ow_value values[] = {ow_null(), ow_real(0.5), ow_text("a"), ow_blob("\0\1", 2),
                                ow_int(7)};
    struct ow_err err;
    int64_t rows = -1;
    fill(db, 10);
    if (ow_purge(db, sql, values, 5, 0, WAIT_MS, &rows, &err))
        fail_msg("%s", err.text);
    assert_int_equal(rows, 7);
    close_items(db);
}

static void refuses_a_purge_that_would_not_end_or_not_delete(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_value one = ow_int(1);
    struct ow_err err;
    int64_t rows = 9;
    assert_int_equal(ow_purge(db, "DELETE FROM item", NULL, 0, 0, WAIT_MS, &rows, &err), OW_CALLER);
    assert_non_null(strstr(err.text, "?1"));
    assert_int_equal(rows, 0);
    assert_int_equal(ow_purge(db, "SELECT ?1", NULL, 0, 0, WAIT_MS, NULL, &err), OW_CALLER);
    assert_non_null(strstr(err.text, "deletes"));
    assert_int_equal(ow_purge(db, "DELETE nonsense", NULL, 0, 0, WAIT_MS, NULL, &err), OW_CALLER);
    assert_int_equal(
        ow_purge(db, "DELETE FROM item WHERE id = ?1", &one, 1, 0, WAIT_MS, NULL, &err), OW_CALLER);
    assert_int_equal(ow_purge(db, "DELETE FROM item WHERE id=?1", NULL, 1, 0, WAIT_MS, NULL, &err),
                     OW_BUG);
    close_items(db);
}

/* SQL function: each row costs a fifth of a millisecond. */
static void slow(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    int64_t until_us = clock_monotonic_us() + 200;
    while (clock_monotonic_us() < until_us)
        ;
    sqlite3_result_int(context, 1);
}

static int add_slow(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
    int rc =
        sqlite3_create_function(ow_conn_handle(conn), "slow", 0, flags, NULL, slow, NULL, NULL);
    return rc == SQLITE_OK ? 0 : ow_conn_fail(conn, "adding a function", err);
}

static void ends_a_purge_when_time_is_up_and_counts_what_it_did(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_err err;
    int64_t rows = -1;
    const char *sql = "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1) AND slow()";
    fill(db, 2100);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, add_slow, NULL, WAIT_MS, NULL), 0);
    /* the first slice is of 1,000 rows, which takes longer than all may take */
    assert_int_equal(ow_purge(db, sql, NULL, 0, 5, 100, &rows, &err), OW_TIMEOUT);
    assert_non_null(strstr(err.text, "time was up"));
    assert_int_equal(rows, 1000);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1100);
    assert_int_equal(ow_purge(db, sql, NULL, 0, 5, 0, &rows, &err), OW_TIMEOUT);
    assert_int_equal(rows, 0);
    close_items(db);
}

static void shrinks_the_slices_of_a_slow_purge(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    int64_t rows = -1;
    const char *sql = "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1) AND slow()";
    fill(db, 1100);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, add_slow, NULL, WAIT_MS, NULL), 0);
    int64_t before = ow_commit_seq(db);
    assert_int_equal(ow_purge(db, sql, NULL, 0, 5, WAIT_MS, &rows, NULL), 0);
    assert_int_equal(rows, 1100);
    /* 1,000 rows took 200 ms or more, so each of the next slices takes 25 or less */
    assert_true(ow_commit_seq(db) - before >= 1 + 4);
    close_items(db);
}

/* ---- others write meanwhile ---- */

struct load {
    struct ow *db;
    int64_t first;
    _Atomic bool *stop;
    int64_t acknowledged;
    int code;
    int64_t between_groups; /* commits seen by its writes */
};

static void *write_until_stopped(void *arg)
{
    struct load *load = arg;
    int64_t seq = 0;
    while (!load->code && !atomic_load(load->stop)) {
        int64_t value = load->first + load->acknowledged;
        load->code = ow_write(load->db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, NULL);
        load->acknowledged += !load->code;
        int64_t now = ow_commit_seq(load->db);
        load->between_groups += now > seq;
        seq = now;
    }
    return NULL;
}

static void purges_many_rows_while_others_write(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    _Atomic bool stop = false;
    struct load loads[4];
    pthread_t threads[4];
    struct ow_err err;
    struct ow_value range[] = {ow_int(0), ow_int(200000)};
    int64_t rows = -1, written = 0;
    char sql[100];
    fill(db, 200000);
    int64_t before = ow_commit_seq(db);
    for (int i = 0; i < 4; i++) {
        loads[i] = (struct load){.db = db, .first = (i + 1) * 1000000LL, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_stopped, &loads[i]), 0);
    }
    int rc = ow_purge(db, PURGE, range, 2, 5, 2 * WAIT_MS, &rows, &err);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        written += loads[i].acknowledged;
    }
    if (rc)
        fail_msg("%s", err.text);
    assert_int_equal(rows, 200000);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(loads[i].code, 0);
        assert_true(loads[i].between_groups > 2); /* commits came between the slices */
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM item WHERE value/1000000 = %d", i + 1);
        assert_int_equal(read_int(db, sql), loads[i].acknowledged);
    }
    /* The first slice takes 1,000 rows and no later one more than twice the one before. */
    assert_true(ow_commit_seq(db) - before >= 8);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), written);
    close_items(db);
}

struct purger {
    struct ow *db;
    int64_t rows;
    int code;
};

static void *purge_slowly(void *arg)
{
    struct purger *purger = arg;
    purger->code = ow_purge(
        purger->db, "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1) AND slow()", NULL,
        0, 5, WAIT_MS, &purger->rows, NULL);
    return NULL;
}

static bool has_committed(const struct ow_metrics *metrics, int64_t value)
{
    return metrics->commit_seq >= value;
}

static void closes_between_two_slices_of_a_purge(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct purger purger = {.db = open_items(dir, NULL)};
    pthread_t thread;
    fill(purger.db, 20000); /* four seconds of work */
    assert_int_equal(ow_write(purger.db, OW_LANE_NORMAL, add_slow, NULL, WAIT_MS, NULL), 0);
    int64_t before = ow_commit_seq(purger.db);
    assert_int_equal(pthread_create(&thread, NULL, purge_slowly, &purger), 0);
    assert_true(wait_until(purger.db, has_committed, before + 2));
    assert_int_equal(ow_close(purger.db, WAIT_MS, NULL, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(purger.code, OW_CLOSED);
    assert_true(purger.rows >= 1000);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT 20000 - count(*) FROM item"),
                     purger.rows);
}

/* ---- pages ---- */

static int64_t file_bytes(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void gives_free_pages_back(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.incremental_vacuum = true;
    struct ow *db = open_items(dir, &options);
    struct ow_err err;
    int64_t pages = -1;
    fill(db, 100000);
    assert_int_equal(ow_purge(db, "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1)",
                              NULL, 0, 0, WAIT_MS, NULL, NULL),
                     0);
    int64_t free_pages = read_int(db, "PRAGMA freelist_count");
    assert_true(free_pages > 200);
    assert_int_equal(ow_checkpoint(db, WAIT_MS, &err), 0);
    int64_t before = file_bytes(items_path(dir));
    if (ow_vacuum(db, 10, WAIT_MS, &pages, &err))
        fail_msg("%s", err.text);
    assert_int_equal(pages, 10);
    assert_int_equal(read_int(db, "PRAGMA freelist_count"), free_pages - 10);
    assert_int_equal(ow_vacuum(db, 0, 0, &pages, &err), OW_TIMEOUT);
    assert_int_equal(pages, 0);
    if (ow_vacuum(db, 0, WAIT_MS, &pages, &err))
        fail_msg("%s", err.text);
    assert_true(pages >= free_pages - 10 - 3); /* pages of the map of pages go with them */
    assert_int_equal(read_int(db, "PRAGMA freelist_count"), 0);
    assert_int_equal(ow_checkpoint(db, WAIT_MS, &err), 0);
    assert_true(file_bytes(items_path(dir)) < before / 2);
    assert_int_equal(ow_vacuum(db, 0, WAIT_MS, &pages, &err), 0);
    assert_int_equal(pages, 0);
    close_items(db);
}

static void says_why_a_file_cannot_give_pages_back(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_err err;
    assert_int_equal(ow_vacuum(db, 0, WAIT_MS, NULL, &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "auto_vacuum=NONE"));
    assert_non_null(strstr(err.text, "incremental_vacuum"));
    close_items(db);
}

/* ---- statistics and the log ---- */

static int read_limit(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, "PRAGMA analysis_limit", &stmt, err);
    if (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        *(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
    return rc;
}

/* Older SQLites analyze only what the same connection has searched. */
static int search(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "CREATE INDEX by_value ON item(value, id);"
                   "SELECT count(*) FROM item WHERE value > 3 AND value < 90",
                   err);
}

static void refreshes_statistics_and_leaves_no_setting_behind(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_err err;
    int64_t analysis_limit = -1;
    fill(db, 2000);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, search, NULL, WAIT_MS, NULL), 0);
    if (ow_optimize(db, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_true(read_int(db, "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'item'") > 0);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, read_limit, &analysis_limit, WAIT_MS, NULL), 0);
    assert_int_equal(analysis_limit, 0);
    close_items(db);
}

static void empties_the_log_and_says_when_it_cannot(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *path = items_path(dir);
    struct ow_err err;
    sqlite3 *outside;
    write_item(db, 1);
    assert_int_equal(sqlite3_open_v2(path, &outside, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(outside, "BEGIN; SELECT * FROM item", NULL, NULL, NULL), 0);
    write_item(db, 2);
    assert_int_equal(ow_checkpoint(db, 200, &err), OW_TIMEOUT);
    assert_non_null(strstr(err.text, "another process"));
    assert_int_equal(sqlite3_exec(outside, "COMMIT", NULL, NULL, NULL), 0);
    if (ow_checkpoint(db, WAIT_MS, &err))
        fail_msg("%s", err.text);
    char wal[300];
    snprintf(wal, sizeof(wal), "%s-wal", path);
    assert_int_equal(file_bytes(wal), 0);
    sqlite3_close(outside);
    close_items(db);
}

static void takes_snapshots_back_to_empty_the_log(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_read how = {.label = "report", .timeout_ms = WAIT_MS};
    struct ow_conn *reader;
    struct ow_metrics metrics;
    struct ow_err err;
    write_item(db, 1);
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(ow_exec(reader, "BEGIN; SELECT * FROM item", NULL), 0);
    write_item(db, 2);
    if (ow_checkpoint(db, WAIT_MS, &err))
        fail_msg("%s", err.text);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.snapshots_taken, 1);
    assert_int_equal(metrics.wal_bytes, 0);
    ow_reader_release(reader);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 2);
    close_items(db);
}

static void answers_a_handle_that_only_reads(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    close_items(open_items(dir, NULL));
    struct ow_options options;
    struct ow *db;
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(ow_purge(db, PURGE, NULL, 0, 0, 10, NULL, NULL), OW_CONFIG);
    assert_int_equal(ow_vacuum(db, 0, 10, NULL, NULL), OW_CONFIG);
    assert_int_equal(ow_optimize(db, 10, NULL), OW_CONFIG);
    assert_int_equal(ow_checkpoint(db, 10, NULL), OW_CONFIG);
    assert_int_equal(ow_backup(db, test_path(dir, "copy.db"), NULL, NULL, 10, NULL), OW_CONFIG);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapts_the_size_of_a_slice_to_the_time_it_takes),
        cmocka_unit_test(purges_what_matches_and_counts_it),
        cmocka_unit_test(binds_every_type_of_value),
        cmocka_unit_test(refuses_a_purge_that_would_not_end_or_not_delete),
        cmocka_unit_test(ends_a_purge_when_time_is_up_and_counts_what_it_did),
        cmocka_unit_test(shrinks_the_slices_of_a_slow_purge),
        cmocka_unit_test(purges_many_rows_while_others_write),
        cmocka_unit_test(closes_between_two_slices_of_a_purge),
        cmocka_unit_test(gives_free_pages_back),
        cmocka_unit_test(says_why_a_file_cannot_give_pages_back),
        cmocka_unit_test(refreshes_statistics_and_leaves_no_setting_behind),
        cmocka_unit_test(empties_the_log_and_says_when_it_cannot),
        cmocka_unit_test(takes_snapshots_back_to_empty_the_log),
        cmocka_unit_test(answers_a_handle_that_only_reads),
    };
    return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
