/* Loans: whose a reader is, what is answered to who misuses it, cancelling, waiting for a commit,
 * figures by label. */
#include <stdio.h>
#include <string.h>

#include "onewriter/database.h"
#include "ow_support.h"

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                              "SELECT count(*) FROM n";

static struct ow *open_with_readers(const char *dir, int readers)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = readers;
    return open_items(dir, &options);
}

static struct ow_conn *acquire(struct ow *db, const char *label)
{
    struct ow_conn *reader;
    struct ow_err err;
    if (ow_reader_acquire(db, &(struct ow_read){.label = label, .timeout_ms = WAIT_MS}, &reader,
                          &err))
        fail_msg("%s", err.text);
    return reader;
}

static void answers_a_second_release_and_does_nothing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, "once");
    assert_int_equal(ow_reader_release(reader), 0);
    assert_int_equal(ow_reader_release(reader), OW_BUG);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.readers_lent, 0);
    assert_int_equal(ow_reader_release(NULL), 0);
    close_items(db);
}

struct stranger {
    struct ow_conn *reader;
    int released, prepared, executed, stepped;
    sqlite3_stmt *stmt;
};

static void *misuse(void *arg)
{
    struct stranger *s = arg;
    sqlite3_stmt *stmt;
    bool row;
    s->released = ow_reader_release(s->reader);
    s->prepared = ow_prepare(s->reader, "SELECT 1", &stmt, NULL);
    s->executed = ow_exec(s->reader, "SELECT 1", NULL);
    s->stepped = ow_step(s->reader, s->stmt, &row, NULL);
    return NULL;
}

static void refuses_a_thread_that_did_not_acquire_the_reader(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct stranger stranger = {.reader = acquire(db, "mine")};
    pthread_t thread;
    assert_int_equal(ow_prepare(stranger.reader, "SELECT 2", &stranger.stmt, NULL), 0);
    assert_int_equal(thread_start(&thread, "stranger", misuse, &stranger, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(stranger.released, OW_BUG);
    assert_int_equal(stranger.prepared, OW_BUG);
    assert_int_equal(stranger.executed, OW_BUG);
    assert_int_equal(stranger.stepped, OW_BUG);
    assert_int_equal(ow_exec(stranger.reader, "SELECT 1", NULL), 0);
    assert_int_equal(ow_reader_release(stranger.reader), 0);
    close_items(db);
}

static void refuses_the_use_of_a_released_reader(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, "gone");
    struct ow_err err = {0};
    sqlite3_stmt *stmt, *late;
    bool row;
    int64_t got;
    assert_int_equal(ow_prepare(reader, "SELECT ?1", &stmt, NULL), 0);
    ow_reader_release(reader);
    assert_int_equal(ow_prepare(reader, "SELECT 1", &late, &err), OW_BUG);
    assert_null(late);
    assert_non_null(strstr(err.text, "released"));
    assert_int_equal(ow_exec(reader, "SELECT 1", NULL), OW_BUG);
    assert_int_equal(ow_step(reader, stmt, &row, NULL), OW_BUG);
    assert_int_equal(ow_bind(reader, stmt, &(struct ow_value){.type = OW_NULL}, 1, NULL), OW_BUG);
    assert_int_equal(ow_get_int(reader, "SELECT 1", NULL, 0, &got, NULL), OW_BUG);
    close_items(db);
}

static void answers_at_once_when_a_thread_waits_for_itself(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 2);
    struct ow_conn *first = acquire(db, "first"), *second = acquire(db, "second"), *third, *two[2];
    struct ow_err err = {0};
    const struct ow_read how = {.label = "third", .timeout_ms = 1000000000};
    assert_int_equal(ow_reader_acquire(db, &how, &third, &err), OW_BUG);
    assert_null(third);
    assert_non_null(strstr(err.text, "third"));
    ow_reader_release(second);
    assert_int_equal(ow_snapshot_acquire(db, &how, two, 2, NULL, &err), OW_BUG);
    assert_int_equal(ow_reader_acquire(db, &how, &third, &err), 0); /* one is free */
    ow_reader_release(third);
    ow_reader_release(first);
    close_items(db);
}

static void refuses_a_lane_that_does_not_exist(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader;
    assert_int_equal(ow_reader_acquire(db, &(struct ow_read){.lane = OW_LANES}, &reader, NULL),
                     OW_BUG);
    close_items(db);
}

/* ---- cancelling ---- */

struct runner {
    struct ow *db;
    struct gate ready;
    _Atomic uint64_t loan;
    struct ow_err err;
    int rc, later;
};

static void *run_endless(void *arg)
{
    struct runner *r = arg;
    struct ow_conn *reader;
    r->rc = ow_reader_acquire(r->db, &(struct ow_read){.label = "endless", .timeout_ms = WAIT_MS},
                              &reader, &r->err);
    if (r->rc)
        return NULL;
    atomic_store(&r->loan, ow_reader_loan(reader));
    mutex_lock(&r->ready.lock);
    r->ready.arrived++;
    cond_broadcast(&r->ready.changed);
    mutex_unlock(&r->ready.lock);
    r->rc = ow_exec(reader, endless, &r->err);
    r->later = ow_exec(reader, "SELECT 1", NULL);
    ow_reader_release(reader);
    return NULL;
}

