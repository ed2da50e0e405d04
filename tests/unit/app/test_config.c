/* Settings: who wins, what is refused and in which words, and etc/nodewatch.yaml against the option
 * table. Every test begins with an environment that holds none of our variables. */
#include "support.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/log.h"
#include "app/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define EXAMPLE  SOURCE_ROOT "/etc/nodewatch.yaml"
#define ARGS_MAX 16

static void variable_of(const char *key, char out[64])
{
    int n = snprintf(out, 64, "NODEWATCH_%s", key);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

static void unset_variable(void *ctx, const char *key, const char *value, const char *help)
{
    (void)ctx;
    (void)value;
    (void)help;
    char name[64];
    variable_of(key, name);
    unsetenv(name);
}

static int forget_environment(void **state)
{
    (void)state;
    config_each_setting(unset_variable, NULL);
    return 0;
}

/* Loads flags separated by '|' ("" = none) for a command. */
static int load(struct config *c, enum command command, const char *flags, struct err *err)
{
    static char words[1024], program[] = "nodewatch", subcommand[] = "command";
    char *argv[ARGS_MAX] = {program, subcommand}, *save = NULL;
    int argc = 2;
    snprintf(words, sizeof(words), "%s", flags);
    for (char *word = strtok_r(words, "|", &save); word; word = strtok_r(NULL, "|", &save)) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = word;
    }
    config_init(c);
    return config_load(c, command, argc, argv, 2, err);
}

/* Asserts that loading fails as wrong usage with just this text. */
static void assert_refused(enum command command, const char *flags, const char *text)
{
    struct config c;
    struct err err;
    assert_int_equal(load(&c, command, flags, &err), ERR_USAGE);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, text);
    config_fini(&c);
}

/* ---- Who wins ------------------------------------------------------------------------------- */

/* The value of a setting, as the file would write it. */
static const char *value_of(const struct config *c, const char *key, char out[64])
{
    const struct {
        const char *key;
        int ms; /* -1: none */
    } times[] = {
        {"db.connection_timeout", c->db_connection_timeout_ms},
        {"db.retry_base_delay", c->db_retry_base_delay_ms},
        {"db.retry_max_delay", c->db_retry_max_delay_ms},
    };
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        if (strcmp(key, times[i].key) == 0)
            snprintf(out, 64, "%g", times[i].ms / 1e3);
    }
    if (strcmp(key, "db.path") == 0)
        snprintf(out, 64, "%s", c->db_path);
    else if (strcmp(key, "db.connection_pool_size") == 0)
        snprintf(out, 64, "%d", c->db_connection_pool_size);
    else if (strcmp(key, "db.max_retries") == 0)
        snprintf(out, 64, "%d", c->db_max_retries);
    else if (strcmp(key, "db.synchronous") == 0)
        snprintf(out, 64, "%s", c->db_synchronous_full ? "full" : "normal");
    else if (strcmp(key, "web.listen") == 0)
        snprintf(out, 64, "%s", c->web_listen);
    else if (strcmp(key, "web.allowed_hosts") == 0)
        snprintf(out, 64, "%s", c->web_allowed_hosts);
    else if (strcmp(key, "log.level") == 0)
        snprintf(out, 64, "%s", levels[c->log_level]);
    else if (strcmp(key, "nodes") == 0 && c->node_count)
        snprintf(out, 64, "%s=%s", c->nodes[0].name, c->nodes[0].log);
    else if (strcmp(key, "nodes") == 0)
        out[0] = '\0';
    return out;
}

struct ranked {
    const char *key, *flag, *in_file, *in_environment, *in_flag, *fallback;
};

static const struct ranked ranked[] = {
    {"nodes", "--node", "a=1", "b=2", "c=3", ""},
    {"db.path", "--db", "f.db", "e.db", "c.db", "nodewatch.db"},
    {"db.connection_pool_size", NULL, "7", "8", NULL, "5"},
    {"db.connection_timeout", NULL, "1.5", "0.25", NULL, "30"},
    {"db.max_retries", NULL, "9", "10", NULL, "3"},
    {"db.retry_base_delay", NULL, "1", "2", NULL, "0.5"},
    {"db.retry_max_delay", NULL, "60", "70", NULL, "5"},
    {"db.synchronous", NULL, "full", "normal", NULL, "normal"},
    {"web.listen", "--listen", "[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:8765"},
    {"web.allowed_hosts", "--allow-host", "f.test", "e.test", "c.test", ""},
    {"log.level", "--log-level", "error", "warning", "debug", "info"},
};

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

