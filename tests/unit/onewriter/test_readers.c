/* Readers: what they may not do, who gets one first, deadlines, the state in which one comes back.
 */
#include <stdio.h>
#include <string.h>

#include "onewriter/database.h"
#include "ow_support.h"

static struct ow_conn *acquire(struct ow *db, int run_ms)
{
    struct ow_conn *reader;
    struct ow_err err;
    if (ow_reader_acquire(
            db, &(struct ow_read){.label = "test", .timeout_ms = WAIT_MS, .run_ms = run_ms},
            &reader, &err))
        fail_msg("%s", err.text);
    return reader;
}

static struct ow *open_with_readers(const char *dir, int readers)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = readers;
    return open_items(dir, &options);
}

static void refuses_every_statement_that_changes_something(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *const refused[] = {
        "INSERT INTO item(value) VALUES(1)",
        "UPDATE item SET value = 2",
        "DELETE FROM item",
        "CREATE TABLE other(x)",
        "CREATE TEMP TABLE other(x)",
        "CREATE INDEX other ON item(value)",
        "DROP TABLE item",
        "ALTER TABLE item RENAME TO other",
        "REINDEX",
        "ANALYZE",
        "ATTACH 'other.db' AS other",
        "DETACH main",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA wal_autocheckpoint=100",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA query_only=0",
        "PRAGMA user_version=9",
        "PRAGMA cache_size=1",
        "PRAGMA incremental_vacuum",
        "PRAGMA optimize",
        "PRAGMA writable_schema=1",
    };
    struct ow_conn *reader = acquire(db, 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct ow_err err = {0};
        if (ow_exec(reader, refused[i], &err) != OW_CALLER || err.sqlite_code != SQLITE_AUTH)
            fail_msg("%s: %d %s", refused[i], err.code, err.text);
    }
    ow_reader_release(reader);
    assert_int_equal(read_int(db, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'other'"), 0);
    close_items(db);
}

/* The guard is not asked about these, has to allow them, or says no with another code. */
static void fails_where_the_guard_is_not_what_refuses(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *const failing[] = {"VACUUM", "UPDATE sqlite_master SET sql = ''",
                                   "SELECT * FROM pragma_wal_checkpoint",
                                   "SELECT load_extension('x')"};
    struct ow_conn *reader = acquire(db, 0);
    for (size_t i = 0; i < ARRAY_LEN(failing); i++)
        assert_int_not_equal(ow_exec(reader, failing[i], NULL), OW_OK);
    ow_reader_release(reader);
    close_items(db);
}

static void allows_whatever_only_reads(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *const allowed[] = {
        "SELECT * FROM item",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT * FROM n",
        "SELECT * FROM json_each('[1]')",
        "BEGIN; SELECT count(*) FROM item; COMMIT",
        "SAVEPOINT a; SELECT count(*) FROM item; RELEASE a",
        "PRAGMA table_info(item)",
        "SELECT * FROM pragma_table_info('item')",
        "PRAGMA user_version",
        "PRAGMA integrity_check",
        "EXPLAIN QUERY PLAN SELECT * FROM item",
    };
    struct ow_conn *reader = acquire(db, 0);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        struct ow_err err = {0};
        if (ow_exec(reader, allowed[i], &err))
            fail_msg("%s: %s", allowed[i], err.text);
    }
    ow_reader_release(reader);
    close_items(db);
}

static void says_who_holds_the_readers_when_none_came_back_in_time(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    const struct ow_read monthly = {.label = "monthly report", .timeout_ms = WAIT_MS};
    struct ow_conn *first, *second;
    struct ow_err err = {0};
    /* A snapshot may be released by any thread, so waiting for it is not hopeless. */
    assert_int_equal(ow_snapshot_acquire(db, &monthly, &first, 1, NULL, NULL), 0);
    second = first;
    assert_int_equal(ow_reader_acquire(db, &(struct ow_read){.label = "second", .timeout_ms = 10},
                                       &second, &err),
                     OW_TIMEOUT);
    assert_null(second);
    assert_non_null(strstr(err.text, "second"));
    assert_non_null(strstr(err.text, "monthly report"));
    ow_reader_release(first);
    ow_reader_release(acquire(db, 0));
    close_items(db);
}

/* Borrowers that came in a known order write down the order in which they were served. */
struct line {
    struct ow *db;
    struct mutex lock;
    int served[8];
    int count;
};

struct borrower {
    struct line *line;
    int number, rc;
};

static void *borrow(void *arg)
{
    struct borrower *b = arg;
    struct ow_conn *reader;
    b->rc = ow_reader_acquire(
        b->line->db, &(struct ow_read){.label = "borrower", .timeout_ms = WAIT_MS}, &reader, NULL);
    if (b->rc)
        return NULL;
    mutex_lock(&b->line->lock);
    b->line->served[b->line->count++] = b->number;
    mutex_unlock(&b->line->lock);
    ow_reader_release(reader);
    return NULL;
}

static int waiting(struct ow *db)
{
    LOCK(&db->pool.lock);
    return db->pool.turn.length;
}

static void lends_first_come_first_served(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct line line = {.db = open_with_readers(dir, 1)};
    struct borrower borrowers[8];
    pthread_t threads[8];
    mutex_init(&line.lock);
    struct ow_conn *only = acquire(line.db, 0);
    for (int i = 0; i < 8; i++) {
        borrowers[i] = (struct borrower){&line, i, -1};
        assert_int_equal(thread_start(&threads[i], "borrower", borrow, &borrowers[i], NULL), 0);
        while (waiting(line.db) <= i)
            sched_yield();
    }
    ow_reader_release(only);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(borrowers[i].rc, 0);
        assert_int_equal(line.served[i], i);
    }
    struct ow_metrics metrics;
    ow_metrics_read(line.db, &metrics);
    assert_int_equal(metrics.readers_lent, 0);
    mutex_fini(&line.lock);
    close_items(line.db);
}

