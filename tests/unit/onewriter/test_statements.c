/* The statement cache: reuse by content, pointers that lie, eviction that never takes what is in
 * use. */
#include <stdio.h>
#include <string.h>

#include "onewriter/statements.h"
#include "ow_support.h"

static sqlite3 *open_memory(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    return db;
}

static void close_memory(sqlite3 *db, struct ow_statements *cache)
{
    ow_statements_fini(cache);
    assert_int_equal(sqlite3_close(db), SQLITE_OK); /* BUSY would mean a leaked statement */
}

static sqlite3_stmt *get(struct ow_statements *cache, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    struct ow_err err;
    if (ow_statements_get(cache, db, sql, &stmt, &err))
        fail_msg("%s", err.text);
    return stmt;
}

static void finds_a_statement_again_by_its_text(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    char text[] = "SELECT 1";
    sqlite3_stmt *first = get(&cache, db, "SELECT 1");
    assert_ptr_equal(get(&cache, db, text), first);
    assert_ptr_equal(get(&cache, db, "SELECT 1"), first);
    assert_ptr_not_equal(get(&cache, db, "SELECT 2"), first);
    close_memory(db, &cache);
}

static void is_not_fooled_by_a_buffer_that_holds_another_text(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    char text[32];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 5; i++) {
            snprintf(text, sizeof(text), "SELECT %d", i);
            sqlite3_stmt *stmt = get(&cache, db, text);
            assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
            assert_int_equal(sqlite3_column_int(stmt, 0), i);
        }
    assert_int_equal(cache.count, 5);
    close_memory(db, &cache);
}

static void hands_a_statement_out_reset_and_without_values(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    sqlite3_stmt *stmt = get(&cache, db, "SELECT ?1");
    sqlite3_bind_int(stmt, 1, 5);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_ptr_equal(get(&cache, db, "SELECT ?1"), stmt);
    assert_false(sqlite3_stmt_busy(stmt));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_type(stmt, 0), SQLITE_NULL);
    close_memory(db, &cache);
}

static void evicts_what_earlier_borrowers_used_least_recently(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    char text[32];
    get(&cache, db, "SELECT 'kept'");
    for (int i = 0; i < 1000; i++) {
        ow_statements_begin(&cache);
        snprintf(text, sizeof(text), "SELECT %d", i);
        get(&cache, db, text);
        get(&cache, db, "SELECT 'kept'");
    }
    assert_in_range(cache.count, 2, 128);
    uint32_t before = cache.count;
    ow_statements_begin(&cache);
    get(&cache, db, "SELECT 'kept'");
    get(&cache, db, "SELECT 999");
    assert_int_equal(cache.count, before);
    close_memory(db, &cache);
}

static void keeps_every_statement_of_the_present_borrower(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    sqlite3_stmt *stmts[300];
    char text[32];
    ow_statements_begin(&cache);
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "SELECT %d", i);
        stmts[i] = get(&cache, db, text);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(sqlite3_step(stmts[i]), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(stmts[i], 0), i);
    }
    close_memory(db, &cache);
}

static void refuses_texts_that_are_not_one_statement(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    const char *const refused[] = {
        "", "  ", "-- nothing", "SELECT 1; SELECT 2", "SELEC 1", "SELECT missing FROM nowhere"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        sqlite3_stmt *stmt = (sqlite3_stmt *)db;
        struct ow_err err = {0};
        assert_int_equal(ow_statements_get(&cache, db, refused[i], &stmt, &err), OW_CALLER);
        assert_null(stmt);
        assert_true(strlen(err.text) > 0);
    }
    get(&cache, db, "SELECT 1 ; ");
    assert_int_equal(cache.count, 1);
    close_memory(db, &cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_statement_again_by_its_text),
        cmocka_unit_test(is_not_fooled_by_a_buffer_that_holds_another_text),
        cmocka_unit_test(hands_a_statement_out_reset_and_without_values),
        cmocka_unit_test(evicts_what_earlier_borrowers_used_least_recently),
        cmocka_unit_test(keeps_every_statement_of_the_present_borrower),
        cmocka_unit_test(refuses_texts_that_are_not_one_statement),
    };
    return cmocka_run_group_tests_name("statements", tests, NULL, NULL);
}
