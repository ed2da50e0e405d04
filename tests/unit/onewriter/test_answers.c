/* What a job is told, and what its failure means for others. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ow_support.h"

/* Job: meets a value that is there already and does with that. */
static int insert_or_leave(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct ow_value value[] = {ow_int(*(int64_t *)ctx)};
    if (ow_run(conn, "INSERT INTO item(value) VALUES(?1)", value, 1, err) == 0)
        return 0;
    return ow_run(conn, "UPDATE item SET id = id WHERE value = ?1", value, 1, err);
}

static int refuse_with_another_code(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    insert_item(conn, ctx, err);
    return OW_CANCELLED;
}

static void answers_what_the_job_returned_whatever_it_met_before(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_ticket ticket = {0};
    struct ow_err err = {0};
    int64_t value = 1;
    write_item(db, 1);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_or_leave, &value, WAIT_MS, &err), 0);
    assert_int_equal(err.code, OW_OK);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_or_leave, &value, WAIT_MS, &ticket, NULL),
                     0);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, &err), 0);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, refuse_with_another_code, &value, WAIT_MS, &err),
                     OW_CANCELLED);
    assert_int_equal(err.code, OW_CANCELLED);
    close_items(db);
}

/* Job: forwards a failure of a database that is not this one; ctx is SQLite's code. */
static int fail_elsewhere(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    return ow_sqlite_fail(NULL, *(int *)ctx, "another database", err);
}

static void takes_no_failure_of_another_database_for_its_own(void **state)
{
    (void)state;
    const int codes[] = {SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR_FSYNC};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow *db = open_items(dir, NULL);
        struct ow_metrics metrics;
        struct ow_err err = {0};
        int code = codes[i];
        assert_int_not_equal(ow_write(db, OW_LANE_NORMAL, fail_elsewhere, &code, WAIT_MS, &err), 0);
        assert_int_equal(err.sqlite_code, code);
        write_item(db, 1);
        ow_metrics_read(db, &metrics);
        assert_false(metrics.poisoned);
        assert_false(metrics.holding);
        close_items(db);
    }
}

/* A rowid beyond the largest is a "full database" to SQLite, which no free space mends. */
static void lets_others_write_past_a_row_that_can_never_be(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    options.retry_base_delay_ms = 1;
    struct ow *db = open_items(dir, &options);
    const char *const steps[] = {"CREATE TABLE last(id INTEGER PRIMARY KEY AUTOINCREMENT, x)",
                                 "INSERT INTO last VALUES(9223372036854775807, 1)"};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, steps[i], NULL, 0, WAIT_MS, NULL), 0);
    assert_int_equal(
        ow_append(db, OW_LANE_NORMAL, "INSERT INTO last(x) VALUES(2)", NULL, 0, WAIT_MS, NULL), 0);
    for (int64_t i = 0; i < 200 && !events_count(&events, OW_EVENT_ROW_FAILED); i++)
        write_item(db, i);
    assert_true(events_wait(&events, OW_EVENT_ROW_FAILED, 1));
    assert_int_equal(read_int(db, "SELECT count(*) FROM last"), 1);
    close_items(db);
    events_fini(&events);
}

static int run_sql(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return ow_exec(conn, ctx, err);
}

static void keeps_what_one_job_wrote_from_the_savepoint_of_another(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *const jobs[] = {"SAVEPOINT a", "INSERT INTO item(value) VALUES(1)",
                                "ROLLBACK TO a"};
    const int expected[] = {0, 0, OW_CALLER};
    struct ow_ticket tickets[3] = {0};
    struct held held;
    hold_writer(db, &held);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            ow_submit(db, OW_LANE_NORMAL, run_sql, (void *)jobs[i], WAIT_MS, &tickets[i], NULL), 0);
    let_writer_go(db, &held);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL), expected[i]);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
}

static void does_not_run_a_job_whose_time_was_up_behind_others(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate first, second;
    struct ow_ticket tickets[2] = {0};
    struct ow_value row[] = {ow_int(1)};
    gate_init(&first);
    gate_init(&second);
    assert_int_equal(
        ow_submit(db, OW_LANE_URGENT, wait_at_gate, &first, WAIT_MS, &tickets[0], NULL), 0);
    assert_true(gate_wait_arrived(&first, 1));
    assert_int_equal(
        ow_submit(db, OW_LANE_NORMAL, wait_at_gate, &second, WAIT_MS, &tickets[1], NULL), 0);
    gate_open(&first);
    assert_true(gate_wait_arrived(&second, 1));
    struct ow_err err = {0};
    assert_int_equal(
        ow_write_row(db, OW_LANE_NORMAL, "INSERT INTO item(value) VALUES(?1)", row, 1, 20, &err),
        OW_TIMEOUT);
    gate_open(&second);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 0);
    gate_fini(&first);
    gate_fini(&second);
    close_items(db);
}

