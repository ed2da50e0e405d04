/* The temporary folder of a measuring program. It is removed at exit, and when SIGINT, SIGTERM or
 * SIGHUP ends the program. One per process. */
#ifndef BENCH_FOLDER_H
#define BENCH_FOLDER_H

#include <stdint.h>

/* Makes a folder under `parent` (NULL: $TMPDIR or /tmp); ends the program when that fails. Returns
 * the path of the database in it, which does not exist yet. Static storage. */
const char *folder_make(const char *parent);
/* Removes the database and its log; the folder stays. */
void folder_clear(void);
/* Bytes of the database's log now; 0 when there is none. */
int64_t folder_wal_bytes(void);
/* Bytes of the database file. */
int64_t folder_db_bytes(void);

#endif
