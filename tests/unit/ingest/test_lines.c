/* Bytes to lines: every byte in one line, offsets that add up, memory that does not grow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/lines.h"
#include "support.h"

static void fill(struct lines *l, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t room;
        char *space = lines_space(l, &room);
        size_t n = len < room ? len : room;
        memcpy(space, bytes, n);
        lines_filled(l, n);
        bytes += n;
        len -= n;
        if (len > 0) {
            struct line none;
            assert_false(lines_next(l, &none));
        }
    }
}

static void expect(struct lines *l, const char *text, int64_t end_at)
{
    struct line line;
    assert_true(lines_next(l, &line));
    assert_int_equal(line.len, strlen(text));
    assert_memory_equal(line.bytes, text, line.len);
    assert_int_equal(line.end_at, end_at);
    assert_false(line.cut);
}

static void gives_whole_lines_and_keeps_the_rest(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    assert_true(lines_init(&l));
    lines_reset(&l, 100);
    fill(&l, "one\ntwo\r\n\nthr", 13);
    expect(&l, "one", 104);
    expect(&l, "two\r", 109);
    expect(&l, "", 110);
    assert_false(lines_next(&l, &line));
    fill(&l, "ee\n", 3);
    expect(&l, "three", 116);
    assert_false(lines_rest(&l, &line));
    fill(&l, "last", 4);
    assert_false(lines_next(&l, &line));
    assert_true(lines_rest(&l, &line));
    assert_int_equal(line.end_at, 120);
    lines_fini(&l);
}

static void a_run_of_nuls_parts_lines_once_the_lf_is_there(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    assert_true(lines_init(&l));
    fill(&l, "torn\0\0\0whole", 12);
    assert_false(lines_next(&l, &line));
    fill(&l, "\n\0\0next\n", 8);
    assert_true(lines_next(&l, &line));
    assert_int_equal(line.len, 4);
    assert_int_equal(line.nul_bytes, 3);
    assert_int_equal(line.end_at, 7);
    expect(&l, "whole", 13);
    assert_true(lines_next(&l, &line));
    assert_int_equal(line.len, 0);
    assert_int_equal(line.nul_bytes, 2);
    expect(&l, "next", 20);
    lines_fini(&l);
}

static void a_hole_larger_than_the_buffer_is_passed(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    assert_true(lines_init(&l));
    uint64_t nuls = 0, hole = 5 * LINES_BUFFER_BYTES + 17, left = hole;
    while (left > 0) {
        size_t room;
        char *space = lines_space(&l, &room);
        size_t n = left < room ? (size_t)left : room;
        memset(space, 0, n);
        lines_filled(&l, n);
        left -= n;
        while (lines_next(&l, &line)) {
            assert_int_equal(line.len, 0);
            nuls += line.nul_bytes;
        }
    }
    fill(&l, "line\n", 5);
    while (lines_next(&l, &line) && line.len == 0)
        nuls += line.nul_bytes;
    assert_int_equal(nuls, hole);
    assert_int_equal(line.len, 4);
    assert_int_equal(line.end_at, hole + 5);
    lines_fini(&l);
}

static void an_overlong_line_is_cut_and_its_rest_skipped(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    assert_true(lines_init(&l));
    size_t len = 7 * (size_t)LINE_MAX_BYTES + 11;
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    text[len] = '\n';
    fill(&l, text, len + 1);
    assert_true(lines_next(&l, &line));
    assert_true(line.cut);
    assert_int_equal(line.len, LINE_MAX_BYTES);
    assert_memory_equal(line.bytes, text, line.len);
    assert_int_equal(line.end_at, len + 1);
    /* What lies before the end in the buffer is what lies before it in the file: the mark. */
    assert_memory_equal(line.bytes + line.raw_len - 64, text + len + 1 - 64, 64);
    fill(&l, "next\n", 5);
    expect(&l, "next", (int64_t)len + 6);
    free(text);
    lines_fini(&l);
}

static void a_line_of_exactly_the_longest_kind_is_not_cut(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    assert_true(lines_init(&l));
    char *text = malloc(LINE_MAX_BYTES + 2);
    assert_non_null(text);
    memset(text, 'x', LINE_MAX_BYTES + 1);
    text[LINE_MAX_BYTES] = '\n';
    fill(&l, text, LINE_MAX_BYTES + 1);
    assert_true(lines_next(&l, &line));
    assert_false(line.cut);
    text[LINE_MAX_BYTES] = 'x';
    text[LINE_MAX_BYTES + 1] = '\n';
    fill(&l, text, LINE_MAX_BYTES + 2);
    assert_true(lines_next(&l, &line));
    assert_true(line.cut);
    assert_int_equal(line.end_at, 2 * (int64_t)LINE_MAX_BYTES + 3);
    free(text);
    lines_fini(&l);
}

static void random_bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    struct test_random random = {20260820};
    enum { SIZE = 300000 };
    char *in = malloc(SIZE), *out = malloc(SIZE);
    assert_true(in && out && lines_init(&l));
    for (size_t i = 0; i < SIZE; i++)
        in[i] = "ab\n\0"[test_random_below(&random, 100) < 90 ? test_random_below(&random, 2)
                                                              : test_random_below(&random, 4)];
    in[SIZE - 1] = '\n';
    size_t given = 0, taken = 0;
    while (given < SIZE) {
        size_t room, n = 1 + test_random_below(&random, 5000);
        char *space = lines_space(&l, &room);
        n = n < SIZE - given ? n : SIZE - given;
        memcpy(space, in + given, n);
        lines_filled(&l, n);
        given += n;
        while (lines_next(&l, &line)) {
            assert_int_equal(line.at, taken);
            assert_null(memchr(line.bytes, '\n', line.len));
            assert_null(memchr(line.bytes, '\0', line.len));
            memcpy(out + taken, line.bytes, line.raw_len);
            taken += line.raw_len;
            assert_int_equal(line.end_at, taken);
        }
    }
    assert_int_equal(taken, SIZE);
    assert_memory_equal(in, out, SIZE);
    free(in);
    free(out);
    lines_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_whole_lines_and_keeps_the_rest),
        cmocka_unit_test(a_run_of_nuls_parts_lines_once_the_lf_is_there),
        cmocka_unit_test(a_hole_larger_than_the_buffer_is_passed),
        cmocka_unit_test(an_overlong_line_is_cut_and_its_rest_skipped),
        cmocka_unit_test(a_line_of_exactly_the_longest_kind_is_not_cut),
        cmocka_unit_test(random_bytes_come_out_as_they_went_in),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
