/* Where the database lies: what can be known and said before SQLite is asked. */
#ifndef ONEWRITER_PLACE_H
#define ONEWRITER_PLACE_H

#include "onewriter/onewriter.h"

/* Explains a missing folder, missing rights, a folder in the file's place, a network file system.
 */
int ow_place_check(const struct ow_options *options, struct ow_err *err);
/* A file that SQLite could open for reading only: rights or a read-only file system. */
int ow_place_fail_readonly(const char *path, struct ow_err *err);

/* Descriptors that a handle with so many readers needs at most. */
int ow_place_descriptors(int readers);
/* OW_CONFIG, with the number needed, when RLIMIT_NOFILE leaves fewer than that. */
int ow_place_check_descriptors(int readers, struct ow_err *err);

#endif
