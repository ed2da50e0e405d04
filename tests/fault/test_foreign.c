/* Another process at the same file: its lock is waited for, its commits are noticed. A connection
 * outside the library is another process as far as SQLite's locks go. */
#include <string.h>

#include "ow_support.h"

static sqlite3 *lock_outside(const char *dir)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(items_path(dir), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, WAIT_MS);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void unlock_outside(sqlite3 *db)
{
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct ow *open_impatient(const char *dir, struct events *events)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.busy_timeout_ms = 5;
    options.retry_base_delay_ms = 2;
    options.retry_max_delay_ms = 4;
    events_init(events, &options);
    return open_items(dir, &options);
}

static void waits_for_a_foreign_lock_and_then_writes(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_ticket ticket = {0};
    int64_t value = 1;
    sqlite3 *other = lock_outside(dir);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &ticket, NULL), 0);
    assert_int_equal(ow_wait(db, &ticket, 20, NULL, NULL), OW_TIMEOUT);
    unlock_outside(other);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 1);
    close_items(db);
}

static void tells_of_each_attempt_while_a_job_waits_until_its_own_deadline(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_impatient(dir, &events);
    struct ow_err err = {0};
    int64_t value = 1;
    sqlite3 *other = lock_outside(dir);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, 300, &err), OW_TIMEOUT);
    assert_int_equal(err.sqlite_code, SQLITE_BUSY);
    assert_non_null(strstr(err.text, "database is locked"));
    assert_true(events_wait(&events, OW_EVENT_GAVE_UP, 1));
    assert_true(events_count(&events, OW_EVENT_RETRY) >= 2);
    assert_in_range(events.last[OW_EVENT_RETRY].a, 1, 2);
    assert_int_equal(events.last[OW_EVENT_RETRY].b, 3);
    assert_true(events.last[OW_EVENT_RETRY].delay_ms >= 2);
    assert_string_equal(events.text[OW_EVENT_RETRY], "database is locked");
    assert_int_equal(events.last[OW_EVENT_GAVE_UP].a, 3);
    assert_string_equal(events.text[OW_EVENT_GAVE_UP], "database is locked");
    struct ow_ticket ticket = {0};
    int64_t patient = 3; /* outlives many rounds of attempts */
    int rounds = events_count(&events, OW_EVENT_GAVE_UP);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &patient, WAIT_MS, &ticket, NULL),
                     0);
    assert_true(events_wait(&events, OW_EVENT_GAVE_UP, rounds + 2));
    unlock_outside(other);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    write_item(db, 2);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 5);
    close_items(db);
    events_fini(&events);
}

static void withdraws_a_job_while_a_foreign_lock_is_waited_for(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL); /* patient: half a minute */
    int64_t value = 1;
    sqlite3 *other = lock_outside(dir);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, 20, NULL), OW_TIMEOUT);
    unlock_outside(other);
    write_item(db, 2);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 2);
    close_items(db);
}

static void closes_in_time_while_a_foreign_lock_is_held(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_ticket ticket = {0};
    struct ow_report report;
    int64_t value = 1;
    sqlite3 *other = lock_outside(dir);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &ticket, NULL), 0);
    assert_int_equal(ow_close(db, 20, &report, NULL), OW_TIMEOUT);
    assert_int_equal(report.jobs_abandoned, 1);
    assert_int_equal(ow_wait(db, &ticket, 0, NULL, NULL), OW_CLOSED);
    unlock_outside(other);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), 0);
}

static void notices_a_foreign_commit_within_one_group(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_impatient(dir, &events);
    struct ow_metrics metrics;
    write_item(db, 1);
    write_item(db, 2);
    assert_int_equal(events_count(&events, OW_EVENT_FOREIGN_WRITE), 0);
    assert_int_equal(exec_outside(items_path(dir), "INSERT INTO item(value) VALUES(3)"), SQLITE_OK);
    write_item(db, 4);
    assert_int_equal(events_count(&events, OW_EVENT_FOREIGN_WRITE), 1);
    write_item(db, 5);
    assert_int_equal(events_count(&events, OW_EVENT_FOREIGN_WRITE), 1);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.foreign_commits, 1);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 15);
    close_items(db);
    events_fini(&events);
}

/* Two that write share a file only when the linked SQLite can take two that checkpoint. */
static void shares_one_numbering_with_another_user_of_the_library_or_refuses_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *one = open_items(dir, NULL), *two;
    if (!ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number())) {
        struct ow_options options;
        struct ow_err err = {0};
        ow_options_init(&options, items_path(dir));
        assert_int_equal(ow_open(&options, &two, &err), OW_CONFIG);
        assert_non_null(strstr(err.text, "another process (or another handle of this one)"));
        assert_non_null(strstr(err.text, "WAL-reset bug"));
        options.read_only = true;
        assert_int_equal(ow_open(&options, &two, &err), 0);
        assert_int_equal(ow_close(two, WAIT_MS, NULL, &err), 0);
        close_items(one);
        two = open_items(dir, NULL); /* the lock went with its holder */
        close_items(two);
        return;
    }
    two = open_items(dir, NULL);
    int64_t before = ow_commit_seq(one);
    for (int64_t i = 0; i < 10; i++) {
        struct ow *const handles[] = {one, two};
        for (int h = 0; h < 2; h++) {
            write_item(handles[h], 2 * i + h);
            assert_true(ow_commit_seq(handles[h]) > before);
            before = ow_commit_seq(handles[h]);
        }
    }
    assert_int_equal(read_int(one, "SELECT seq FROM ow_commit"), before);
    struct ow_report report;
    assert_int_equal(ow_close(one, WAIT_MS, &report, NULL), 0);
    close_items(two);
}

static void refuses_an_open_while_the_lock_stays_held(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db;
    struct ow_err err = {0};
    sqlite3 *other;
    assert_int_equal(sqlite3_open(items_path(dir), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE t(x); BEGIN EXCLUSIVE", NULL, NULL, NULL),
                     SQLITE_OK);
    ow_options_init(&options, items_path(dir));
    options.busy_timeout_ms = 2;
    options.retry_base_delay_ms = 1;
    assert_int_equal(ow_open(&options, &db, &err), OW_TIMEOUT);
    assert_null(db);
    assert_non_null(strstr(err.text, "locked"));
    unlock_outside(other);
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_a_foreign_lock_and_then_writes),
        cmocka_unit_test(tells_of_each_attempt_while_a_job_waits_until_its_own_deadline),
        cmocka_unit_test(withdraws_a_job_while_a_foreign_lock_is_waited_for),
        cmocka_unit_test(closes_in_time_while_a_foreign_lock_is_held),
        cmocka_unit_test(notices_a_foreign_commit_within_one_group),
        cmocka_unit_test(shares_one_numbering_with_another_user_of_the_library_or_refuses_it),
        cmocka_unit_test(refuses_an_open_while_the_lock_stays_held),
    };
    return cmocka_run_group_tests_name("foreign processes", tests, NULL, NULL);
}
