/* Values in and out: every type there and back, what is refused, what is reset. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ow_support.h"

static struct ow *db;
static struct ow_conn *reader;
static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = test_dir_make();
    db = open_items(dir, NULL);
    return ow_reader_acquire(db, &(struct ow_read){.label = "test", .timeout_ms = WAIT_MS}, &reader,
                             NULL);
}

static int teardown(void **state)
{
    (void)state;
    ow_reader_release(reader);
    close_items(db);
    test_dir_cleanup(&dir);
    return 0;
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *stmt;
    struct ow_err err;
    if (ow_prepare(reader, sql, &stmt, &err))
        fail_msg("%s", err.text);
    return stmt;
}

static void step_to_row(sqlite3_stmt *stmt)
{
    bool row = false;
    struct ow_err err;
    if (ow_step(reader, stmt, &row, &err))
        fail_msg("%s", err.text);
    assert_true(row);
}

static void brings_every_type_there_and_back(void **state)
{
    (void)state;
    sqlite3_stmt *stmt = prepare("SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, typeof(?6), typeof(?7)");
    const struct ow_value values[] = {ow_null(),        ow_int(INT64_MIN),  ow_real(0.1),
                                      ow_text("Größe"), ow_blob("a\0b", 3), ow_text(""),
                                      ow_blob("", 0)};
    size_t bytes = 99;
    assert_int_equal(ow_bind(reader, stmt, values, 7, NULL), 0);
    step_to_row(stmt);
    assert_true(ow_column_is_null(stmt, 0));
    assert_null(ow_column_text(stmt, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_null(ow_column_blob(stmt, 0, &bytes));
    assert_true(ow_column_int(stmt, 1) == INT64_MIN);
    assert_true(ow_column_real(stmt, 2) == 0.1);
    assert_string_equal(ow_column_text(stmt, 3, &bytes), "Größe");
    assert_int_equal(bytes, strlen("Größe"));
    assert_memory_equal(ow_column_blob(stmt, 4, &bytes), "a\0b", 3);
    assert_int_equal(bytes, 3);
    assert_string_equal(ow_column_text(stmt, 5, NULL), "");
    assert_non_null(ow_column_blob(stmt, 6, &bytes)); /* empty is not NULL */
    assert_int_equal(bytes, 0);
    assert_string_equal(ow_column_text(stmt, 7, NULL), "text");
    assert_string_equal(ow_column_text(stmt, 8, NULL), "blob");
}

static void gives_a_text_that_outlives_the_step(void **state)
{
    (void)state;
    sqlite3_stmt *stmt = prepare("SELECT 'kept', NULL");
    bool row;
    step_to_row(stmt);
    CLEANUP(free_ptr) char *kept = ow_column_text_dup(stmt, 0);
    assert_null(ow_column_text_dup(stmt, 1));
    assert_int_equal(ow_step(reader, stmt, &row, NULL), 0);
    assert_string_equal(kept, "kept");
}

static void refuses_more_values_than_parameters(void **state)
{
    (void)state;
    const struct ow_value values[] = {ow_int(1), ow_int(2), ow_int(3)};
    struct ow_err err = {0};
    sqlite3_stmt *stmt = prepare("SELECT ?1, ?2");
    assert_int_equal(ow_bind(reader, stmt, values, 3, &err), OW_CALLER);
    assert_non_null(strstr(err.text, "SELECT ?1, ?2"));
    assert_int_equal(ow_bind(reader, stmt, values, 2, &err), 0);
    assert_int_equal(ow_bind(reader, stmt, values, 1, &err), 0);
}

static void refuses_a_value_without_a_type(void **state)
{
    (void)state;
    struct ow_value odd = ow_int(1);
    odd.type = (enum ow_type)77;
    assert_int_equal(ow_bind(reader, prepare("SELECT ?1"), &odd, 1, NULL), OW_CALLER);
}

static void refuses_a_statement_of_another_connection(void **state)
{
    (void)state;
    struct ow_conn *other;
    sqlite3_stmt *stmt;
    struct ow_value value = ow_int(1);
    bool row = true;
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "other", .timeout_ms = WAIT_MS},
                                       &other, NULL),
                     0);
    assert_int_equal(ow_prepare(other, "SELECT ?1", &stmt, NULL), 0);
    assert_int_equal(ow_bind(reader, stmt, &value, 1, NULL), OW_BUG);
    assert_int_equal(ow_step(reader, stmt, &row, NULL), OW_BUG);
    assert_false(row);
    ow_reader_release(other);
}

