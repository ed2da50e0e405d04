/* Result codes (onewriter.h): one table says for every code of SQLite what it means for us, another
 * what is done about each class. Decisions are made from this table only, never from message texts,
 * which are translated, reworded and cut. An extended code that is not listed (a newer SQLite)
 * falls back to its primary code. What must stay true: the table is sorted by nothing and searched
 * whole, because it is read on failures only; a test compares it with every code that sqlite3.h
 * defines. */
#include "onewriter/onewriter.h"

#include <errno.h>

#include "base/cleanup.h"

struct code_row {
    int code;
    enum ow_class class;
    const char *name;
};

#define ROW(code, class)                                                                           \
    {                                                                                              \
        code, OW_CLASS_##class, #code                                                              \
    }

static const struct code_row rows[] = {
    ROW(SQLITE_OK, OK),
    ROW(SQLITE_ROW, OK),
    ROW(SQLITE_DONE, OK),
    ROW(SQLITE_OK_LOAD_PERMANENTLY, OK),
    ROW(SQLITE_OK_SYMLINK, OK),
    /* Only ever given to the error log, never returned by a call. */
    ROW(SQLITE_NOTICE, OK),
    ROW(SQLITE_NOTICE_RECOVER_WAL, OK),
    ROW(SQLITE_NOTICE_RECOVER_ROLLBACK, OK),
#ifdef SQLITE_NOTICE_RBU
    ROW(SQLITE_NOTICE_RBU, OK),
#endif
    ROW(SQLITE_WARNING, OK),
    ROW(SQLITE_WARNING_AUTOINDEX, OK),

    /* Somebody else holds the lock; nothing was applied. */
    ROW(SQLITE_BUSY, BACK_OFF),
    ROW(SQLITE_BUSY_RECOVERY, BACK_OFF),
#ifdef SQLITE_BUSY_TIMEOUT
    ROW(SQLITE_BUSY_TIMEOUT, BACK_OFF),
#endif
    ROW(SQLITE_PROTOCOL, BACK_OFF),

    /* The snapshot or the transaction underneath is gone: from BEGIN again. */
    ROW(SQLITE_BUSY_SNAPSHOT, REDO),
    ROW(SQLITE_ABORT_ROLLBACK, REDO),
    ROW(SQLITE_ERROR_SNAPSHOT, REDO),
    ROW(SQLITE_ERROR_RETRY, REDO),

    ROW(SQLITE_NOMEM, RESOURCE),
    ROW(SQLITE_IOERR_NOMEM, RESOURCE),

    ROW(SQLITE_FULL, HOLD),

    ROW(SQLITE_PERM, CONFIG),
    ROW(SQLITE_READONLY, CONFIG),
    ROW(SQLITE_READONLY_RECOVERY, CONFIG),
    ROW(SQLITE_READONLY_CANTLOCK, CONFIG),
    ROW(SQLITE_READONLY_ROLLBACK, CONFIG),
    ROW(SQLITE_READONLY_CANTINIT, CONFIG),
    ROW(SQLITE_READONLY_DIRECTORY, CONFIG),
    ROW(SQLITE_NOLFS, CONFIG),
    /* By errno, see class_by_errno; what is written here holds when errno says nothing. */
    ROW(SQLITE_CANTOPEN, CONFIG),
    ROW(SQLITE_CANTOPEN_NOTEMPDIR, CONFIG),
    ROW(SQLITE_CANTOPEN_ISDIR, CONFIG),
    ROW(SQLITE_CANTOPEN_FULLPATH, CONFIG),
    ROW(SQLITE_CANTOPEN_CONVPATH, CONFIG),
    ROW(SQLITE_CANTOPEN_DIRTYWAL, CONFIG),
    ROW(SQLITE_CANTOPEN_SYMLINK, CONFIG),

    /* Damage, or a promise of the disk that was broken: trying again could make it worse. */
    ROW(SQLITE_CORRUPT, POISON),
    ROW(SQLITE_CORRUPT_SEQUENCE, POISON),
    ROW(SQLITE_CORRUPT_INDEX, POISON),
    ROW(SQLITE_NOTADB, POISON),
    ROW(SQLITE_READONLY_DBMOVED, POISON),
    ROW(SQLITE_IOERR_FSYNC, POISON),
    ROW(SQLITE_IOERR_DIR_FSYNC, POISON),
    ROW(SQLITE_IOERR_DATA, POISON),
    ROW(SQLITE_IOERR_CORRUPTFS, POISON),

    ROW(SQLITE_INTERRUPT, CANCELLED),
    ROW(SQLITE_ABORT, CANCELLED),

    /* The connection's files are in doubt: a new connection may fare better. */
    ROW(SQLITE_IOERR, CONN),
    ROW(SQLITE_IOERR_READ, CONN),
    ROW(SQLITE_IOERR_SHORT_READ, CONN),
    ROW(SQLITE_IOERR_WRITE, CONN),
    ROW(SQLITE_IOERR_TRUNCATE, CONN),
    ROW(SQLITE_IOERR_FSTAT, CONN),
    ROW(SQLITE_IOERR_UNLOCK, CONN),
    ROW(SQLITE_IOERR_RDLOCK, CONN),
    ROW(SQLITE_IOERR_DELETE, CONN),
    ROW(SQLITE_IOERR_BLOCKED, CONN),
    ROW(SQLITE_IOERR_ACCESS, CONN),
    ROW(SQLITE_IOERR_CHECKRESERVEDLOCK, CONN),
    ROW(SQLITE_IOERR_LOCK, CONN),
    ROW(SQLITE_IOERR_CLOSE, CONN),
    ROW(SQLITE_IOERR_DIR_CLOSE, CONN),
    ROW(SQLITE_IOERR_SHMOPEN, CONN),
    ROW(SQLITE_IOERR_SHMSIZE, CONN),
    ROW(SQLITE_IOERR_SHMLOCK, CONN),
    ROW(SQLITE_IOERR_SHMMAP, CONN),
    ROW(SQLITE_IOERR_SEEK, CONN),
    ROW(SQLITE_IOERR_DELETE_NOENT, CONN),
    ROW(SQLITE_IOERR_MMAP, CONN),
    ROW(SQLITE_IOERR_GETTEMPPATH, CONN),
    ROW(SQLITE_IOERR_CONVPATH, CONN),
    ROW(SQLITE_IOERR_VNODE, CONN),
    ROW(SQLITE_IOERR_AUTH, CONN),
    ROW(SQLITE_IOERR_BEGIN_ATOMIC, CONN),
    ROW(SQLITE_IOERR_COMMIT_ATOMIC, CONN),
    ROW(SQLITE_IOERR_ROLLBACK_ATOMIC, CONN),
#ifdef SQLITE_IOERR_IN_PAGE
    ROW(SQLITE_IOERR_IN_PAGE, CONN),
#endif
#ifdef SQLITE_IOERR_BADKEY
    ROW(SQLITE_IOERR_BADKEY, CONN),
#endif
#ifdef SQLITE_IOERR_CODEC
    ROW(SQLITE_IOERR_CODEC, CONN),
#endif

    ROW(SQLITE_ERROR, CALLER),
    ROW(SQLITE_ERROR_MISSING_COLLSEQ, CALLER),
#ifdef SQLITE_ERROR_RESERVESIZE
    ROW(SQLITE_ERROR_RESERVESIZE, CALLER),
#endif
#ifdef SQLITE_ERROR_KEY
    ROW(SQLITE_ERROR_KEY, CALLER),
#endif
#ifdef SQLITE_ERROR_UNABLE
    ROW(SQLITE_ERROR_UNABLE, CALLER),
#endif
    /* SQLite itself prepared the statement again 50 times before it gave up. */
    ROW(SQLITE_SCHEMA, CALLER),
    ROW(SQLITE_CORRUPT_VTAB, CALLER), /* of one virtual table, whose content is its own matter */
    ROW(SQLITE_TOOBIG, CALLER),
    ROW(SQLITE_CONSTRAINT, CALLER),
    ROW(SQLITE_CONSTRAINT_CHECK, CALLER),
    ROW(SQLITE_CONSTRAINT_COMMITHOOK, CALLER),
    ROW(SQLITE_CONSTRAINT_FOREIGNKEY, CALLER),
    ROW(SQLITE_CONSTRAINT_FUNCTION, CALLER),
    ROW(SQLITE_CONSTRAINT_NOTNULL, CALLER),
    ROW(SQLITE_CONSTRAINT_PRIMARYKEY, CALLER),
    ROW(SQLITE_CONSTRAINT_TRIGGER, CALLER),
    ROW(SQLITE_CONSTRAINT_UNIQUE, CALLER),
    ROW(SQLITE_CONSTRAINT_VTAB, CALLER),
    ROW(SQLITE_CONSTRAINT_ROWID, CALLER),
    ROW(SQLITE_CONSTRAINT_PINNED, CALLER),
    ROW(SQLITE_CONSTRAINT_DATATYPE, CALLER),
    ROW(SQLITE_MISMATCH, CALLER),
    ROW(SQLITE_RANGE, CALLER),
    ROW(SQLITE_AUTH, CALLER),
    ROW(SQLITE_AUTH_USER, CALLER),

    /* A conflict inside one connection, or a call that may not be made. */
    ROW(SQLITE_LOCKED, BUG),
    ROW(SQLITE_LOCKED_SHAREDCACHE, BUG),
    ROW(SQLITE_LOCKED_VTAB, BUG),
    ROW(SQLITE_MISUSE, BUG),
    ROW(SQLITE_INTERNAL, BUG),
    ROW(SQLITE_NOTFOUND, BUG),
    ROW(SQLITE_EMPTY, BUG),
    ROW(SQLITE_FORMAT, BUG),
};

