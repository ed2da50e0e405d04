/* Who runs a job: a caller that is alone, or the writer thread; jobs that are cancelled, posted, or
 * undone by repetition; calls with a closed handle. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "ow_support.h"

static int note_thread(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    (void)err;
    *(pthread_t *)ctx = pthread_self();
    return 0;
}

static void runs_a_lone_callers_job_on_its_own_thread(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_metrics before, after;
    ow_metrics_read(db, &before);
    int here = 0;
    for (int i = 0; i < 50; i++) {
        pthread_t ran = {0};
        assert_int_equal(ow_write(db, OW_LANE_NORMAL, note_thread, &ran, WAIT_MS, NULL), 0);
        here += pthread_equal(ran, pthread_self());
    }
    ow_metrics_read(db, &after);
    assert_true(here > 0);
    assert_int_equal(after.groups_by_caller - before.groups_by_caller, here);
    close_items(db);
}

/* Lone commits keep their numbers in memory for a moment; nobody has to do anything for them to be
 * stored. */
static void stores_the_number_of_lone_commits_in_a_quiet_moment(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    int64_t before = ow_commit_seq(db);
    for (int64_t i = 0; i < 10; i++) {
        write_item(db, i);
        assert_int_equal(ow_commit_seq(db), before + i + 1);
    }
    const struct ow_read how = {.label = "stored", .timeout_ms = WAIT_MS};
    int64_t stored = -1, until_us = clock_monotonic_us() + WAIT_MS * 1000LL;
    while (stored != before + 10 && clock_monotonic_us() < until_us) {
        struct ow_conn *reader;
        assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
        assert_int_equal(ow_get_int(reader, "SELECT seq FROM ow_commit", NULL, 0, &stored, NULL),
                         0);
        assert_int_equal(ow_reader_release(reader), 0);
    }
    assert_int_equal(stored, before + 10);
    assert_int_equal(ow_commit_seq(db), before + 10);
    close_items(db);
}

static void gives_jobs_of_many_threads_to_the_writer_thread(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    pthread_t ran = {0};
    hold_writer(db, &held); /* the writer thread is the owner now */
    struct ow_ticket second = {0};
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, note_thread, &ran, WAIT_MS, &second, NULL), 0);
    let_writer_go(db, &held);
    assert_int_equal(ow_wait(db, &second, WAIT_MS, NULL, NULL), 0);
    assert_false(pthread_equal(ran, pthread_self()));
    close_items(db);
}

/* ---- undoing ---- */

static int insert_then_refuse(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = insert_item(conn, ctx, err);
    return rc ? rc : ow_refuse(err, OW_CALLER, "no");
}

static int create_then_refuse(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    (void)ctx;
    int rc = ow_prepare(conn, "CREATE TABLE half(x)", &stmt, err);
    if (!rc && sqlite3_step(stmt) != SQLITE_DONE)
        rc = ow_conn_fail(conn, "creating", err);
    return rc ? rc : ow_refuse(err, OW_CALLER, "no");
}

/* With one culprit in the middle of a group, whose changes no savepoint undoes. */
static void undoes_a_job_that_changed_something_and_runs_the_innocent_again(void **state)
{
    (void)state;
    ow_job_fn *const culprits[] = {insert_then_refuse, create_then_refuse};
    for (size_t c = 0; c < ARRAY_LEN(culprits); c++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow *db = open_items(dir, NULL);
        struct held held;
        struct ow_ticket tickets[9] = {0};
        int64_t values[9];
        struct ow_metrics metrics;
        hold_writer(db, &held);
        for (int i = 0; i < 9; i++) {
            values[i] = i;
            assert_int_equal(ow_submit(db, OW_LANE_NORMAL, i % 3 == 1 ? culprits[c] : insert_item,
                                       &values[i], WAIT_MS, &tickets[i], NULL),
                             0);
        }
        let_writer_go(db, &held);
        for (int i = 0; i < 9; i++)
            assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL),
                             i % 3 == 1 ? OW_CALLER : 0);
        assert_int_equal(read_int(db, "SELECT group_concat(value, '') FROM item"), 23568);
        assert_int_equal(read_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
        ow_metrics_read(db, &metrics);
        /* Once by repetition, later by savepoint: not once for each culprit. */
        assert_in_range(metrics.jobs_rerun, 1, 4);
        close_items(db);
    }
}

/* ---- cancelling ---- */

static int run_for_ever(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct gate *gate = ctx;
    mutex_lock(&gate->lock);
    gate->arrived++;
    cond_broadcast(&gate->changed);
    mutex_unlock(&gate->lock);
    return ow_exec(conn,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                   "SELECT count(*) FROM n",
                   err);
}

