/* The statement cache: reuse by content, pointers that lie, eviction that never takes what is in
 * use. */
#include <stdio.h>
#include <string.h>

#include "onewriter/loan.h"
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

static void begin(struct ow_statements *cache, uint32_t limit)
{
    ow_statements_init(cache, limit, NULL);
    ow_statements_begin(cache);
}

static bool holds(struct ow_statements *cache, sqlite3 *db, const char *sql)
{
    for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s))
        if (strcmp(sqlite3_sql(s), sql) == 0)
            return ow_statements_has(cache, s);
    return false;
}

static void evicts_what_was_used_least_recently(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache;
    begin(&cache, 3);
    get(&cache, db, "SELECT 1");
    get(&cache, db, "SELECT 2");
    get(&cache, db, "SELECT 3");
    get(&cache, db, "SELECT 1");
    ow_statements_begin(&cache);
    get(&cache, db, "SELECT 4");
    assert_false(holds(&cache, db, "SELECT 2"));
    get(&cache, db, "SELECT 5");
    assert_false(holds(&cache, db, "SELECT 3"));
    assert_true(holds(&cache, db, "SELECT 1"));
    assert_true(holds(&cache, db, "SELECT 4"));
    assert_true(holds(&cache, db, "SELECT 5"));
    close_memory(db, &cache);
}

static void keeps_to_its_limit_over_many_borrowers(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache;
    char text[32];
    begin(&cache, 16);
    sqlite3_stmt *kept = get(&cache, db, "SELECT 'kept'");
    for (int i = 0; i < 3000; i++) {
        ow_statements_begin(&cache);
        snprintf(text, sizeof(text), "SELECT %d", i * i);
        sqlite3_stmt *stmt = get(&cache, db, text);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(stmt, 0), i * i);
        assert_ptr_equal(get(&cache, db, "SELECT 'kept'"), kept);
        assert_in_range(cache.count, 2, 16);
    }
    close_memory(db, &cache);
}

static void shrinks_to_its_limit_when_the_next_borrower_comes(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache;
    char text[32];
    begin(&cache, 8);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "SELECT %d", i);
        get(&cache, db, text);
    }
    assert_int_equal(cache.count, 50);
    ow_statements_begin(&cache);
    assert_int_equal(cache.count, 8);
    for (int i = 42; i < 50; i++) {
        snprintf(text, sizeof(text), "SELECT %d", i);
        assert_true(holds(&cache, db, text));
    }
    close_memory(db, &cache);
}

/* Where the hash looks or does not look. */
static void tells_long_texts_apart_by_any_byte(void **state)
{
    (void)state;
    sqlite3 *db = open_memory();
    struct ow_statements cache = {0};
    char text[64];
    for (size_t at = 8; at < 40; at++) {
        memset(text, 0, sizeof(text));
        snprintf(text, sizeof(text), "SELECT '%032d'", 0);
        text[at] = '7';
        sqlite3_stmt *stmt = get(&cache, db, text);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_text(stmt, 0)[at - 8], '7');
    }
    assert_int_equal(cache.count, 32);
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

static int add_column(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    int rc = ow_exec(conn, "ALTER TABLE item ADD COLUMN more INTEGER DEFAULT 5", err);
    return rc ? rc : ow_exec(conn, "INSERT INTO item(value) VALUES(1)", err);
}

static void prepares_again_after_a_change_of_the_schema(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const struct ow_read how = {.label = "test", .timeout_ms = WAIT_MS};
    struct ow_conn *reader;
    sqlite3_stmt *stmt, *again;
    bool row;
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(ow_prepare(reader, "SELECT * FROM item", &stmt, NULL), 0);
    assert_int_equal(ow_step(reader, stmt, &row, NULL), 0);
    assert_false(row);
    assert_int_equal(sqlite3_column_count(stmt), 2);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, add_column, NULL, WAIT_MS, NULL), 0);
    assert_int_equal(ow_prepare(reader, "SELECT * FROM item", &again, NULL), 0);
    assert_ptr_equal(again, stmt);
    assert_int_equal(ow_step(reader, again, &row, NULL), 0);
    assert_true(row);
    assert_int_equal(sqlite3_column_count(again), 3);
    assert_int_equal(ow_column_int(again, 2), 5);
    ow_reader_release(reader);
    close_items(db);
}

/* One thread prepares ever new texts in a small cache, another looks at what is shown. */
struct looker {
    struct ow_conn *conn;
    _Atomic bool end;
    _Atomic int wrong, seen;
};

static void *look_at_the_text(void *arg)
{
    struct looker *l = arg;
    char sql[64];
    while (!atomic_load(&l->end)) {
        ow_conn_copy_sql(l->conn, sql, sizeof(sql));
        l->seen += sql[0] != '\0';
        l->wrong += sql[0] && strncmp(sql, "SELECT ", 7) != 0 && strncmp(sql, "PRAGMA ", 7) != 0;
    }
    return NULL;
}

static void shows_the_text_prepared_last_to_other_threads(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = 1;
    options.statement_cache = 2;
    struct ow *db = open_items(dir, &options);
    const struct ow_read how = {.label = "test", .timeout_ms = WAIT_MS};
    struct looker looker = {0};
    pthread_t thread;
    char sql[64], shown[64];
    assert_int_equal(ow_reader_acquire(db, &how, &looker.conn, NULL), 0);
    ow_reader_release(looker.conn);
    assert_int_equal(thread_start(&thread, "looker", look_at_the_text, &looker, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        struct ow_conn *reader;
        int64_t got;
        assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        assert_int_equal(ow_get_int(reader, sql, NULL, 0, &got, NULL), 0);
        assert_int_equal(got, i);
        ow_conn_copy_sql(reader, shown, sizeof(shown));
        assert_string_equal(shown, sql);
        ow_reader_release(reader);
    }
    while (!looker.seen)
        sched_yield();
    atomic_store(&looker.end, true);
    pthread_join(thread, NULL);
    assert_int_equal(looker.wrong, 0);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_true(metrics.statements_prepared >= 2000);
    close_items(db);
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
        cmocka_unit_test(evicts_what_was_used_least_recently),
        cmocka_unit_test(keeps_to_its_limit_over_many_borrowers),
        cmocka_unit_test(shrinks_to_its_limit_when_the_next_borrower_comes),
        cmocka_unit_test(tells_long_texts_apart_by_any_byte),
        cmocka_unit_test(keeps_every_statement_of_the_present_borrower),
        cmocka_unit_test(prepares_again_after_a_change_of_the_schema),
        cmocka_unit_test(shows_the_text_prepared_last_to_other_threads),
        cmocka_unit_test(refuses_texts_that_are_not_one_statement),
    };
    return cmocka_run_group_tests_name("statements", tests, NULL, NULL);
}
