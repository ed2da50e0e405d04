/* The rules: each by a table of facts around its threshold. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/event.h"
#include "node/verdict.h"

#define NOW INT64_C(1787220030500)
#define MIN (60 * 1000)

static struct verdict_facts well(void)
{
    return (struct verdict_facts){.node_id = 7,
                                  .name = "home",
                                  .log = "/var/log/node.log",
                                  .log_found = true,
                                  .last_event_unix_ms = NOW - 1000,
                                  .fatal_unix_ms = EVENT_NO_TIME,
                                  .started_unix_ms = EVENT_NO_TIME,
                                  .newest_trouble_unix_ms = EVENT_NO_TIME};
}

/* The severity that the rule gives to these facts; no other rule may speak. */
static enum severity judge(const struct verdict_facts *facts, const char *rule)
{
    struct verdict_item items[VERDICT_RULES_PER_NODE];
    size_t count = verdict_node(facts, NOW, items);
    if (!count)
        return SEVERITY_NONE;
    assert_int_equal(count, 1);
    assert_string_equal(items[0].rule, rule);
    assert_string_equal(items[0].node, "home");
    assert_int_equal(items[0].node_id, 7);
    assert_true(strlen(items[0].title) > 5);
    assert_true(strlen(items[0].detail) > 20);
    assert_true(items[0].since_unix_ms <= NOW && items[0].since_unix_ms > 0);
    return items[0].severity;
}

static void nothing_is_said_of_a_node_that_is_well(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.ended_15m = 10000;
    f.lines_15m = 20000;
    f.failed_15m = 9;
    f.unparsed_15m = 99;
    f.contact_failures_24h = 2;
    f.orders_failures_24h = 2;
    assert_int_equal(judge(&f, ""), SEVERITY_NONE);
}

static void a_missing_log_is_critical_where_one_is_expected(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.log_found = false;
    assert_int_equal(judge(&f, "log_missing"), SEVERITY_CRITICAL);
    f.log = "";
    assert_int_equal(judge(&f, "log_missing"), SEVERITY_NONE);
}