static const struct code_row *row_of(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

/* What errno makes of a refused open or a failed read or write. */
static enum ow_class class_by_errno(int sys_errno, enum ow_class otherwise)
{
    switch (sys_errno) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return OW_CLASS_RESOURCE;
    case ENOSPC:
    case EDQUOT:
        return OW_CLASS_HOLD;
    case EACCES:
    case EPERM:
    case EROFS:
        return OW_CLASS_CONFIG;
    case EIO:
        return OW_CLASS_CONN;
    default:
        return otherwise;
    }
}

enum ow_class ow_code_class(int sqlite_code, int sys_errno)
{
    int primary = sqlite_code & 0xff;
    const struct code_row *row = row_of(sqlite_code);
    if (!row)
        row = row_of(primary);
    if (!row)
        return OW_CLASS_BUG;
    bool decided = row->class == OW_CLASS_POISON || row->class == OW_CLASS_RESOURCE;
    if ((primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR) && !decided)
        return class_by_errno(sys_errno, row->class);
    return row->class;
}

const char *ow_code_name(int sqlite_code)
{
    const struct code_row *row = row_of(sqlite_code);
    return row ? row->name : "SQLITE_?";
}

struct class_row {
    const char *retry;  /* what the library does */
    const char *advice; /* what an operator should do */
};

