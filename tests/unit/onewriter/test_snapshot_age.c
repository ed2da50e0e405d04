/* Snapshots by age: an old one is named once, one that is too old is taken back. Time itself is the
 * subject here, so limits are short and what is waited for has long deadlines. */
#include <string.h>

#include "base/clock.h"
#include "onewriter/conn.h"
#include "ow_support.h"

static struct ow *open_aging(const char *dir, struct events *events, int warn_ms, int max_ms)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    events_init(events, &options);
    options.snapshot_warn_ms = warn_ms;
    options.snapshot_max_ms = max_ms;
    return open_items(dir, &options);
}

static struct ow_conn *acquire(struct ow *db, const char *label)
{
    struct ow_conn *reader;
    const struct ow_read how = {.label = label, .timeout_ms = WAIT_MS};
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    return reader;
}

static sqlite3_stmt *begin(struct ow_conn *reader)
{
    sqlite3_stmt *stmt;
    assert_int_equal(ow_prepare(reader, "SELECT value FROM item NOT INDEXED", &stmt, NULL), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    return stmt;
}

static struct ow_event last_event(struct events *events, enum ow_event_kind kind)
{
    LOCK(&events->lock);
    return events->last[kind];
}

static void names_an_old_snapshot_once(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_aging(dir, &events, 20, 0);
    struct ow_metrics metrics;
    write_item(db, 1);
    struct ow_conn *reader = acquire(db, "slow report");
    sqlite3_stmt *stmt = begin(reader);
    assert_true(events_wait(&events, OW_EVENT_SNAPSHOT_OLD, 1));
    assert_true(last_event(&events, OW_EVENT_SNAPSHOT_OLD).a >= 20);
    assert_string_equal(events.text[OW_EVENT_SNAPSHOT_OLD],
                        "slow report: SELECT value FROM item NOT INDEXED");
    ow_metrics_read(db, &metrics);
    assert_true(metrics.snapshot_oldest_us >= 20000);
    /* A second old one is told too, so the watcher has looked at the first again. */
    struct ow_conn *other = acquire(db, "second");
    begin(other);
    assert_true(events_wait(&events, OW_EVENT_SNAPSHOT_OLD, 2));
    assert_int_equal(events_count(&events, OW_EVENT_SNAPSHOT_OLD), 2);
    assert_int_equal(events_count(&events, OW_EVENT_SNAPSHOT_TAKEN), 0);
    ow_reader_release(other);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    ow_reader_release(reader);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.snapshot_oldest_us, 0);
    close_items(db);
    events_fini(&events);
}

static void takes_back_a_snapshot_that_is_too_old(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_aging(dir, &events, 10, 30);
    struct ow_metrics metrics;
    struct ow_err err = {0};
    write_item(db, 1);
    struct ow_conn *reader = acquire(db, "sleeper");
    assert_int_equal(ow_exec(reader, "BEGIN", NULL), 0);
    sqlite3_reset(begin(reader));
    assert_true(events_wait(&events, OW_EVENT_SNAPSHOT_TAKEN, 1));
    assert_true(last_event(&events, OW_EVENT_SNAPSHOT_TAKEN).a >= 30);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.snapshots_taken, 1);
    assert_int_equal(ow_exec(reader, "SELECT * FROM ow_commit", &err), OW_TIMEOUT);
    assert_non_null(strstr(err.text, "snapshot_max_ms (30)"));
    assert_int_equal(ow_exec(reader, "ROLLBACK", NULL), 0);
    sqlite3_reset(begin(reader));
    ow_reader_release(reader);
    close_items(db);
    events_fini(&events);
}

static void ends_a_query_that_computes_for_too_long(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_aging(dir, &events, 10, 30);
    struct ow_err err = {0};
    write_item(db, 1);
    struct ow_conn *reader = acquire(db, "endless");
    static const char endless[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 FROM item UNION ALL SELECT i + 1 FROM n)"
        " SELECT count(*) FROM n";
    assert_int_equal(ow_exec(reader, endless, &err), OW_TIMEOUT);
    assert_non_null(strstr(err.text, "the snapshot was taken back after"));
    sqlite3_reset(begin(reader)); /* the connection is well */
    ow_reader_release(reader);
    assert_int_equal(events_count(&events, OW_EVENT_SNAPSHOT_TAKEN), 1);
    close_items(db);
    events_fini(&events);
}

static void tells_the_next_borrower_nothing_of_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_aging(dir, &events, 10, 30);
    struct ow_err err = {0};
    write_item(db, 1);
    struct ow_conn *reader = acquire(db, "sleeper");
    begin(reader);
    assert_true(events_wait(&events, OW_EVENT_SNAPSHOT_TAKEN, 1));
    ow_reader_release(reader);
    reader = acquire(db, "next");
    assert_int_equal(ow_exec(reader, "SELECT * FROM absent", &err), OW_CALLER);
    assert_int_equal(ow_exec(reader, "SELECT * FROM item", NULL), 0);
    ow_reader_release(reader);
    close_items(db);
    events_fini(&events);
}

/* Voluntary context switches of the watcher would show wake-ups; what can be asserted without
 * guessing is that a quiet database makes no event and that the next snapshot is still seen. */
static void sees_a_snapshot_after_a_quiet_time(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_aging(dir, &events, 5, 0);
    write_item(db, 1);
    for (int round = 1; round <= 5; round++) {
        struct ow_conn *reader = acquire(db, "round");
        begin(reader);
        assert_true(events_wait(&events, OW_EVENT_SNAPSHOT_OLD, round));
        ow_reader_release(reader);
        int64_t until_us = clock_monotonic_us() + 20000; /* the watcher falls asleep */
        while (clock_monotonic_us() < until_us)
            ow_commit_seq(db);
    }
    close_items(db);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_an_old_snapshot_once),
        cmocka_unit_test(takes_back_a_snapshot_that_is_too_old),
        cmocka_unit_test(ends_a_query_that_computes_for_too_long),
        cmocka_unit_test(tells_the_next_borrower_nothing_of_it),
        cmocka_unit_test(sees_a_snapshot_after_a_quiet_time),
    };
    return cmocka_run_group_tests_name("snapshot age", tests, NULL, NULL);
}
