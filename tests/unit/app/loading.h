/* What the tests of the settings share: loading as main does, and the table of all settings with a
 * value for each place it can come from. */
#ifndef TESTS_APP_LOADING_H
#define TESTS_APP_LOADING_H

#include "support.h"

#include "app/config.h"

/* One setting: flag and in_flag are NULL when it has no flag. */
struct ranked {
    const char *key, *flag, *in_file, *in_environment, *in_flag, *fallback;
};

#define RANKED_COUNT 13
extern const struct ranked ranked[RANKED_COUNT];

/* A test's set-up: none of our variables is set. */
int forget_environment(void **state);
/* NODEWATCH_DB_PATH for db.path */
void variable_of(const char *key, char out[64]);
/* Loads flags separated by '|' ("" = none) for a command. */
int load(struct config *c, enum command command, const char *flags, struct err *err);
/* Asserts that loading fails as wrong usage with just this text. */
void assert_refused(enum command command, const char *flags, const char *text);
/* The value of a setting, as the file would write it. */
const char *value_of(const struct config *c, const char *key, char out[64]);
/* Asserts what a setting is after loading flags for `run`. */
void assert_value(const char *flags, const char *key, const char *wanted);

#endif