static void cancels_what_a_loan_runs_now_and_later(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct runner runner = {.db = open_with_readers(dir, 1)};
    pthread_t thread;
    gate_init(&runner.ready);
    assert_int_equal(thread_start(&thread, "runner", run_endless, &runner, NULL), 0);
    bool arrived = gate_wait_arrived(&runner.ready, 1);
    bool cancelled = ow_reader_cancel(runner.db, atomic_load(&runner.loan));
    pthread_join(thread, NULL);
    assert_true(arrived);
    assert_true(cancelled);
    assert_int_equal(runner.rc, OW_CANCELLED);
    assert_int_equal(runner.err.code, OW_CANCELLED);
    assert_int_equal(runner.later, OW_CANCELLED);
    gate_fini(&runner.ready);
    close_items(runner.db);
}

static void never_cancels_the_next_borrower(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct ow_conn *reader = acquire(db, "first");
    uint64_t loan = ow_reader_loan(reader);
    int64_t got = 0;
    assert_true(ow_reader_cancel(db, loan));
    assert_int_equal(ow_exec(reader, "SELECT 1", NULL), OW_CANCELLED);
    ow_reader_release(reader);
    assert_false(ow_reader_cancel(db, loan)); /* too late */
    assert_false(ow_reader_cancel(db, 0));
    reader = acquire(db, "second");
    assert_int_not_equal(ow_reader_loan(reader), loan);
    assert_false(ow_reader_cancel(db, loan));
    assert_int_equal(ow_get_int(reader,
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                "LIMIT 100000) SELECT count(*) FROM n",
                                NULL, 0, &got, NULL),
                     0);
    assert_int_equal(got, 100000);
    ow_reader_release(reader);
    close_items(db);
}

static int run_endless_job(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct gate *gate = ctx;
    mutex_lock(&gate->lock);
    gate->arrived++;
    cond_broadcast(&gate->changed);
    mutex_unlock(&gate->lock);
    return ow_exec(conn, endless, err);
}

static bool is_settled(const struct ow_metrics *metrics, int64_t value)
{
    return (int64_t)(metrics->jobs_committed + metrics->jobs_failed) >= value;
}

/* A row has no number of its own: it must not run under that of the cancelled job before it. */
static void never_cancels_the_row_behind_a_cancelled_job(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    struct gate gate;
    struct ow_ticket ticket = {0};
    const struct ow_value value = ow_int(5);
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, run_endless_job, &gate, WAIT_MS, &ticket, NULL),
                     0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_append(db, OW_LANE_NORMAL, "INSERT INTO item(value) VALUES(?1)", &value, 1,
                               WAIT_MS, NULL),
                     0);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    int64_t settled = (int64_t)(metrics.jobs_committed + metrics.jobs_failed);
    assert_int_equal(ow_cancel(db, &ticket, NULL), 0);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), OW_CANCELLED);
    assert_true(
        wait_until(db, is_settled, settled + 2)); /* a flush would be a job before the row */
    assert_int_equal(events_count(&events, OW_EVENT_ROW_FAILED), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
    gate_fini(&gate);
    events_fini(&events);
}

/* ---- read your writes ---- */

struct waiter {
    struct ow *db;
    int64_t min_seq, rows;
    int rc;
};

static void *wait_for_commit(void *arg)
{
    struct waiter *w = arg;
    struct ow_conn *reader;
    w->rc = ow_reader_acquire(
        w->db, &(struct ow_read){.label = "w", .timeout_ms = WAIT_MS, .min_seq = w->min_seq},
        &reader, NULL);
    if (w->rc)
        return NULL;
    w->rc = ow_get_int(reader, "SELECT count(*) FROM item", NULL, 0, &w->rows, NULL);
    ow_reader_release(reader);
    return NULL;
}

static void waits_for_the_commit_that_must_be_visible(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct waiter waiter = {.db = db, .min_seq = ow_commit_seq(db) + 1};
    struct ow_conn *reader;
    struct ow_err err = {0};
    pthread_t thread;
    assert_int_equal(
        ow_reader_acquire(
            db, &(struct ow_read){.label = "early", .timeout_ms = 5, .min_seq = waiter.min_seq},
            &reader, &err),
        OW_TIMEOUT);
    assert_non_null(strstr(err.text, "early"));
    assert_int_equal(thread_start(&thread, "waiter", wait_for_commit, &waiter, NULL), 0);
    write_item(db, 1);
    pthread_join(thread, NULL);
    assert_int_equal(waiter.rc, 0);
    assert_int_equal(waiter.rows, 1);
    close_items(db);
}

