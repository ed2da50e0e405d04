/* Results by callback and through a completion queue that a loop watches with poll. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "onewriter/database.h"
#include "ow_support.h"

static const struct ow_read how = {.label = "posted", .timeout_ms = WAIT_MS};

struct ended {
    int64_t count;
    int calls, code;
    int64_t commit_seq;
    pthread_t thread;
    struct gate *gate;
};

static int count_items(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return ow_get_int(conn, "SELECT count(*) FROM item", NULL, 0, &((struct ended *)ctx)->count,
                      err);
}

static int fail_it(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    (void)ctx;
    return ow_refuse(err, OW_CALLER, "refused");
}

static int pass_gate(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return wait_at_gate(conn, ((struct ended *)ctx)->gate, err);
}

static void note_end(void *ctx, int64_t commit_seq, const struct ow_err *err)
{
    struct ended *ended = ctx;
    ended->calls++;
    ended->code = (int)err->code;
    ended->commit_seq = commit_seq;
    ended->thread = pthread_self();
    if (ended->gate)
        gate_pass(ended->gate);
}

static bool is_readable(struct ow_cq *cq, int timeout_ms)
{
    struct pollfd fd = {.fd = ow_cq_fd(cq), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1 && (fd.revents & POLLIN);
}

static struct ow_cq *open_queue(void)
{
    struct ow_cq *cq;
    struct ow_err err;
    if (ow_cq_open(&cq, &err))
        fail_msg("%s", err.text);
    return cq;
}

static void tells_every_end_once_on_the_dispatching_thread(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_cq *cq = open_queue();
    struct ended ended[300] = {0};
    int told = 0;
    assert_false(is_readable(cq, 0));
    assert_int_equal(ow_cq_dispatch(cq), 0);
    write_item(db, 1);
    for (int i = 0; i < 300; i++)
        assert_int_equal(
            ow_read_post(db, &how, i % 3 ? count_items : fail_it, &ended[i], note_end, cq, NULL),
            0);
    while (told < 300) {
        assert_true(is_readable(cq, WAIT_MS));
        told += ow_cq_dispatch(cq);
    }
    assert_int_equal(told, 300);
    assert_false(is_readable(cq, 0));
    for (int i = 0; i < 300; i++) {
        assert_int_equal(ended[i].calls, 1);
        assert_int_equal(ended[i].code, i % 3 ? OW_OK : OW_CALLER);
        assert_int_equal(ended[i].count, i % 3 ? 1 : 0);
        assert_int_equal(ended[i].commit_seq, 0);
        assert_true(pthread_equal(ended[i].thread, pthread_self()));
    }
    close_items(db);
    ow_cq_close(cq);
}

static void stays_readable_until_it_is_dispatched(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_cq *cq = open_queue();
    struct ended ended = {0};
    assert_int_equal(ow_read_post(db, &how, count_items, &ended, note_end, cq, NULL), 0);
    assert_true(is_readable(cq, WAIT_MS));
    assert_true(is_readable(cq, 0));
    assert_int_equal(ended.calls, 0);
    assert_int_equal(ow_cq_dispatch(cq), 1);
    assert_int_equal(ended.calls, 1);
    assert_false(is_readable(cq, 0));
    close_items(db);
    ow_cq_close(cq);
}

static void calls_back_on_the_librarys_thread_without_a_queue(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct gate gate;
    struct ended ended = {.gate = &gate};
    gate_init(&gate);
    gate_open(&gate);
    assert_int_equal(ow_read_post(db, &how, count_items, &ended, note_end, NULL, NULL), 0);
    assert_true(gate_wait_arrived(&gate, 1));
    close_items(db); /* joins the thread */
    assert_int_equal(ended.calls, 1);
    assert_int_equal(ended.code, OW_OK);
    assert_false(pthread_equal(ended.thread, pthread_self()));
    gate_fini(&gate);
}

static void tells_what_still_waits_when_it_is_closed(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_cq *cq = open_queue();
    struct ended ended[5] = {0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(ow_read_post(db, &how, count_items, &ended[i], note_end, cq, NULL), 0);
    close_items(db);
    ow_cq_close(cq);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ended[i].calls, 1);
        assert_int_equal(ended[i].code, OW_OK);
    }
    ow_cq_close(NULL);
}

/* A full lane and a close that comes too early: both kinds of job that no thread ever runs. */
static void tells_the_end_of_reads_that_never_ran(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct gate gate;
    ow_options_init(&options, NULL);
    options.thread_pool_size = 1;
    options.readers = 1;
    options.lane[0] = (struct ow_lane_limit){1, 1 << 20, OW_DROP_OLDEST};
    struct ow *db = open_items(dir, &options);
    struct ended blocker = {.gate = &gate}, dropped = {0}, queued = {0};
    struct ow_ticket ticket = {0};
    struct ow_report report;
    gate_init(&gate);
    assert_int_equal(ow_read_submit(db, &how, pass_gate, &blocker, &ticket, NULL), 0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_read_post(db, &how, count_items, &dropped, note_end, NULL, NULL), 0);
    assert_int_equal(ow_read_post(db, &how, count_items, &queued, note_end, NULL, NULL), 0);
    assert_int_equal(ow_close(db, 5, &report, NULL), OW_BUG); /* the blocker has its reader */
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_close(db, WAIT_MS, &report, NULL), 0);
    assert_int_equal(dropped.calls, 1);
    assert_int_equal(dropped.code, OW_QUEUE_FULL);
    assert_int_equal(queued.calls, 1);
    assert_int_equal(queued.code, OW_CLOSED);
    assert_false(pthread_equal(dropped.thread, pthread_self()));
    assert_false(pthread_equal(queued.thread, pthread_self()));
    gate_fini(&gate);
}

static void refuses_a_post_without_a_callback_and_calls_nothing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ended ended = {0};
    assert_int_equal(ow_read_post(db, &how, count_items, &ended, NULL, NULL, NULL), OW_BUG);
    assert_int_equal(ow_read_post(db, &how, NULL, &ended, note_end, NULL, NULL), OW_BUG);
    close_items(db);
    assert_int_equal(ended.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_every_end_once_on_the_dispatching_thread),
        cmocka_unit_test(stays_readable_until_it_is_dispatched),
        cmocka_unit_test(calls_back_on_the_librarys_thread_without_a_queue),
        cmocka_unit_test(tells_what_still_waits_when_it_is_closed),
        cmocka_unit_test(tells_the_end_of_reads_that_never_ran),
        cmocka_unit_test(refuses_a_post_without_a_callback_and_calls_nothing),
    };
    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
