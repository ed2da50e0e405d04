/* The write-ahead log: bounded, checkpointed by the writer, emptied when readers let it. */
#include <string.h>

#include "onewriter/conn.h"
#include "ow_support.h"

static struct ow *open_small_log(const char *dir, struct events *events, int soft, int hard)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    events_init(events, &options);
    options.wal_soft_frames = soft;
    options.wal_hard_frames = hard;
    return open_items(dir, &options);
}

static void write_items(struct ow *db, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        write_item(db, i);
}

static void moves_the_log_into_the_database_in_an_idle_moment(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 10, 100000);
    write_items(db, 0, 30);
    assert_true(events_wait(&events, OW_EVENT_CHECKPOINT, 1));
    mutex_lock(&events.lock);
    struct ow_event last = events.last[OW_EVENT_CHECKPOINT];
    mutex_unlock(&events.lock);
    assert_true(last.a >= 10);
    assert_int_equal(last.a, last.b);
    close_items(db);
    events_fini(&events);
}

static void keeps_the_log_under_its_hard_limit_without_readers(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 50, 100);
    struct ow_metrics metrics;
    for (int64_t i = 0; i < 500; i++) {
        write_item(db, i);
        ow_metrics_read(db, &metrics);
        assert_in_range(metrics.wal_frames, 0, 110); /* the hard limit and one group */
    }
    assert_true(metrics.checkpoint.count >= 5);
    close_items(db);
    events_fini(&events);
}

/* A connection outside the library: what another process's reader is. */
static sqlite3 *pin_outside(const char *dir)
{
    sqlite3 *other;
    assert_int_equal(sqlite3_open_v2(items_path(dir), &other, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM item", NULL, NULL, NULL),
                     SQLITE_OK);
    return other;
}

static void goes_on_writing_while_a_foreign_reader_pins_the_log(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 20, 60);
    struct ow_metrics metrics;
    write_items(db, 0, 10);
    sqlite3 *other = pin_outside(dir);
    write_items(db, 10, 210);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.wal_frames > 60);
    assert_true(metrics.wal_bytes > 60 * 4096);
    /* A miss is not repeated at once: about one try for each soft limit of new frames. */
    assert_true(metrics.checkpoint.count < 60);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    write_items(db, 210, 300);
    ow_metrics_read(db, &metrics);
    assert_in_range(metrics.wal_frames, 0, 70); /* the hard limit and one group */
    close_items(db);
    events_fini(&events);
}

static struct ow_conn *pin_inside(struct ow *db, const char *label)
{
    struct ow_conn *reader;
    const struct ow_read how = {.label = label, .timeout_ms = WAIT_MS};
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(ow_exec(reader, "BEGIN; SELECT value FROM item LIMIT 1", NULL), 0);
    return reader;
}

static void takes_the_snapshot_of_a_sleeping_reader_back_at_the_hard_limit(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 20, 60);
    struct ow_metrics metrics;
    struct ow_err err = {0};
    write_items(db, 0, 1000); /* several pages, which the reader has not read */
    struct ow_conn *reader = pin_inside(db, "sleeper");
    sqlite3_stmt *stmt;
    assert_int_equal(ow_prepare(reader, "SELECT sum(value) FROM item", &stmt, NULL), 0);
    for (int64_t i = 1000; i < 1200; i++) {
        write_item(db, i);
        ow_metrics_read(db, &metrics);
        assert_in_range(metrics.wal_frames, 0, 70); /* the hard limit and one group */
    }
    assert_in_range(metrics.wal_bytes_max, 60 * 4096, 70 * 4200);
    assert_int_equal(metrics.snapshots_taken, 1);
    assert_int_equal(metrics.snapshot_oldest_us, 0);
    assert_int_equal(events_count(&events, OW_EVENT_SNAPSHOT_TAKEN), 1);
    assert_string_equal(events.text[OW_EVENT_SNAPSHOT_TAKEN],
                        "sleeper: SELECT sum(value) FROM item");
    /* The reader is told, and works again after its transaction. */
    assert_int_equal(ow_exec(reader, "SELECT sum(id + value) FROM item NOT INDEXED", &err),
                     OW_TIMEOUT);
    assert_non_null(strstr(err.text, "the snapshot was taken back after"));
    assert_non_null(strstr(err.text, "wal_hard_frames (60)"));
    assert_int_equal(ow_exec(reader, "SELECT max(id - value) FROM item NOT INDEXED", &err),
                     OW_TIMEOUT);
    assert_int_equal(ow_exec(reader, "ROLLBACK", NULL), 0);
    int64_t count = 0;
    assert_int_equal(ow_conn_read_int(reader, "SELECT count(*) FROM item", &count, NULL), 0);
    assert_int_equal(count, 1200);
    ow_reader_release(reader);
    close_items(db);
    events_fini(&events);
}

/* Steps to the end of a query that was begun before: the sum of its values, or -1 - code. */
static int64_t finish(struct ow_conn *reader, sqlite3_stmt *stmt, int64_t sum)
{
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
        sum += sqlite3_column_int64(stmt, 0);
    struct ow_err err;
    return step == SQLITE_DONE ? sum : -1 - ow_conn_fail(reader, "summing", &err);
}

