/* A process that ended without closing: the next one tells of it and checks the file, for a limited
 * time, before it writes anything. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ow_support.h"

#define PAGE 4096

/* Job: enough rows that a check takes longer than a millisecond. */
static int fill(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "INSERT INTO item(value) WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT"
                   " i + 1 FROM n WHERE i < 200000) SELECT i FROM n",
                   err);
}

static void make_database(const char *dir)
{
    struct ow *db = open_items(dir, NULL);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, fill, NULL, WAIT_MS, NULL), 0);
    close_items(db);
}

/* Writes one item in a process that then dies. */
static void die_writing(const char *dir)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ow *db = open_items(dir, NULL);
        write_item(db, 1);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void damage(const char *dir, int page)
{
    CLEANUP(close_fd) int fd = open(items_path(dir), O_WRONLY | O_CLOEXEC);
    char junk[PAGE];
    memset(junk, 0xa5, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), (off_t)(page - 1) * PAGE), PAGE);
}

static void watch(struct ow_options *options, struct events *events)
{
    ow_options_init(options, NULL);
    events_init(events, options);
}

static void tells_of_the_unclean_end_and_that_the_file_is_sound(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    watch(&options, &events);
    options.start_check_ms = 60000;
    make_database(dir);
    die_writing(dir);
    struct ow *db = open_items(dir, &options);
    assert_int_equal(events_count(&events, OW_EVENT_UNCLEAN_START), 1);
    assert_true(events.last[OW_EVENT_UNCLEAN_START].a >= PAGE);
    assert_int_equal(events_count(&events, OW_EVENT_CHECKED), 1);
    assert_int_equal(events.last[OW_EVENT_CHECKED].a, 1);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item WHERE value = 1"), 1);
    close_items(db);
    events_fini(&events);
}

static void says_nothing_after_a_clean_end(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    watch(&options, &events);
    make_database(dir);
    struct ow *db = open_items(dir, &options);
    assert_int_equal(events_count(&events, OW_EVENT_UNCLEAN_START), 0);
    assert_int_equal(events_count(&events, OW_EVENT_CHECKED), 0);
    close_items(db);
    events_fini(&events);
}

static void checks_for_no_longer_than_it_may(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    make_database(dir);
    for (int limit_ms = 0; limit_ms < 2; limit_ms++) {
        watch(&options, &events);
        options.start_check_ms = limit_ms;
        die_writing(dir);
        struct ow_err err;
        struct ow *db;
        options.path = items_path(dir);
        if (ow_open(&options, &db, &err))
            fail_msg("%s", err.text);
        assert_int_equal(events_count(&events, OW_EVENT_UNCLEAN_START), 1);
        assert_int_equal(events_count(&events, OW_EVENT_CHECKED), limit_ms);
        assert_int_equal(events.last[OW_EVENT_CHECKED].a, 0);
        assert_int_equal(read_int(db, "SELECT count(*) FROM item WHERE value = 1000"), 1);
        assert_int_equal(exec_outside(items_path(dir), "DELETE FROM item WHERE value = 1"),
                         SQLITE_OK);
        close_items(db);
        events_fini(&events);
    }
}

static void refuses_a_damaged_file_and_leaves_it_alone(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow *db;
    struct ow_err err = {0};
    size_t bytes[2], log_bytes[2];
    watch(&options, &events);
    options.start_check_ms = 60000;
    options.path = items_path(dir);
    make_database(dir);
    die_writing(dir);
    damage(dir, 40);
    CLEANUP(free_ptr) char *before = test_file_read(items_path(dir), &bytes[0]);
    CLEANUP(free_ptr) char *log_before = test_file_read(test_path(dir, "t.db-wal"), &log_bytes[0]);
    assert_int_equal(ow_open(&options, &db, &err), OW_CORRUPT);
    assert_null(db);
    assert_non_null(strstr(err.text, "is damaged"));
    assert_non_null(strstr(err.text, "40"));
    CLEANUP(free_ptr) char *after = test_file_read(items_path(dir), &bytes[1]);
    CLEANUP(free_ptr) char *log_after = test_file_read(test_path(dir, "t.db-wal"), &log_bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(before, after, bytes[0]);
    assert_int_equal(log_bytes[0], log_bytes[1]);
    assert_memory_equal(log_before, log_after, log_bytes[0]);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_the_unclean_end_and_that_the_file_is_sound),
        cmocka_unit_test(says_nothing_after_a_clean_end),
        cmocka_unit_test(checks_for_no_longer_than_it_may),
        cmocka_unit_test(refuses_a_damaged_file_and_leaves_it_alone),
    };
    return cmocka_run_group_tests_name("unclean end", tests, NULL, NULL);
}
