/* The executor: more threads than readers, order, bounded lanes, cancelling, closing. */
#include <stdio.h>
#include <string.h>

#include "onewriter/database.h"
#include "ow_support.h"

static const struct ow_read how = {.label = "read", .timeout_ms = WAIT_MS};

static struct ow *open_executor(const char *dir, int threads, int readers, uint32_t max_jobs,
                                enum ow_policy policy, struct events *events)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.thread_pool_size = threads;
    options.readers = readers;
    if (events)
        events_init(events, &options);
    for (int i = 0; i < OW_LANES; i++) {
        options.lane[i].max_jobs = max_jobs;
        options.lane[i].policy = policy;
    }
    return open_items(dir, &options);
}

static int count_items(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return ow_get_int(conn, "SELECT count(*) FROM item", NULL, 0, ctx, err);
}

static int say_nothing(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    (void)ctx;
    (void)err;
    return OW_CONFIG;
}

/* Passes the gate and notes its turn. */
struct turn_note {
    struct gate *gate;
    _Atomic int *turns;
    int turn;
    char thread[16];
};

static int note_turn(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct turn_note *note = ctx;
    note->turn = atomic_fetch_add(note->turns, 1);
    pthread_getname_np(pthread_self(), note->thread, sizeof(note->thread));
    return note->gate ? wait_at_gate(conn, note->gate, err) : 0;
}

static int run_endless(struct ow_conn *conn, void *ctx, struct ow_err *err)
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

static struct ow_ticket submit(struct ow *db, const struct ow_read *read, ow_job_fn *fn, void *ctx)
{
    struct ow_ticket ticket = {0};
    struct ow_err err;
    if (ow_read_submit(db, read, fn, ctx, &ticket, &err))
        fail_msg("%s", err.text);
    return ticket;
}

static struct ow_metrics measure(struct ow *db)
{
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    return metrics;
}

static void runs_many_reads_on_more_threads_than_readers(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_executor(dir, 10, 5, 4096, OW_BLOCK, &events);
    struct ow_ticket tickets[500];
    int64_t counts[500];
    assert_int_equal(events_count(&events, OW_EVENT_EXECUTOR_OPENED), 1);
    assert_int_equal(events.last[OW_EVENT_EXECUTOR_OPENED].a, 10);
    assert_int_equal(db->executor.started, 0); /* only when work arrives */
    write_item(db, 1);
    for (int i = 0; i < 500; i++)
        tickets[i] = submit(db, &how, count_items, &counts[i]);
    for (int i = 0; i < 500; i++) {
        int64_t seq = -1;
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, &seq, NULL), 0);
        assert_null(tickets[i].job);
        assert_int_equal(counts[i], 1);
        assert_int_equal(seq, 0);
    }
    assert_in_range(db->executor.started, 1, 10);
    close_items(db);
    events_fini(&events);
}

static void brings_the_error_of_a_read(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 1, 10, OW_BLOCK, NULL);
    struct ow_err err = {0};
    struct ow_ticket ticket = submit(db, &how, say_nothing, NULL);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, &err), OW_CONFIG);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(ow_read_submit(db, &how, NULL, NULL, &ticket, &err), OW_BUG);
    assert_int_equal(ow_read_submit(db, &(struct ow_read){.lane = (enum ow_lane)9}, count_items,
                                    NULL, &ticket, &err),
                     OW_BUG);
    close_items(db);
}

/* One thread stands at the gate while the others queue; then they run by lane. */
static void runs_urgent_reads_first_and_each_lane_in_order(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 2, 10, OW_BLOCK, NULL);
    struct gate gate;
    _Atomic int turns = 0;
    const enum ow_lane lanes[] = {OW_LANE_BULK, OW_LANE_BULK, OW_LANE_URGENT, OW_LANE_URGENT};
    const int expected[] = {3, 4, 1, 2};
    struct turn_note first = {.gate = &gate, .turns = &turns}, notes[4];
    struct ow_ticket tickets[5];
    gate_init(&gate);
    tickets[4] = submit(db, &how, note_turn, &first);
    assert_true(gate_wait_arrived(&gate, 1));
    for (int i = 0; i < 4; i++) {
        struct ow_read read = how;
        read.lane = lanes[i];
        notes[i] = (struct turn_note){.turns = &turns, .turn = -1};
        tickets[i] = submit(db, &read, note_turn, &notes[i]);
        if (lanes[i] == OW_LANE_URGENT) {
            /* As if all had come at one moment: lanes differ by 500 ms, machines by more. */
            LOCK(&db->executor.lock);
            tickets[i].job->submitted_us = tickets[0].job->submitted_us;
        }
    }
    assert_int_equal(measure(db).reads_queued, 4);
    assert_int_equal(measure(db).executor_running, 1);
    gate_open(&gate);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(notes[i].turn, expected[i]);
    assert_string_equal(first.thread, "ow-exec-1");
    close_items(db);
    gate_fini(&gate);
}