static void cancels_the_job_that_is_meant_and_no_other(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct ow_ticket running = {0}, queued = {0}, other = {0}, none = {0};
    int64_t one = 1, two = 2;
    struct ow_err err = {0};
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, run_for_ever, &gate, WAIT_MS, &running, NULL),
                     0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &one, WAIT_MS, &queued, NULL), 0);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &two, WAIT_MS, &other, NULL), 0);
    assert_int_equal(ow_cancel(db, &queued, NULL), 0);
    assert_int_equal(ow_wait(db, &queued, WAIT_MS, NULL, NULL), OW_CANCELLED);
    /* The statement may not have begun when the first try comes. */
    while (ow_wait(db, &running, 1, NULL, &err) == OW_TIMEOUT)
        assert_int_equal(ow_cancel(db, &running, NULL), 0);
    assert_int_equal(err.code, OW_CANCELLED);
    assert_int_equal(ow_wait(db, &other, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_cancel(db, &none, NULL), OW_BUG);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 2);
    gate_fini(&gate);
    close_items(db);
}

/* ---- posting ---- */

struct told {
    struct gate gate;
    int calls;
    enum ow_code code;
    int64_t seq, value;
};

static void tell(void *ctx, int64_t commit_seq, const struct ow_err *err)
{
    struct told *told = ctx;
    LOCK(&told->gate.lock);
    told->calls++;
    told->code = err->code;
    told->seq = commit_seq;
    told->gate.arrived++;
    cond_broadcast(&told->gate.changed);
}

static int insert_told(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return insert_item(conn, &((struct told *)ctx)->value, err);
}

static void tells_the_end_of_a_posted_job_once(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct told told[3] = {{.value = 1}, {.value = 1}, {.value = 2}};
    const enum ow_code expected[] = {OW_OK, OW_CALLER, OW_OK};
    for (int i = 0; i < 3; i++) {
        gate_init(&told[i].gate);
        assert_int_equal(
            ow_post(db, OW_LANE_NORMAL, insert_told, &told[i], tell, NULL, WAIT_MS, NULL), 0);
    }
    for (int i = 0; i < 3; i++)
        assert_true(gate_wait_arrived(&told[i].gate, 1));
    close_items(db);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].code, expected[i]);
        assert_int_equal(told[i].seq > 0, expected[i] == OW_OK);
        gate_fini(&told[i].gate);
    }
}

/* ---- closed ---- */

static void answers_every_call_with_a_closed_handle(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_value row[] = {ow_int(1)};
    struct ow_ticket ticket = {0};
    struct ow_conn *reader;
    struct ow_metrics metrics;
    int64_t value = 1;
    close_items(db);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, 10, NULL), OW_CLOSED);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, "SELECT 1", row, 1, 10, NULL), OW_CLOSED);
    assert_int_equal(ow_append(db, OW_LANE_NORMAL, "SELECT 1", row, 1, 10, NULL), OW_CLOSED);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &value, 10, &ticket, NULL),
                     OW_CLOSED);
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, 10, NULL), OW_CLOSED);
    assert_int_equal(
        ow_reader_acquire(db, &(struct ow_read){.label = "late", .timeout_ms = 10}, &reader, NULL),
        OW_CLOSED);
    assert_int_equal(ow_migrate(db, NULL, 0, NULL), OW_CLOSED);
    assert_int_equal(ow_close(db, 10, NULL, NULL), OW_CLOSED);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_submitted, 0);
}

static void remembers_the_closed_handles_of_late_callers_within_bounds(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *last = NULL;
    for (int i = 0; i < 70; i++) {
        last = open_items(dir, NULL);
        close_items(last);
    }
    assert_int_equal(ow_flush(last, OW_LANE_NORMAL, 10, NULL), OW_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_a_lone_callers_job_on_its_own_thread),
        cmocka_unit_test(stores_the_number_of_lone_commits_in_a_quiet_moment),
        cmocka_unit_test(gives_jobs_of_many_threads_to_the_writer_thread),
        cmocka_unit_test(undoes_a_job_that_changed_something_and_runs_the_innocent_again),
        cmocka_unit_test(cancels_the_job_that_is_meant_and_no_other),
        cmocka_unit_test(tells_the_end_of_a_posted_job_once),
        cmocka_unit_test(answers_every_call_with_a_closed_handle),
        cmocka_unit_test(remembers_the_closed_handles_of_late_callers_within_bounds),
    };
    return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
