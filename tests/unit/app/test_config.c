/* Settings: which source wins, and what is refused in which words. Every test begins with an
 * environment that holds none of our variables. */
#include "loading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* ---- Who wins ------------------------------------------------------------------------------- */

/* Writes a file that holds this one setting. */
static void write_setting(const char *path, const char *key, const char *value)
{
    char text[256];
    const char *dot = strchr(key, '.'), *equals = strchr(value, '=');
    if (dot)
        snprintf(text, sizeof(text), "%.*s:\n  %s: \"%s\"\n", (int)(dot - key), key, dot + 1,
                 value);
    else
        snprintf(text, sizeof(text), "nodes:\n  %.*s: \"%s\"\n", (int)(equals - value), value,
                 equals + 1);
    test_file_write(path, text, strlen(text));
}

static void flags_win_over_environment_over_file_over_defaults(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "one.yaml");
    for (size_t i = 0; i < RANKED_COUNT; i++) {
        const struct ranked *r = &ranked[i];
        char variable[64], file_flag[256], all_flags[512];
        variable_of(r->key, variable);
        write_setting(path, r->key, r->in_file);
        snprintf(file_flag, sizeof(file_flag), "-c|%s", path);
        snprintf(all_flags, sizeof(all_flags), "-c%s|%s|%s", path, r->flag, r->in_flag);
        assert_value("", r->key, r->fallback);
        assert_value(file_flag, r->key, r->in_file);
        setenv(variable, r->in_environment, 1);
        assert_value(file_flag, r->key, r->in_environment);
        assert_value("", r->key, r->in_environment);
        if (r->flag)
            assert_value(all_flags, r->key, r->in_flag);
        unsetenv(variable);
    }
}

static void count_setting(void *ctx, const char *key, const char *value, const char *help)
{
    size_t *count = ctx;
    assert_true(*count < RANKED_COUNT);
    assert_string_equal(key, ranked[*count].key);
    assert_string_equal(value, ranked[*count].fallback);
    assert_true(strlen(help) > 5);
    (*count)++;
}

static void the_test_above_covers_every_setting(void **state)
{
    (void)state;
    size_t count = 0;
    config_each_setting(count_setting, &count);
    assert_int_equal(count, RANKED_COUNT);
}

static void a_wrong_value_that_loses_is_not_looked_at(void **state)
{
    (void)state;
    setenv("NODEWATCH_LOG_LEVEL", "chatty", 1);
    assert_refused(COMMAND_RUN, "",
                   "NODEWATCH_LOG_LEVEL: \"chatty\" should be error|warning|info|debug");
    assert_value("--log-level=debug", "log.level", "debug");
    forget_environment(NULL);
}

/* ---- The command line ----------------------------------------------------------------------- */

static void takes_values_joined_or_apart_and_leaves_operands(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(load(&c, COMMAND_INGEST, "--db=x.db|a.log|--node|n|--json|-|--|--db", &err),
                     0);
    assert_string_equal(c.db_path, "x.db");
    assert_string_equal(c.ingest_node, "n");
    assert_true(c.json);
    assert_int_equal(c.operand_count, 3);
    assert_string_equal(c.operands[0], "a.log");
    assert_string_equal(c.operands[1], "-");
    assert_string_equal(c.operands[2], "--db");
    config_fini(&c);
}

static void help_needs_nothing_else_to_be_right(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    setenv("NODEWATCH_LOG_LEVEL", "chatty", 1);
    assert_int_equal(load(&c, COMMAND_STATUS, "-h", &err), 0);
    assert_true(c.help);
    config_fini(&c);
    forget_environment(NULL);
}

static void refuses_flags_that_are_not_of_the_command(void **state)
{
    (void)state;
    assert_refused(COMMAND_RUN, "--nodes|x", "unknown option --nodes; see --help");
    assert_refused(COMMAND_RUN, "--json", "unknown option --json; see --help");
    assert_refused(COMMAND_DEMO, "--db|x", "unknown option --db; see --help");
    assert_refused(COMMAND_DEMO, "-c|x", "unknown option -c; see --help");
    assert_refused(COMMAND_STATUS, "-hx", "unknown option -hx; see --help");
    assert_refused(COMMAND_STATUS, "--=x", "unknown option --=x; see --help");
    assert_refused(COMMAND_STATUS, "--json=1", "--json takes no value");
    assert_refused(COMMAND_STATUS, "--db", "--db needs a value: PATH");
}