/* ---- limits ---- */

static void rejects_at_once_or_at_the_deadline_when_the_lane_is_full(void **state)
{
    (void)state;
    const enum ow_policy policies[] = {OW_REJECT, OW_BLOCK};
    for (int p = 0; p < 2; p++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow *db = open_executor(dir, 1, 1, 1, policies[p], NULL);
        struct gate gate;
        struct ow_err err = {0};
        int64_t count = 0;
        gate_init(&gate);
        struct ow_ticket running = submit(db, &how, wait_at_gate, &gate), refused = {0};
        assert_true(gate_wait_arrived(&gate, 1));
        struct ow_ticket queued = submit(db, &how, count_items, &count);
        struct ow_read soon = how;
        soon.timeout_ms = policies[p] == OW_BLOCK ? 10 : WAIT_MS;
        assert_int_equal(ow_read_submit(db, &soon, count_items, &count, &refused, &err),
                         OW_QUEUE_FULL);
        assert_null(refused.job);
        struct ow_read other = soon;
        other.lane = OW_LANE_BULK; /* has places of its own */
        struct ow_ticket bulk = submit(db, &other, count_items, &count);
        assert_int_equal(measure(db).lane[0].rejected, 1);
        gate_open(&gate);
        assert_int_equal(ow_wait(db, &running, WAIT_MS, NULL, NULL), 0);
        assert_int_equal(ow_wait(db, &queued, WAIT_MS, NULL, NULL), 0);
        ow_wait(db, &bulk, WAIT_MS, NULL, NULL);
        close_items(db);
        gate_fini(&gate);
    }
}

struct submitter {
    struct ow *db;
    int64_t count;
    int rc;
};

static void *submit_and_wait(void *arg)
{
    struct submitter *s = arg;
    struct ow_ticket ticket = {0};
    s->rc = ow_read_submit(s->db, &how, count_items, &s->count, &ticket, NULL);
    if (!s->rc)
        s->rc = ow_wait(s->db, &ticket, WAIT_MS, NULL, NULL);
    return NULL;
}

static int waiting_for_a_place(struct ow *db)
{
    LOCK(&db->executor.lock);
    return db->executor.lane[0].turn.length;
}

static void gives_a_freed_place_to_who_waits(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 1, 1, OW_BLOCK, NULL);
    struct gate gate;
    struct submitter submitters[3];
    pthread_t threads[3];
    gate_init(&gate);
    struct ow_ticket running = submit(db, &how, wait_at_gate, &gate);
    assert_true(gate_wait_arrived(&gate, 1));
    for (int i = 0; i < 3; i++) {
        submitters[i] = (struct submitter){.db = db, .count = -1};
        assert_int_equal(
            thread_start(&threads[i], "submitter", submit_and_wait, &submitters[i], NULL), 0);
    }
    while (waiting_for_a_place(db) < 2)
        sched_yield();
    gate_open(&gate);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(submitters[i].rc, 0);
        assert_int_equal(submitters[i].count, 0);
    }
    assert_int_equal(ow_wait(db, &running, WAIT_MS, NULL, NULL), 0);
    close_items(db);
    gate_fini(&gate);
}

static void drops_the_oldest_when_told_so(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_executor(dir, 1, 1, 2, OW_DROP_OLDEST, &events);
    struct gate gate;
    int64_t counts[3];
    struct ow_ticket tickets[3];
    gate_init(&gate);
    struct ow_ticket running = submit(db, &how, wait_at_gate, &gate);
    assert_true(gate_wait_arrived(&gate, 1));
    for (int i = 0; i < 3; i++)
        tickets[i] = submit(db, &how, count_items, &counts[i]);
    assert_int_equal(ow_wait(db, &tickets[0], WAIT_MS, NULL, NULL), OW_QUEUE_FULL);
    assert_int_equal(events_count(&events, OW_EVENT_DROPPED), 1);
    assert_int_equal(events.last[OW_EVENT_DROPPED].a, 1);
    assert_int_equal(measure(db).lane[0].dropped, 1);
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &tickets[1], WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &tickets[2], WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &running, WAIT_MS, NULL, NULL), 0);
    close_items(db);
    events_fini(&events);
    gate_fini(&gate);
}

/* ---- cancelling ---- */

