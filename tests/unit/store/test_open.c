/* Opening: what is refused, and with which words; nodes and sources as they come back. */
#include "store_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"

static void assert_refused(const struct store_options *options, enum err_code code,
                           const char *words_of_it)
{
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open(options, &store, &err), code);
    assert_int_equal(err.code, code);
    assert_null(store);
    if (!strstr(err.text, words_of_it))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words_of_it);
}

static void exec(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void names_the_database_when_its_folder_is_missing(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "missing/history.db");
    assert_refused(&(struct store_options){.path = path}, ERR_IO, "No such file or directory");
    assert_refused(&(struct store_options){.path = path}, ERR_IO, path);
}

static void refuses_to_read_a_database_that_is_not_there(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct store_options options = {.path = test_path(dir, "history.db"), .read_only = true};
    assert_refused(&options, ERR_USAGE, "cannot open the database");
    assert_int_not_equal(access(options.path, F_OK), 0);
}

static void refuses_a_file_that_is_no_database(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "history.db");
    char text[4096];
    memset(text, 'x', sizeof(text));
    test_file_write(path, text, sizeof(text));
    assert_refused(&(struct store_options){.path = path}, ERR_STORE, path);
    size_t len;
    CLEANUP(free_ptr) char *after = test_file_read(path, &len);
    assert_int_equal(len, sizeof(text));
    assert_memory_equal(after, text, sizeof(text));
}

static void refuses_a_database_of_a_newer_program(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "history.db");
    exec(path, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA user_version = 9999");
    assert_refused(&(struct store_options){.path = path}, ERR_USAGE, "9999");
    assert_refused(&(struct store_options){.path = path, .read_only = true}, ERR_USAGE,
                   "newer nodewatch");
}

static void tells_a_reader_that_the_database_is_somebody_elses(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "history.db");
    exec(path, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    assert_refused(&(struct store_options){.path = path, .read_only = true}, ERR_USAGE,
                   "is not a nodewatch database");
}

static void refuses_a_second_writer_and_says_what_to_do(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_refused(&(struct store_options){.path = world_path(&w)}, ERR_USAGE,
                   "another nodewatch process is writing");
    world_fini(&w);
}

static void lets_readers_in_beside_the_writer(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    int64_t id = world_node(&w, "home");
    struct store_options options = {.path = world_path(&w), .read_only = true};
    struct store *reader;
    struct err err;
    assert_int_equal(store_open(&options, &reader, &err), 0);
    struct store_node *nodes;
    size_t count;
    assert_int_equal(store_nodes(reader, &nodes, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(nodes[0].id, id);
    store_nodes_free(nodes, count);
    assert_int_not_equal(store_node_ensure(reader, "other", NULL, &id, &err), 0);
    assert_int_equal(store_close(reader, 1000, &err), 0);
    world_fini(&w);
}

static void opens_again_after_an_open_that_was_refused(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "history.db");
    test_file_write(path, "this is not a database, not even nearly one ....", 48);
    assert_refused(&(struct store_options){.path = path}, ERR_STORE, path);
    assert_int_equal(unlink(path), 0);
    struct store *store;
    struct err err;
    assert_int_equal(store_open(&(struct store_options){.path = path}, &store, &err), 0);
    assert_int_equal(store_close(store, 1000, &err), 0);
}

static void finds_a_node_by_its_name_and_keeps_its_log(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    int64_t first, again, other;
    struct err err;
    assert_int_equal(store_node_ensure(w.store, "home", "/a.log", &first, &err), 0);
    assert_int_equal(store_node_ensure(w.store, "away", NULL, &other, &err), 0);
    assert_int_equal(store_node_ensure(w.store, "home", NULL, &again, &err), 0);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
    world_reopen(&w);
    assert_int_equal(store_node_ensure(w.store, "home", NULL, &again, &err), 0);
    assert_int_equal(first, again);
    struct store_node *nodes;
    size_t count;
    assert_int_equal(store_nodes(w.store, &nodes, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(nodes[0].name, "away");
    assert_string_equal(nodes[0].log, "");
    assert_string_equal(nodes[1].name, "home");
    assert_string_equal(nodes[1].log, "/a.log");
    assert_true(nodes[1].last_event_unix_ms == EVENT_NO_TIME);
    store_nodes_free(nodes, count);
    assert_int_equal(store_node_ensure(w.store, "home", "/b.log", &again, &err), 0);
    assert_int_equal(world_number(&w, "SELECT count(*) FROM node WHERE log = '/b.log'"), 1);
    world_fini(&w);
}

static void gives_sources_back_as_they_were_stored(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    int64_t node = world_node(&w, "home"), other = world_node(&w, "away");
    struct feeder f, empty;
    feeder_init(&f, &w, node, "first bytes of the log");
    feeder_init(&empty, &w, other, "");
    struct event e = a_transfer(1787220014000, ACTION_PUT, OUTCOME_COMPLETED, 7);
    feeder_add(&f, &e);
    f.batch.source.mark_len = 3;
    memcpy(f.batch.source.mark, "\0\xff\n", 3);
    f.batch.cut_lines = 2;
    f.batch.nul_bytes = 5;
    feeder_must_commit(&f, &w);
    world_reopen(&w);
    struct source *sources;
    size_t count;
    struct err err;
    assert_int_equal(store_sources(w.store, node, &sources, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(sources[0].id, f.batch.source.id);
    assert_int_equal(sources[0].head_len, 22);
    assert_memory_equal(sources[0].head, "first bytes of the log", 22);
    assert_int_equal(sources[0].mark_len, 3);
    assert_memory_equal(sources[0].mark, "\0\xff\n", 3);
    assert_int_equal(sources[0].offset, f.offset);
    assert_int_equal(sources[0].lines, 1);
    assert_int_equal(sources[0].transfers, 1);
    free(sources);
    struct store_node *nodes;
    assert_int_equal(store_nodes(w.store, &nodes, &count, &err), 0);
    assert_int_equal(nodes[1].cut_lines, 2);
    assert_int_equal(nodes[1].nul_bytes, 5);
    assert_int_equal(nodes[1].last_event_unix_ms, 1787220014000);
    store_nodes_free(nodes, count);
    assert_int_equal(store_sources(w.store, 4711, &sources, &count, &err), 0);
    assert_int_equal(count, 0);
    free(sources);
    feeder_fini(&f);
    feeder_fini(&empty);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_database_when_its_folder_is_missing),
        cmocka_unit_test(refuses_to_read_a_database_that_is_not_there),
        cmocka_unit_test(refuses_a_file_that_is_no_database),
        cmocka_unit_test(refuses_a_database_of_a_newer_program),
        cmocka_unit_test(tells_a_reader_that_the_database_is_somebody_elses),
        cmocka_unit_test(refuses_a_second_writer_and_says_what_to_do),
        cmocka_unit_test(lets_readers_in_beside_the_writer),
        cmocka_unit_test(opens_again_after_an_open_that_was_refused),
        cmocka_unit_test(finds_a_node_by_its_name_and_keeps_its_log),
        cmocka_unit_test(gives_sources_back_as_they_were_stored),
    };
    return cmocka_run_group_tests_name("store open", tests, NULL, NULL);
}
