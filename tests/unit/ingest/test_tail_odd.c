/* What logs and folders are like on real machines: missing, unreadable, holed, fragmented, endless.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"

static void a_missing_log_is_waited_for(void **state)
{
    struct fixture *x = *state;
    fixture_start(x);
    fixture_wait_remark(x, "7 W one: there is no log at");
    append_lines(x->log, 0, 10);
    fake_wait_rows(&x->sink, 10);
    fixture_wait_remark(x, "7 I one: following");
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 10, 10);
}

static void partial_lines_are_left_until_they_are_whole(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 200, &len);
    fixture_start(x);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < 97 ? len - at : 97;
        test_file_append(x->log, text + at, n);
    }
    fake_wait_rows(&x->sink, 200);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 200, 200);
    assert_int_equal(x->sink.unparsed, 0);
}

static void a_page_of_nuls_costs_only_the_torn_line(void **state)
{
    struct fixture *x = *state;
    size_t len;
    static const char page[4096];
    CLEANUP(free_ptr) char *text = make_lines(0, 2, &len);
    fixture_start(x);
    append_lines(x->log, 2, 12);
    test_file_append(x->log, text, len - 40); /* line 1 is torn */
    test_file_append(x->log, page, sizeof(page));
    append_lines(x->log, 12, 20);
    fake_wait_rows(&x->sink, 19);
    fixture_stop(x);
    fake_expect_once(&x->sink, 2, 20, 19);
    assert_int_equal(x->sink.nul_bytes, sizeof(page));
    assert_int_equal(x->sink.unparsed, 1);
}

static void an_endless_line_is_cut_and_does_not_hold_up_what_follows(void **state)
{
    struct fixture *x = *state;
    CLEANUP(free_ptr) char *block = malloc(1 << 20);
    memset(block, 'x', 1 << 20);
    fixture_start(x);
    append_lines(x->log, 0, 5);
    fake_wait_rows(&x->sink, 5);
    for (int i = 0; i < 20; i++)
        test_file_append(x->log, block, 1 << 20);
    test_file_append(x->log, "\n", 1);
    append_lines(x->log, 5, 10);
    fake_wait_rows(&x->sink, 10);
    fixture_stop(x);
    fixture_start(x);
    append_lines(x->log, 10, 15);
    fake_wait_rows(&x->sink, 15);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 15, 15);
    assert_int_equal(x->sink.cut_lines, 1);
}

/* A docker record of a stream; the text ends in an escaped LF unless it is a fragment. */
static size_t docker(char *out, size_t cap, const char *stream, const char *text, bool last)
{
    char escaped[1024];
    size_t n = 0;
    for (const char *p = text; *p && *p != '\n'; p++) {
        if (*p == '"' || *p == '\t')
            escaped[n++] = '\\';
        escaped[n++] = *p == '\t' ? 't' : *p;
    }
    escaped[n] = '\0';
    return (size_t)snprintf(
        out, cap, "{\"log\":\"%s%s\",\"stream\":\"%s\",\"time\":\"2026-08-20T08:00:14.1Z\"}\n",
        escaped, last ? "\\n" : "", stream);
}

static void append_docker(const char *path, const char *stream, uint32_t number, int part)
{
    char record[2048];
    char *text = make_lines(number, number + 1, NULL);
    if (part == 1)
        text[60] = '\0';
    size_t n = docker(record, sizeof(record), stream, part == 2 ? text + 60 : text, part != 1);
    test_file_append(path, record, n);
    free(text);
}

static void a_docker_line_in_fragments_survives_a_restart_between_them(void **state)
{
    struct fixture *x = *state;
    append_docker(x->log, "stderr", 0, 0);
    append_docker(x->log, "stderr", 1, 1);
    fixture_start(x);
    fake_wait_rows(&x->sink, 1);
    append_docker(x->log, "stdout", 2, 0); /* of another stream, behind the open fragment */
    fixture_stop(x);
    fixture_start(x);
    append_docker(x->log, "stdout", 3, 0);
    append_docker(x->log, "stderr", 1, 2);
    append_docker(x->log, "stderr", 4, 0);
    fake_wait_rows(&x->sink, 5);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 5, 5);
    assert_int_equal(x->sink.unparsed, 0);
}

static void a_fragment_without_end_holds_up_nothing_for_good(void **state)
{
    struct fixture *x = *state;
    append_docker(x->log, "stderr", 0, 1);
    uint32_t many = 2 * BATCH_ROWS_MAX + 100;
    for (uint32_t i = 1; i < many; i++)
        append_docker(x->log, "stdout", i, 0);
    fixture_start(x);
    fake_wait_rows(&x->sink, many - 1);
    fixture_stop(x);
    fake_expect_once(&x->sink, 1, many, many - 1);
    assert_int_equal(x->sink.cut_lines, 1);
}

