/* A SQLite VFS that fails on order. It wraps the system's own and becomes the default one, so that
 * the code under test needs no door for it. */
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <stdbool.h>

enum fault_op {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_LOCK,     /* of the database file */
    FAULT_SHM_LOCK, /* of the log's index: what WAL writers and checkpoints take */
    FAULT_SHM_MAP,
    FAULT_COMMITTED, /* after a commit was applied: COMMIT fails although it is done */
    FAULT_OPS,
};

/* Registers the VFS; once per program. */
void fault_vfs_install(void);
/* The n-th such operation from now on (1 = the next) returns sqlite_code and sets errno; when
 * persistent, all later ones too. */
void fault_vfs_plan(enum fault_op op, int n, bool persistent, int sqlite_code, int sys_errno);
/* Nothing fails any more. Returns how many faults fired. */
int fault_vfs_clear(void);
const char *fault_op_name(enum fault_op op);

#endif
