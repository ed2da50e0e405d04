/* Writing: groups, failing jobs among innocent ones, deadlines, tickets, the commit's number. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ow_support.h"

static struct ow_ticket submit(struct ow *db, ow_job_fn *fn, void *ctx)
{
    struct ow_ticket ticket = {0};
    struct ow_err err;
    if (ow_submit(db, OW_LANE_NORMAL, fn, ctx, WAIT_MS, &ticket, &err))
        fail_msg("%s", err.text);
    return ticket;
}

static void commits_what_was_written(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    for (int64_t i = 0; i < 100; i++) {
        write_item(db, i);
        assert_int_equal(read_int(db, "SELECT count(*) FROM item"), i + 1);
    }
    close_items(db);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT sum(value) FROM item"), 4950);
}

static void writes_many_waiting_jobs_in_one_group(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    struct ow_ticket tickets[50];
    int64_t values[50], first = 0, seq = 0;
    hold_writer(db, &held);
    for (int i = 0; i < 50; i++) {
        values[i] = i;
        tickets[i] = submit(db, insert_item, &values[i]);
    }
    int64_t before = ow_commit_seq(db);
    let_writer_go(db, &held);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, i ? &seq : &first, NULL), 0);
        if (i)
            assert_int_equal(seq, first);
    }
    assert_int_equal(first, before + 1);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.group_jobs.max_us, 51);
    close_items(db);
}

static void rolls_a_failing_job_back_alone(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    int64_t values[] = {1, 2, 2, 3, 1, 4};
    const int expected[] = {0, 0, OW_CALLER, 0, OW_CALLER, 0};
    struct ow_ticket tickets[6];
    struct held held;
    int64_t seq[6] = {0};
    hold_writer(db, &held);
    for (int i = 0; i < 6; i++)
        tickets[i] = submit(db, insert_item, &values[i]);
    let_writer_go(db, &held);
    for (int i = 0; i < 6; i++) {
        struct ow_err err = {0};
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, &seq[i], &err), expected[i]);
        assert_int_equal(err.sqlite_code, expected[i] ? SQLITE_CONSTRAINT_UNIQUE : 0);
        assert_null(tickets[i].job);
    }
    assert_int_equal(seq[0], seq[5]);
    assert_int_equal(seq[2], 0);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 1 + 2 + 3 + 4);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_failed, 2);
    assert_int_equal(metrics.jobs_rerun, 0);
    close_items(db);
}

/* Job: inserts, then fails by its own decision. */
static int insert_and_refuse(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = insert_item(conn, ctx, err);
    if (rc)
        return rc;
    err->code = OW_CANCELLED;
    snprintf(err->text, sizeof(err->text), "changed my mind");
    return OW_CANCELLED;
}

static void undoes_a_lone_job_that_decides_to_fail(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_err err = {0};
    int64_t value = 7, before = ow_commit_seq(db);
    assert_int_equal(ow_write(db, OW_LANE_BULK, insert_and_refuse, &value, WAIT_MS, &err),
                     OW_CANCELLED);
    assert_string_equal(err.text, "changed my mind");
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 0);
    assert_int_equal(ow_commit_seq(db), before);
    close_items(db);
}

/* Jobs that make SQLite roll back the whole transaction, each in another way. */
static int insert_or_rollback(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn, "INSERT OR ROLLBACK INTO item(value) VALUES(1)", err);
}

static int interrupted_insert(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn,
                        "INSERT INTO item(value) WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL "
                        "SELECT i + 1 + interrupt_me() FROM n) SELECT i FROM n LIMIT 100000",
                        &stmt, err);
    if (rc)
        return rc;
    return sqlite3_step(stmt) == SQLITE_DONE ? 0 : ow_conn_fail(conn, "interrupted", err);
}

static void interrupt_me(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    sqlite3_interrupt(sqlite3_context_db_handle(context));
    sqlite3_result_int(context, 0);
}

static int add_interrupt_function(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    (void)err;
    return sqlite3_create_function(ow_conn_handle(conn), "interrupt_me", 0, SQLITE_UTF8, NULL,
                                   interrupt_me, NULL, NULL);
}

