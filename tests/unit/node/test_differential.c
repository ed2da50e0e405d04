/* The scanner's own JSON reading against jansson, on generated fields: any order, repeated keys,
 * both generations of keys, escapes, nested values, numbers of every length. jansson keeps the last
 * of repeated keys; tails with invalid UTF-8 are compared after the bad bytes were replaced,
 * because jansson refuses them. */
#include "scanned.h"

#include <jansson.h>

static const struct {
    const char *spelling[3];
    enum { TEXT, WHOLE, FRACTION, OTHER } sort;
} keys[] = {
    {{"piece_id", "Piece ID", "pieceID"}, TEXT},
    {{"satellite_id", "Satellite ID", "satelliteID"}, TEXT},
    {{"remote_address", "Remote Address", "remoteAddress"}, TEXT},
    {{"error", "Error", "error"}, TEXT},
    {{"process", "Process", "process"}, TEXT},
    {{"size", "Size", "size"}, WHOLE},
    {{"offset", "Offset", "offset"}, WHOLE},
    {{"total_audits", "Total Audits", "totalAudits"}, WHOLE},
    {{"audit_score", "Audit Score", "auditScore"}, FRACTION},
    {{"online_score", "Online Score", "onlineScore"}, FRACTION},
    {{"stats", "Stats", "whatever else"}, OTHER},
    {{"curr logSlots size", "x", ""}, OTHER},
};

static void put_string(struct buf *b, struct test_random *random)
{
    static const char *const parts[] = {
        "a",
        "storagenode",
        " ",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b\\f\\n\\r\\t",
        "\\u0041",
        "\\u00b5s",
        "\\ud83d\\ude00",
        "162.857\302\265s",
        "\342\202\254",
        "NaN",
        "{",
        "}",
        "[,]",
        ":",
        "INFO",
        "\360\237\230\200",
        "\\u20AC",
        "a longer part so that words of eight bytes are crossed",
    };
    buf_add_text(b, "\"");
    for (uint64_t n = test_random_below(random, 5); n; n--)
        buf_add_text(b, parts[test_random_below(random, ARRAY_LEN(parts))]);
    buf_add_text(b, "\"");
}

static void put_number(struct buf *b, struct test_random *random)
{
    uint64_t value = test_random_next(random) >> test_random_below(random, 64);
    switch (test_random_below(random, 4)) {
    case 0:
        buf_printf(b, "%llu", (unsigned long long)(value >> 1));
        break;
    case 1:
        buf_printf(b, "-%llu", (unsigned long long)(value >> 1));
        break;
    case 2:
        buf_printf(b, "%.*f", (int)test_random_below(random, 18) + 1, (double)(value >> 32) / 1e9);
        break;
    default:
        buf_printf(b, "%llu.5e%d", (unsigned long long)(value >> 40),
                   (int)test_random_below(random, 20) - 10);
    }
}

static void put_other(struct buf *b, struct test_random *random, int depth)
{
    switch (test_random_below(random, depth > 4 ? 5 : 7)) {
    case 0:
        buf_add_text(b, "true");
        break;
    case 1:
        buf_add_text(b, "false");
        break;
    case 2:
        buf_add_text(b, "null");
        break;
    case 3:
        put_string(b, random);
        break;
    case 4:
        put_number(b, random);
        break;
    case 5:
        buf_add_text(b, "[");
        for (uint64_t n = test_random_below(random, 4); n; n--) {
            put_other(b, random, depth + 1);
            buf_add_text(b, n > 1 ? " , " : "");
        }
        buf_add_text(b, "]");
        break;
    default:
        buf_add_text(b, "{");
        for (uint64_t n = test_random_below(random, 4); n; n--) {
            put_string(b, random);
            buf_add_text(b, ":");
            put_other(b, random, depth + 1);
            buf_add_text(b, n > 1 ? "," : "");
        }
        buf_add_text(b, " }");
    }
}

static void put_tail(struct buf *b, struct test_random *random, size_t spelling)
{
    buf_add_text(b, "{");
    uint64_t count = test_random_below(random, 14);
    for (uint64_t i = 0; i < count; i++) {
        size_t k = test_random_below(random, ARRAY_LEN(keys));
        buf_printf(b, "%s\"%s\": ", i ? ", " : "", keys[k].spelling[spelling]);
        if (keys[k].sort == TEXT)
            put_string(b, random);
        else if (keys[k].sort == OTHER)
            put_other(b, random, 0);
        else
            put_number(b, random);
    }
    buf_add_text(b, "}");
}