static void never_shows_a_reader_anything_but_its_snapshot(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 20, 60);
    int finished = 0, refused = 0;
    write_items(db, 1, 2000);
    for (int round = 0; round < 30; round++) {
        struct ow_conn *reader;
        sqlite3_stmt *stmt;
        const struct ow_read how = {.label = "round", .timeout_ms = WAIT_MS};
        assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
        assert_int_equal(ow_prepare(reader, "SELECT value FROM item NOT INDEXED", &stmt, NULL), 0);
        int64_t sum = 0;
        for (int i = 0; i < 66 * round + 1; i++) { /* more and more pages are in its cache */
            assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
            sum += sqlite3_column_int64(stmt, 0);
        }
        write_items(db, 2000 + 100 * round, 2100 + 100 * round);
        int64_t expected = 0;
        for (int64_t i = 1; i < 2000 + 100 * round; i++)
            expected += i;
        int64_t got = finish(reader, stmt, sum);
        if (got == expected)
            finished++;
        else if (got == -1 - OW_TIMEOUT)
            refused++;
        else
            fail_msg("round %d: %lld of %lld", round, (long long)got, (long long)expected);
        ow_reader_release(reader);
        assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 2099 + 100 * round);
    }
    assert_true(refused > 0);
    assert_int_equal(finished + refused, 30);
    close_items(db);
    events_fini(&events);
}

static void moves_the_log_on_a_thread_of_its_own_only_with_a_fixed_sqlite(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow_err err = {0};
    struct ow_metrics metrics;
    struct ow *db;
    ow_options_init(&options, items_path(dir));
    events_init(&events, &options);
    options.checkpoint_thread = true;
    options.wal_soft_frames = 10;
    options.wal_hard_frames = 60;
    if (!ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number())) {
        assert_int_equal(ow_open(&options, &db, &err), OW_CONFIG);
        assert_non_null(strstr(err.text, "checkpoint_thread"));
        events_fini(&events);
        return;
    }
    db = open_items(dir, &options);
    for (int64_t i = 0; i < 1000; i++) {
        write_item(db, i);
        ow_metrics_read(db, &metrics);
        assert_in_range(metrics.wal_frames, 0, 70); /* the hard limit and one group */
    }
    assert_true(events_wait(&events, OW_EVENT_CHECKPOINT, 10));
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1000);
    close_items(db);
    events_fini(&events);
}

/* No authorizer is asked there, and a checkpoint beside the writer's is what loses commits. */
static void refuses_a_checkpoint_to_a_borrower_by_every_door(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 1000, 100000);
    struct ow_conn *reader;
    const struct ow_read how = {.label = "careless", .timeout_ms = WAIT_MS};
    write_items(db, 0, 10);
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    for (int mode = SQLITE_CHECKPOINT_PASSIVE; mode <= SQLITE_CHECKPOINT_TRUNCATE; mode++)
        assert_int_equal(sqlite3_wal_checkpoint_v2(ow_conn_handle(reader), NULL, mode, NULL, NULL) &
                             0xff,
                         SQLITE_READONLY);
    assert_int_equal(ow_exec(reader, "PRAGMA wal_checkpoint", NULL), OW_CALLER);
    assert_int_equal(ow_exec(reader, "SELECT * FROM item", NULL), 0);
    ow_reader_release(reader);
    close_items(db);
    events_fini(&events);
}

/* Observer: after a checkpoint another connection takes the commits' numbers away, as if the
 * commits themselves had been lost, before the canary looks. */
struct thief {
    struct events events;
    void (*observer)(void *ctx, const struct ow_event *event);
    const char *path;
};

static void steal_number(void *ctx, const struct ow_event *event)
{
    struct thief *thief = ctx;
    if (event->kind == OW_EVENT_CHECKPOINT)
        exec_outside(thief->path, "UPDATE ow_commit_slot SET seq = 0");
    thief->observer(&thief->events, event);
}

static void stops_when_an_acknowledged_commit_is_not_visible_any_more(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct thief thief = {.path = items_path(dir)};
    struct ow_options options;
    struct ow_err err = {0};
    struct ow_metrics metrics;
    ow_options_init(&options, NULL);
    events_init(&thief.events, &options);
    thief.observer = options.observer;
    options.observer = steal_number;
    options.observer_ctx = &thief;
    options.wal_soft_frames = 1;
    struct ow *db = open_items(dir, &options);
    int64_t value = 1;
    ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL); /* stores a number, whatever becomes of it */
    assert_true(events_wait(&thief.events, OW_EVENT_POISONED, 1));
    assert_non_null(strstr(thief.events.text[OW_EVENT_POISONED], "not visible any more"));
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &err), OW_CORRUPT);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.canaries >= 1);
    assert_true(metrics.poisoned);
    ow_close(db, WAIT_MS, NULL, NULL);
    events_fini(&thief.events);
}

static void looks_for_the_newest_commit_after_a_checkpoint(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 20, 60);
    struct ow_metrics metrics;
    write_items(db, 0, 300);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.canaries > 0);
    assert_true(metrics.fsync.count > 0);
    close_items(db);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_the_log_into_the_database_in_an_idle_moment),
        cmocka_unit_test(keeps_the_log_under_its_hard_limit_without_readers),
        cmocka_unit_test(goes_on_writing_while_a_foreign_reader_pins_the_log),
        cmocka_unit_test(takes_the_snapshot_of_a_sleeping_reader_back_at_the_hard_limit),
        cmocka_unit_test(moves_the_log_on_a_thread_of_its_own_only_with_a_fixed_sqlite),
        cmocka_unit_test(refuses_a_checkpoint_to_a_borrower_by_every_door),
        cmocka_unit_test(stops_when_an_acknowledged_commit_is_not_visible_any_more),
        cmocka_unit_test(looks_for_the_newest_commit_after_a_checkpoint),
        cmocka_unit_test(never_shows_a_reader_anything_but_its_snapshot),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
