/* The settings file: every complaint names its line; and etc/nodewatch.yaml against the option
 * table. */
#include "loading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define EXAMPLE SOURCE_ROOT "/etc/nodewatch.yaml"

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
        for (size_t k = 0; k < RANKED_COUNT; k++)
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
    for (size_t i = 1; i < RANKED_COUNT; i++)
        assert_string_equal(value_of(&c, ranked[i].key, value), ranked[i].fallback);
    config_fini(&c);
    buf_fini(&e.text);
}

static void the_example_file_as_it_is_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < RANKED_COUNT; i++)
        assert_value("-c|" EXAMPLE, ranked[i].key, ranked[i].fallback);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget_environment)
    const struct CMUnitTest tests[] = {
        TEST(names_the_line_of_what_is_wrong_in_the_file),
        TEST(an_empty_file_and_empty_sections_set_nothing),
        TEST(says_why_a_file_cannot_be_read),
        TEST(a_long_path_leaves_room_for_the_line),
        TEST(the_example_file_holds_every_setting_with_its_default),
        TEST(the_example_file_as_it_is_changes_nothing),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
