/* Reading whole files: plain, packed, piped, again, cut, ended badly. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/sync.h"
#include "fake_sink.h"
#include "ingest/bulk.h"

struct fixture {
    struct fake_sink sink;
    char *dir;
    char log[256], packed[256];
    struct bulk_totals totals;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    fake_init(&x->sink);
    x->dir = test_dir_make();
    snprintf(x->log, sizeof(x->log), "%s/node.log", x->dir);
    snprintf(x->packed, sizeof(x->packed), "%s/packed", x->dir);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    test_dir_cleanup(&x->dir);
    fake_fini(&x->sink);
    free(x);
    return 0;
}

static int run(struct fixture *x, const char *path)
{
    return bulk_run(&x->sink.sink, 7, &path, 1, NULL, NULL, &x->totals, &x->err);
}

static void put_gzip(const char *path, const char *mode, const char *text, size_t len)
{
    gzFile gz = gzopen(path, mode);
    assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
    gzclose(gz);
}

static void put_zstd(const char *path, const char *text, size_t len)
{
    size_t cap = ZSTD_compressBound(len);
    char *packed = malloc(cap);
    size_t n = ZSTD_compress(packed, cap, text, len, 3);
    assert_false(ZSTD_isError(n));
    test_file_append(path, packed, n);
    free(packed);
}

static void counts_a_file_and_nothing_when_read_again(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 20000);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.files, 1);
    assert_int_equal(x->totals.lines, 20000);
    assert_int_equal(x->totals.transfers, 20000);
    assert_int_equal(x->totals.duplicates, 0);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.bytes, 0);
    assert_int_equal(x->totals.transfers, 0);
    assert_int_equal(x->totals.duplicates, 20000);
    append_lines(x->log, 20000, 20010);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.transfers, 10);
    fake_expect_once(&x->sink, 0, 20010, 20010);
}

static void reads_members_and_frames_one_after_the_other(void **state)
{
    struct fixture *x = *state;
    for (uint32_t i = 0; i < 4; i++) {
        size_t len;
        CLEANUP(free_ptr) char *text = make_lines(1000 + i * 50, 1050 + i * 50, &len);
        put_gzip(x->packed, i ? "ab" : "wb", text, len); /* members of equal length */
        CLEANUP(free_ptr) char *more = make_lines(2000 + i * 50, 2050 + i * 50, &len);
        put_zstd(x->log, more, len);
        /* Each grown archive is read on from where the shorter one ended. */
        assert_int_equal(run(x, x->packed), 0);
        assert_int_equal(x->totals.transfers, 50);
        assert_int_equal(run(x, x->log), 0);
        assert_int_equal(x->totals.transfers, 50);
    }
    fake_expect_once(&x->sink, 1000, 1200, 400);
    fake_expect_once(&x->sink, 2000, 2200, 400);
    assert_int_equal(fake_source_count(&x->sink), 2);
}

static void a_packed_copy_of_a_known_file_goes_on_where_that_ended(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 100);
    assert_int_equal(run(x, x->log), 0);
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 130, &len);
    put_gzip(x->packed, "wb", text, len);
    assert_int_equal(run(x, x->packed), 0);
    assert_int_equal(x->totals.transfers, 30);
    assert_int_equal(x->totals.duplicates, 100);
    assert_int_equal(run(x, x->packed), 0);
    assert_int_equal(x->totals.transfers, 0);
    fake_expect_once(&x->sink, 0, 130, 130);
}

static void a_cut_archive_gives_what_is_there_and_says_so(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 5000, &len);
    put_gzip(x->packed, "wb", text, len);
    struct stat st;
    assert_int_equal(stat(x->packed, &st), 0);
    CLEANUP(free_ptr) char *whole = test_file_read(x->packed, NULL);
    assert_int_equal(truncate(x->packed, st.st_size / 2), 0);
    assert_int_equal(run(x, x->packed), ERR_INPUT);
    assert_non_null(strstr(x->err.text, "cut off"));
    assert_non_null(strstr(x->err.text, x->packed));
    uint64_t first = x->totals.transfers;
    assert_true(first > 0 && first < 5000);
    test_file_write(x->packed, whole, (size_t)st.st_size);
    assert_int_equal(run(x, x->packed), 0);
    assert_int_equal(x->totals.transfers, 5000 - first);
    fake_expect_once(&x->sink, 0, 5000, 5000);
}

