/* Opening: each refusal in its own words, each setting really in force. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "onewriter/conn.h"
#include "ow_support.h"

static void assert_refused(const struct ow_options *options, enum ow_code code, int sys_errno,
                           const char *word)
{
    struct ow *db = (struct ow *)options;
    struct ow_err err = {0};
    assert_int_equal(ow_open(options, &db, &err), code);
    assert_null(db);
    assert_int_equal(err.code, code);
    assert_int_equal(err.sys_errno, sys_errno);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void assert_path_refused(const char *path, enum ow_code code, int sys_errno,
                                const char *word)
{
    struct ow_options options;
    ow_options_init(&options, path);
    assert_refused(&options, code, sys_errno, word);
}

static void explains_a_missing_folder(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    assert_path_refused(test_path(dir, "absent/t.db"), OW_CONFIG, ENOENT, "absent");
}

static void explains_a_folder_in_the_place_of_the_file(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    assert_path_refused(dir, OW_CONFIG, EISDIR, "is a folder");
}

static void explains_a_file_in_the_place_of_the_folder(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    test_file_write(test_path(dir, "file"), "x", 1);
    assert_path_refused(test_path(dir, "file/t.db"), OW_CONFIG, ENOTDIR, "file");
}

static void explains_a_file_that_is_no_database(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    char text[2048];
    memset(text, 'x', sizeof(text));
    test_file_write(test_path(dir, "t.db"), text, sizeof(text));
    assert_path_refused(test_path(dir, "t.db"), OW_CORRUPT, 0, "not a database");
    CLEANUP(free_ptr) char *after = test_file_read(test_path(dir, "t.db"), NULL);
    assert_memory_equal(after, text, sizeof(text));
}

static void explains_a_device_and_a_missing_path(void **state)
{
    (void)state;
    assert_path_refused("/dev/null", OW_CONFIG, 0, "no regular file");
    assert_path_refused("", OW_CONFIG, 0, "path of a file");
    assert_path_refused(NULL, OW_CONFIG, 0, "path of a file");
    assert_path_refused(":memory:", OW_CONFIG, 0, "path of a file");
}

static void refuses_a_missing_file_unless_told_to_create(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, test_path(dir, "t.db"));
    options.create = false;
    assert_refused(&options, OW_CONFIG, ENOENT, "t.db");
    assert_int_equal(access(options.path, F_OK), -1);
}

/* Rights mean nothing to root, so the call is made by a child that is somebody else. It answers
 * with 0 when ow_open said what it should. */
static void assert_refused_to_nobody(const char *path, const char *word)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ow_options options;
        struct ow *db;
        struct ow_err err = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        ow_options_init(&options, path);
        bool told = ow_open(&options, &db, &err) == OW_CONFIG && err.sys_errno == EACCES &&
                    strstr(err.text, word);
        _exit(told ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void explains_missing_rights_to_the_file(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    test_file_write(test_path(dir, "t.db"), "", 0);
    chmod(test_path(dir, "t.db"), 0444);
    chmod(dir, 0777);
    assert_refused_to_nobody(test_path(dir, "t.db"), "cannot read and write");
}

static void explains_missing_rights_to_the_folder(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    test_file_write(test_path(dir, "t.db"), "", 0);
    chmod(test_path(dir, "t.db"), 0666);
    chmod(dir, 0555);
    assert_refused_to_nobody(test_path(dir, "t.db"), "cannot create files in");
}

static void names_the_option_that_is_out_of_range(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    const char *path = test_path(dir, "t.db");
    ow_options_init(&options, path);
    options.readers = 0;
    assert_refused(&options, OW_CONFIG, 0, "readers is 0");
    ow_options_init(&options, path);
    options.wal_hard_frames = options.wal_soft_frames - 1;
    assert_refused(&options, OW_CONFIG, 0, "wal_hard_frames");
    ow_options_init(&options, path);
    options.page_size = 1000;
    assert_refused(&options, OW_CONFIG, 0, "page_size is 1000");
    ow_options_init(&options, path);
    options.struct_size = 0;
    assert_refused(&options, OW_CONFIG, 0, "ow_options_init");
    assert_int_equal(access(path, F_OK), -1);
}

/* Job: the writer has the mmap_size asked for. */
static int check_writer_maps(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    int64_t size = 0;
    int rc = ow_conn_read_int(conn, "PRAGMA mmap_size", &size, err);
    if (rc || size == 1 << 20)
        return rc;
    snprintf(err->text, sizeof(err->text), "mmap_size is %lld", (long long)size);
    return OW_BUG;
}

static void refuses_mmap_while_the_library_has_the_wal_reset_bug(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, test_path(dir, "t.db"));
    options.mmap_bytes = 1 << 20;
    if (!ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number())) {
        assert_refused(&options, OW_CONFIG, 0, "mmap_bytes");
        return;
    }
    struct ow *db = open_items(dir, &options);
    struct ow_err err = {0};
    if (ow_write(db, OW_LANE_NORMAL, check_writer_maps, NULL, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_int_equal(read_int(db, "PRAGMA mmap_size"), 0); /* a reader never maps */
    close_items(db);
}

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

static void names_the_number_of_descriptors_it_needs(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct rlimit old, low;
    struct ow_options options;
    ow_options_init(&options, test_path(dir, "t.db"));
    options.readers = 4;
    int needed = ow_descriptors(&options);
    char word[64];
    snprintf(word, sizeof(word), "needs %d file descriptors", needed);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)(lowest_free_descriptor() + needed - 1);
    setrlimit(RLIMIT_NOFILE, &low);
    struct ow *db = (struct ow *)&options;
    struct ow_err err = {0};
    int rc = ow_open(&options, &db, &err);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(rc, OW_CONFIG);
    assert_non_null(strstr(err.text, word));
}

