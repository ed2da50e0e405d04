/* Filling struct ow_err. Errors are written once, where they arise. */
#ifndef ONEWRITER_FAIL_H
#define ONEWRITER_FAIL_H

#include "onewriter/onewriter.h"

/* Fills *err (NULL is allowed) and returns code. */
int ow_fail(struct ow_err *err, enum ow_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As ow_fail, for a refusal of the operating system: appends strerror(sys_errno). */
int ow_fail_errno(struct ow_err *err, enum ow_code code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills *err from SQLite: rc is what the failed call returned, db (may be NULL) knows the rest.
 * what: "inserting events". Returns the code that the class of the failure comes to. */
int ow_fail_sqlite(sqlite3 *db, int rc, const char *what, struct ow_err *err);

/* Puts "prefix: " before the text of an error that is being forwarded. Returns err->code. */
int ow_fail_prefix(struct ow_err *err, const char *prefix);

/* Class of what *err carries; CALLER when SQLite had no part in it. */
enum ow_class ow_err_class(const struct ow_err *err);

#endif