static void silence_is_told_after_five_minutes_and_critical_after_an_hour(void **state)
{
    (void)state;
    static const struct {
        int64_t silent_ms, backlog;
        enum severity severity;
    } table[] = {
        {5 * MIN, 0, SEVERITY_NONE},     {5 * MIN + 1, 0, SEVERITY_WARNING},
        {60 * MIN, 0, SEVERITY_WARNING}, {60 * MIN + 1, 0, SEVERITY_CRITICAL},
        {5 * MIN + 1, 1, SEVERITY_NONE}, {600 * MIN, 1, SEVERITY_NONE},
        {-10 * MIN, 0, SEVERITY_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct verdict_facts f = well();
        f.last_event_unix_ms = NOW - table[i].silent_ms;
        f.backlog_bytes = table[i].backlog;
        assert_int_equal(judge(&f, "log_silent"), table[i].severity);
    }
    struct verdict_facts never = well();
    never.last_event_unix_ms = EVENT_NO_TIME;
    assert_int_equal(judge(&never, "log_silent"), SEVERITY_NONE);
}

static void a_dead_node_is_critical_until_it_was_started_again(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.fatal_unix_ms = NOW - 10 * MIN;
    f.fatal_text = "Unrecoverable error: disk gone";
    assert_int_equal(judge(&f, "fatal"), SEVERITY_CRITICAL);
    f.started_unix_ms = NOW - 20 * MIN;
    assert_int_equal(judge(&f, "fatal"), SEVERITY_CRITICAL);
    f.started_unix_ms = NOW - 9 * MIN;
    assert_int_equal(judge(&f, "fatal"), SEVERITY_WARNING);
    f.fatal_text = NULL;
    assert_int_equal(judge(&f, "fatal"), SEVERITY_WARNING);
}

static void rising_errors_are_told_against_what_is_usual(void **state)
{
    (void)state;
    static const struct {
        uint64_t failed, ended, day;
        enum severity severity;
    } table[] = {
        {9, 9, 9, SEVERITY_NONE},                                          /* too few to say */
        {10, 10, 10, SEVERITY_WARNING},   {10, 500, 10, SEVERITY_WARNING}, /* 2 % */
        {10, 501, 10, SEVERITY_NONE},                                      /* below 2 % */
        {30, 100, 960, SEVERITY_WARNING}, /* three times the usual 10 */
        {29, 100, 960, SEVERITY_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct verdict_facts f = well();
        f.failed_15m = table[i].failed;
        f.ended_15m = table[i].ended;
        f.failed_24h = table[i].day;
        assert_int_equal(judge(&f, "errors_rising"), table[i].severity);
    }
}

static void failed_audits_are_told_at_once_and_critical_when_many(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.failed_audits_since_unix_ms = NOW - 60 * MIN;
    f.failed_audits_24h = 1;
    assert_int_equal(judge(&f, "audits_failed"), SEVERITY_WARNING);
    f.failed_audits_24h = 9;
    assert_int_equal(judge(&f, "audits_failed"), SEVERITY_WARNING);
    f.failed_audits_24h = 10;
    assert_int_equal(judge(&f, "audits_failed"), SEVERITY_CRITICAL);
}

static void a_log_that_is_mostly_no_log_is_told(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.lines_15m = 200;
    f.unparsed_15m = 100;
    assert_int_equal(judge(&f, "log_unreadable"), SEVERITY_WARNING);
    f.unparsed_15m = 99;
    assert_int_equal(judge(&f, "log_unreadable"), SEVERITY_NONE);
    f.unparsed_15m = 100;
    f.lines_15m = 201;
    assert_int_equal(judge(&f, "log_unreadable"), SEVERITY_NONE);
}

static void lines_that_always_mean_trouble_are_told(void **state)
{
    (void)state;
    struct verdict_facts f = well();
    f.newest_trouble_unix_ms = NOW - MIN;
    f.disk_failures_24h = 1;
    assert_int_equal(judge(&f, "disk_check"), SEVERITY_CRITICAL);
    f.disk_failures_24h = 0;
    f.database_failures_24h = 1;
    assert_int_equal(judge(&f, "database"), SEVERITY_CRITICAL);
    f.database_failures_24h = 0;
    f.corrupt_pieces_24h = 1;
    assert_int_equal(judge(&f, "pieces"), SEVERITY_WARNING);
    f.corrupt_pieces_24h = 0;
    f.orders_failures_24h = 3;
    assert_int_equal(judge(&f, "orders"), SEVERITY_WARNING);
    f.orders_failures_24h = 0;
    f.contact_failures_24h = 3;
    assert_int_equal(judge(&f, "contact"), SEVERITY_WARNING);
}

static struct verdict_facts all_wrong(void)
{
    struct verdict_facts f = well();
    f.last_event_unix_ms = NOW - 10 * MIN;
    f.fatal_unix_ms = NOW - 11 * MIN;
    f.failed_15m = f.ended_15m = f.failed_24h = UINT64_MAX / 4;
    f.lines_15m = f.unparsed_15m = UINT64_MAX / 4;
    f.failed_audits_24h = UINT64_MAX / 4;
    f.failed_audits_since_unix_ms = NOW - 12 * MIN;
    f.disk_failures_24h = f.database_failures_24h = f.corrupt_pieces_24h = UINT64_MAX / 4;
    f.contact_failures_24h = f.orders_failures_24h = UINT64_MAX / 4;
    f.newest_trouble_unix_ms = NOW - 13 * MIN;
    return f;
}

static void everything_at_once_fits_and_no_rule_speaks_twice(void **state)
{
    (void)state;
    struct verdict_facts f = all_wrong();
    f.failed_24h = 0;
    f.log_found = false;
    f.last_event_unix_ms = NOW + 60 * MIN;
    struct verdict_item items[VERDICT_RULES_PER_NODE];
    size_t count = verdict_node(&f, NOW, items);
    assert_int_equal(count, VERDICT_RULES_PER_NODE);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(items[i].rule, items[k].rule);
    }
}

static void texts_of_any_length_are_cut_to_fit(void **state)
{
    (void)state;
    char path[5000];
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    struct verdict_facts f = well();
    f.log = path;
    f.log_found = false;
    f.fatal_unix_ms = NOW - MIN;
    f.fatal_text = path;
    struct verdict_item items[VERDICT_RULES_PER_NODE];
    size_t count = verdict_node(&f, NOW, items);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_true(strlen(items[i].detail) < sizeof(items[i].detail));
}

static void the_worst_stand_first_and_the_oldest_of_equals(void **state)
{
    (void)state;
    struct verdict_item items[] = {
        {.severity = SEVERITY_INFO, .since_unix_ms = 1},
        {.severity = SEVERITY_WARNING, .since_unix_ms = 30},
        {.severity = SEVERITY_CRITICAL, .since_unix_ms = 20},
        {.severity = SEVERITY_WARNING, .since_unix_ms = 10},
        {.severity = SEVERITY_CRITICAL, .since_unix_ms = 5},
    };
    const int64_t order[] = {5, 20, 10, 30, 1};
    verdict_sort(items, ARRAY_LEN(items));
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        assert_int_equal(items[i].since_unix_ms, order[i]);
    verdict_sort(NULL, 0);
}

static void ages_are_told_in_the_unit_people_would_use(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {-5, "0 s"},
        {0, "0 s"},
        {59999, "59 s"},
        {60000, "1 min"},
        {3599999, "59 min"},
        {3600000, "1 h"},
        {48 * 3600000 - 1, "47 h"},
        {48 * 3600000, "2 d"},
        {INT64_MAX, "106751991167 d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char age[24];
        verdict_age(table[i].ms, age);
        assert_string_equal(age, table[i].text);
    }
}

static void a_log_from_the_future_is_a_clock_that_is_off(void **state)
{
    (void)state;
    static const struct {
        int64_t ahead_ms;
        enum severity severity;
    } table[] = {
        {-1000, SEVERITY_NONE},
        {VERDICT_AHEAD_MS, SEVERITY_NONE},
        {VERDICT_AHEAD_MS + 1, SEVERITY_WARNING},
        {INT64_C(400) * 86400 * 1000, SEVERITY_WARNING},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct verdict_facts f = well();
        f.last_event_unix_ms = NOW + table[i].ahead_ms;
        assert_int_equal(judge(&f, "clock_ahead"), table[i].severity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_of_a_node_that_is_well),
        cmocka_unit_test(a_missing_log_is_critical_where_one_is_expected),
        cmocka_unit_test(silence_is_told_after_five_minutes_and_critical_after_an_hour),
        cmocka_unit_test(a_log_from_the_future_is_a_clock_that_is_off),
        cmocka_unit_test(a_dead_node_is_critical_until_it_was_started_again),
        cmocka_unit_test(rising_errors_are_told_against_what_is_usual),
        cmocka_unit_test(failed_audits_are_told_at_once_and_critical_when_many),
        cmocka_unit_test(a_log_that_is_mostly_no_log_is_told),
        cmocka_unit_test(lines_that_always_mean_trouble_are_told),
        cmocka_unit_test(everything_at_once_fits_and_no_rule_speaks_twice),
        cmocka_unit_test(texts_of_any_length_are_cut_to_fit),
        cmocka_unit_test(the_worst_stand_first_and_the_oldest_of_equals),
        cmocka_unit_test(ages_are_told_in_the_unit_people_would_use),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