static void resets_a_statement_at_its_end_and_when_it_fails(void **state)
{
    (void)state;
    bool row = true;
    struct ow_err err = {0};
    sqlite3_stmt *stmt = prepare("SELECT 1");
    step_to_row(stmt);
    assert_true(sqlite3_stmt_busy(stmt));
    assert_int_equal(ow_step(reader, stmt, &row, NULL), 0);
    assert_false(row);
    assert_false(sqlite3_stmt_busy(stmt));

    stmt = prepare("SELECT abs(?1)");
    const struct ow_value smallest = ow_int(INT64_MIN);
    assert_int_equal(ow_bind(reader, stmt, &smallest, 1, NULL), 0);
    row = true;
    assert_int_equal(ow_step(reader, stmt, &row, &err), OW_CALLER); /* integer overflow */
    assert_false(row);
    assert_false(sqlite3_stmt_busy(stmt));
    assert_non_null(strstr(err.text, "SELECT abs(?1)"));
    assert_non_null(strstr(err.text, "overflow"));
}

static void reads_one_integer_or_says_that_there_is_none(void **state)
{
    (void)state;
    int64_t got = 0;
    struct ow_err err = {0};
    const struct ow_value values[] = {ow_int(40), ow_int(2)};
    assert_int_equal(ow_get_int(reader, "SELECT ?1 + ?2", values, 2, &got, NULL), 0);
    assert_int_equal(got, 42);
    assert_int_equal(ow_get_int(reader, "SELECT value FROM item", NULL, 0, &got, &err), OW_CALLER);
    assert_non_null(strstr(err.text, "SELECT value FROM item"));
    assert_int_equal(got, 42);
    assert_int_equal(ow_get_int(reader, "SELECT value FROM none", NULL, 0, &got, &err), OW_CALLER);
    for (sqlite3_stmt *s = sqlite3_next_stmt(ow_conn_handle(reader), NULL); s;
         s = sqlite3_next_stmt(ow_conn_handle(reader), s))
        assert_false(sqlite3_stmt_busy(s));
}

struct counts {
    int64_t changes, rowid;
};

static int change_items(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct counts *counts = ctx;
    const struct ow_value row[] = {ow_int(70), ow_int(7)}, second[] = {ow_int(71), ow_int(8)};
    int rc = ow_run(conn, "INSERT INTO item(id, value) VALUES(?1, ?2)", row, 2, err);
    if (!rc)
        rc = ow_run(conn, "INSERT INTO item(id, value) VALUES(?1, ?2)", second, 2, err);
    counts->rowid = ow_last_rowid(conn);
    if (!rc)
        rc = ow_run(conn, "UPDATE item SET value = value + 10", NULL, 0, err);
    counts->changes = ow_changes(conn);
    return rc;
}

static void runs_statements_and_counts_what_they_changed(void **state)
{
    (void)state;
    struct counts counts = {0};
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, change_items, &counts, WAIT_MS, NULL), 0);
    assert_int_equal(counts.rowid, 71);
    assert_int_equal(counts.changes, 2);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 35);
}

static int refuse(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    return ow_refuse(err, OW_CALLER, "no such account: %d", *(int *)ctx);
}

static void carries_a_refusal_of_the_callers_own(void **state)
{
    (void)state;
    int account = 12;
    struct ow_err err = {0};
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, refuse, &account, WAIT_MS, &err), OW_CALLER);
    assert_string_equal(err.text, "no such account: 12");
    assert_int_equal(err.sqlite_code, 0);
    assert_int_equal(ow_refuse(NULL, OW_CONFIG, "nobody listens"), OW_CONFIG);
}

#define WITH_READER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_READER(brings_every_type_there_and_back),
        WITH_READER(gives_a_text_that_outlives_the_step),
        WITH_READER(refuses_more_values_than_parameters),
        WITH_READER(refuses_a_value_without_a_type),
        WITH_READER(refuses_a_statement_of_another_connection),
        WITH_READER(resets_a_statement_at_its_end_and_when_it_fails),
        WITH_READER(reads_one_integer_or_says_that_there_is_none),
        WITH_READER(runs_statements_and_counts_what_they_changed),
        WITH_READER(carries_a_refusal_of_the_callers_own),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