static void assert_value(const char *flags, const char *key, const char *wanted)
{
    struct config c;
    struct err err;
    char value[64];
    if (load(&c, COMMAND_RUN, flags, &err))
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(value_of(&c, key, value), wanted);
    assert_true(c.node_count <= 1);
    config_fini(&c);
}

static void flags_win_over_environment_over_file_over_defaults(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "one.yaml");
    for (size_t i = 0; i < ARRAY_LEN(ranked); i++) {
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
    assert_true(*count < ARRAY_LEN(ranked));
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
    assert_int_equal(count, ARRAY_LEN(ranked));
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

/* ---- The file ------------------------------------------------------------------------------- */

static void names_the_line_of_what_is_wrong_in_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error; /* error: what follows the path */
    } wrong[] = {
        {"db:\n  path: x\n  pahth: y\n", ":3: there is no setting \"db.pahth\""},
        {"dbs:\n  path: x\n", ":2: there is no setting \"dbs.path\""},
        {"# one\n\nlog:\n  level: loud\n", ":4: \"loud\" should be error|warning|info|debug"},
        {"db:\n  max_retries: 0\n", ":2: \"0\" is not a whole number from 1 to 1000"},
        {"db:\n  path:\nlog:\n  level: info\n", ":2: \"\" should be PATH"},
        {"db:\n  path: x\n\ndb:\n  path: y\n", ":5: db.path is given twice"},
        {"nodes:\n  a: x\n  b: y\n  a: z\n", ":4: node \"a\" is given twice"},
        {"nodes:\n  \"\": x\n", ":2: a node is given as NAME=LOG, e.g. "
                                "home=/var/log/storagenode.log"},
        {"nodes:\n  a:\n", ":2: a node is given as NAME=LOG, e.g. "
                           "home=/var/log/storagenode.log"},
        {"nodes:\n  a=b: x\n", ":2: a node's name cannot contain '='"},
        {"nodes:\n  \"a\\nb\": x\n", ":2: a node's name is UTF-8 text without control characters"},
        {"nodes:\n  - a\n  - b\n", ":2: a section holds lines of \"name: value\""},
        {"nodes:\n  a:\n    log: x\n", ":3: a single value is expected here"},
        {"db: nodewatch.db\n", ":1: a section holds lines of \"name: value\""},
        {"just words\n", ":1: sections such as \"db:\" are expected"},
        {"db:\n  path: \"a\\0b\"\n", ":2: a value cannot contain a NUL character"},
        {"db:\n  path: x\n---\nlog:\n  level: info\n",
         ":4: a second YAML document; one is expected"},
        {"db:\n  path: x\n  path2: [1\n", ":4: not valid YAML: did not find expected ',' or ']'"},
        {"db:\n\tpath: x\n", ":2: not valid YAML: found character that cannot start any token"},
        {"db:\n  path: x\n  # \xff\n", ":3: not valid YAML: invalid leading UTF-8 octet"},
        {"db:\n  path: *x\n", ":2: not valid YAML: found undefined alias"},
    };
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "wrong.yaml");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char flags[256], text[512];
        test_file_write(path, wrong[i].text, strlen(wrong[i].text));
        snprintf(flags, sizeof(flags), "--config=%s", path);
        snprintf(text, sizeof(text), "%s%s", path, wrong[i].error);
        assert_refused(COMMAND_RUN, flags, text);
    }
}

static void an_empty_file_and_empty_sections_set_nothing(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "\n", "# nothing\n", "---\n", "db:\nnodes:\n  #a: b\n"};
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "empty.yaml");
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        char flags[256];
        test_file_write(path, empty[i], strlen(empty[i]));
        snprintf(flags, sizeof(flags), "-c|%s", path);
        for (size_t k = 0; k < ARRAY_LEN(ranked); k++)
            assert_value(flags, ranked[k].key, ranked[k].fallback);
    }
}

static void assert_unreadable(const char *path, const char *why)
{
    struct config c;
    struct err err;
    char flags[256], text[512];
    snprintf(flags, sizeof(flags), "-c|%s", path);
    snprintf(text, sizeof(text), "cannot read the settings file %s: %s", path, why);
    assert_int_equal(load(&c, COMMAND_RUN, flags, &err), ERR_IO);
    assert_string_equal(err.text, text);
    config_fini(&c);
}

