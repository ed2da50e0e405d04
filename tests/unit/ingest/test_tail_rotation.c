/* Rotation of every kind, while the tail runs and while it does not: each line arrives once. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "fixture.h"

static void copy_file(const char *from, const char *to)
{
    size_t len;
    char *text = test_file_read(from, &len);
    test_file_write(to, text, len);
    free(text);
}

static void pack_gzip(const char *from, const char *to)
{
    size_t len;
    char *text = test_file_read(from, &len);
    gzFile gz = gzopen(to, "wb");
    assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
    gzclose(gz);
    free(text);
    unlink(from);
}

static void pack_zstd(const char *from, const char *to)
{
    size_t len;
    char *text = test_file_read(from, &len);
    size_t cap = ZSTD_compressBound(len);
    char *packed = malloc(cap);
    size_t n = ZSTD_compress(packed, cap, text, len, 3);
    assert_false(ZSTD_isError(n));
    test_file_write(to, packed, n);
    free(packed);
    free(text);
    unlink(from);
}

static void reads_what_is_there_and_what_comes(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 100);
    fixture_start(x);
    fake_wait_rows(&x->sink, 100);
    append_lines(x->log, 100, 150);
    fake_wait_rows(&x->sink, 150);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 150, 150);
    assert_int_equal(fake_source_count(&x->sink), 1);
}

static void follows_a_rename_and_the_writer_that_keeps_the_old_file(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    rename(x->log, x->first);
    append_lines(x->first, 10, 20); /* the node knows nothing of the rename */
    fake_wait_rows(&x->sink, 20);
    append_lines(x->log, 20, 30);
    fake_wait_rows(&x->sink, 30);
    append_lines(x->first, 30, 35);
    append_lines(x->log, 35, 40);
    fake_wait_rows(&x->sink, 40);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 40, 40);
    assert_int_equal(fake_source_count(&x->sink), 2);
}

static void follows_copy_and_truncate(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 50);
    fixture_start(x);
    fake_wait_rows(&x->sink, 50);
    for (uint32_t round = 1; round < 6; round++) {
        copy_file(x->log, x->first);
        assert_int_equal(truncate(x->log, 0), 0);
        append_lines(x->log, round * 50, round * 50 + 50);
        fake_wait_rows(&x->sink, round * 50 + 50);
    }
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 300, 300);
}

static void finds_in_the_copy_what_was_unread_when_the_log_was_truncated(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 50);
    fixture_start(x);
    fake_wait_rows(&x->sink, 50);
    fixture_stop(x);
    append_lines(x->log, 50, 90);
    copy_file(x->log, x->first);
    assert_int_equal(truncate(x->log, 0), 0);
    append_lines(x->log, 90, 100);
    fixture_start(x);
    fake_wait_rows(&x->sink, 100);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 100, 100);
}

static void finds_lines_in_renamed_and_packed_files_after_a_stop(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    fixture_stop(x);
    append_lines(x->log, 10, 20);
    pack_gzip(x->log, test_path(x->dir, "node.log.2.gz"));
    append_lines(x->log, 20, 30);
    pack_zstd(x->log, test_path(x->dir, "node.log-20260820.zst"));
    append_lines(x->log, 30, 40);
    rename(x->log, x->first);
    append_lines(x->log, 40, 50);
    fixture_start(x);
    fake_wait_rows(&x->sink, 50);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 50, 50);
    assert_int_equal(fake_source_count(&x->sink), 4);
}

static void copies_packed_or_not_add_nothing(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 30);
    copy_file(x->log, x->first);
    copy_file(x->log, x->second);
    pack_gzip(x->second, test_path(x->dir, "node.log.2.gz"));
    copy_file(x->log, x->second);
    pack_zstd(x->second, test_path(x->dir, "node.log.3.zst"));
    fixture_start(x);
    fake_wait_rows(&x->sink, 30);
    copy_file(x->log, x->second);
    append_lines(x->log, 30, 40);
    fake_wait_rows(&x->sink, 40);
    fixture_stop(x);
    fixture_start(x);
    append_lines(x->log, 40, 50);
    fake_wait_rows(&x->sink, 50);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 50, 50);
    assert_int_equal(fake_source_count(&x->sink), 1);
}