static void ends_a_query_that_runs_longer_than_allowed(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, 20);
    struct ow_err err = {0};
    const char *endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                          "SELECT count(*) FROM n";
    assert_int_equal(ow_exec(reader, endless, &err), OW_TIMEOUT);
    assert_int_equal(err.sqlite_code, SQLITE_INTERRUPT);
    ow_reader_release(reader);

    reader = acquire(db, 0);
    assert_int_equal(ow_exec(reader,
                             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                             "LIMIT 100000) SELECT count(*) FROM n",
                             NULL),
                     0);
    ow_reader_release(reader);
    close_items(db);
}

static void takes_a_reader_back_without_transaction_or_running_statement(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    write_item(db, 1);
    write_item(db, 2);
    struct ow_conn *reader = acquire(db, 0);
    sqlite3 *handle = ow_conn_handle(reader);
    sqlite3_stmt *stmt;
    assert_int_equal(ow_exec(reader, "BEGIN", NULL), 0);
    assert_int_equal(ow_prepare(reader, "SELECT value FROM item", &stmt, NULL), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    write_item(db, 3);
    ow_reader_release(reader);

    reader = acquire(db, 0);
    assert_ptr_equal(ow_conn_handle(reader), handle);
    assert_true(sqlite3_get_autocommit(handle));
    for (sqlite3_stmt *s = sqlite3_next_stmt(handle, NULL); s; s = sqlite3_next_stmt(handle, s))
        assert_false(sqlite3_stmt_busy(s));
    ow_reader_release(reader);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 3);
    close_items(db);
}

/* Its owner may still finalize the statement; the connection is not lent again. */
static void tells_of_a_leaked_statement_and_retires_its_connection(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    options.readers = 1;
    struct ow *db = open_items(dir, &options);
    write_item(db, 7);
    struct ow_conn *reader = acquire(db, 0);
    sqlite3_stmt *own, *cached;
    assert_int_equal(ow_prepare(reader, "SELECT 1 ; ", &cached, NULL), 0);
    assert_int_equal(
        sqlite3_prepare_v2(ow_conn_handle(reader), "SELECT id FROM item", -1, &own, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(own), SQLITE_ROW);
    assert_int_equal(ow_reader_release(reader), 0);
    assert_int_equal(events_count(&events, OW_EVENT_LEAK), 1);
    assert_string_equal(events.text[OW_EVENT_LEAK], "SELECT id FROM item");

    reader = acquire(db, 0);
    assert_ptr_not_equal(ow_conn_handle(reader), sqlite3_db_handle(own));
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), 1);
    ow_reader_release(reader);
    assert_int_equal(sqlite3_finalize(own), SQLITE_OK);
    assert_int_equal(events_count(&events, OW_EVENT_LEAK), 1);
    close_items(db);
    events_fini(&events);
}

