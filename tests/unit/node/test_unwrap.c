/* Lines inside the wrappers of container runtimes. */
#include "scanned.h"

struct unwrapped {
    enum unwrap_result result;
    char *line; /* NUL-terminated copy of what came out; NULL unless UNWRAP_LINE */
    size_t len;
    int64_t at_unix_ms;
    bool cut;
};

static void unwrapped_free(struct unwrapped *u)
{
    free(u->line);
}

/* Gives a line of exactly its length to the unwrapper and copies what comes out. */
static struct unwrapped take(struct unwrap *u, const char *raw, size_t len)
{
    CLEANUP(free_ptr) char *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    if (len)
        memcpy(bytes, raw, len);
    struct unwrapped out = {0};
    char *line;
    out.result = unwrap_line(u, bytes, len, &line, &out.len, &out.at_unix_ms, &out.cut);
    if (out.result == UNWRAP_LINE) {
        out.line = calloc(1, out.len + 1);
        assert_non_null(out.line);
        memcpy(out.line, line, out.len);
    }
    return out;
}

static void assert_line(struct unwrap *u, const char *raw, const char *line, int64_t at_unix_ms)
{
    CLEANUP(unwrapped_free) struct unwrapped got = take(u, raw, strlen(raw));
    assert_int_equal(got.result, UNWRAP_LINE);
    assert_string_equal(got.line, line);
    assert_int_equal(got.at_unix_ms, at_unix_ms);
    assert_false(got.cut);
}

static void assert_result(struct unwrap *u, const char *raw, enum unwrap_result result)
{
    CLEANUP(unwrapped_free) struct unwrapped got = take(u, raw, strlen(raw));
    assert_int_equal(got.result, result);
}

#define TIME "\"time\":\"2026-08-20T10:00:14.123456789Z\""
#define AT   1787220014123

static void takes_a_line_out_of_a_docker_record_in_any_key_order(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    assert_line(&u,
                "{\"log\":\"a\\tb \\\"c\\\" \\u003cd\\u003e\\n\",\"stream\":\"stderr\"," TIME "}",
                "a\tb \"c\" <d>", AT);
    assert_line(&u, "{" TIME ",\"attrs\":{\"x\":\"y\"},\"log\":\"a\\n\",\"stream\":\"stdout\"}\r",
                "a", AT);
    assert_line(&u, "\xef\xbb\xbf{\"log\":\"a\\n\",\"stream\":\"stdout\"}", "a", EVENT_NO_TIME);
    assert_line(&u, "{\"log\":\"\\n\"," TIME "}", "", AT);
}

static void passes_on_what_is_no_wrapper(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "{",
        "x",
        "{\"log\":5," TIME "}",
        "{\"log\":\"x\\n\"}",
        "2026-08-20T10:00:14Z\tINFO\ta\tb",
        "2026-08-20T10:00:14Z stdlog F x",
        "2026-08-20T10:00:14Z stdout X x",
        "2026-08-20T10:00:14Z stdout Fx x",
        "{\"L\":\"INFO\",\"M\":\"x\",\"log\":\"y\\n\"," TIME "}",
        "{\"log\":\"y\\n\"," TIME ",\"severity\":\"INFO\",\"message\":\"x\"}",
    };
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_line(&u, lines[i], lines[i], EVENT_NO_TIME);
}

static void joins_fragments_per_stream_with_the_time_of_the_first(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    assert_false(unwrap_is_pending(&u));
    assert_result(&u, "{\"log\":\"one \",\"stream\":\"stderr\"," TIME "}", UNWRAP_PENDING);
    assert_true(unwrap_is_pending(&u));
    assert_result(&u, "{\"log\":\"uno \",\"stream\":\"stdout\",\"time\":\"2026-08-20T10:00:15Z\"}",
                  UNWRAP_PENDING);
    assert_line(&u, "{\"log\":\"two\\n\",\"stream\":\"stderr\",\"time\":\"2026-08-20T10:00:16Z\"}",
                "one two", AT);
    assert_true(unwrap_is_pending(&u));
    assert_line(&u, "{\"log\":\"dos\\n\",\"stream\":\"stdout\",\"time\":\"2026-08-20T10:00:16Z\"}",
                "uno dos", 1787220015000);
    assert_false(unwrap_is_pending(&u));
    assert_line(&u, "{\"log\":\"three\\n\",\"stream\":\"stderr\"," TIME "}", "three", AT);
    assert_result(&u, "{\"log\":\"\",\"stream\":\"stderr\"," TIME "}", UNWRAP_PENDING);
    assert_true(unwrap_is_pending(&u));
    assert_line(&u, "{\"log\":\"end\\n\",\"stream\":\"stderr\"," TIME "}", "end", AT);
}

