/* The seam below SQLite: all connections of this library open their files through it. */
#ifndef ONEWRITER_VFS_H
#define ONEWRITER_VFS_H

#include "onewriter/snapshots.h"

/* Name for sqlite3_open_v2. Registers it at the first call; it wraps the VFS that is the default
 * one then. NULL when SQLite refused it. */
const char *ow_vfs_name(void);

/* Ties an open connection to its database: counters receive syncs and the size of the log (lent,
 * may be NULL), pin the reader's snapshots (lent, NULL for a connection that writes). With NULLs it
 * is untied again. Returns SQLite's code. */
int ow_vfs_tie(sqlite3 *db, struct ow_counters *counters, struct ow_pin *pin);

/* How many commits the log's index has counted since it was made; false when the connection has not
 * looked at it yet. Exact while this connection holds the write lock. */
bool ow_vfs_changes(sqlite3 *db, uint32_t *out);

#endif
