/* Times, numbers, durations and sizes as nodes print them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#include "base/cleanup.h"
#include "node/stamp.h"
#include "node/units.h"

#define KEPT (-77)

static struct text text_of(const char *s)
{
    return (struct text){.at = s, .len = (uint32_t)strlen(s)};
}

static void reads_durations_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"0s", 0},
        {"1ns", 1},
        {"162.857\302\265s", 162857},
        {"162.857\316\274s", 162857},
        {"162.857us", 162857},
        {"346.279855ms", 346279855},
        {"17.347803472s", 17347803472},
        {"1m8.935185195s", 68935185195},
        {"1h59m42.3s", 7182300000000},
        {"1h30m45s", 5445000000000},
        {"1s500ms", 1500000000},
        {"-5ms", -5000000},
        {"42.5", 42500000000},
        {"1.1s", 1100000000},
        {"99999999999h", INT64_MAX},
        {"", KEPT},
        {"-", KEPT},
        {"s", KEPT},
        {"5x", KEPT},
        {"1h-5m", KEPT},
        {"1h 5m", KEPT},
        {"NaN", KEPT},
        {"+Inf", KEPT},
        {"5s5", KEPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = KEPT;
        assert_int_equal(units_duration_ns(text_of(cases[i].text), &ns), cases[i].ns != KEPT);
        assert_int_equal(ns, cases[i].ns);
    }
}

static void reads_sizes_of_storj(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {
        {"0 B", 0},
        {"1.3 KiB", 1331},
        {"548.6 MiB", 575248794},
        {"3.7 GiB", 3972844749},
        {"1.00 TB", 1000000000000},
        {"181.90 GB", 181900000000},
        {"1 EB", 1000000000000000000},
        {"1024", 1024},
        {"2KB", 2000},
        {"99 EiB", INT64_MAX},
        {"-1.0 KiB", -1024},
        {"", KEPT},
        {"B", KEPT},
        {"1 XB", KEPT},
        {"1 GiBs", KEPT},
        {"1 Gi", KEPT},
        {"1 G", KEPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t bytes = KEPT;
        assert_int_equal(units_size_bytes(text_of(cases[i].text), &bytes), cases[i].bytes != KEPT);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void reads_numbers_whatever_their_length(void **state)
{
    (void)state;
    static const char *const same_as_strtod[] = {"0",
                                                 "1",
                                                 "-1",
                                                 "0.5",
                                                 "0.9941822",
                                                 "1e3",
                                                 "1E-3",
                                                 "0.00000000009745060314259035",
                                                 "123456789012345678901234567890",
                                                 "3.141592653589793",
                                                 "2.2250738585072014e-300",
                                                 "1e300",
                                                 "-0.1"};
    for (size_t i = 0; i < ARRAY_LEN(same_as_strtod); i++) {
        double expected = strtod(same_as_strtod[i], NULL), got = KEPT;
        assert_true(units_number(text_of(same_as_strtod[i]), &got));
        double off = got - expected, most = (expected < 0 ? -expected : expected) * 1e-15;
        assert_true(off <= most && -off <= most);
    }
    static const char *const bad[] = {"", "-", "x", "1x", "1e", "1e+", "NaN", ".", "--1", "1 "};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double got = KEPT;
        int64_t whole = KEPT;
        assert_false(units_number(text_of(bad[i]), &got));
        assert_false(units_integer(text_of(bad[i]), &whole));
        assert_true(got == KEPT && whole == KEPT);
    }
}

static void clamps_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"999999999999999999", 999999999999999999},
        {"9223372036854775808", INT64_MAX},
        {"-9223372036854775809", -INT64_MAX},
        {"1e9999999999", INT64_MAX},
        {"1e-9999999999", 0},
        {"0e9999999999", 0},
        {"7.99", 7},
        {"-7.99", -7},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = KEPT;
        assert_true(units_integer(text_of(cases[i].text), &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void reads_times_of_all_nodes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-08-20T10:00:14Z", 1787220014000},
        {"2026-08-20T12:00:14+02:00", 1787220014000},
        {"2025-10-06T00:00:14-07:00", 1759734014000},
        {"2023-04-19T16:18:02.968+0300", 1681910282968},
        {"2024-02-29T23:59:59.999999999Z", 1709251199999},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1969-12-31T23:59:59.5Z", -500},
        {"2026-01-01T00:30:00+01:00", 1767223800000},
        {"9999-12-31T23:59:59Z", 253402300799000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t unix_ms = KEPT;
        bool fraction;
        size_t len = strlen(cases[i].text);
        assert_int_equal(stamp_parse(cases[i].text, len, &unix_ms, &fraction), len);
        assert_int_equal(unix_ms, cases[i].unix_ms);
        assert_int_equal(fraction, strchr(cases[i].text, '.') != NULL);
    }
}

static void refuses_times_that_never_were(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "2026-13-20T10:00:14Z",
        "2026-00-20T10:00:14Z",
        "2026-02-30T10:00:14Z",
        "2025-02-29T10:00:14Z",
        "1900-02-29T10:00:14Z",
        "2026-04-31T10:00:14Z",
        "2026-08-00T10:00:14Z",
        "2026-08-20T24:00:14Z",
        "2026-08-20T10:60:14Z",
        "2026-08-20T10:00:60Z",
        "2026-08-20T10:00:14",
        "2026-08-20T10:00:14.Z",
        "2026-08-20T10:00:14+2",
        "2026-08-20T10:00:14+24:00",
        "2026-08-20T10:00:14+02:60",
        "2026-08-20T10:00:14 Z",
        "2026-08-20 10:00:14Z",
        "20a6-08-20T10:00:14Z",
        "",
        "2026-08-20T10:00:14.123",
        "2026/08/20T10:00:14Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t unix_ms;
        bool fraction;
        assert_int_equal(stamp_parse(bad[i], strlen(bad[i]), &unix_ms, &fraction), 0);
    }
}

/* Day by day, against the rule a child learns. */
static void counts_days_through_leap_years(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day_number = 0;
    for (int year = 1970; year <= 2104; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = year % 4 == 0 && year != 2100;
            for (int day = 1; day <= days[month - 1] + (month == 2 && leap); day++, day_number++) {
                char text[64];
                int64_t unix_ms;
                bool fraction;
                int len =
                    snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", year, month, day);
                assert_int_equal(stamp_parse(text, (size_t)len, &unix_ms, &fraction), len);
                assert_int_equal(unix_ms, day_number * 86400000);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations_of_go),
        cmocka_unit_test(reads_sizes_of_storj),
        cmocka_unit_test(reads_numbers_whatever_their_length),
        cmocka_unit_test(clamps_integers),
        cmocka_unit_test(reads_times_of_all_nodes),
        cmocka_unit_test(refuses_times_that_never_were),
        cmocka_unit_test(counts_days_through_leap_years),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