static void lives_within_the_descriptors_it_names(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = 4;
    int before = lowest_free_descriptor();
    struct ow *db = open_items(dir, &options);
    write_item(db, 1);
    int after = lowest_free_descriptor();
    assert_true(after > before);
    assert_true(after - before <= ow_descriptors(&options));
    close_items(db);
    assert_int_equal(lowest_free_descriptor(), before);
}

/* Job: checks the writer's settings; ctx is the expected value of synchronous. */
static int check_writer_settings(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    bool fixed = ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
    const struct {
        const char *sql;
        int64_t value;
    } expected[] = {
        {"PRAGMA synchronous", *(int *)ctx},
        {"PRAGMA cache_size", -32 * 1024},
        {"PRAGMA temp_store", 2},
        {"PRAGMA wal_autocheckpoint", 0},
        {"PRAGMA journal_size_limit", 64 << 20},
        {"PRAGMA secure_delete", 0},
        {"PRAGMA cell_size_check", 1},
        {"PRAGMA mmap_size", fixed ? 32 << 20 : 0},
        {"PRAGMA query_only", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        sqlite3_stmt *stmt;
        int rc = ow_prepare(conn, expected[i].sql, &stmt, err);
        if (rc)
            return rc;
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int64(stmt, 0) != expected[i].value) {
            snprintf(err->text, sizeof(err->text), "%s is %d", expected[i].sql,
                     sqlite3_column_int(stmt, 0));
            return OW_BUG;
        }
    }
    return 0;
}

static void puts_every_setting_of_the_writer_in_force(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow_options options;
        ow_options_init(&options, NULL);
        options.synchronous_full = full;
        struct ow *db = open_items(dir, &options);
        struct ow_err err = {0};
        int synchronous = full ? 2 : 1;
        if (ow_write(db, OW_LANE_NORMAL, check_writer_settings, &synchronous, WAIT_MS, &err))
            fail_msg("%s", err.text);
        close_items(db);
    }
}

