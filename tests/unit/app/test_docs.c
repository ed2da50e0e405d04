/* The documents against the tables they describe. Settings and rules are asked from the program;
 * metrics and routes are read out of the text of the sources that hold their tables. Both ways:
 * what exists is documented, what is documented exists. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "base/cleanup.h"
#include "node/event.h"
#include "node/verdict.h"

#define OPERATIONS SOURCE_ROOT "/docs/operations.md"

static char *read_source(const char *path)
{
    size_t len;
    return test_file_read(path, &len);
}

/* ---- Settings ------------------------------------------------------------------------------- */

static void find_setting_row(void *ctx, const char *key, const char *value, const char *help)
{
    const char *doc = ctx;
    char head[512];
    int n = *value ? snprintf(head, sizeof(head), "\n| `%s` | `%s` | ", key, value)
                   : snprintf(head, sizeof(head), "\n| `%s` | none | ", key);
    assert_true(n > 0 && (size_t)n < sizeof(head));
    const char *row = strstr(doc, head);
    if (!row)
        fail_msg("docs/operations.md lacks a row that begins %s", head + 1);
    const char *end = row ? strchr(row + n, '\n') : NULL;
    assert_non_null(end);
    CLEANUP(free_ptr) char *line = strndup(row, (size_t)(end - row));
    if (!strstr(line, help))
        fail_msg("the row of %s does not say: %s", key, help);
}

static void operations_names_every_setting_with_default_and_help(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *doc = read_source(OPERATIONS);
    config_each_setting(find_setting_row, doc);
}

/* ---- Metrics -------------------------------------------------------------------------------- */

static size_t name_length(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
}

/* Every word that begins with nodewatch_ in `from` stands in `in` as well; returns how many. */
static size_t find_names(const char *from, const char *in, const char *in_name)
{
    size_t count = 0;
    for (const char *at = from; (at = strstr(at, "nodewatch_")); count++) {
        char name[128];
        int len = (int)name_length(at);
        assert_true(len < (int)sizeof(name));
        snprintf(name, sizeof(name), "%.*s", len, at);
        bool found = false;
        for (const char *hit = in; !found && (hit = strstr(hit, name)); hit += len)
            found = (int)name_length(hit) == len;
        if (!found)
            fail_msg("%s lacks %s", in_name, name);
        at += len;
    }
    return count;
}

static void operations_names_every_metric_and_no_other(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *doc = read_source(OPERATIONS);
    CLEANUP(free_ptr) char *source = read_source(SOURCE_ROOT "/src/web/metrics.c");
    assert_true(find_names(source, doc, "docs/operations.md") > 20);
    assert_true(find_names(doc, source, "src/web/metrics.c") > 20);
}

/* ---- Routes --------------------------------------------------------------------------------- */

static void api_names_every_route_and_no_other(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *doc = read_source(SOURCE_ROOT "/docs/api.md");
    CLEANUP(free_ptr) char *source = read_source(SOURCE_ROOT "/src/web/http.c");
    size_t routes = 0, rows = 0;
    char wanted[160];
    for (const char *at = source; (at = strstr(at, "    {\"/")); routes++) {
        at += strlen("    {\"");
        int len = (int)strcspn(at, "\"");
        snprintf(wanted, sizeof(wanted), "\n| `GET %.*s` | ", len, at);
        if (!strstr(doc, wanted))
            fail_msg("docs/api.md lacks a row for GET %.*s", len, at);
    }
    for (const char *at = doc; (at = strstr(at, "\n| `GET /")); rows++) {
        at += strlen("\n| `GET ");
        int len = (int)strcspn(at, "`");
        snprintf(wanted, sizeof(wanted), "    {\"%.*s\", ", len, at);
        if (len > 1 && !strstr(source, wanted)) /* "/" is a file of the page, not a route */
            fail_msg("docs/api.md names GET %.*s, which src/web/http.c has not", len, at);
    }
    assert_true(routes >= 6);
    assert_int_equal(rows, routes + 1);
}

/* ---- Rules of the verdict ------------------------------------------------------------------- */

/* Facts under which every rule speaks up, but that a log is either missing or silent. */
static struct verdict_facts everything_wrong(bool log_found)
{
    return (struct verdict_facts){
        .node_id = 1,
        .name = "n",
        .log = "n.log",
        .log_found = log_found,
        .last_event_unix_ms = 0,
        .fatal_unix_ms = 1,
        .started_unix_ms = EVENT_NO_TIME,
        .failed_15m = 1000,
        .ended_15m = 1000,
        .lines_15m = 1000,
        .unparsed_15m = 1000,
        .failed_audits_24h = 100,
        .disk_failures_24h = 100,
        .database_failures_24h = 100,
        .corrupt_pieces_24h = 100,
        .contact_failures_24h = 100,
        .orders_failures_24h = 100,
    };
}

static void operations_names_every_rule_of_the_verdict_and_no_other(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *doc = read_source(OPERATIONS);
    const char *section = strstr(doc, "\n## What the verdict says\n");
    assert_non_null(section);
    const char *section_end = strstr(section + 1, "\n## ");
    assert_non_null(section_end);
    size_t rules = 0, rows = 0;
    /* All at once but those that exclude one another: no log, a silent one, one from the future. */
    static const char *const first[] = {"log_missing", "log_silent", "clock_ahead"};
    const int64_t now = INT64_C(1) << 40;
    for (int log = 0; log < 3; log++) {
        struct verdict_item items[VERDICT_RULES_PER_NODE];
        struct verdict_facts facts = everything_wrong(log > 0);
        if (log == 2)
            facts.last_event_unix_ms = now + 86400000;
        size_t count = verdict_node(&facts, now, items);
        assert_string_equal(items[0].rule, first[log]);
        for (size_t i = 0; i < count; i++) {
            char row[80];
            snprintf(row, sizeof(row), "\n| `%s` | ", items[i].rule);
            if (!strstr(section, row))
                fail_msg("docs/operations.md lacks a row for the rule %s", items[i].rule);
            rules += log == 0 || i == 0;
        }
    }
    for (const char *at = section; (at = strstr(at, "\n| `")) && at < section_end; at++)
        rows++;
    assert_true(rules >= 10);
    assert_int_equal(rows, rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_names_every_setting_with_default_and_help),
        cmocka_unit_test(operations_names_every_metric_and_no_other),
        cmocka_unit_test(api_names_every_route_and_no_other),
        cmocka_unit_test(operations_names_every_rule_of_the_verdict_and_no_other),
    };
    return cmocka_run_group_tests_name("docs", tests, NULL, NULL);
}
