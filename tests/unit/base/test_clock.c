/* Times as they are stored and shown. */
#include "support.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

static void formats_known_instants(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1787220014123, "2026-08-20T10:00:14.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[CLOCK_RFC3339_MAX];
        assert_int_equal(clock_format_rfc3339_ms(out, cases[i].ms), 24);
        assert_string_equal(out, cases[i].text);
    }
}

static void agrees_with_the_c_library_on_every_day_of_400_years(void **state)
{
    (void)state;
    for (int64_t day = -3000; day < 146097 - 3000; day++) {
        time_t t = (time_t)(day * 86400 + 86399);
        struct tm tm;
        char want[CLOCK_RFC3339_MAX], got[CLOCK_RFC3339_MAX];
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&t, &tm));
        clock_format_rfc3339_ms(got, (int64_t)t * 1000);
        if (strcmp(want, got) != 0)
            fail_msg("%s should be %s", got, want);
    }
}

static void monotonic_time_never_goes_back(void **state)
{
    (void)state;
    int64_t last = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_known_instants),
        cmocka_unit_test(agrees_with_the_c_library_on_every_day_of_400_years),
        cmocka_unit_test(monotonic_time_never_goes_back),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