static void crlf_ends_a_line_and_a_blank_line_is_an_unparsed_one(void **state)
{
    struct fixture *x = *state;
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 1, &len);
    test_file_append(x->log, text, len - 1);
    test_file_append(x->log, "\r\n\r\n\n", 5);
    append_lines(x->log, 1, 3);
    fixture_start(x);
    fake_wait_rows(&x->sink, 3);
    fixture_stop(x);
    assert_int_equal(x->sink.lines, 5);
    assert_int_equal(x->sink.unparsed, 2);
    fake_expect_once(&x->sink, 0, 3, 3);
}

static void what_is_not_a_readable_log_is_remarked_and_passed_by(void **state)
{
    struct fixture *x = *state;
    assert_int_equal(mkdir(test_path(x->dir, "node.log.d"), 0700), 0);
    assert_int_equal(mkfifo(test_path(x->dir, "node.log.fifo"), 0600), 0);
    test_file_write(test_path(x->dir, "node.log.3.bz2"), "BZh91AY&SY", 10);
    test_file_write(test_path(x->dir, "node.log.4.gz"), "\x1f\x8b\x08\0\0\0\0\0\0\3\0", 11);
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    utimensat(AT_FDCWD, test_path(x->dir, "node.log.4.gz"), old, 0);
    append_lines(x->log, 0, 10);
    fixture_start(x);
    fake_wait_rows(&x->sink, 10);
    assert_int_equal(fixture_wait_remark(x, "node.log.d: is a directory"), 1);
    assert_int_equal(fixture_wait_remark(x, "node.log.fifo: is not a regular file"), 1);
    assert_int_equal(fixture_wait_remark(x, "node.log.3.bz2: is packed"), 1);
    assert_int_equal(fixture_wait_remark(x, "node.log.4.gz: the archive is cut off"), 1);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 10, 10);
}

static void a_log_that_may_not_be_read_is_read_once_it_may(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    assert_int_equal(chmod(x->log, 0), 0);
    bool root = geteuid() == 0;
    assert_int_equal(chmod(x->dir, 0777), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    fixture_start(x);
    fixture_wait_remark(x, "node.log: cannot open: Permission denied");
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(x->log, 0644), 0);
    fake_wait_rows(&x->sink, 10);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 10, 10);
}

static void a_name_belongs_to_the_log_with_the_longest_name(void **state)
{
    struct fixture *x = *state;
    char other[300];
    snprintf(other, sizeof(other), "%s-2", x->log);
    append_lines(x->log, 0, 10);
    append_lines(other, 10, 30);
    struct tail_node nodes[] = {{7, "one", x->log}, {8, "two", other}};
    struct err err = {0};
    assert_int_equal(tail_start(&x->sink.sink, NULL, nodes, 2, &x->tail, &err), 0);
    fake_wait_rows(&x->sink, 30);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 30, 30);
    assert_int_equal(x->sink.stored_count, 2);
    assert_int_not_equal(x->sink.stored[0].node_id, x->sink.stored[1].node_id);
}

static void a_burst_of_a_million_lines_arrives_once(void **state)
{
    struct fixture *x = *state;
    fixture_start(x);
    for (uint32_t i = 0; i < 100; i++)
        append_lines(x->log, i * 10000, i * 10000 + 10000);
    fake_wait_rows(&x->sink, 1000000);
    struct tail_status status = {0};
    assert_int_equal(tail_status(x->tail, &status, 1), 1);
    assert_int_equal(status.node_id, 7);
    assert_true(status.log_found);
    assert_true(status.newest_read_unix_ms > 0);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 1000000, 1000000);
}

static void a_log_that_is_there_is_never_called_missing(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 1);
    for (int round = 0; round < 50; round++) {
        fixture_start(x);
        struct tail_status status = {0};
        assert_int_equal(tail_status(x->tail, &status, 1), 1);
        assert_true(status.log_found);
        fixture_stop(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_missing_log_is_waited_for),
        SENTENCE(partial_lines_are_left_until_they_are_whole),
        SENTENCE(a_page_of_nuls_costs_only_the_torn_line),
        SENTENCE(an_endless_line_is_cut_and_does_not_hold_up_what_follows),
        SENTENCE(a_docker_line_in_fragments_survives_a_restart_between_them),
        SENTENCE(a_fragment_without_end_holds_up_nothing_for_good),
        SENTENCE(a_log_that_is_there_is_never_called_missing),
        SENTENCE(crlf_ends_a_line_and_a_blank_line_is_an_unparsed_one),
        SENTENCE(what_is_not_a_readable_log_is_remarked_and_passed_by),
        SENTENCE(a_log_that_may_not_be_read_is_read_once_it_may),
        SENTENCE(a_name_belongs_to_the_log_with_the_longest_name),
        SENTENCE(a_burst_of_a_million_lines_arrives_once),
    };
    return cmocka_run_group_tests_name("tail and odd files", tests, NULL, NULL);
}
