/* What a query string asks for, and what is said about one that asks for nothing sensible. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "base/cleanup.h"
#include "web/internal.h"

static const struct web_node nodes[] = {{1, "a", ""}, {3, "b", ""}, {INT64_MAX, "c", ""}};

static int parse(const char *text, struct web_query *out, struct err *err)
{
    struct web web = {.options = {.nodes = nodes, .node_count = ARRAY_LEN(nodes)}};
    struct evkeyvalq params;
    assert_int_equal(evhttp_parse_query_str(text, &params), 0);
    int rc = web_query_parse(&web, &params, out, err);
    evhttp_clear_headers(&params);
    return rc;
}

static void ranges_are_those_of_the_documents(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int seconds, step_s;
    } table[] = {
        {"15m", 900, 60},     {"1h", 3600, 60},        {"24h", 86400, 900},
        {"7d", 604800, 3600}, {"30d", 2592000, 21600},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct web_range *range = web_range_find(table[i].name);
        assert_non_null(range);
        assert_int_equal(range->seconds, table[i].seconds);
        assert_int_equal(range->step_s, table[i].step_s);
        /* A chart's step is made of whole steps of the rollup that it is read from. */
        assert_int_equal(range->step_s % batch_step_s[range->series], 0);
        assert_int_equal(range->seconds % range->step_s, 0);
    }
    assert_null(web_range_find(""));
    assert_null(web_range_find("1H"));
    assert_null(web_range_find("1h "));
}

static void takes_the_last_hour_of_all_nodes_when_nothing_is_said(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "nodes=", "other=1", "range=1h"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct web_query query;
        struct err err;
        assert_int_equal(parse(texts[i], &query, &err), 0);
        assert_string_equal(query.range->name, "1h");
        assert_int_equal(query.node_count, 0);
        assert_true(web_query_wants(&query, 1) && web_query_wants(&query, 4711));
        web_query_fini(&query);
    }
}

static void takes_ids_in_any_order_and_number(void **state)
{
    (void)state;
    struct web_query query;
    struct err err;
    assert_int_equal(parse("nodes=3,1,3&range=30d", &query, &err), 0);
    assert_string_equal(query.range->name, "30d");
    assert_int_equal(query.node_count, 3);
    assert_true(web_query_wants(&query, 1) && web_query_wants(&query, 3));
    assert_false(web_query_wants(&query, INT64_MAX));
    web_query_fini(&query);
    assert_int_equal(parse("nodes=9223372036854775807", &query, &err), 0);
    assert_true(web_query_wants(&query, INT64_MAX));
    assert_false(web_query_wants(&query, 1));
    web_query_fini(&query);
    char many[2048] = "nodes=1";
    for (int i = 0; i < 1000; i++)
        strcat(many, ",3");
    assert_int_equal(parse(many, &query, &err), 0);
    assert_int_equal(query.node_count, 1001);
    web_query_fini(&query);
}

static void says_what_is_wrong_and_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } table[] = {
        {"range=2h", "range=2h: 15m, 1h, 24h, 7d or 30d is expected"},
        {"range=", "range=: 15m"},
        {"nodes=x", "nodes=x: ids separated by commas"},
        {"nodes=1,", "ids separated by commas"},
        {"nodes=,1", "ids separated by commas"},
        {"nodes=1,,3", "ids separated by commas"},
        {"nodes=1;3", "ids separated by commas"},
        {"nodes=1.5", "ids separated by commas"},
        {"nodes=99999999999999999999", "ids separated by commas"},
        {"nodes=2", "there is no node 2; /api/v1/meta lists them"},
        {"nodes=1,-1", "there is no node -1"},
        {"nodes=0", "there is no node 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct web_query query;
        struct err err = {0};
        assert_int_equal(parse(table[i].text, &query, &err), ERR_USAGE);
        if (!strstr(err.text, table[i].says))
            fail_msg("\"%s\": \"%s\"", table[i].text, err.text);
        assert_null(query.node_ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_those_of_the_documents),
        cmocka_unit_test(takes_the_last_hour_of_all_nodes_when_nothing_is_said),
        cmocka_unit_test(takes_ids_in_any_order_and_number),
        cmocka_unit_test(says_what_is_wrong_and_what_would_be_right),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
