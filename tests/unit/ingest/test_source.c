/* The rules by which a file is known again. */
#include <string.h>

#include "node/source.h"
#include "support.h"

static struct source with_head(const char *head)
{
    struct source s = {.head_len = strlen(head)};
    memcpy(s.head, head, s.head_len);
    return s;
}

static enum source_likeness compare(const struct source *s, const char *head)
{
    return source_compare_head(s, (const uint8_t *)head, strlen(head));
}

static void the_head_decides_over_the_common_length(void **state)
{
    (void)state;
    struct source s = with_head("abcdef");
    assert_int_equal(compare(&s, "abcdef"), SOURCE_ALIKE);
    assert_int_equal(compare(&s, "abcdefgh"), SOURCE_ALIKE);
    assert_int_equal(compare(&s, "abc"), SOURCE_SHORTER);
    assert_int_equal(compare(&s, "abx"), SOURCE_DIFFERENT);
    assert_int_equal(compare(&s, "abcdeX"), SOURCE_DIFFERENT);
}

static void an_empty_file_and_a_source_without_head_match_nothing(void **state)
{
    (void)state;
    struct source s = with_head("abc"), none = with_head("");
    assert_int_equal(compare(&s, ""), SOURCE_DIFFERENT);
    assert_int_equal(compare(&none, "abc"), SOURCE_DIFFERENT);
}

static void a_head_grows_only_by_what_follows_it(void **state)
{
    (void)state;
    struct source s = with_head("abc");
    source_grow_head(&s, (const uint8_t *)"abX", 3);
    source_grow_head(&s, (const uint8_t *)"abXdef", 6);
    assert_int_equal(s.head_len, 3);
    source_grow_head(&s, (const uint8_t *)"abcdef", 6);
    assert_int_equal(s.head_len, 6);
    source_grow_head(&s, (const uint8_t *)"abcd", 4);
    assert_int_equal(s.head_len, 6);
}

static void a_mark_is_the_last_bytes_pushed(void **state)
{
    (void)state;
    struct source_mark mark = {0};
    char text[200];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    for (size_t piece = 1; piece < 100; piece += 7) {
        mark.len = 0;
        for (size_t at = 0; at < sizeof(text); at += piece) {
            size_t n = sizeof(text) - at < piece ? sizeof(text) - at : piece;
            source_mark_push(&mark, text + at, n);
            size_t len = at + n < SOURCE_MARK_MAX ? at + n : SOURCE_MARK_MAX;
            assert_int_equal(mark.len, len);
            assert_memory_equal(mark.bytes, text + at + n - len, len);
        }
    }
}

static void the_mark_tells_a_file_that_goes_on_differently(void **state)
{
    (void)state;
    struct source s = with_head("abc");
    struct source_mark mark = {0}, other = {0}, none = {0};
    assert_true(source_mark_is(&s, &none)); /* nothing read yet: nothing to compare */
    source_mark_push(&mark, "abcdefgh", 8);
    source_mark_push(&other, "abcdefgX", 8);
    source_move(&s, 8, &mark);
    assert_true(source_mark_is(&s, &mark));
    assert_false(source_mark_is(&s, &other));
    assert_false(source_mark_is(&s, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_decides_over_the_common_length),
        cmocka_unit_test(an_empty_file_and_a_source_without_head_match_nothing),
        cmocka_unit_test(a_head_grows_only_by_what_follows_it),
        cmocka_unit_test(a_mark_is_the_last_bytes_pushed),
        cmocka_unit_test(the_mark_tells_a_file_that_goes_on_differently),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
