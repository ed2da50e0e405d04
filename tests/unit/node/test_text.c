/* Texts of a line become valid UTF-8 of bounded length. */
#include "scanned.h"

static void assert_copy(struct text t, size_t max_bytes, enum text_care care, const char *expected)
{
    CLEANUP(buf_fini) struct buf b = {0};
    buf_add_text(&b, "before:");
    size_t len = text_copy(&b, t, max_bytes, care);
    assert_false(b.failed);
    assert_int_equal(b.len, 7 + len);
    assert_string_equal(b.data + 7, expected);
    assert_true(len <= max_bytes);
}

static struct text text_of(const char *s, bool escaped)
{
    return (struct text){.at = s, .len = (uint32_t)strlen(s), .escaped = escaped};
}

#define BAD "\357\277\275" /* U+FFFD */

static void resolves_every_escape(void **state)
{
    (void)state;
    assert_copy(text_of("\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041", true), 100, TEXT_UTF8,
                "\"\\/\b\f\n\r\tA");
    assert_copy(text_of("\\u00b5\\u20AC\\uD83D\\uDE00", true), 100, TEXT_UTF8,
                "\302\265\342\202\254\360\237\230\200");
    assert_copy(text_of("\\ud800x\\udc00\\ud800\\ud800\\ud800\\n", true), 100, TEXT_UTF8,
                BAD "x" BAD BAD BAD BAD "\n");
    assert_copy(text_of("a\\u0000b", true), 100, TEXT_UTF8, "a" BAD "b");
    assert_copy(text_of("not \\n escaped", false), 100, TEXT_UTF8, "not \\n escaped");
}

static void replaces_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\302\265s \342\202\254 \360\237\230\200 \357\277\277",
         "\302\265s \342\202\254 \360\237\230\200 \357\277\277"},
        {"\200", BAD},
        {"\300\200", BAD BAD},
        {"\340\200\200", BAD BAD BAD},
        {"\355\240\200", BAD BAD BAD},
        {"\360\200\200\200", BAD BAD BAD BAD},
        {"\364\220\200\200", BAD BAD BAD BAD},
        {"\365", BAD},
        {"\342\202", BAD},
        {"\342\202x", BAD "x"},
        {"\360\237\230", BAD},
        {"\377\376", BAD BAD},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_copy(text_of(cases[i].in, false), 100, TEXT_UTF8, cases[i].out);
    assert_copy((struct text){.at = "a\0b", .len = 3}, 100, TEXT_UTF8, "a" BAD "b");
}

static void makes_a_sample_printable(void **state)
{
    (void)state;
    assert_copy(text_of("\x1b[31mred\tx\x7f\302\205\302\265", false), 100, TEXT_PRINTABLE,
                BAD "[31mred\tx" BAD BAD "\302\265");
}

static void cuts_between_characters(void **state)
{
    (void)state;
    assert_copy(text_of("abcdef", false), 3, TEXT_UTF8, "abc");
    assert_copy(text_of("ab\342\202\254", false), 4, TEXT_UTF8, "ab");
    assert_copy(text_of("ab\342\202\254", false), 5, TEXT_UTF8, "ab\342\202\254");
    assert_copy(text_of("\377\377\377", false), 7, TEXT_UTF8, BAD BAD);
    assert_copy(text_of("\\u0041\\u0042\\u0043\\ud83d\\ude00", true), 3, TEXT_UTF8, "ABC");
    assert_copy(text_of("\\u0041\\u0042\\u0043\\ud83d\\ude00", true), 6, TEXT_UTF8, "ABC");
}

static void never_gives_more_than_asked_for_whatever_comes_in(void **state)
{
    (void)state;
    struct test_random random = {.state = 20260820};
    for (int round = 0; round < 20000; round++) {
        char in[64];
        struct text t = {.at = in,
                         .len = (uint32_t)test_random_below(&random, sizeof(in) + 1),
                         .escaped = round & 1};
        static const char alphabet[] = "\\\\\\uuud8cD0nAx\"\302\265\360\237\355\240\377";
        for (uint32_t i = 0; i < t.len; i++)
            in[i] = alphabet[test_random_below(&random, sizeof(alphabet))];
        size_t max_bytes = test_random_below(&random, 80);
        CLEANUP(buf_fini) struct buf once = {0}, twice = {0};
        size_t len = text_copy(&once, t, max_bytes, TEXT_UTF8);
        assert_true(len <= max_bytes);
        /* Clean text is copied as it is. */
        struct text clean = {.at = once.data ? once.data : "", .len = (uint32_t)once.len};
        assert_int_equal(text_copy(&twice, clean, 1000, TEXT_UTF8), len);
        assert_memory_equal(twice.data ? twice.data : "", once.data ? once.data : "", len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_every_escape),
        cmocka_unit_test(replaces_bytes_that_are_no_utf8),
        cmocka_unit_test(makes_a_sample_printable),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(never_gives_more_than_asked_for_whatever_comes_in),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