static void runs_the_innocent_again_when_one_job_ends_the_transaction(void **state)
{
    (void)state;
    const struct {
        ow_job_fn *fn;
        int code, sqlite_code;
    } culprits[] = {{insert_or_rollback, OW_CALLER, SQLITE_CONSTRAINT_UNIQUE},
                    {interrupted_insert, OW_CANCELLED, SQLITE_INTERRUPT}};
    for (size_t c = 0; c < ARRAY_LEN(culprits); c++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow *db = open_items(dir, NULL);
        struct ow_ticket tickets[5];
        int64_t values[] = {1, 2, 0, 3, 4};
        struct held held;
        struct ow_metrics metrics;
        assert_int_equal(ow_write(db, OW_LANE_NORMAL, add_interrupt_function, NULL, WAIT_MS, NULL),
                         0);
        hold_writer(db, &held);
        for (int i = 0; i < 5; i++)
            tickets[i] = submit(db, i == 2 ? culprits[c].fn : insert_item, &values[i]);
        let_writer_go(db, &held);
        for (int i = 0; i < 5; i++) {
            struct ow_err err = {0};
            int rc = ow_wait(db, &tickets[i], WAIT_MS, NULL, &err);
            assert_int_equal(rc, i == 2 ? culprits[c].code : 0);
            assert_int_equal(err.sqlite_code, i == 2 ? culprits[c].sqlite_code : 0);
        }
        assert_int_equal(read_int(db, "SELECT group_concat(value, '') FROM item"), 1234);
        ow_metrics_read(db, &metrics);
        assert_true(metrics.jobs_rerun >= 2);
        close_items(db);
    }
}

/* Job: inserts a row of so many bytes. */
static int insert_blob(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "INSERT INTO item(id, value) VALUES(NULL, zeroblob(%d))",
             atomic_load((_Atomic int *)ctx));
    return ow_exec(conn, sql, err);
}

/* Job: limits the size of the database; the guard would refuse that, so it goes first. */
static int limit_pages(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)err;
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%d", *(int *)ctx);
    sqlite3_set_authorizer(ow_conn_handle(conn), NULL, NULL);
    return sqlite3_exec(ow_conn_handle(conn), sql, NULL, NULL, NULL);
}

static void writes_the_innocent_and_holds_the_job_that_does_not_fit(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    options.retry_base_delay_ms = 1;
    struct ow *db = open_items(dir, &options);
    int pages = 40;
    _Atomic int bytes = 1000000;
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, limit_pages, &pages, WAIT_MS, NULL), 0);
    int64_t values[] = {1, 2};
    struct held held;
    struct ow_metrics metrics;
    hold_writer(db, &held);
    struct ow_ticket before = submit(db, insert_item, &values[0]);
    struct ow_ticket culprit = submit(db, insert_blob, &bytes);
    let_writer_go(db, &held);
    assert_int_equal(ow_wait(db, &before, WAIT_MS, NULL, NULL), 0);
    assert_true(events_wait(&events, OW_EVENT_HOLD, 1));
    assert_int_equal(ow_wait(db, &culprit, 0, NULL, NULL), OW_TIMEOUT);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.holding);

    atomic_store(&bytes, 10000); /* as good as space becoming free */
    struct ow_ticket after = submit(db, insert_item, &values[1]);
    assert_int_equal(ow_wait(db, &culprit, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &after, WAIT_MS, NULL, NULL), 0);
    assert_true(events_wait(&events, OW_EVENT_RESUMED, 1));
    assert_int_equal(events_count(&events, OW_EVENT_HOLD), 1);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 3);
    close_items(db);
    events_fini(&events);
}

static void answers_a_held_job_at_its_deadline_with_the_reason(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.retry_base_delay_ms = 1;
    struct ow *db = open_items(dir, &options);
    int pages = 20;
    _Atomic int bytes = 1000000;
    struct ow_err err = {0};
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, limit_pages, &pages, WAIT_MS, NULL), 0);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_blob, &bytes, 50, &err), OW_DISK_FULL);
    assert_int_equal(err.sqlite_code, SQLITE_FULL);
    write_item(db, 1);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
}

static void withdraws_a_queued_job_at_its_deadline(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    int64_t value = 1;
    hold_writer(db, &held);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, 20, NULL), OW_TIMEOUT);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_false(is_queued(&metrics, 1));
    let_writer_go(db, &held);
    write_item(db, 2);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 2);
    close_items(db);
}

struct slow_job {
    struct gate gate;
    int64_t value;
};

static int insert_slowly(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct slow_job *job = ctx;
    int rc = insert_item(conn, &job->value, err);
    if (rc)
        return rc;
    return gate_pass(&job->gate) ? 0 : OW_BUG;
}

struct writing {
    struct ow *db;
    struct slow_job *job;
    int rc;
};

static void *write_slowly(void *arg)
{
    struct writing *w = arg;
    w->rc = ow_write(w->db, OW_LANE_NORMAL, insert_slowly, w->job, 1, NULL);
    return NULL;
}

