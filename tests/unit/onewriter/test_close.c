/* Closing: drains, tells what was left, waits for readers, and means nothing to a forked child. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ow_support.h"

static void commits_what_was_queued_before_it_returns(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_ticket tickets[200] = {0};
    int64_t values[200];
    struct ow_report report;
    for (int i = 0; i < 200; i++) {
        values[i] = i;
        assert_int_equal(
            ow_submit(db, OW_LANE_BULK, insert_item, &values[i], WAIT_MS, &tickets[i], NULL), 0);
    }
    assert_int_equal(ow_close(db, WAIT_MS, &report, NULL), 0);
    assert_true(report.jobs_drained <= 200);
    assert_int_equal(report.jobs_abandoned, 0);
    assert_true(report.checkpointed);
    for (int i = 0; i < 200; i++) /* a ticket outlives the handle */
        assert_int_equal(ow_wait(db, &tickets[i], 0, NULL, NULL), 0);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), 200);
}

static void *close_it(void *arg)
{
    return (void *)(intptr_t)ow_close(arg, WAIT_MS, NULL, NULL);
}

/* The close waits for the job at the gate; meanwhile its ticket can be waited for as ever. */
static void tells_a_ticket_the_truth_while_closing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct ow_ticket ticket = {0};
    struct ow_conn *reader;
    pthread_t thread;
    void *closed = db;
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, wait_at_gate, &gate, WAIT_MS, &ticket, NULL), 0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(thread_start(&thread, "close", close_it, db, NULL), 0);
    while (ow_reader_acquire(db, &(struct ow_read){.label = "until closed", .timeout_ms = WAIT_MS},
                             &reader, NULL) != OW_CLOSED)
        ow_reader_release(reader);
    assert_int_equal(ow_wait(db, &ticket, 1, NULL, NULL), OW_TIMEOUT);
    gate_open(&gate);
    int rc = ow_wait(db, &ticket, WAIT_MS, NULL, NULL);
    pthread_join(thread, &closed);
    assert_int_equal(rc, 0);
    assert_null(closed);
    gate_fini(&gate);
}

static void leaves_no_log_behind(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    write_item(db, 1);
    assert_int_equal(access(test_path(dir, "t.db-wal"), F_OK), 0);
    close_items(db);
    assert_int_equal(access(test_path(dir, "t.db-wal"), F_OK), -1);
    assert_int_equal(access(test_path(dir, "t.db-shm"), F_OK), -1);
}

/* Job: stays until its gate opens, or until the statement that it runs is ended. */
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

static void abandons_what_cannot_be_written_before_the_deadline(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct ow_ticket endless = {0}, queued = {0};
    struct ow_report report;
    struct ow_err err = {0};
    int64_t value = 1;
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, run_for_ever, &gate, WAIT_MS, &endless, NULL),
                     0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &queued, NULL), 0);
    assert_int_equal(ow_close(db, 30, &report, &err), OW_TIMEOUT);
    assert_int_equal(report.jobs_abandoned, 2);
    assert_int_equal(report.jobs_drained, 0);
    assert_int_equal(ow_wait(db, &endless, 0, NULL, NULL), OW_CLOSED);
    assert_int_equal(ow_wait(db, &queued, 0, NULL, NULL), OW_CLOSED);
    gate_fini(&gate);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), 0);
}

static void keeps_the_handle_until_leaked_readers_are_back(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_conn *leaked, *other;
    struct ow_report report;
    struct ow_err err = {0};
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "leak", .timeout_ms = WAIT_MS},
                                       &leaked, NULL),
                     0);
    assert_int_equal(ow_close(db, 10, &report, &err), OW_BUG);
    assert_int_equal(report.leaked_readers, 1);
    int64_t value = 1;
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, 10, NULL), OW_CLOSED);
    assert_int_equal(
        ow_reader_acquire(db, &(struct ow_read){.label = "late", .timeout_ms = 10}, &other, NULL),
        OW_CLOSED);
    assert_int_equal(ow_exec(leaked, "SELECT count(*) FROM item", NULL), 0);
    ow_reader_release(leaked);
    close_items(db);
}

struct late_reader {
    struct ow *db;
    struct gate gate;
    int rc;
    bool passed;
};

static void *release_later(void *arg)
{
    struct late_reader *late = arg;
    struct ow_conn *reader;
    late->rc = ow_reader_acquire(
        late->db, &(struct ow_read){.label = "late", .timeout_ms = WAIT_MS}, &reader, NULL);
    late->passed = gate_pass(&late->gate);
    late->rc |= ow_reader_release(reader);
    return NULL;
}

