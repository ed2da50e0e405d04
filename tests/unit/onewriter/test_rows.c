/* Rows: one statement with its values, waited for or appended; lanes with limits; flush. */
#include <stdio.h>
#include <string.h>

#include "ow_support.h"

#define INSERT_SQL "INSERT INTO item(value) VALUES(?1)"

static int append(struct ow *db, unsigned how, int64_t value, int timeout_ms)
{
    struct ow_value row[] = {ow_int(value)};
    return ow_append(db, how, INSERT_SQL, row, 1, timeout_ms, NULL);
}

static void flush(struct ow *db)
{
    struct ow_err err;
    if (ow_flush(db, OW_LANE_NORMAL, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

static void make_table_of_all_types(struct ow *db)
{
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, "CREATE TABLE v(a, b, c, d, e, f)", NULL, 0,
                                  WAIT_MS, NULL),
                     0);
}

static const char check_types[] =
    "SELECT count(*) FROM v WHERE typeof(a) = 'null' AND b = -9223372036854775808 AND c = 0.5"
    " AND d = 'text' AND e = x'00ff00' AND f IS NULL AND typeof(d) = 'text' AND typeof(e) = 'blob'";

static void binds_every_type_of_value(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const struct ow_value row[] = {ow_null(),
                                   ow_int(INT64_MIN),
                                   ow_real(0.5),
                                   ow_text_n("textual", 4),
                                   ow_blob("\0\xff\0", 3),
                                   ow_text(NULL)};
    const char *sql = "INSERT INTO v VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
    make_table_of_all_types(db);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, sql, row, 6, WAIT_MS, NULL), 0);
    assert_int_equal(read_int(db, check_types), 1);
    assert_int_equal(ow_append(db, OW_LANE_BULK, sql, row, 6, WAIT_MS, NULL), 0);
    flush(db);
    assert_int_equal(read_int(db, check_types), 2);
    close_items(db);
}

static void copies_what_an_appended_row_points_to(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    char sql[] = "INSERT INTO item(value) VALUES(?1)";
    char text[] = "first";
    hold_writer(db, &held);
    struct ow_value row[] = {ow_text(text)};
    assert_int_equal(ow_append(db, OW_LANE_NORMAL, sql, row, 1, WAIT_MS, NULL), 0);
    memcpy(text, "other", 5);
    memset(sql, 'x', sizeof(sql) - 1);
    row[0] = ow_null();
    let_writer_go(db, &held);
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item WHERE value = 'first'"), 1);
    close_items(db);
}

static void writes_appended_rows_in_the_order_of_their_lane(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    for (int64_t i = 0; i < 5000; i++)
        assert_int_equal(append(db, OW_LANE_NORMAL, i, WAIT_MS), 0);
    flush(db);
    assert_int_equal(
        read_int(db, "SELECT count(*) = 5000 AND sum(id = value + 1) = 5000 FROM item"), 1);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_true(metrics.groups < 2500); /* many in a group, not one in each */
    close_items(db);
}

static void keeps_rows_of_any_length(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    static char bytes[300000];
    const size_t lengths[] = {0, 1, 100, 60000, 70000, 300000, 65536, 5};
    memset(bytes, 'b', sizeof(bytes));
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            struct ow_value row[] = {ow_int(round), ow_blob(bytes, lengths[i])};
            assert_int_equal(ow_append(db, OW_LANE_NORMAL,
                                       "INSERT INTO item(value) VALUES(?1 || '-' || length(?2))",
                                       row, 2, WAIT_MS, NULL),
                             0);
        }
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(DISTINCT value) FROM item"), 160);
    close_items(db);
}

static void tells_of_an_appended_row_that_is_refused_and_keeps_the_others(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow_metrics metrics;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(append(db, OW_LANE_NORMAL, i == 50 ? 3 : i, WAIT_MS), 0);
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 99);
    assert_int_equal(events_count(&events, OW_EVENT_ROW_FAILED), 1);
    assert_non_null(strstr(events.text[OW_EVENT_ROW_FAILED], "UNIQUE"));
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_failed, 1);
    assert_int_equal(metrics.jobs_rerun, 0); /* SQLite undid the statement: nobody else paid */
    close_items(db);
    events_fini(&events);
}

static void answers_a_row_that_is_wrong(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_value row[] = {ow_int(1), ow_int(2)};
    struct ow_err err = {0};
    assert_int_equal(
        ow_write_row(db, OW_LANE_NORMAL, "INSERT INTO absent VALUES(?1)", row, 1, WAIT_MS, &err),
        OW_CALLER);
    assert_non_null(strstr(err.text, "absent"));
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, INSERT_SQL, row, 2, WAIT_MS, &err),
                     OW_CALLER);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, NULL, row, 1, WAIT_MS, &err), OW_BUG);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, INSERT_SQL, NULL, 1, WAIT_MS, &err), OW_BUG);
    assert_int_equal(ow_append(db, OW_LANE_NORMAL, INSERT_SQL, row, -1, WAIT_MS, &err), OW_BUG);
    assert_int_equal(ow_append(db, 7, INSERT_SQL, row, 1, WAIT_MS, &err), OW_BUG);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 0);
    close_items(db);
}

/* ---- limits ---- */

static struct ow *open_with_lane(const char *dir, struct ow_lane_limit limit, struct events *events)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.lane[OW_LANE_NORMAL] = limit;
    events_init(events, &options);
    return open_items(dir, &options);
}