static void puts_every_setting_of_a_reader_in_force(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    assert_int_equal(read_int(db, "PRAGMA query_only"), 1);
    assert_int_equal(read_int(db, "PRAGMA cache_size"), -(32 * 1024 / 5));
    assert_int_equal(read_int(db, "PRAGMA temp_store"), 2);
    assert_int_equal(read_int(db, "PRAGMA wal_autocheckpoint"), 0);
    struct ow_conn *reader;
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "test", .timeout_ms = WAIT_MS},
                                       &reader, NULL),
                     0);
    sqlite3_stmt *stmt;
    assert_int_equal(ow_prepare(reader, "PRAGMA journal_mode", &stmt, NULL), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), "wal");
    const int options[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                              {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                              {SQLITE_DBCONFIG_DQS_DML, 0},
                              {SQLITE_DBCONFIG_DQS_DDL, 0},
                              {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                              {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        int value = -1;
        sqlite3_db_config(ow_conn_handle(reader), options[i][0], -1, &value);
        assert_int_equal(value, options[i][1]);
    }
    ow_reader_release(reader);
    close_items(db);
}

static void gives_a_new_file_the_page_size_asked_for_and_leaves_an_old_one(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.page_size = 8192;
    struct ow *db = open_items(dir, &options);
    assert_int_equal(read_int(db, "PRAGMA page_size"), 8192);
    close_items(db);
    options.page_size = 1024;
    db = open_items(dir, &options);
    assert_int_equal(read_int(db, "PRAGMA page_size"), 8192);
    close_items(db);
}

static int64_t limit_of(struct ow_conn *conn, int limit)
{
    return sqlite3_limit(ow_conn_handle(conn), limit, -1);
}

static void limits_what_a_statement_may_ask_for(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    struct ow_conn *reader;
    const struct ow_read how = {.label = "limits", .timeout_ms = WAIT_MS};
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(limit_of(reader, SQLITE_LIMIT_ATTACHED), 0);
    assert_in_range(limit_of(reader, SQLITE_LIMIT_SQL_LENGTH), 100000, 1 << 20);
    assert_in_range(limit_of(reader, SQLITE_LIMIT_EXPR_DEPTH), 1, 500);
    assert_in_range(limit_of(reader, SQLITE_LIMIT_LIKE_PATTERN_LENGTH), 1, 1000);
    assert_true(limit_of(reader, SQLITE_LIMIT_LENGTH) >= 1000000000);
    ow_reader_release(reader);
    close_items(db);
}

static void gives_a_new_file_incremental_vacuum_and_leaves_an_old_one(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow_options options;
        ow_options_init(&options, NULL);
        options.incremental_vacuum = first;
        struct ow *db = open_items(dir, &options);
        assert_int_equal(read_int(db, "PRAGMA auto_vacuum"), first ? 2 : 0);
        close_items(db);
        options.incremental_vacuum = !first;
        db = open_items(dir, &options);
        assert_int_equal(read_int(db, "PRAGMA auto_vacuum"), first ? 2 : 0);
        close_items(db);
    }
}

static void keeps_the_lock_file_and_needs_none_for_reading(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db = open_items(dir, NULL);
    CLEANUP(free_ptr) char *lock = strdup(test_path(dir, "t.db.lock"));
    assert_int_equal(access(lock, F_OK), 0);
    close_items(db);
    assert_int_equal(access(lock, F_OK), 0);
    assert_int_equal(unlink(lock), 0);
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(access(lock, F_OK), -1);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
}

static void finds_the_lock_of_a_file_behind_a_symbolic_link(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL), *other = NULL;
    struct ow_options options;
    CLEANUP(free_ptr) char *link = strdup(test_path(dir, "link.db"));
    assert_int_equal(symlink(items_path(dir), link), 0);
    ow_options_init(&options, link);
    bool safe = ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
    assert_int_equal(ow_open(&options, &other, NULL), safe ? 0 : OW_CONFIG);
    assert_int_equal(access(test_path(dir, "link.db.lock"), F_OK), -1);
    assert_int_equal(ow_close(other, WAIT_MS, NULL, NULL), 0);
    close_items(db);
}

static void accepts_the_smaller_options_of_an_older_program(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, test_path(dir, "t.db"));
    options.struct_size = offsetof(struct ow_options, page_size);
    options.page_size = 1000; /* not part of the older struct: not looked at */
    struct ow *db = open_items(dir, &options);
    close_items(db);
}

static void tells_that_the_pool_was_opened(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    assert_int_equal(events_count(&events, OW_EVENT_POOL_OPENED), 1);
    assert_int_equal(events.last[OW_EVENT_POOL_OPENED].a, 5);
    close_items(db);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explains_a_missing_folder),
        cmocka_unit_test(explains_a_folder_in_the_place_of_the_file),
        cmocka_unit_test(explains_a_file_in_the_place_of_the_folder),
        cmocka_unit_test(explains_a_file_that_is_no_database),
        cmocka_unit_test(explains_a_device_and_a_missing_path),
        cmocka_unit_test(refuses_a_missing_file_unless_told_to_create),
        cmocka_unit_test(explains_missing_rights_to_the_file),
        cmocka_unit_test(explains_missing_rights_to_the_folder),
        cmocka_unit_test(names_the_option_that_is_out_of_range),
        cmocka_unit_test(refuses_mmap_while_the_library_has_the_wal_reset_bug),
        cmocka_unit_test(names_the_number_of_descriptors_it_needs),
        cmocka_unit_test(lives_within_the_descriptors_it_names),
        cmocka_unit_test(puts_every_setting_of_the_writer_in_force),
        cmocka_unit_test(puts_every_setting_of_a_reader_in_force),
        cmocka_unit_test(gives_a_new_file_the_page_size_asked_for_and_leaves_an_old_one),
        cmocka_unit_test(limits_what_a_statement_may_ask_for),
        cmocka_unit_test(gives_a_new_file_incremental_vacuum_and_leaves_an_old_one),
        cmocka_unit_test(keeps_the_lock_file_and_needs_none_for_reading),
        cmocka_unit_test(finds_the_lock_of_a_file_behind_a_symbolic_link),
        cmocka_unit_test(accepts_the_smaller_options_of_an_older_program),
        cmocka_unit_test(tells_that_the_pool_was_opened),
    };
    return cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