static void follows_deletion_and_creation(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    unlink(x->log);
    append_lines(x->log, 10, 20);
    fake_wait_rows(&x->sink, 20);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 20, 20);
}

static void reads_on_in_a_deleted_file_that_is_still_written(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    CLEANUP(close_fd) int fd = open(x->log, O_WRONLY | O_APPEND | O_CLOEXEC);
    unlink(x->log);
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(10, 20, &len);
    assert_int_equal(write(fd, text, len), len);
    fake_wait_rows(&x->sink, 20);
    append_lines(x->log, 20, 30);
    fake_wait_rows(&x->sink, 30);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 30, 30);
}

static void a_hole_left_by_a_writer_that_does_not_append_is_skipped(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    struct stat st;
    assert_int_equal(stat(x->log, &st), 0);
    off_t at = st.st_size;
    for (uint32_t round = 1; round < 4; round++) {
        copy_file(x->log, x->first);
        CLEANUP(close_fd) int fd = open(x->log, O_WRONLY | O_CLOEXEC | O_TRUNC);
        size_t len;
        CLEANUP(free_ptr) char *text = make_lines(round * 10, round * 10 + 10, &len);
        assert_int_equal(pwrite(fd, text, len, at), len);
        at += (off_t)len;
        fake_wait_rows(&x->sink, round * 10 + 10);
    }
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 40, 40);
    assert_true(x->sink.nul_bytes > 0);
    assert_int_equal(x->sink.unparsed, 0);
}

static void a_log_cut_short_in_part_goes_on_at_its_new_end(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    size_t len;
    free(make_lines(0, 4, &len));
    assert_int_equal(truncate(x->log, (off_t)len), 0);
    fake_wait_sources(&x->sink, 2); /* the new end is stored as a new source */
    append_lines(x->log, 10, 30);
    fake_wait_rows(&x->sink, 30);
    fixture_stop(x);
    fixture_start(x);
    append_lines(x->log, 30, 40);
    fake_wait_rows(&x->sink, 40);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 40, 40);
}

static void a_folder_that_is_replaced_is_found_again(void **state)
{
    struct fixture *x = *state;
    char dir[300], moved[300], log[320];
    snprintf(dir, sizeof(dir), "%s/a/logs", x->dir);
    snprintf(moved, sizeof(moved), "%s/a/old", x->dir);
    snprintf(log, sizeof(log), "%s/x.log", dir);
    struct err err = {0};
    struct tail_node node = {7, "one", log};
    assert_int_equal(tail_start(&x->sink.sink, NULL, &node, 1, &x->tail, &err), 0);
    fake_wait_attempts(&x->sink, 1);
    mkdir(test_path(x->dir, "a"), 0700);
    mkdir(dir, 0700);
    append_lines(log, 0, 10);
    fake_wait_rows(&x->sink, 10);
    rename(dir, moved);
    mkdir(dir, 0700);
    append_lines(log, 10, 20);
    fake_wait_rows(&x->sink, 20);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 20, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(reads_what_is_there_and_what_comes),
        SENTENCE(follows_a_rename_and_the_writer_that_keeps_the_old_file),
        SENTENCE(follows_copy_and_truncate),
        SENTENCE(finds_in_the_copy_what_was_unread_when_the_log_was_truncated),
        SENTENCE(finds_lines_in_renamed_and_packed_files_after_a_stop),
        SENTENCE(copies_packed_or_not_add_nothing),
        SENTENCE(follows_deletion_and_creation),
        SENTENCE(reads_on_in_a_deleted_file_that_is_still_written),
        SENTENCE(a_hole_left_by_a_writer_that_does_not_append_is_skipped),
        SENTENCE(a_log_cut_short_in_part_goes_on_at_its_new_end),
        SENTENCE(a_folder_that_is_replaced_is_found_again),
    };
    return cmocka_run_group_tests_name("tail rotation", tests, NULL, NULL);
}