static void awaits_the_end_of_a_job_that_already_runs(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct slow_job job = {.value = 5};
    struct writing writing = {.db = db, .job = &job, .rc = -1};
    pthread_t thread;
    gate_init(&job.gate);
    /* The deadline is one millisecond away: try until the writer was faster. */
    for (writing.rc = OW_TIMEOUT; writing.rc == OW_TIMEOUT;) {
        assert_int_equal(thread_start(&thread, "writing", write_slowly, &writing, NULL), 0);
        gate_wait_arrived(&job.gate, 1);
        gate_open(&job.gate);
        pthread_join(thread, NULL);
    }
    assert_int_equal(writing.rc, 0);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 5);
    gate_fini(&job.gate);
    close_items(db);
}

static void keeps_the_ticket_of_an_unfinished_job(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    int64_t value = 1, seq = 0;
    hold_writer(db, &held);
    struct ow_ticket ticket = submit(db, insert_item, &value);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ow_wait(db, &ticket, 1, &seq, NULL), OW_TIMEOUT);
        assert_non_null(ticket.job);
    }
    let_writer_go(db, &held);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, &seq, NULL), 0);
    assert_int_equal(seq, ow_commit_seq(db));
    assert_int_equal(ow_wait(db, &ticket, 0, &seq, NULL), OW_BUG);
    close_items(db);
}

static void says_when_a_lane_stayed_full(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.lane[OW_LANE_NORMAL].max_jobs = 2;
    struct ow *db = open_items(dir, &options);
    struct held held;
    int64_t values[] = {1, 2, 3, 4};
    hold_writer(db, &held);
    struct ow_ticket one = submit(db, insert_item, &values[0]);
    struct ow_ticket two = submit(db, insert_item, &values[1]);
    struct ow_ticket none = {0}, bulk = {0};
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &values[2], 5, &none, NULL),
                     OW_QUEUE_FULL);
    assert_null(none.job);
    assert_int_equal(ow_submit(db, OW_LANE_BULK, insert_item, &values[3], 5, &bulk, NULL), 0);
    let_writer_go(db, &held);
    assert_int_equal(ow_wait(db, &one, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &two, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &bulk, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 1 + 2 + 4);
    close_items(db);
}

static int leave_a_statement_running(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc =
        ow_prepare(conn, "INSERT INTO item(value) VALUES(?1), (?1 + 1) RETURNING id", &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, *(int64_t *)ctx);
    return sqlite3_step(stmt) == SQLITE_ROW ? 0 : ow_conn_fail(conn, "inserting two", err);
}

static void ends_statements_that_a_job_left_running(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    int64_t values[] = {10, 20, 30};
    struct ow_ticket tickets[3];
    hold_writer(db, &held);
    for (int i = 0; i < 3; i++)
        tickets[i] = submit(db, leave_a_statement_running, &values[i]);
    let_writer_go(db, &held);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 6);
    close_items(db);
}

static void numbers_commits_across_restarts_one_per_group(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    int64_t groups = 0, value = 0;
    for (int run = 0; run < 3; run++) {
        struct ow *db = open_items(dir, NULL);
        struct ow_metrics metrics;
        assert_int_equal(ow_commit_seq(db), groups + (run == 0)); /* the migration is one */
        for (int i = 0; i < 5; i++)
            write_item(db, value++);
        ow_metrics_read(db, &metrics);
        assert_int_equal(metrics.commit_seq, ow_commit_seq(db));
        groups += (int64_t)metrics.groups;
        close_items(db);
        assert_int_equal(read_int_outside(items_path(dir), "SELECT seq FROM ow_commit"), groups);
    }
}

static void refuses_a_job_without_a_function_or_a_lane(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_err err = {0};
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, NULL, NULL, WAIT_MS, &err), OW_BUG);
    assert_int_equal(ow_write(db, OW_LANES, insert_item, NULL, WAIT_MS, &err), OW_BUG);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_what_was_written),
        cmocka_unit_test(writes_many_waiting_jobs_in_one_group),
        cmocka_unit_test(rolls_a_failing_job_back_alone),
        cmocka_unit_test(undoes_a_lone_job_that_decides_to_fail),
        cmocka_unit_test(runs_the_innocent_again_when_one_job_ends_the_transaction),
        cmocka_unit_test(writes_the_innocent_and_holds_the_job_that_does_not_fit),
        cmocka_unit_test(answers_a_held_job_at_its_deadline_with_the_reason),
        cmocka_unit_test(withdraws_a_queued_job_at_its_deadline),
        cmocka_unit_test(awaits_the_end_of_a_job_that_already_runs),
        cmocka_unit_test(keeps_the_ticket_of_an_unfinished_job),
        cmocka_unit_test(says_when_a_lane_stayed_full),
        cmocka_unit_test(ends_statements_that_a_job_left_running),
        cmocka_unit_test(numbers_commits_across_restarts_one_per_group),
        cmocka_unit_test(refuses_a_job_without_a_function_or_a_lane),
    };
    return cmocka_run_group_tests_name("writing", tests, NULL, NULL);
}