static void says_why_a_file_cannot_be_read(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    assert_unreadable(test_path(dir, "none.yaml"), "No such file or directory");
    assert_unreadable(dir, "Is a directory");
    CLEANUP(buf_fini) struct buf large = {0};
    while (large.len <= 1 << 20)
        buf_add_text(&large, "# nothing but a comment that goes on and on\n");
    const char *path = test_path(dir, "large.yaml");
    test_file_write(path, large.data, large.len);
    char flags[256], text[512];
    snprintf(flags, sizeof(flags), "-c|%s", path);
    snprintf(text, sizeof(text), "%s: larger than 1 MiB: not a settings file", path);
    assert_refused(COMMAND_RUN, flags, text);
}

static void a_long_path_leaves_room_for_the_line(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    char name[256], flags[512];
    memset(name, 'p', 220);
    strcpy(name + 220, ".yaml");
    const char *path = test_path(dir, name);
    test_file_write(path, "db:\n  nothing: 1\n", 17);
    snprintf(flags, sizeof(flags), "-c|%s", path);
    struct config c;
    struct err err;
    assert_int_equal(load(&c, COMMAND_RUN, flags, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "ppp.yaml:2: there is no setting \"db.nothing\""));
    config_fini(&c);
}

/* ---- etc/nodewatch.yaml --------------------------------------------------------------------- */

struct example {
    struct buf text; /* without the comment marks of settings: "#key:", where prose is "# text" */
    size_t settings, nodes;
};

static void read_example(struct example *e)
{
    size_t len;
    CLEANUP(free_ptr) char *file = test_file_read(EXAMPLE, &len);
    char *save = NULL;
    for (char *line = strtok_r(file, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        size_t indent = strspn(line, " ");
        bool marked = line[indent] == '#' && line[indent + 1] != ' ' && line[indent + 1];
        buf_printf(&e->text, "%.*s%s\n", (int)indent, line, line + indent + marked);
    }
}

static void find_setting(void *ctx, const char *key, const char *value, const char *help)
{
    struct example *e = ctx;
    const char *dot = strchr(key, '.');
    e->settings += dot != NULL;
    if (!dot)
        return; /* the nodes have no default to compare */
    char lines[512];
    snprintf(lines, sizeof(lines), "\n  # %s\n  %s: %s\n", help, dot + 1, *value ? value : "\"\"");
    if (!strstr(e->text.data, lines))
        fail_msg("etc/nodewatch.yaml lacks, or tells differently: %s", lines);
}

static int count_example(void *ctx, const char *key, const char *value, const char *where,
                         struct err *err)
{
    (void)value;
    (void)where;
    (void)err;
    struct example *e = ctx;
    if (strcmp(key, "nodes") == 0)
        e->nodes++;
    else
        e->settings--;
    return 0;
}

static void the_example_file_holds_every_setting_with_its_default(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct example e = {0};
    read_example(&e);
    config_each_setting(find_setting, &e);
    const char *path = test_path(dir, "example.yaml");
    test_file_write(path, e.text.data, e.text.len);
    struct err err;
    if (settings_read(path, count_example, &e, &err))
        fail_msg("%s", err.text);
    assert_int_equal(e.settings, 0); /* as many in the file as in the table, and no more */
    assert_true(e.nodes >= 1);
    char flags[256];
    snprintf(flags, sizeof(flags), "-c|%s", path);
    struct config c;
    char value[64];
    assert_int_equal(load(&c, COMMAND_RUN, flags, &err), 0);
    for (size_t i = 1; i < ARRAY_LEN(ranked); i++)
        assert_string_equal(value_of(&c, ranked[i].key, value), ranked[i].fallback);
    config_fini(&c);
    buf_fini(&e.text);
}

static void the_example_file_as_it_is_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ranked); i++)
        assert_value("-c|" EXAMPLE, ranked[i].key, ranked[i].fallback);
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
        TEST(collects_nodes_of_one_source_in_order),
        TEST(refuses_nodes_that_are_not_a_name_and_a_log),
        TEST(refuses_names_that_would_not_survive_a_table),
        TEST(names_the_line_of_what_is_wrong_in_the_file),
        TEST(an_empty_file_and_empty_sections_set_nothing),
        TEST(says_why_a_file_cannot_be_read),
        TEST(a_long_path_leaves_room_for_the_line),
        TEST(the_example_file_holds_every_setting_with_its_default),
        TEST(the_example_file_as_it_is_changes_nothing),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
