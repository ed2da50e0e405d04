/* Migrations: whole steps or none, in order, never backwards. */
#include <string.h>

#include "ow_support.h"

static const struct ow_migration good[] = {
    {1, "CREATE TABLE a(x); INSERT INTO a VALUES(1)"},
    {2, "CREATE TABLE b(y); INSERT INTO b SELECT x + 1 FROM a"},
    {3, "ALTER TABLE b ADD COLUMN z DEFAULT 3"},
};

static struct ow *open_empty(const char *dir)
{
    struct ow_options options;
    struct ow *db;
    struct ow_err err;
    ow_options_init(&options, items_path(dir));
    if (ow_open(&options, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

static void brings_an_empty_database_to_the_last_step(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_empty(dir);
    assert_int_equal(ow_migrate(db, good, 3, NULL), 0);
    assert_int_equal(read_int(db, "PRAGMA user_version"), 3);
    assert_int_equal(read_int(db, "SELECT y + z FROM b"), 5);
    close_items(db);
}

static void runs_only_the_steps_that_are_missing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_empty(dir);
    assert_int_equal(ow_migrate(db, good, 1, NULL), 0);
    close_items(db);
    db = open_empty(dir);
    assert_int_equal(ow_migrate(db, good, 3, NULL), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM a"), 1);
    int64_t seq = ow_commit_seq(db);
    assert_int_equal(ow_migrate(db, good, 3, NULL), 0);
    assert_int_equal(ow_commit_seq(db), seq);
    close_items(db);
}

static void refuses_a_database_that_is_newer_than_the_program(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_empty(dir);
    struct ow_err err = {0};
    assert_int_equal(ow_migrate(db, good, 3, NULL), 0);
    assert_int_equal(ow_migrate(db, good, 2, &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "version 3"));
    assert_int_equal(ow_migrate(db, NULL, 0, &err), OW_CONFIG);
    assert_int_equal(read_int(db, "PRAGMA user_version"), 3);
    close_items(db);
}

static void leaves_the_old_version_when_a_step_fails(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const struct ow_migration bad[] = {
        good[0], {2, "CREATE TABLE b(y); INSERT INTO missing VALUES(1)"}, good[2]};
    struct ow *db = open_empty(dir);
    struct ow_err err = {0};
    assert_int_equal(ow_migrate(db, bad, 3, &err), OW_CALLER);
    assert_non_null(strstr(err.text, "migration 2"));
    assert_int_equal(read_int(db, "PRAGMA user_version"), 1);
    assert_int_equal(read_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    assert_int_equal(ow_migrate(db, good, 3, NULL), 0);
    assert_int_equal(read_int(db, "PRAGMA user_version"), 3);
    close_items(db);
}

static void refuses_a_list_with_a_gap(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const struct ow_migration gap[] = {good[0], good[2]};
    struct ow *db = open_empty(dir);
    assert_int_equal(ow_migrate(db, gap, 2, NULL), OW_BUG);
    assert_int_equal(read_int(db, "PRAGMA user_version"), 0);
    close_items(db);
}

static void refuses_a_step_that_would_end_its_transaction(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const struct ow_migration step[] = {{1, "CREATE TABLE a(x); COMMIT; CREATE TABLE b(x)"}};
    struct ow *db = open_empty(dir);
    assert_int_equal(ow_migrate(db, step, 1, NULL), OW_CALLER);
    assert_int_equal(read_int(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b')"),
                     0);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_an_empty_database_to_the_last_step),
        cmocka_unit_test(runs_only_the_steps_that_are_missing),
        cmocka_unit_test(refuses_a_database_that_is_newer_than_the_program),
        cmocka_unit_test(leaves_the_old_version_when_a_step_fails),
        cmocka_unit_test(refuses_a_list_with_a_gap),
        cmocka_unit_test(refuses_a_step_that_would_end_its_transaction),
    };
    return cmocka_run_group_tests_name("migrations", tests, NULL, NULL);
}
