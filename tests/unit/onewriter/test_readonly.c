/* A handle that only reads: sees what another handle commits, writes nothing, makes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ow_support.h"

static struct ow *open_to_look(const char *dir)
{
    struct ow_options options;
    struct ow *db;
    struct ow_err err;
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    if (ow_open(&options, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

static void close_looker(struct ow *db)
{
    struct ow_report report;
    assert_int_equal(ow_close(db, WAIT_MS, &report, NULL), 0);
    assert_int_equal(report.leaked_readers, 0);
    assert_false(report.checkpointed);
}

static void sees_what_another_handle_commits(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *writer = open_items(dir, NULL), *looker = open_to_look(dir);
    for (int64_t i = 0; i < 20; i++) {
        write_item(writer, i);
        assert_int_equal(read_int(looker, "SELECT max(value) FROM item"), i);
        assert_int_equal(ow_flush(writer, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
        assert_int_equal(ow_commit_seq(looker), ow_commit_seq(writer));
    }
    close_looker(looker);
    write_item(writer, 100);
    close_items(writer);
}

/* VACUUM INTO makes a file in another journal mode; nobody here will write to it. */
static void reads_a_copy_that_is_not_in_wal_mode(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    write_item(db, 7);
    close_items(db);
    char sql[4200];
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", test_path(dir, "copy.db"));
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(items_path(dir), &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
    assert_int_equal(rename(test_path(dir, "copy.db"), items_path(dir)), 0);
    struct ow *looker = open_to_look(dir);
    assert_int_equal(read_int(looker, "SELECT max(value) FROM item"), 7);
    close_looker(looker);
}

static void refuses_to_write_and_to_migrate(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const struct ow_migration steps[] = {{1, "SELECT 1"}, {2, "CREATE TABLE more(x)"}};
    close_items(open_items(dir, NULL));
    struct ow *looker = open_to_look(dir);
    struct ow_ticket ticket = {0};
    struct ow_err err = {0};
    int64_t value = 1;
    assert_int_equal(ow_write(looker, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &err),
                     OW_CONFIG);
    assert_non_null(strstr(err.text, "reading only"));
    assert_int_equal(ow_submit(looker, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &ticket, NULL),
                     OW_CONFIG);
    assert_null(ticket.job);
    assert_int_equal(ow_migrate(looker, steps, 2, NULL), OW_CONFIG);
    assert_int_equal(ow_migrate(looker, steps, 1, NULL), 0); /* nothing to do */
    assert_int_equal(read_int(looker, "SELECT count(*) FROM item"), 0);
    close_looker(looker);
}

static void makes_no_file_where_none_is(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db;
    struct ow_err err = {0};
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    assert_int_equal(ow_open(&options, &db, &err), OW_CONFIG);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(access(items_path(dir), F_OK), -1);
}

static void reads_a_log_that_a_crash_left_behind(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make(), *image = test_dir_make();
    struct ow *writer = open_items(dir, NULL);
    write_item(writer, 42);
    const char *const ends[] = {"t.db", "t.db-wal"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t len;
        CLEANUP(free_ptr) char *bytes = NULL;
        /* Reading drops this process's locks on the file; nobody else is there to take them. */
        bytes = test_file_read(test_path(dir, ends[i]), &len);
        test_file_write(test_path(image, ends[i]), bytes, len);
    }
    struct ow *looker = open_to_look(image);
    assert_int_equal(read_int(looker, "SELECT value FROM item"), 42);
    close_looker(looker);
    close_items(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_what_another_handle_commits),
        cmocka_unit_test(reads_a_copy_that_is_not_in_wal_mode),
        cmocka_unit_test(refuses_to_write_and_to_migrate),
        cmocka_unit_test(makes_no_file_where_none_is),
        cmocka_unit_test(reads_a_log_that_a_crash_left_behind),
    };
    return cmocka_run_group_tests_name("reading only", tests, NULL, NULL);
}