static void assert_same_text(json_t *root, size_t key, size_t spelling, struct text got)
{
    const char *expected = json_string_value(json_object_get(root, keys[key].spelling[spelling]));
    assert_text(got, expected ? expected : "");
}

static void assert_same_amount(json_t *root, size_t key, size_t spelling, int64_t got)
{
    json_t *value = json_object_get(root, keys[key].spelling[spelling]);
    if (!value) {
        assert_int_equal(got, EVENT_NO_NUMBER);
    } else if (json_is_integer(value)) {
        int64_t expected = json_integer_value(value);
        assert_int_equal(got, expected < 0 ? EVENT_NO_NUMBER : expected);
    } else {
        double off = (double)got - json_real_value(value);
        assert_true(off <= 1 && off >= -1 - json_real_value(value) * 1e-12);
    }
}

static void assert_same_score(json_t *root, size_t key, size_t spelling, double got)
{
    json_t *value = json_object_get(root, keys[key].spelling[spelling]);
    double expected = value ? json_number_value(value) : -1, off = got - expected;
    double most = (expected < 0 ? -expected : expected) * 1e-14;
    assert_true(off <= most && -off <= most);
}

static void reads_the_same_values_as_jansson(void **state)
{
    (void)state;
    struct test_random random = {.state = 4711};
    for (int round = 0; round < 20000; round++) {
        CLEANUP(buf_fini) struct buf line = {0};
        size_t spelling = (size_t)round % 3;
        buf_add_text(&line, "2026-08-20T10:00:14Z\tINFO\tname\tmessage\t");
        size_t head = line.len;
        put_tail(&line, &random, spelling);
        json_error_t error;
        json_t *root = json_loadb(line.data + head, line.len - head, 0, &error);
        if (!root)
            fail_msg("%s: %s", error.text, line.data);
        CLEANUP(scanned_free) struct scanned s = scan_at(line.data, line.len, EVENT_NO_TIME);
        assert_int_equal(s.event.kind, EVENT_OTHER);
        assert_same_text(root, 0, spelling, s.event.piece);
        assert_same_text(root, 1, spelling, s.event.satellite);
        assert_same_text(root, 2, spelling, s.event.remote);
        assert_same_text(root, 3, spelling, s.event.error);
        assert_same_text(root, 4, spelling, s.event.process);
        assert_same_amount(root, 5, spelling, s.event.size_bytes);
        assert_same_amount(root, 6, spelling, s.event.offset_bytes);
        assert_same_amount(root, 7, spelling, s.event.total_audits);
        assert_same_score(root, 8, spelling, s.event.audit_score);
        assert_same_score(root, 9, spelling, s.event.online_score);
        json_decref(root);
    }
}

/* Damaged tails: what one refuses the other refuses too. */
static void refuses_what_jansson_refuses(void **state)
{
    (void)state;
    struct test_random random = {.state = 815};
    int refused = 0;
    for (int round = 0; round < 30000; round++) {
        CLEANUP(buf_fini) struct buf line = {0};
        buf_add_text(&line, "2026-08-20T10:00:14Z\tINFO\tname\tmessage\t{");
        size_t head = line.len - 1;
        line.len--;
        put_tail(&line, &random, 0);
        if (line.len - head < 3)
            continue;
        static const char damage[] = "\"\\{}[],:0-.eEu1tn \t\x01";
        size_t at = head + 1 + test_random_below(&random, line.len - head - 1);
        line.data[at] = damage[test_random_below(&random, sizeof(damage) - 1)];
        json_error_t error;
        json_t *root = json_loadb(line.data + head, line.len - head,
                                  JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
        bool has_surrogate =
            strstr(line.data, "\\ud") || strstr(line.data, "\\uD") || strstr(line.data, "\\uE");
        bool is_range = !root && strstr(error.text, "overflow");
        CLEANUP(scanned_free) struct scanned s = scan_at(line.data, line.len, EVENT_NO_TIME);
        bool utf8 =
            !root && (strstr(error.text, "decode byte") || strstr(error.text, "nvalid Unicode"));
        if (!(has_surrogate && !root) && !is_range && !utf8)
            if ((root != NULL) != (s.event.kind == EVENT_OTHER))
                fail_msg("%s: %s", root ? "accepted" : error.text, line.data);
        refused += !root;
        json_decref(root);
    }
    assert_in_range(refused, 5000, 29000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_same_values_as_jansson),
        cmocka_unit_test(refuses_what_jansson_refuses),
    };
    return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