static void cancels_a_queued_read_and_a_running_one(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 1, 10, OW_BLOCK, NULL);
    struct gate gate;
    int64_t count = -1;
    struct ow_err err = {0};
    gate_init(&gate);
    struct ow_ticket running = submit(db, &how, run_endless, &gate);
    assert_true(gate_wait_arrived(&gate, 1));
    struct ow_ticket queued = submit(db, &how, count_items, &count);
    struct ow_ticket after = submit(db, &how, count_items, &count);
    assert_int_equal(ow_cancel(db, &queued, NULL), 0);
    assert_int_equal(ow_wait(db, &queued, 0, NULL, &err), OW_CANCELLED);
    assert_int_equal(count, -1);
    assert_int_equal(ow_wait(db, &running, 1, NULL, NULL), OW_TIMEOUT);
    assert_int_equal(ow_cancel(db, &running, NULL), 0);
    assert_int_equal(ow_wait(db, &running, WAIT_MS, NULL, &err), OW_CANCELLED);
    assert_int_equal(ow_wait(db, &after, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(count, 0);
    after = submit(db, &how, count_items, &count);
    while (measure(db).reads_queued + measure(db).executor_running)
        sched_yield();
    assert_int_equal(ow_cancel(db, &after, NULL), 0); /* faster than the cancel */
    assert_int_equal(ow_wait(db, &after, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_cancel(db, &after, NULL), OW_BUG);
    close_items(db);
    gate_fini(&gate);
}

/* The read waits for its reader when it is cancelled. */
static void cancels_a_read_that_waits_for_a_reader(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 1, 10, OW_BLOCK, NULL);
    struct ow_conn *only;
    int64_t count = -1;
    assert_int_equal(ow_reader_acquire(db, &how, &only, NULL), 0);
    struct ow_ticket ticket = submit(db, &how, count_items, &count);
    while (!measure(db).readers_waited_for)
        sched_yield();
    assert_int_equal(ow_cancel(db, &ticket, NULL), 0);
    ow_reader_release(only);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), OW_CANCELLED);
    assert_int_equal(count, -1);
    close_items(db);
}

/* ---- closing ---- */

static void finishes_queued_reads_while_closing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 2, 1, 4096, OW_BLOCK, NULL);
    struct ow_ticket tickets[200];
    int64_t counts[200];
    for (int i = 0; i < 200; i++)
        tickets[i] = submit(db, &how, count_items, &counts[i]);
    close_items(db);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(ow_wait(db, &tickets[i], 0, NULL, NULL), 0); /* outlives the handle */
        assert_int_equal(counts[i], 0);
    }
}

static void ends_running_and_abandons_queued_reads_at_the_deadline(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 2, 3, 4096, OW_BLOCK, NULL);
    struct gate gate;
    struct ow_ticket running[2], queued[3];
    int64_t count;
    struct ow_report report;
    gate_init(&gate);
    for (int i = 0; i < 2; i++)
        running[i] = submit(db, &how, run_endless, &gate);
    assert_true(gate_wait_arrived(&gate, 2));
    for (int i = 0; i < 3; i++)
        queued[i] = submit(db, &how, count_items, &count);
    assert_int_equal(ow_close(db, 20, &report, NULL), OW_TIMEOUT);
    assert_int_equal(report.jobs_abandoned, 3);
    assert_int_equal(report.leaked_readers, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ow_wait(db, &running[i], 0, NULL, NULL), OW_CANCELLED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ow_wait(db, &queued[i], 0, NULL, NULL), OW_CLOSED);
    gate_fini(&gate);
}

/* A function that does not come back keeps its reader: the close says so and can be repeated. */
static void keeps_the_handle_while_a_read_does_not_return(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_executor(dir, 1, 1, 10, OW_BLOCK, NULL);
    struct gate gate;
    struct ow_report report;
    struct ow_err err = {0};
    gate_init(&gate);
    struct ow_ticket stuck = submit(db, &how, wait_at_gate, &gate);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_close(db, 5, &report, &err), OW_BUG);
    assert_int_equal(report.leaked_readers, 1);
    assert_string_equal(report.first_leak, "read");
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &stuck, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_close(db, WAIT_MS, &report, &err), 0);
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_many_reads_on_more_threads_than_readers),
        cmocka_unit_test(brings_the_error_of_a_read),
        cmocka_unit_test(runs_urgent_reads_first_and_each_lane_in_order),
        cmocka_unit_test(rejects_at_once_or_at_the_deadline_when_the_lane_is_full),
        cmocka_unit_test(gives_a_freed_place_to_who_waits),
        cmocka_unit_test(drops_the_oldest_when_told_so),
        cmocka_unit_test(cancels_a_queued_read_and_a_running_one),
        cmocka_unit_test(cancels_a_read_that_waits_for_a_reader),
        cmocka_unit_test(finishes_queued_reads_while_closing),
        cmocka_unit_test(ends_running_and_abandons_queued_reads_at_the_deadline),
        cmocka_unit_test(keeps_the_handle_while_a_read_does_not_return),
    };
    return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