static void flushes_a_full_lane_without_taking_a_place_in_it(void **state)
{
    (void)state;
    const enum ow_policy policies[] = {OW_BLOCK, OW_REJECT, OW_DROP_OLDEST};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow_options options;
        struct ow_metrics metrics;
        struct held held;
        struct ow_err err = {0};
        ow_options_init(&options, NULL);
        options.lane[OW_LANE_NORMAL] = (struct ow_lane_limit){2, 1 << 20, policies[i]};
        struct ow *db = open_items(dir, &options);
        hold_writer(db, &held);
        for (int64_t v = 0; v < 2; v++) {
            struct ow_value row[] = {ow_int(v)};
            assert_int_equal(ow_append(db, OW_LANE_NORMAL, "INSERT INTO item(value) VALUES(?1)",
                                       row, 1, 0, NULL),
                             0);
        }
        assert_int_equal(ow_flush(db, OW_LANE_NORMAL, 10, &err), OW_TIMEOUT);
        assert_int_equal(err.code, OW_TIMEOUT);
        let_writer_go(db, &held);
        assert_int_equal(ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
        assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 2);
        ow_metrics_read(db, &metrics);
        assert_int_equal(metrics.lane[OW_LANE_NORMAL].dropped, 0);
        close_items(db);
    }
}

struct pair {
    struct ow *one, *two;
    int rc;
};

static int call_the_first(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct pair *pair = ctx;
    int64_t value = 1;
    (void)conn;
    (void)err;
    pair->rc = ow_write(pair->one, OW_LANE_NORMAL, insert_item, &value, 100, NULL);
    return 0;
}

static int call_the_second(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct pair *pair = ctx;
    (void)conn;
    return ow_write(pair->two, OW_LANE_NORMAL, call_the_first, pair, WAIT_MS, err);
}

/* On the thread that runs the first job it is known at once; when the second database's writer
 * thread took the second job, the innermost one ends at its deadline. */
static void ends_a_job_that_calls_its_database_by_way_of_another(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    CLEANUP(test_dir_cleanup) char *other = test_dir_make();
    struct pair pair = {.one = open_items(dir, NULL), .two = open_items(other, NULL), .rc = -1};
    assert_int_equal(ow_write(pair.one, OW_LANE_NORMAL, call_the_second, &pair, WAIT_MS, NULL), 0);
    assert_true(pair.rc == OW_BUG || pair.rc == OW_TIMEOUT);
    assert_int_equal(read_int(pair.one, "SELECT count(*) FROM item"), 0);
    close_items(pair.one);
    close_items(pair.two);
}

static int replace_handlers(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    (void)err;
    sqlite3 *handle = ow_conn_handle(conn);
    sqlite3_busy_timeout(handle, 60000);
    sqlite3_progress_handler(handle, 0, NULL, NULL);
    sqlite3_wal_hook(handle, NULL, NULL);
    sqlite3_set_authorizer(handle, NULL, NULL);
    return 0;
}

static void watches_over_its_connection_whatever_a_job_did_to_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow_metrics metrics;
    char sql[] = "PRAGMA journal_mode=DELETE";
    ow_options_init(&options, NULL);
    options.wal_soft_frames = 10;
    options.wal_hard_frames = 40;
    struct ow *db = open_items(dir, &options);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, replace_handlers, NULL, WAIT_MS, NULL), 0);
    for (int64_t i = 0; i < 300; i++)
        write_item(db, i);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.checkpoint.count > 0);
    assert_in_range(metrics.wal_frames, 0, 60);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, run_sql, sql, WAIT_MS, NULL), OW_CALLER);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_what_the_job_returned_whatever_it_met_before),
        cmocka_unit_test(takes_no_failure_of_another_database_for_its_own),
        cmocka_unit_test(lets_others_write_past_a_row_that_can_never_be),
        cmocka_unit_test(keeps_what_one_job_wrote_from_the_savepoint_of_another),
        cmocka_unit_test(does_not_run_a_job_whose_time_was_up_behind_others),
        cmocka_unit_test(flushes_a_full_lane_without_taking_a_place_in_it),
        cmocka_unit_test(ends_a_job_that_calls_its_database_by_way_of_another),
        cmocka_unit_test(watches_over_its_connection_whatever_a_job_did_to_it),
    };
    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