static void a_damaged_archive_and_one_of_another_kind_are_named(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 5000, &len);
    put_gzip(x->packed, "wb", text, len);
    CLEANUP(close_fd) int fd = open(x->packed, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 3000), 8);
    assert_int_equal(run(x, x->packed), ERR_INPUT);
    test_file_write(x->log, "\3757zXZ\0 and so on\n", 18);
    assert_int_equal(run(x, x->log), ERR_INPUT);
    assert_non_null(strstr(x->err.text, "packed"));
    assert_int_equal(run(x, x->dir), ERR_INPUT);
    assert_non_null(strstr(x->err.text, "directory"));
    assert_int_equal(run(x, test_path(x->dir, "missing")), ERR_IO);
    assert_int_equal(x->err.sys_errno, ENOENT);
}

static void a_whole_last_line_without_lf_counts_once(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 3, &len);
    test_file_write(x->log, text, len - 1);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.transfers, 3);
    test_file_append(x->log, "\n", 1);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.lines, 0);
    assert_int_equal(x->totals.unparsed, 0);
    append_lines(x->log, 3, 5);
    assert_int_equal(run(x, x->log), 0);
    fake_expect_once(&x->sink, 0, 5, 5);
}

static void a_torn_last_line_is_told_and_waits_for_its_end(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 3, &len);
    for (size_t left = 9; left > 0; left--) {
        size_t cut = 7 * left - 5; /* 58 bytes missing, then fewer: it grows */
        test_file_write(x->log, text, len - cut);
        assert_int_equal(run(x, x->log), 0);
        assert_int_equal(x->totals.unparsed, 1);
        assert_int_equal(x->sink.unparsed, 0);
        assert_int_equal(fake_rows(&x->sink), 2);
    }
    test_file_write(x->log, text, len);
    assert_int_equal(run(x, x->log), 0);
    fake_expect_once(&x->sink, 0, 3, 3);
}

struct writer {
    int fd;
    const char *text;
    size_t len;
    bool ok;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    size_t done = 0;
    ssize_t n;
    while (done < w->len && (n = write(w->fd, w->text + done, w->len - done)) > 0)
        done += (size_t)n;
    w->ok = done == w->len;
    close(w->fd);
    return NULL;
}

/* Runs "-" with a pipe as standard input through which the text comes. */
static void run_piped(struct fixture *x, const char *text, size_t len, int expect)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    CLEANUP(close_fd) int keep = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    struct writer w = {ends[1], text, len, false};
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "writer", write_all, &w, &x->err), 0);
    int rc = run(x, "-");
    if (keep >= 0)
        dup2(keep, STDIN_FILENO);
    else
        close(STDIN_FILENO);
    pthread_join(thread, NULL);
    assert_int_equal(rc, expect);
}

static void standard_input_is_known_again_by_what_it_begins_with(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 30000, &len);
    run_piped(x, text, len, 0);
    assert_int_equal(x->totals.transfers, 30000);
    run_piped(x, text, len, 0);
    assert_int_equal(x->totals.transfers, 0);
    put_gzip(x->packed, "wb", text, len);
    CLEANUP(free_ptr) char *packed = test_file_read(x->packed, &len);
    run_piped(x, packed, len, 0);
    assert_int_equal(x->totals.transfers, 0);
    fake_expect_once(&x->sink, 0, 30000, 30000);
}

static void a_pipe_that_begins_alike_but_goes_on_differently_is_refused(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 100, &len);
    run_piped(x, text, len, 0);
    memset(text + len / 2, 'x', len / 2);
    run_piped(x, text, len, ERR_INPUT);
    assert_non_null(strstr(x->err.text, "standard input"));
    fake_expect_once(&x->sink, 0, 100, 100);
}

