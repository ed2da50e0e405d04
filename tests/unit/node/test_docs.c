/* docs/log-format.md against the code: every kind, and every message of the catalogue, in its row.
 * The document is the program's only argument. */
#include "scanned.h"

#include "node/message.h"

static const char *doc_path;

/* The row of a kind: "| 23 | `orders_sent` | ... |", NUL-terminated in place of its line end. */
static char *find_row(char *doc, enum event_kind kind)
{
    char head[64];
    snprintf(head, sizeof(head), "\n| %d | `%s` | ", kind, event_kind_name(kind));
    char *row = strstr(doc, head);
    if (!row)
        print_error("no row for kind %s\n", event_kind_name(kind));
    assert_non_null(row);
    char *end = strchr(row + 1, '\n');
    assert_non_null(end);
    *end = '\0';
    return row + strlen(head);
}

static void shows_every_kind_and_message(void **state)
{
    (void)state;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        size_t len;
        CLEANUP(free_ptr) char *doc = test_file_read(doc_path, &len);
        const char *row = find_row(doc, (enum event_kind)kind);
        assert_true(strlen(row) > 5);
        bool is_beginning;
        const struct message_kind *m;
        for (size_t i = 0; (m = message_kind_at(i, &is_beginning)); i++) {
            char quoted[128];
            snprintf(quoted, sizeof(quoted), "`%s`%s", m->text, is_beginning ? "\342\200\246" : "");
            if ((int)m->kind == kind && !strstr(row, quoted))
                fail_msg("the row of %s lacks %s", event_kind_name(m->kind), quoted);
        }
    }
}

static void finds_every_message_of_the_catalogue(void **state)
{
    (void)state;
    bool is_beginning, before_is_beginning = false;
    const struct message_kind *m, *before = NULL;
    for (size_t i = 0; (m = message_kind_at(i, &is_beginning));
         before = m, before_is_beginning = is_beginning, i++) {
        char line[256];
        snprintf(line, sizeof(line), "2026-08-20T10:00:14Z\tINFO\t%s\t%s%s\t{}",
                 m->logger ? m->logger : "x", m->text, is_beginning ? " and more" : "");
        assert_string_equal(event_kind_name(kind_of(line)), event_kind_name(m->kind));
        if (before && before_is_beginning == is_beginning && !is_beginning)
            assert_true(strcmp(before->text, m->text) < 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_every_kind_and_message),
        cmocka_unit_test(finds_every_message_of_the_catalogue),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test-node-docs LOG-FORMAT.md\n");
        return 1;
    }
    doc_path = argv[1];
    return cmocka_run_group_tests_name("log-format", tests, NULL, NULL);
}