/* ---- Values --------------------------------------------------------------------------------- */

static void refuses_numbers_that_are_none_or_out_of_range(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0",
                                        "65",
                                        "-1",
                                        "1.5",
                                        "",
                                        "x",
                                        "5x",
                                        "0x5",
                                        "1e1",
                                        " 5",
                                        "5 ",
                                        "+5",
                                        "nan",
                                        "inf",
                                        "1.2.3",
                                        ".",
                                        "99999999999999999999"};
    char text[256];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        setenv("NODEWATCH_DB_CONNECTION_POOL_SIZE", wrong[i], 1);
        snprintf(text, sizeof(text),
                 "NODEWATCH_DB_CONNECTION_POOL_SIZE: \"%s\" is not a whole number from 1 to 64",
                 wrong[i]);
        assert_refused(COMMAND_RUN, "", text);
    }
    setenv("NODEWATCH_DB_CONNECTION_POOL_SIZE", "64", 1);
    assert_value("", "db.connection_pool_size", "64");
    setenv("NODEWATCH_DB_CONNECTION_TIMEOUT", "3600.5", 1);
    assert_refused(COMMAND_RUN, "",
                   "NODEWATCH_DB_CONNECTION_TIMEOUT: \"3600.5\" is not a number from 0.01 to 3600");
    setenv("NODEWATCH_DB_CONNECTION_TIMEOUT", "0.01", 1);
    assert_value("", "db.connection_timeout", "0.01");
    forget_environment(NULL);
}

static void refuses_words_that_are_no_choice_and_empty_texts(void **state)
{
    (void)state;
    assert_refused(COMMAND_RUN, "--log-level=INFO",
                   "--log-level: \"INFO\" should be error|warning|info|debug");
    assert_refused(COMMAND_RUN, "--db=", "--db: \"\" should be PATH");
    assert_refused(COMMAND_EXPORT, "--from=", "--from: \"\" should be TIME");
    setenv("NODEWATCH_DB_SYNCHRONOUS", "off", 1);
    assert_refused(COMMAND_RUN, "", "NODEWATCH_DB_SYNCHRONOUS: \"off\" should be normal|full");
    forget_environment(NULL);
    assert_value("--allow-host=", "web.allowed_hosts", "");
}

static void a_long_wrong_value_leaves_room_for_what_is_right(void **state)
{
    (void)state;
    char flag[512], text[512];
    memset(flag, 'x', sizeof(flag) - 1);
    flag[sizeof(flag) - 1] = '\0';
    memcpy(flag, "--log-level=", 12);
    snprintf(text, sizeof(text), "--log-level: \"%.60s\" should be error|warning|info|debug",
             flag + 12);
    assert_refused(COMMAND_RUN, flag, text);
}