static void joins_fragments_of_kubernetes(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    assert_line(&u, "2026-08-20T10:00:14.123456789Z stderr F a\tb", "a\tb", AT);
    assert_line(&u, "2026-08-20T12:00:14.123+02:00 stdout F ", "", AT);
    assert_result(&u, "2026-08-20T10:00:14.123456789Z stderr P one ", UNWRAP_PENDING);
    assert_line(&u, "2026-08-20T10:00:14.5Z stdout F between", "between", 1787220014500);
    assert_result(&u, "2026-08-20T10:00:15Z stderr P:tag two ", UNWRAP_PENDING);
    assert_line(&u, "2026-08-20T10:00:16Z stderr F three", "one two three", AT);
    assert_false(unwrap_is_pending(&u));
}

static void tells_of_a_wrapper_that_cannot_be_read(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    assert_result(&u, "{\"log\":\"cut off", UNWRAP_BAD);
    assert_result(&u, "{\"log\":\"a\\n\",\"stream\":\"stderr\",\"time\":\"yesterday\"}",
                  UNWRAP_BAD);
    assert_result(&u, "2026-08-20T10:00:14Z stderr F", UNWRAP_BAD);
    assert_false(unwrap_is_pending(&u));
}

static void cuts_a_joined_line_at_the_longest_length(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    static const char head[] = "2026-08-20T10:00:14.123Z stderr P ";
    size_t piece = 300 * 1024, len = sizeof(head) - 1 + piece;
    CLEANUP(free_ptr) char *line = malloc(len);
    assert_non_null(line);
    memset(line, 'x', len);
    memcpy(line, head, sizeof(head) - 1);
    for (int i = 0; i < 4; i++) {
        CLEANUP(unwrapped_free) struct unwrapped got = take(&u, line, len);
        assert_int_equal(got.result, UNWRAP_PENDING);
    }
    CLEANUP(unwrapped_free)
    struct unwrapped end = take(&u, "2026-08-20T10:00:14.123Z stderr F y", 35);
    assert_int_equal(end.result, UNWRAP_LINE);
    assert_int_equal(end.len, LINE_MAX_BYTES);
    assert_true(end.cut);
    assert_line(&u, "2026-08-20T10:00:14.123Z stderr F y", "y", AT);
}

static void a_wrapped_line_scans_like_a_bare_one(void **state)
{
    (void)state;
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    const char *raw = "{\"log\":\"2026-08-20T12:00:14+02:00\\tINFO\\tpiecestore\\tuploaded\\t{"
                      "\\\"piece_id\\\": \\\"A\\\", \\\"size\\\": 7, \\\"error\\\": "
                      "\\\"a\\\\nb\\\"}\\n\",\"stream\":\"stderr\"," TIME "}";
    CLEANUP(unwrapped_free) struct unwrapped got = take(&u, raw, strlen(raw));
    assert_int_equal(got.result, UNWRAP_LINE);
    CLEANUP(scanned_free) struct scanned s = scan_at(got.line, got.len, got.at_unix_ms);
    assert_int_equal(s.event.kind, EVENT_TRANSFER);
    assert_int_equal(s.event.at_unix_ms, AT);
    assert_int_equal(s.event.size_bytes, 7);
    assert_text(s.event.error, "a\nb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_line_out_of_a_docker_record_in_any_key_order),
        cmocka_unit_test(passes_on_what_is_no_wrapper),
        cmocka_unit_test(joins_fragments_per_stream_with_the_time_of_the_first),
        cmocka_unit_test(joins_fragments_of_kubernetes),
        cmocka_unit_test(tells_of_a_wrapper_that_cannot_be_read),
        cmocka_unit_test(cuts_a_joined_line_at_the_longest_length),
        cmocka_unit_test(a_wrapped_line_scans_like_a_bare_one),
    };
    return cmocka_run_group_tests_name("unwrap", tests, NULL, NULL);
}
