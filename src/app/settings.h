/* Reads the YAML file of settings. */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include "base/err.h"

/* Given each setting: key "db.path" (section.name), where "FILE:LINE". Returns 0 or a code. */
typedef int settings_fn(void *ctx, const char *key, const char *value, const char *where,
                        struct err *err);

/* Walks the file. Sections are mappings; `nodes:` is a mapping of NAME: LOG and is handed on as key
 * "nodes" with value "NAME=LOG". ERR_USAGE names file and line of what is wrong. */
int settings_read(const char *path, settings_fn *fn, void *ctx, struct err *err);

#endif
