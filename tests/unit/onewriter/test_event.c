/* Events in words: the lines that operators search for stay as they are, every kind has one. */
#include <string.h>

#include "ow_support.h"

static const struct {
    struct ow_event event;
    char level;
    const char *line;
} expected[] = {
    {{OW_EVENT_POOL_OPENED, .a = 5},
     'I',
     "Database connection pool initialized with 5 connections"},
    {{OW_EVENT_EXECUTOR_OPENED, .a = 10}, 'I', "Database thread pool initialized with 10 workers"},
    {{OW_EVENT_RETRY, .a = 1, .b = 3, .delay_ms = 500, .text = "database is locked"},
     'W',
     "Database operation failed (attempt 1/3): database is locked. Retrying in 0.50s..."},
    {{OW_EVENT_GAVE_UP, .a = 3, .text = "database is locked"},
     'E',
     "Database operation failed after 3 attempts: database is locked"},
    {{OW_EVENT_CHECKPOINT, .a = 1000, .b = 900, .delay_ms = 12.5},
     'D',
     "Database checkpoint: 900 of 1000 frames moved in 0.013s"},
    {{OW_EVENT_RESUMED}, 'I', "Writing to the database has resumed"},
    {{OW_EVENT_POISONED, .text = "the disk is broken"},
     'E',
     "Writing to the database has stopped: the disk is broken"},
    {{OW_EVENT_DROPPED, .a = 12, .b = OW_LANE_BULK},
     'W',
     "Lane bulk of the database is full: 12 jobs were dropped so far, the oldest first"},
    {{OW_EVENT_SNAPSHOT_OLD, .a = 1500, .b = 7, .text = "report: SELECT 1"},
     'W',
     "A reader has kept the database's log from being emptied for 1.5s (loan 7): report: SELECT 1"},
    {{OW_EVENT_CHECKED, .a = 1, .delay_ms = 120}, 'I', "The check of the database passed in 0.12s"},
};

static void says_each_line_word_for_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        char line[480];
        assert_int_equal(ow_event_line(&expected[i].event, line, sizeof(line)), expected[i].level);
        assert_string_equal(line, expected[i].line);
    }
}

static void has_a_line_of_its_own_for_every_kind(void **state)
{
    (void)state;
    char lines[OW_EVENT_KINDS][480];
    for (int kind = 0; kind < OW_EVENT_KINDS; kind++) {
        struct ow_event event = {.kind = (enum ow_event_kind)kind, .text = "why"};
        char level = ow_event_line(&event, lines[kind], sizeof(lines[kind]));
        assert_non_null(strchr("DIWE", level));
        assert_null(strstr(lines[kind], "Database event"));
        for (int other = 0; other < kind; other++)
            assert_string_not_equal(lines[other], lines[kind]);
        event.text = NULL;
        ow_event_line(&event, lines[kind], sizeof(lines[kind]));
        assert_null(strstr(lines[kind], "(null)"));
    }
}

static void cuts_a_line_that_is_too_long(void **state)
{
    (void)state;
    char text[1000], line[64 + 1];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int kind = 0; kind < OW_EVENT_KINDS; kind++) {
        struct ow_event event = {.kind = (enum ow_event_kind)kind, .text = text};
        line[64] = '#';
        ow_event_line(&event, line, 64);
        assert_true(strlen(line) < 64);
        assert_int_equal(line[64], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_each_line_word_for_word),
        cmocka_unit_test(has_a_line_of_its_own_for_every_kind),
        cmocka_unit_test(cuts_a_line_that_is_too_long),
    };
    return cmocka_run_group_tests_name("event lines", tests, NULL, NULL);
}
