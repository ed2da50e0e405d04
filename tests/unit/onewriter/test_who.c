/* Who holds, pins or waits, seen while they do. */
#include <pthread.h>
#include <string.h>

#include "ow_support.h"

struct seen {
    struct ow_who who[32];
    int count;
    struct ow *db; /* looked into from the callback */
};

static void note(void *ctx, const struct ow_who *who)
{
    struct seen *seen = ctx;
    struct ow_metrics metrics;
    if (seen->count < (int)ARRAY_LEN(seen->who))
        seen->who[seen->count++] = *who;
    ow_metrics_read(seen->db, &metrics); /* no lock is held here */
}

static struct seen look(struct ow *db)
{
    struct seen seen = {.db = db};
    ow_who(db, note, &seen);
    return seen;
}

/* The n-th of a kind, from 0; NULL when there are fewer. */
static const struct ow_who *find(const struct seen *seen, enum ow_who_kind kind, int n)
{
    for (int i = 0; i < seen->count; i++)
        if (seen->who[i].kind == kind && n-- == 0)
            return &seen->who[i];
    return NULL;
}

static void sees_nobody_when_nobody_is_there(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    write_item(db, 1);
    assert_int_equal(look(db).count, 0);
    close_items(db);
    assert_int_equal(look(db).count, 0); /* a closed handle */
}

static int insert_then_wait(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = insert_item(conn, &(int64_t){1}, err);
    return rc ? rc : wait_at_gate(conn, ctx, err);
}

static void sees_the_job_that_runs(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_ticket ticket = {0};
    struct gate gate;
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_BULK, insert_then_wait, &gate, WAIT_MS, &ticket, NULL),
                     0);
    assert_true(gate_wait_arrived(&gate, 1));
    struct seen seen = look(db);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.who[0].kind, OW_WHO_WRITES);
    assert_int_equal(seen.who[0].lane, OW_LANE_BULK);
    assert_true(seen.who[0].age_us >= 0);
    assert_non_null(seen.who[0].label);
    assert_string_equal(seen.who[0].sql, "INSERT INTO item(value) VALUES(?1)");
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    close_items(db);
    gate_fini(&gate);
}

static void sees_who_holds_a_reader_and_what_it_runs(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_read how = {.label = "report", .lane = OW_LANE_BACKGROUND, .timeout_ms = WAIT_MS};
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    struct seen seen = look(db);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.who[0].kind, OW_WHO_READS);
    assert_int_equal(seen.who[0].lane, OW_LANE_BACKGROUND);
    assert_string_equal(seen.who[0].label, "report");
    assert_int_equal(seen.who[0].loan, ow_reader_loan(reader));
    assert_int_equal(ow_prepare(reader, "SELECT count(*) FROM item", &stmt, NULL), 0);
    seen = look(db);
    assert_string_equal(seen.who[0].sql, "SELECT count(*) FROM item");
    assert_int_equal(seen.who[0].kind, OW_WHO_READS);
    assert_int_equal(ow_exec(reader, "BEGIN; SELECT count(*) FROM item", NULL), 0);
    seen = look(db);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.who[0].kind, OW_WHO_PINS);
    assert_string_equal(seen.who[0].label, "report");
    assert_true(seen.who[0].age_us >= 0);
    assert_int_equal(ow_exec(reader, "COMMIT", NULL), 0);
    assert_int_equal(look(db).who[0].kind, OW_WHO_READS);
    ow_reader_release(reader);
    assert_int_equal(look(db).count, 0);
    close_items(db);
}

static void *wait_for_reader(void *arg)
{
    struct ow_read how = {.label = "page", .timeout_ms = WAIT_MS};
    struct ow_conn *reader;
    int code = ow_reader_acquire(arg, &how, &reader, NULL);
    if (!code)
        ow_reader_release(reader);
    return (void *)(intptr_t)code;
}

static void sees_who_waits_for_a_reader(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = 1;
    struct ow *db = open_items(dir, &options);
    struct ow_read how = {.label = "report", .timeout_ms = WAIT_MS};
    struct ow_conn *reader;
    struct seen seen;
    pthread_t thread;
    void *code;
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_reader, db), 0);
    do {
        sched_yield();
        seen = look(db);
    } while (!find(&seen, OW_WHO_WAITS, 0));
    assert_string_equal(find(&seen, OW_WHO_WAITS, 0)->label, "page");
    assert_int_equal(find(&seen, OW_WHO_WAITS, 0)->lane, OW_LANE_INTERACTIVE);
    assert_int_equal(find(&seen, OW_WHO_WAITS, 0)->loan, 0);
    ow_reader_release(reader);
    pthread_join(thread, &code);
    assert_int_equal((intptr_t)code, 0);
    close_items(db);
}

static void *wait_for_place(void *arg)
{
    int64_t value = 1;
    return (void *)(intptr_t)ow_write(arg, OW_LANE_BULK, insert_item, &value, WAIT_MS, NULL);
}

static void sees_who_waits_for_a_place(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.lane[OW_LANE_BULK].max_jobs = 1;
    struct ow *db = open_items(dir, &options);
    struct ow_ticket running = {0}, queued = {0};
    struct gate gate;
    pthread_t thread;
    void *code;
    int64_t value = 2;
    gate_init(&gate);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, wait_at_gate, &gate, WAIT_MS, &running, NULL),
                     0);
    assert_true(gate_wait_arrived(&gate, 1));
    assert_int_equal(ow_submit(db, OW_LANE_BULK, insert_item, &value, WAIT_MS, &queued, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_place, db), 0);
    struct seen seen;
    do {
        sched_yield();
        seen = look(db);
    } while (!find(&seen, OW_WHO_WAITS, 0));
    assert_int_equal(find(&seen, OW_WHO_WAITS, 0)->lane, OW_LANE_BULK);
    assert_null(find(&seen, OW_WHO_WAITS, 1));
    assert_non_null(find(&seen, OW_WHO_WRITES, 0));
    gate_open(&gate);
    assert_int_equal(ow_wait(db, &running, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_wait(db, &queued, WAIT_MS, NULL, NULL), 0);
    pthread_join(thread, &code);
    assert_int_equal((intptr_t)code, 0);
    close_items(db);
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_nobody_when_nobody_is_there),
        cmocka_unit_test(sees_the_job_that_runs),
        cmocka_unit_test(sees_who_holds_a_reader_and_what_it_runs),
        cmocka_unit_test(sees_who_waits_for_a_reader),
        cmocka_unit_test(sees_who_waits_for_a_place),
    };
    return cmocka_run_group_tests_name("who holds and waits", tests, NULL, NULL);
}
