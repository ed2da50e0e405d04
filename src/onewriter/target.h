/* The file that a backup becomes: written under a temporary name beside its own, and put in place
 * only when it is whole and on the disk. */
#ifndef ONEWRITER_TARGET_H
#define ONEWRITER_TARGET_H

#include "onewriter/onewriter.h"

struct ow_target {
    char *path, *temporary; /* owned */
    int fd;                 /* of the temporary file, locked against another backup; -1 = none */
};

/* Makes an empty temporary file with the rights of the database at from_path. Refuses a to_path
 * that is the database itself or that a journal belongs to. */
int ow_target_open(struct ow_target *target, const char *from_path, const char *to_path,
                   struct ow_err *err);
/* Syncs the temporary file, renames it over the path, syncs the folder. */
int ow_target_publish(struct ow_target *target, struct ow_err *err);
/* Removes the temporary file unless it was published. A target that was never opened is allowed:
 * {.fd = -1}. */
void ow_target_close(struct ow_target *target);

#endif