static void waits_for_another_handles_commit_when_it_only_reads(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1), *looking;
    struct ow_options options;
    struct ow_conn *reader;
    pthread_t thread;
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    assert_int_equal(ow_open(&options, &looking, NULL), 0);
    struct waiter waiter = {.db = looking, .min_seq = ow_commit_seq(db) + 1};
    assert_int_equal(
        ow_reader_acquire(
            looking,
            &(struct ow_read){.label = "early", .timeout_ms = 5, .min_seq = waiter.min_seq},
            &reader, NULL),
        OW_TIMEOUT);
    assert_int_equal(thread_start(&thread, "waiter", wait_for_commit, &waiter, NULL), 0);
    write_item(db, 1);
    pthread_join(thread, NULL);
    assert_int_equal(waiter.rc, 0);
    assert_int_equal(waiter.rows, 1);
    assert_int_equal(ow_close(looking, WAIT_MS, NULL, NULL), 0);
    close_items(db);
}

/* ---- ow_read and figures ---- */

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

static void runs_a_function_with_a_lent_reader(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    const struct ow_read how = {.label = "count", .timeout_ms = WAIT_MS};
    struct ow_err err = {0};
    int64_t count = -1;
    write_item(db, 1);
    assert_int_equal(ow_read(db, &how, count_items, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(ow_read(db, &how, say_nothing, NULL, &err), OW_CONFIG);
    assert_int_equal(err.code, OW_CONFIG);
    assert_non_null(strstr(err.text, "count"));
    assert_int_equal(ow_read(db, &how, say_nothing, NULL, NULL), OW_CONFIG);
    assert_int_equal(ow_read(db, &how, NULL, NULL, &err), OW_BUG);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.readers_lent, 0);
    close_items(db);
}

static const struct ow_label_metrics *find_label(const struct ow_metrics *metrics, const char *name)
{
    for (int i = 0; i < OW_LABELS; i++)
        if (metrics->label[i].label && strcmp(metrics->label[i].label, name) == 0)
            return &metrics->label[i];
    return NULL;
}

static void counts_waits_and_holds_by_label(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    char same[] = "first"; /* another address */
    static char names[40][8];
    ow_reader_release(acquire(db, "first"));
    ow_reader_release(acquire(db, same));
    ow_reader_release(acquire(db, "first"));
    ow_reader_release(acquire(db, NULL));
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d", i);
        ow_reader_release(acquire(db, names[i]));
    }
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    const struct ow_label_metrics *first = find_label(&metrics, "first");
    assert_non_null(first);
    assert_int_equal(first->wait.count, 3);
    assert_int_equal(first->hold.count, 3);
    assert_non_null(find_label(&metrics, "(none)"));
    assert_non_null(find_label(&metrics, "n0"));
    assert_null(find_label(&metrics, "n39"));
    const struct ow_label_metrics *other = find_label(&metrics, "(other)");
    assert_ptr_equal(other, &metrics.label[OW_LABELS - 1]);
    assert_true(other->hold.count >= 9);
    assert_true(metrics.cache_hit + metrics.cache_miss > 0);
    close_items(db);
}

static void lists_who_holds_and_who_waits(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 1);
    struct runner runner = {.db = db};
    struct ow_pool_entry entries[4];
    struct ow_conn *reader = acquire(db, "holder");
    pthread_t thread;
    gate_init(&runner.ready);
    assert_int_equal(thread_start(&thread, "runner", run_endless, &runner, NULL), 0);
    while (ow_pool_list(&db->pool, entries, 4) < 2)
        sched_yield();
    ow_reader_release(reader);
    bool arrived = gate_wait_arrived(&runner.ready, 1);
    ow_reader_cancel(db, atomic_load(&runner.loan));
    pthread_join(thread, NULL);
    assert_true(arrived);
    assert_int_equal(entries[0].who.kind, OW_WHO_READS);
    assert_string_equal(entries[0].who.label, "holder");
    assert_ptr_equal(entries[0].conn, reader);
    assert_int_equal(entries[1].who.kind, OW_WHO_WAITS);
    assert_string_equal(entries[1].who.label, "endless");
    assert_null(entries[1].conn);
    gate_fini(&runner.ready);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_a_second_release_and_does_nothing),
        cmocka_unit_test(refuses_a_thread_that_did_not_acquire_the_reader),
        cmocka_unit_test(refuses_the_use_of_a_released_reader),
        cmocka_unit_test(answers_at_once_when_a_thread_waits_for_itself),
        cmocka_unit_test(refuses_a_lane_that_does_not_exist),
        cmocka_unit_test(cancels_what_a_loan_runs_now_and_later),
        cmocka_unit_test(never_cancels_the_next_borrower),
        cmocka_unit_test(never_cancels_the_row_behind_a_cancelled_job),
        cmocka_unit_test(waits_for_the_commit_that_must_be_visible),
        cmocka_unit_test(waits_for_another_handles_commit_when_it_only_reads),
        cmocka_unit_test(runs_a_function_with_a_lent_reader),
        cmocka_unit_test(counts_waits_and_holds_by_label),
        cmocka_unit_test(lists_who_holds_and_who_waits),
    };
    return cmocka_run_group_tests_name("loans", tests, NULL, NULL);
}
