/* Backups under way. */
#ifndef ONEWRITER_BACKUP_H
#define ONEWRITER_BACKUP_H

#include <sqlite3.h>

struct ow;

/* Ends the backups that copy from this connection of the writer, which is about to be closed: by
 * whoever owns it. Those who run them are told at their next slice. */
void ow_backup_detach(struct ow *db, sqlite3 *from);

#endif
