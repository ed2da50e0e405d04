/* The write-ahead log: bounded, checkpointed by the writer, emptied when readers let it. */
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

static void goes_on_writing_while_a_reader_pins_the_log(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow *db = open_small_log(dir, &events, 20, 60);
    struct ow_conn *reader;
    struct ow_metrics metrics;
    write_items(db, 0, 10);
    assert_int_equal(ow_reader_acquire(db, &(struct ow_read){.label = "pin", .timeout_ms = WAIT_MS}, &reader, NULL), 0);
    assert_int_equal(ow_exec(reader, "BEGIN; SELECT count(*) FROM item", NULL), 0);
    write_items(db, 10, 210);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.wal_frames > 60);
    assert_true(metrics.wal_bytes > 60 * 4096);
    /* A miss is not repeated at once: about one try for each soft limit of new frames. */
    assert_true(metrics.checkpoint.count < 40);
    ow_reader_release(reader);
    write_items(db, 210, 300);
    ow_metrics_read(db, &metrics);
    assert_in_range(metrics.wal_frames, 0, 70); /* the hard limit and one group */
    close_items(db);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_the_log_into_the_database_in_an_idle_moment),
        cmocka_unit_test(keeps_the_log_under_its_hard_limit_without_readers),
        cmocka_unit_test(goes_on_writing_while_a_reader_pins_the_log),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