static const struct class_row class_rows[] = {
    [OW_CLASS_OK] = {"nothing: it is no failure", "nothing"},
    [OW_CLASS_BACK_OFF] = {"tries the same step again after a pause",
                           "find the other process that holds the lock"},
    [OW_CLASS_REDO] = {"rolls back and does the whole transaction again after a pause",
                       "nothing, unless it happens often: then look for another writer"},
    [OW_CLASS_RESOURCE] = {"frees memory and tries again after a pause",
                           "give the process more memory or file descriptors"},
    [OW_CLASS_CONFIG] = {"never tries again by itself",
                         "check the path and the rights of the file and its folder"},
    [OW_CLASS_HOLD] = {"keeps the jobs and waits for space",
                       "free space on the disk that holds the database"},
    [OW_CLASS_POISON] = {"stops writing for good and leaves the files as they are",
                         "stop the program and keep the database with its -wal file before any "
                         "repair"},
    [OW_CLASS_CALLER] = {"undoes this job and tells its owner",
                         "correct the statement or its values"},
    [OW_CLASS_CANCELLED] = {"undoes this job and tells its owner",
                            "nothing: it was cancelled, or ran into its time limit"},
    [OW_CLASS_CONN] = {"opens a new connection and tries again after a pause",
                       "check the disk and the file system if it happens again"},
    [OW_CLASS_BUG] = {"undoes this job and tells its owner",
                      "report it: the program uses the database wrongly"},
};

static const struct class_row *class_row_of(enum ow_class cls)
{
    return &class_rows[(size_t)cls < ARRAY_LEN(class_rows) ? cls : OW_CLASS_BUG];
}

const char *ow_class_retry(enum ow_class cls)
{
    return class_row_of(cls)->retry;
}

const char *ow_class_advice(enum ow_class cls)
{
    return class_row_of(cls)->advice;
}

const char *ow_code_text(enum ow_code code)
{
    static const char *const texts[] = {
        [OW_OK] = "OW_OK",
        [OW_CALLER] = "OW_CALLER",
        [OW_TIMEOUT] = "OW_TIMEOUT",
        [OW_QUEUE_FULL] = "OW_QUEUE_FULL",
        [OW_CANCELLED] = "OW_CANCELLED",
        [OW_DISK_FULL] = "OW_DISK_FULL",
        [OW_RESOURCE] = "OW_RESOURCE",
        [OW_CONFIG] = "OW_CONFIG",
        [OW_IO] = "OW_IO",
        [OW_CORRUPT] = "OW_CORRUPT",
        [OW_UNKNOWN] = "OW_UNKNOWN",
        [OW_CLOSED] = "OW_CLOSED",
        [OW_BUG] = "OW_BUG",
    };
    return (size_t)code < ARRAY_LEN(texts) ? texts[code] : "OW_?";
}

/* Fixed in 3.51.3, with back-ports to the 3.50 and 3.44 lines. 3.52.0 was withdrawn for other
 * faults. */
bool ow_sqlite_is_wal_reset_safe(int libversion_number)
{
    int v = libversion_number;
    if (v == 3052000)
        return false;
    return v >= 3051003 || (v >= 3050007 && v < 3051000) || (v >= 3044006 && v < 3045000);
}