static int make_text_index(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    int rc = ow_exec(conn, "CREATE VIRTUAL TABLE words USING fts5(text)", err);
    return rc ? rc : ow_exec(conn, "INSERT INTO words VALUES('one two three')", err);
}

/* FTS5 keeps prepared statements of its own on the connection. */
static void takes_statements_of_virtual_tables_for_no_leak(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    options.readers = 1;
    struct ow *db = open_items(dir, &options);
    struct ow_err err = {0};
    if (ow_write(db, OW_LANE_NORMAL, make_text_index, NULL, WAIT_MS, &err)) {
        print_message("this SQLite has no FTS5: %s\n", err.text);
    } else {
        sqlite3 *handle = NULL;
        for (int i = 0; i < 5; i++) {
            struct ow_conn *reader = acquire(db, 0);
            int64_t found = 0;
            if (i == 4)
                assert_ptr_equal(ow_conn_handle(reader), handle);
            handle = ow_conn_handle(reader);
            assert_int_equal(ow_get_int(reader, "SELECT count(*) FROM words WHERE text MATCH 'two'",
                                        NULL, 0, &found, NULL),
                             0);
            assert_int_equal(found, 1);
            ow_reader_release(reader);
        }
    }
    assert_int_equal(events_count(&events, OW_EVENT_LEAK), 0);
    close_items(db);
    events_fini(&events);
}

static void replaces_a_connection_that_lost_its_guard(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, 0);
    sqlite3_set_authorizer(ow_conn_handle(reader), NULL, NULL);
    assert_int_equal(ow_exec(reader, "PRAGMA query_only=0", NULL), 0);
    ow_reader_release(reader);
    reader = acquire(db, 0);
    assert_int_equal(ow_exec(reader, "PRAGMA query_only=0", NULL), OW_CALLER);
    sqlite3_busy_timeout(ow_conn_handle(reader), 1);
    sqlite3_progress_handler(ow_conn_handle(reader), 0, NULL, NULL);
    ow_reader_release(reader);
    reader = acquire(db, 20);
    assert_int_equal(ow_exec(reader,
                             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                             "SELECT count(*) FROM n",
                             NULL),
                     OW_TIMEOUT);
    ow_reader_release(reader);
    close_items(db);
}

static void opens_a_new_connection_in_place_of_a_bad_one(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, 0);
    sqlite3_stmt *stmt;
    assert_int_equal(ow_prepare(reader, "SELECT 1", &stmt, NULL), 0);
    reader->bad = true; /* as after an I/O error */
    ow_reader_release(reader);
    assert_null(reader->db);
    write_item(db, 1);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
}

static void sees_a_write_as_soon_as_it_was_acknowledged(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    for (int64_t i = 0; i < 500; i++) {
        write_item(db, i);
        assert_int_equal(read_int(db, "SELECT max(value) FROM item"), i);
    }
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
    assert_int_equal(read_int(db, "SELECT seq FROM ow_commit"), ow_commit_seq(db));
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_statement_that_changes_something),
        cmocka_unit_test(fails_where_the_guard_is_not_what_refuses),
        cmocka_unit_test(allows_whatever_only_reads),
        cmocka_unit_test(says_who_holds_the_readers_when_none_came_back_in_time),
        cmocka_unit_test(lends_first_come_first_served),
        cmocka_unit_test(ends_a_query_that_runs_longer_than_allowed),
        cmocka_unit_test(takes_a_reader_back_without_transaction_or_running_statement),
        cmocka_unit_test(tells_of_a_leaked_statement_and_retires_its_connection),
        cmocka_unit_test(takes_statements_of_virtual_tables_for_no_leak),
        cmocka_unit_test(replaces_a_connection_that_lost_its_guard),
        cmocka_unit_test(opens_a_new_connection_in_place_of_a_bad_one),
        cmocka_unit_test(sees_a_write_as_soon_as_it_was_acknowledged),
    };
    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