static void refuses_at_once_where_the_lane_rejects(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow_metrics metrics;
    struct held held;
    struct ow *db = open_with_lane(dir, (struct ow_lane_limit){3, 1 << 20, OW_REJECT}, &events);
    hold_writer(db, &held);
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(append(db, OW_LANE_NORMAL, i, 0), 0);
    assert_int_equal(append(db, OW_LANE_NORMAL, 3, INT32_MAX), OW_QUEUE_FULL);
    assert_int_equal(append(db, OW_LANE_BULK, 4, 0), 0);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.lane[OW_LANE_NORMAL].rejected, 1);
    assert_int_equal(metrics.lane[OW_LANE_NORMAL].queued, 3);
    assert_int_equal(metrics.lane[OW_LANE_BULK].queued, 1);
    let_writer_go(db, &held);
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 4);
    close_items(db);
    events_fini(&events);
}

static void drops_the_oldest_and_says_so_where_told_to(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct ow_metrics metrics;
    struct held held;
    struct ow_ticket oldest = {0};
    int64_t value = 100;
    struct ow *db =
        open_with_lane(dir, (struct ow_lane_limit){3, 1 << 20, OW_DROP_OLDEST}, &events);
    hold_writer(db, &held);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, insert_item, &value, 0, &oldest, NULL), 0);
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(append(db, OW_LANE_NORMAL, i, 0), 0);
    assert_int_equal(ow_wait(db, &oldest, WAIT_MS, NULL, NULL), OW_QUEUE_FULL);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.lane[OW_LANE_NORMAL].dropped, 3);
    assert_int_equal(metrics.lane[OW_LANE_NORMAL].queued, 3);
    assert_int_equal(events_count(&events, OW_EVENT_DROPPED), 3);
    assert_int_equal(events.last[OW_EVENT_DROPPED].a, 3);
    assert_int_equal(events.last[OW_EVENT_DROPPED].b, OW_LANE_NORMAL);
    let_writer_go(db, &held);
    flush(db);
    assert_int_equal(read_int(db, "SELECT group_concat(value, '') FROM item"), 234);
    close_items(db);
    events_fini(&events);
}

static void bounds_a_lane_by_bytes_too(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct events events;
    struct held held;
    static char bytes[5000];
    struct ow *db = open_with_lane(dir, (struct ow_lane_limit){100, 4000, OW_BLOCK}, &events);
    struct ow_value long_row[] = {ow_blob(bytes, sizeof(bytes))};
    hold_writer(db, &held);
    /* One row fits an empty lane, however long it is; none fits beside it. */
    assert_int_equal(ow_append(db, OW_LANE_NORMAL, INSERT_SQL, long_row, 1, 0, NULL), 0);
    assert_int_equal(append(db, OW_LANE_NORMAL, 1, 5), OW_QUEUE_FULL);
    let_writer_go(db, &held);
    flush(db);
    assert_int_equal(append(db, OW_LANE_NORMAL, 1, 0), 0);
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 2);
    close_items(db);
    events_fini(&events);
}

struct producer {
    struct ow *db;
    int number, failed;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int64_t i = 0; i < 3000; i++)
        p->failed +=
            append(p->db, (unsigned)p->number % OW_LANES, p->number * 3000 + i, WAIT_MS) != 0;
    return NULL;
}

static void makes_producers_wait_for_a_full_lane_and_loses_nothing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct producer producers[6];
    pthread_t threads[6];
    ow_options_init(&options, NULL);
    for (int i = 0; i < OW_LANES; i++)
        options.lane[i] = (struct ow_lane_limit){7, 3000, OW_BLOCK};
    struct ow *db = open_items(dir, &options);
    for (int i = 0; i < 6; i++) {
        producers[i] = (struct producer){db, i, 0};
        assert_int_equal(thread_start(&threads[i], "producer", produce, &producers[i], NULL), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(producers[i].failed, 0);
    }
    close_items(db); /* the close writes what is queued */
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(DISTINCT value) FROM item"),
                     18000);
}

static void flushes_only_what_it_can_in_its_time(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct held held;
    hold_writer(db, &held);
    assert_int_equal(append(db, OW_LANE_NORMAL, 1, 0), 0);
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, 10, NULL), OW_TIMEOUT);
    let_writer_go(db, &held);
    flush(db);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
}

static void counts_groups_that_were_synced_for_a_durable_job(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_value row[] = {ow_int(1)};
    struct ow_metrics before, after;
    ow_metrics_read(db, &before);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL, INSERT_SQL, row, 1, WAIT_MS, NULL), 0);
    ow_metrics_read(db, &after);
    assert_int_equal(after.groups_durable, before.groups_durable);
    row[0] = ow_int(2);
    assert_int_equal(
        ow_write_row(db, OW_LANE_NORMAL | OW_DURABLE, INSERT_SQL, row, 1, WAIT_MS, NULL), 0);
    ow_metrics_read(db, &after);
    assert_int_equal(after.groups_durable, before.groups_durable + 1);
    assert_int_equal(ow_flush(db, OW_DURABLE, WAIT_MS, NULL), 0);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_every_type_of_value),
        cmocka_unit_test(copies_what_an_appended_row_points_to),
        cmocka_unit_test(writes_appended_rows_in_the_order_of_their_lane),
        cmocka_unit_test(keeps_rows_of_any_length),
        cmocka_unit_test(tells_of_an_appended_row_that_is_refused_and_keeps_the_others),
        cmocka_unit_test(answers_a_row_that_is_wrong),
        cmocka_unit_test(refuses_at_once_where_the_lane_rejects),
        cmocka_unit_test(drops_the_oldest_and_says_so_where_told_to),
        cmocka_unit_test(bounds_a_lane_by_bytes_too),
        cmocka_unit_test(makes_producers_wait_for_a_full_lane_and_loses_nothing),
        cmocka_unit_test(flushes_only_what_it_can_in_its_time),
        cmocka_unit_test(counts_groups_that_were_synced_for_a_durable_job),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