static void waits_for_a_reader_that_comes_back_in_time(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct late_reader late = {.db = open_items(dir, NULL)};
    pthread_t thread;
    gate_init(&late.gate);
    assert_int_equal(thread_start(&thread, "late", release_later, &late, NULL), 0);
    assert_true(gate_wait_arrived(&late.gate, 1));
    gate_open(&late.gate);
    close_items(late.db);
    pthread_join(thread, NULL);
    assert_true(late.passed);
    assert_int_equal(late.rc, 0);
    gate_fini(&late.gate);
}

struct caller {
    struct ow *db;
    struct gate *gate;
    int64_t next;
    int rc;
    int64_t acknowledged;
};

static void *write_until_closed(void *arg)
{
    struct caller *c = arg;
    do {
        int64_t value = c->next++;
        c->rc = ow_write(c->db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, NULL);
        c->acknowledged += c->rc == 0;
        if (c->acknowledged == 5)
            gate_pass(c->gate);
    } while (!c->rc);
    return NULL;
}

/* A reader stays out so that the handle outlives the callers, who learn of the end from their
 * calls. */
static void answers_every_caller_that_is_inside(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct caller callers[4];
    pthread_t threads[4];
    struct ow_conn *reader;
    struct ow_report report;
    int64_t acknowledged = 0;
    gate_init(&gate);
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "keeper", .timeout_ms = WAIT_MS},
                                       &reader, NULL),
                     0);
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){.db = db, .gate = &gate, .next = i * 1000000};
        assert_int_equal(thread_start(&threads[i], "caller", write_until_closed, &callers[i], NULL),
                         0);
    }
    assert_true(gate_wait_arrived(&gate, 4));
    gate_open(&gate);
    assert_int_equal(ow_close(db, 50, &report, NULL), OW_BUG);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].rc, OW_CLOSED);
        acknowledged += callers[i].acknowledged;
    }
    ow_reader_release(reader);
    close_items(db);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item"), acknowledged);
}

static void accepts_nothing_to_close(void **state)
{
    (void)state;
    struct ow_report report;
    assert_int_equal(ow_close(NULL, 10, &report, NULL), 0);
    ow_reader_release(NULL);
}

/* What a forked child is told; bit i is set when call i was wrong. */
static int calls_of_a_child(struct ow *db, struct ow_conn *reader, struct ow_ticket *ticket)
{
    struct ow_conn *other;
    struct ow_metrics metrics;
    struct ow_ticket none = {0};
    sqlite3_stmt *stmt;
    int64_t value = 1;
    const int rc[] = {
        ow_write(db, OW_LANE_NORMAL, insert_item, &value, 50, NULL),
        ow_submit(db, OW_LANE_NORMAL, insert_item, &value, 50, &none, NULL),
        ow_wait(db, ticket, 50, NULL, NULL),
        ow_reader_acquire(db, &(struct ow_read){.label = "child", .timeout_ms = 50}, &other, NULL),
        ow_prepare(reader, "SELECT 1", &stmt, NULL),
        ow_exec(reader, "SELECT 1", NULL),
        ow_migrate(db, NULL, 0, NULL),
        ow_close(db, 50, NULL, NULL),
    };
    int wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(rc); i++)
        wrong |= (rc[i] != OW_CLOSED) << i;
    ow_reader_release(reader);
    ow_metrics_read(db, &metrics);
    return wrong;
}

static void refuses_every_call_of_a_forked_child(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct ow_ticket ticket = {0};
    struct ow_conn *reader;
    gate_init(&gate);
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "fork", .timeout_ms = WAIT_MS},
                                       &reader, NULL),
                     0);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, wait_at_gate, &gate, WAIT_MS, &ticket, NULL), 0);
    assert_true(gate_wait_arrived(&gate, 1));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(calls_of_a_child(db, reader, &ticket));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    write_item(db, 1);
    ow_reader_release(reader);
    close_items(db);
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_what_was_queued_before_it_returns),
        cmocka_unit_test(tells_a_ticket_the_truth_while_closing),
        cmocka_unit_test(leaves_no_log_behind),
        cmocka_unit_test(abandons_what_cannot_be_written_before_the_deadline),
        cmocka_unit_test(keeps_the_handle_until_leaked_readers_are_back),
        cmocka_unit_test(waits_for_a_reader_that_comes_back_in_time),
        cmocka_unit_test(answers_every_caller_that_is_inside),
        cmocka_unit_test(accepts_nothing_to_close),
        cmocka_unit_test(refuses_every_call_of_a_forked_child),
    };
    return cmocka_run_group_tests_name("closing", tests, NULL, NULL);
}