static void refuses_a_first_pause_longer_than_the_longest(void **state)
{
    (void)state;
    setenv("NODEWATCH_DB_RETRY_BASE_DELAY", "6", 1);
    assert_refused(COMMAND_RUN, "",
                   "db.retry_base_delay (6 s) is longer than db.retry_max_delay (5 s)");
    forget_environment(NULL);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static void lets_the_profile_decide_only_what_nobody_gave(void **state)
{
    (void)state;
    setenv("NODEWATCH_DB_PROFILE", "concurrency", 1);
    setenv("NODEWATCH_DB_CONNECTION_POOL_SIZE", "5", 1); /* the default, but said */
    assert_value("", "db.thread_pool_size", "15");
    assert_value("", "db.connection_pool_size", "5");
    setenv("NODEWATCH_DB_PROFILE", "latency", 1);
    assert_value("", "db.max_retries", "5");
    assert_value("", "db.retry_base_delay", "0.1");
    setenv("NODEWATCH_DB_PROFILE", "small", 1);
    assert_value("", "db.connection_timeout", "60");
    assert_value("", "db.thread_pool_size", "5");
    setenv("NODEWATCH_DB_PROFILE", "huge", 1);
    assert_refused(COMMAND_RUN, "",
                   "NODEWATCH_DB_PROFILE: \"huge\" should be balanced|concurrency|latency|small");
    forget_environment(NULL);
}

static void collects_nodes_of_one_source_in_order(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    setenv("NODEWATCH_NODES", "a=/a.log;b b=/b.log", 1);
    assert_int_equal(load(&c, COMMAND_RUN, "", &err), 0);
    assert_int_equal(c.node_count, 2);
    assert_string_equal(c.nodes[1].name, "b b");
    assert_string_equal(c.nodes[1].log, "/b.log");
    config_fini(&c);
    assert_int_equal(load(&c, COMMAND_RUN, "--node|n1=x=y.log|--node=n2=z", &err), 0);
    assert_int_equal(c.node_count, 2);
    assert_string_equal(c.nodes[0].log, "x=y.log");
    assert_string_equal(c.nodes[1].name, "n2");
    config_fini(&c);
    forget_environment(NULL);
}

static void refuses_nodes_that_are_not_a_name_and_a_log(void **state)
{
    (void)state;
    static const char shape[] =
        "--node: a node is given as NAME=LOG, e.g. home=/var/log/storagenode.log";
    assert_refused(COMMAND_RUN, "--node|home", shape);
    assert_refused(COMMAND_RUN, "--node==x.log", shape);
    assert_refused(COMMAND_RUN, "--node|home=", shape);
    assert_refused(COMMAND_RUN, "--node|", "--node needs a value: NAME=LOG");
    assert_refused(COMMAND_RUN, "--node|a=1|--node|a=2", "--node: node \"a\" is given twice");
    setenv("NODEWATCH_NODES", "a=1;b=2;a=3", 1);
    assert_refused(COMMAND_RUN, "", "NODEWATCH_NODES: node \"a\" is given twice");
    forget_environment(NULL);
}

static void refuses_names_that_would_not_survive_a_table(void **state)
{
    (void)state;
    static const char text[] = "--node: a node's name is UTF-8 text without control characters";
    static const char *const wrong[] = {"a\nb", "a\tb",  "\x1b[31m",    "a\x7f",
                                        "\xff", "a\xc3", "\xed\xa0\x80"};
    char flag[256];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(flag, sizeof(flag), "--node=%s=x.log", wrong[i]);
        assert_refused(COMMAND_RUN, flag, text);
        snprintf(flag, sizeof(flag), "--node=%s", wrong[i]);
        assert_refused(COMMAND_INGEST, flag, text);
    }
    memset(flag, 'n', sizeof(flag));
    memcpy(flag, "--node=", 7);
    flag[7 + 101] = '\0';
    assert_refused(COMMAND_INGEST, flag, "--node: a node's name has 1 to 100 bytes");
    assert_refused(COMMAND_INGEST, "--node=", "--node: a node's name has 1 to 100 bytes");
    assert_refused(COMMAND_INGEST, "--node=a=b", "--node: a node's name cannot contain '='");
    flag[7 + 100] = '\0';
    struct config c;
    struct err err;
    assert_int_equal(load(&c, COMMAND_INGEST, flag, &err), 0);
    assert_int_equal(strlen(c.ingest_node), 100);
    config_fini(&c);
    assert_int_equal(load(&c, COMMAND_INGEST, "--node=H\xc3\xbctte \xe2\x98\x83", &err), 0);
    config_fini(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget_environment)
    const struct CMUnitTest tests[] = {
        TEST(flags_win_over_environment_over_file_over_defaults),
        TEST(the_test_above_covers_every_setting),
        TEST(a_wrong_value_that_loses_is_not_looked_at),
        TEST(takes_values_joined_or_apart_and_leaves_operands),
        TEST(help_needs_nothing_else_to_be_right),
        TEST(refuses_flags_that_are_not_of_the_command),
        TEST(refuses_numbers_that_are_none_or_out_of_range),
        TEST(refuses_words_that_are_no_choice_and_empty_texts),
        TEST(a_long_wrong_value_leaves_room_for_what_is_right),
        TEST(refuses_a_first_pause_longer_than_the_longest),
        TEST(lets_the_profile_decide_only_what_nobody_gave),
        TEST(collects_nodes_of_one_source_in_order),
        TEST(refuses_nodes_that_are_not_a_name_and_a_log),
        TEST(refuses_names_that_would_not_survive_a_table),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
