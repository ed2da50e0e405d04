/* Where the database lies: what can be known and said before SQLite is asked. */
#ifndef ONEWRITER_PLACE_H
#define ONEWRITER_PLACE_H

#include "onewriter/onewriter.h"

/* Explains a missing folder, missing rights, a folder in the file's place, a network file system.
 */
int ow_place_check(const struct ow_options *options, struct ow_err *err);
/* A file that SQLite could open for reading only: rights or a read-only file system. */
int ow_place_fail_readonly(const char *path, struct ow_err *err);

/* What a handle that writes holds. */
struct ow_place {
    int fd;            /* of PATH.lock; -1: none */
    bool is_first;     /* nobody else held it when this handle came */
    int64_t log_bytes; /* of the log that an unclean end left; 0 = none */
};

/* Takes PATH.lock: alone when the linked SQLite has the WAL-reset bug, shared with other handles
 * and processes when it has not. OW_CONFIG when that is refused. Looks for the log of an unclean
 * end when nobody else holds the lock; so it comes before SQLite opens the file. */
int ow_place_lock(struct ow_place *place, const char *path, struct ow_err *err);
/* The kernel does the same when the process dies. A place that was not locked is allowed. */
void ow_place_unlock(struct ow_place *place);

/* Descriptors that a handle with these options needs at most. */
int ow_place_descriptors(const struct ow_options *options);
/* OW_CONFIG, with the number needed, when RLIMIT_NOFILE leaves fewer than that. */
int ow_place_check_descriptors(const struct ow_options *options, struct ow_err *err);

#endif