static void a_wish_to_stop_ends_the_run_and_counts_what_is_stored(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 20000);
    volatile sig_atomic_t stop = 1;
    const char *path = x->log;
    int rc = bulk_run(&x->sink.sink, 7, &path, 1, NULL, &stop, &x->totals, &x->err);
    assert_int_equal(rc, ERR_CANCELLED);
    assert_int_equal(x->totals.transfers, x->sink.rows);
    assert_int_equal(run(x, x->log), 0);
    fake_expect_once(&x->sink, 0, 20000, 20000);
}

static void store_failures_are_waited_out(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 40000);
    x->sink.fail_reads = 1;
    x->sink.fail_adds = 1;
    x->sink.fail_submits = 2;
    x->sink.fail_waits = 2;
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->totals.transfers, 40000);
    fake_expect_once(&x->sink, 0, 40000, 40000);
}

static void a_closed_store_ends_the_run(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 40000);
    x->sink.commits_left = 2;
    assert_int_equal(run(x, x->log), ERR_CLOSED);
    assert_int_equal(x->totals.transfers, x->sink.rows);
    fake_restart(&x->sink);
    assert_int_equal(run(x, x->log), 0);
    fake_expect_once(&x->sink, 0, 40000, 40000);
}

struct progress_seen {
    int calls;
    int64_t done_bytes, total_bytes;
};

static void note_progress(void *ctx, const char *path, int64_t done_bytes, int64_t total_bytes,
                          const struct bulk_totals *totals)
{
    struct progress_seen *seen = ctx;
    (void)path;
    (void)totals;
    seen->calls++;
    seen->done_bytes = done_bytes;
    seen->total_bytes = total_bytes;
}

static void progress_ends_with_the_whole_file_as_it_lies_on_disk(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 20000, &len);
    put_gzip(x->packed, "wb", text, len);
    struct stat st;
    assert_int_equal(stat(x->packed, &st), 0);
    struct progress_seen seen = {0};
    struct bulk_progress progress = {&seen, note_progress};
    const char *path = x->packed;
    assert_int_equal(bulk_run(&x->sink.sink, 7, &path, 1, &progress, NULL, &x->totals, &x->err), 0);
    assert_true(seen.calls >= 1);
    assert_int_equal(seen.done_bytes, st.st_size);
    assert_int_equal(seen.total_bytes, st.st_size);
}

static void lines_without_time_get_that_of_the_file(void **state)
{
    struct fixture *x = *state;
    const char line[] =
        "INFO\tpiecestore\tuploaded\t{\"piece_id\": \"P\", \"satellite_id\": \"1S\", "
        "\"action\": \"PUT\", \"size\": 3}\n";
    test_file_write(x->log, line, sizeof(line) - 1);
    struct timespec times[2] = {{1234567, 0}, {1234567, 0}};
    assert_int_equal(utimensat(AT_FDCWD, x->log, times, 0), 0);
    assert_int_equal(run(x, x->log), 0);
    assert_int_equal(x->sink.rows, 1);
    assert_int_equal(x->sink.last_at_unix_ms, 1234567000);
}

#define SENTENCE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(counts_a_file_and_nothing_when_read_again),
        SENTENCE(reads_members_and_frames_one_after_the_other),
        SENTENCE(a_packed_copy_of_a_known_file_goes_on_where_that_ended),
        SENTENCE(a_cut_archive_gives_what_is_there_and_says_so),
        SENTENCE(a_damaged_archive_and_one_of_another_kind_are_named),
        SENTENCE(a_whole_last_line_without_lf_counts_once),
        SENTENCE(a_torn_last_line_is_told_and_waits_for_its_end),
        SENTENCE(standard_input_is_known_again_by_what_it_begins_with),
        SENTENCE(a_pipe_that_begins_alike_but_goes_on_differently_is_refused),
        SENTENCE(a_wish_to_stop_ends_the_run_and_counts_what_is_stored),
        SENTENCE(store_failures_are_waited_out),
        SENTENCE(a_closed_store_ends_the_run),
        SENTENCE(progress_ends_with_the_whole_file_as_it_lies_on_disk),
        SENTENCE(lines_without_time_get_that_of_the_file),
    };
    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
