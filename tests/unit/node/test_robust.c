/* Nothing in the input may crash the scanner or make it read beyond the line (run under the address
 * sanitizer), and no cut line may be half read. */
#include "scanned.h"

#include "node/batch.h"

#define FIELDS                                                                                     \
    "\"process\": \"storagenode\", \"piece_id\": \"" PIECE_ID "\", \"satellite_id\": \"" US1       \
    "\", \"action\": \"GET\", \"offset\": 0, \"size\": 12, \"remote_address\": \"[::1]:5\", "      \
    "\"error\": \"a\\n\\t\\u00b5\\ud83d\\ude00 b\", \"stats\": {\"a\":[1,-2.5e3,true,null,\"x\"]}"

static const char *const samples[] = {
    "2026-08-20T10:00:14.123+02:00\tERROR\tpiecestore\ta/b.go:7\tdownload failed\t{" FIELDS "}",
    "{\"L\":\"ERROR\",\"T\":\"2026-08-20T10:00:14Z\",\"N\":\"piecestore\",\"M\":\"download "
    "failed\"," FIELDS "}",
    "{\"severity\":\"ERROR\",\"message\":\"download "
    "failed\",\"size\":5,\"logging.googleapis.com/labels\":{" FIELDS
    "},\"timestamp\":{\"seconds\":1787220014,\"nanos\":1}}",
    "{\"log\":\"2026-08-20T10:00:14Z\\tINFO\\tx\\ty\\t{\\\"a\\\": "
    "1}\\n\",\"stream\":\"stderr\",\"time\":\"2026-08-20T08:00:14.123456789Z\"}",
    "2026-08-20T08:00:14.123456789Z stderr F:t INFO\ttrust\tSatellite is trusted\t{\"id\": \"" EU1
    "\"}",
    "goroutine 17 [chan receive, 5 minutes]:",
    "storj.io/storj/storagenode/piecestore.(*Endpoint).Upload(0xc000123, {0x1, 0x2})",
    "\t/go/src/storj.io/storj/cmd/storagenode/main.go:12 +0x1d",
    "2026-08-20T10:00:14Z INFO  orders  finished   {\"count\": 5}",
};

/* The way of a physical line through unwrapper, scanner and batch; returns the kind. */
static enum event_kind digest(struct batch *b, const char *line, size_t len)
{
    CLEANUP(free_ptr) char *bytes = malloc(len ? len : 1);
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    struct event e = {.kind = EVENT_UNPARSED, .at_unix_ms = EVENT_NO_TIME};
    char *out;
    size_t out_len;
    int64_t at_unix_ms;
    bool cut;
    assert_non_null(bytes);
    if (len)
        memcpy(bytes, line, len);
    if (unwrap_line(&u, bytes, len, &out, &out_len, &at_unix_ms, &cut) == UNWRAP_LINE)
        line_scan(out, out_len, at_unix_ms, &e);
    else
        out = bytes, out_len = len;
    if (batch_is_full(b))
        batch_clear(b);
    assert_true(batch_add(b, &e, (struct text){out, (uint32_t)out_len}, 0, 0));
    return e.kind;
}

static void survives_every_prefix_and_suffix_of_every_sort_of_line(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        size_t len = strlen(samples[i]);
        assert_int_not_equal(digest(&b, samples[i], len), EVENT_UNPARSED);
        for (size_t cut = 0; cut < len; cut++) {
            enum event_kind kind = digest(&b, samples[i], cut);
            if (strchr(samples[i], '{') < samples[i] + cut && i < 4)
                assert_int_equal(kind, EVENT_UNPARSED);
            digest(&b, samples[i] + cut, len - cut);
        }
    }
}

static void survives_any_one_byte_being_another(void **state)
{
    (void)state;
    static const char bytes[] = {0,   '\t', '\n', '"', '\\', '{', '}',    '[',    ']',    ',',
                                 ':', '0',  '-',  'u', 'Z',  ' ', '\x7f', '\x80', '\xc3', '\xff'};
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        CLEANUP(free_ptr) char *line = strdup(samples[i]);
        assert_non_null(line);
        size_t len = strlen(line);
        for (size_t at = 0; at < len; at++) {
            for (size_t k = 0; k < sizeof(bytes); k++) {
                line[at] = bytes[k];
                digest(&b, line, len);
            }
            line[at] = samples[i][at];
        }
    }
}

static void survives_splices_of_lines(void **state)
{
    (void)state;
    struct test_random random = {.state = 77};
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    for (int round = 0; round < 20000; round++) {
        char line[2048];
        size_t len = 0;
        for (int part = 0; part < 3; part++) {
            const char *from = samples[test_random_below(&random, ARRAY_LEN(samples))];
            size_t at = test_random_below(&random, strlen(from)),
                   n = test_random_below(&random, strlen(from) - at + 1);
            memcpy(line + len, from + at, n);
            len += n;
        }
        digest(&b, line, len);
    }
}

static void refuses_nesting_without_end(void **state)
{
    (void)state;
    static const char head[] = "2026-08-20T10:00:14Z\tINFO\tx\ty\t{\"a\": ";
    size_t depth = 200000, len = sizeof(head) - 1 + depth;
    CLEANUP(free_ptr) char *line = malloc(len);
    assert_non_null(line);
    memcpy(line, head, sizeof(head) - 1);
    memset(line + sizeof(head) - 1, '[', depth);
    CLEANUP(scanned_free) struct scanned s = scan_at(line, len, EVENT_NO_TIME);
    assert_int_equal(s.event.kind, EVENT_UNPARSED);
    assert_int_equal(
        kind_of("2026-08-20T10:00:14Z\tINFO\tx\ty\t{\"a\": [[[[[[[[[[{\"b\": [[[]]]}]]]]]]]]]]}"),
        EVENT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_every_prefix_and_suffix_of_every_sort_of_line),
        cmocka_unit_test(survives_any_one_byte_being_another),
        cmocka_unit_test(survives_splices_of_lines),
        cmocka_unit_test(refuses_nesting_without_end),
    };
    return cmocka_run_group_tests_name("robust", tests, NULL, NULL);
}
