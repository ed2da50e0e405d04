/* The VFS "onewriter" (vfs.h). SQLite says nothing about the read locks of the log or the time an
 * fsync takes; below it both are seen, and a reader's locks can be given back for it (snapshots.c).
 * It wraps the files of the database and of its log; any other file is the real VFS's own. A log
 * finds its database by sqlite3_database_file_object, so one tie serves both.
 *
 * A file has the version of the real one, but a reader's at most 2: without xFetch SQLite does not
 * map it, and every page it reads comes through xRead.
 *
 * What must stay true: the state of a file is set by its own connection's thread (ow_vfs_tie,
 * opening, closing); nothing here changes errno between the real call and SQLite's look at it. */
#include "onewriter/vfs.h"

#include <pthread.h>
#include <stddef.h>

#include "base/clock.h"

#define VFS_NAME "onewriter"
/* A private opcode of sqlite3_file_control; SQLite's own are below 100. */
#define TIE_OPCODE     0x6f77
#define CHANGES_OPCODE 0x6f78

/* Word of the index's header that counts commits: iChange in "WAL-Index File Format" of the SQLite
 * documentation. */
#define INDEX_CHANGES 2

struct tie {
    struct ow_counters *counters;
    struct ow_pin *pin;
};

struct ow_file {
    sqlite3_file base;
    struct ow_file *database; /* itself, or what a log belongs to */
    struct tie tie;           /* of a database */
    bool is_log;
    int64_t end; /* of a log: as far as it was written */
    const volatile uint32_t
        *index; /* of a database: first page of the log's index; NULL = not yet */
    /* The real file lies behind this struct. */
};

static sqlite3_vfs *real_vfs;

static struct ow_file *self_of(sqlite3_file *file)
{
    return (struct ow_file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(self_of(file) + 1);
}

static const struct tie *tie_of(sqlite3_file *file)
{
    return &self_of(file)->database->tie;
}

#define FORWARD(file, method, ...) real_of(file)->pMethods->method(real_of(file), ##__VA_ARGS__)

/* ---- files ---- */

static int file_close(sqlite3_file *file)
{
    return FORWARD(file, xClose);
}

static int file_read(sqlite3_file *file, void *buf, int amount, sqlite3_int64 at)
{
    struct ow_pin *pin = tie_of(file)->pin;
    return pin ? ow_pin_read(pin, real_of(file), buf, amount, at)
               : FORWARD(file, xRead, buf, amount, at);
}

static void note_size(struct ow_counters *counters, int64_t bytes)
{
    if (counters && bytes > atomic_load_explicit(&counters->wal_bytes_max, memory_order_relaxed))
        atomic_store_explicit(&counters->wal_bytes_max, bytes, memory_order_relaxed);
}

static int file_write(sqlite3_file *file, const void *buf, int amount, sqlite3_int64 at)
{
    struct ow_file *self = self_of(file);
    if (self->is_log && at + amount > self->end) {
        self->end = at + amount;
        note_size(tie_of(file)->counters, self->end);
    }
    return FORWARD(file, xWrite, buf, amount, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    self_of(file)->end = size;
    return FORWARD(file, xTruncate, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct ow_counters *counters = tie_of(file)->counters;
    int64_t start_us = clock_monotonic_us();
    int rc = FORWARD(file, xSync, flags);
    if (counters)
        ow_tally_add(&counters->fsync, clock_monotonic_us() - start_us);
    return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return FORWARD(file, xFileSize, size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return FORWARD(file, xLock, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return FORWARD(file, xUnlock, level);
}

static int file_check_reserved(sqlite3_file *file, int *out)
{
    return FORWARD(file, xCheckReservedLock, out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    if (op == CHANGES_OPCODE && self_of(file)->index) {
        *(uint32_t *)arg = self_of(file)->index[INDEX_CHANGES];
        return SQLITE_OK;
    }
    if (op != TIE_OPCODE)
        return FORWARD(file, xFileControl, op, arg);
    self_of(file)->tie = *(const struct tie *)arg;
    return SQLITE_OK;
}

static int file_sector_size(sqlite3_file *file)
{
    return FORWARD(file, xSectorSize);
}

static int file_characteristics(sqlite3_file *file)
{
    return FORWARD(file, xDeviceCharacteristics);
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    int rc = FORWARD(file, xShmMap, page, size, extend, out);
    if (page == 0)
        self_of(file)->index = rc == SQLITE_OK ? *out : NULL;
    return rc;
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    struct ow_pin *pin = tie_of(file)->pin;
    return pin ? ow_pin_shm_lock(pin, real_of(file), offset, count, flags)
               : FORWARD(file, xShmLock, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    FORWARD(file, xShmBarrier);
}

static int file_shm_unmap(sqlite3_file *file, int delete)
{
    self_of(file)->index = NULL;
    return FORWARD(file, xShmUnmap, delete);
}

static int file_fetch(sqlite3_file *file, sqlite3_int64 at, int amount, void **out)
{
    return FORWARD(file, xFetch, at, amount, out);
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 at, void *page)
{
    return FORWARD(file, xUnfetch, at, page);
}

#define METHODS(version)                                                                           \
    {                                                                                              \
        .iVersion = (version), .xClose = file_close, .xRead = file_read, .xWrite = file_write,     \
        .xTruncate = file_truncate, .xSync = file_sync, .xFileSize = file_size,                    \
        .xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_check_reserved,     \
        .xFileControl = file_control, .xSectorSize = file_sector_size,                             \
        .xDeviceCharacteristics = file_characteristics, .xShmMap = file_shm_map,                   \
        .xShmLock = file_shm_lock, .xShmBarrier = file_shm_barrier, .xShmUnmap = file_shm_unmap,   \
        .xFetch = file_fetch, .xUnfetch = file_unfetch,                                            \
    }

/* By version: SQLite calls nothing that is newer. */
static const sqlite3_io_methods methods[] = {METHODS(1), METHODS(2), METHODS(3)};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    if (!name || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return real_vfs->xOpen(real_vfs, name, file, flags, out);
    struct ow_file *self = self_of(file);
    *self = (struct ow_file){.database = self, .is_log = flags & SQLITE_OPEN_WAL};
    if (self->is_log)
        self->database = self_of(sqlite3_database_file_object(name));
    sqlite3_file *real = real_of(file);
    real->pMethods = NULL;
    int rc = real_vfs->xOpen(real_vfs, name, real, flags, out);
    if (!real->pMethods)
        return rc;
    int version = real->pMethods->iVersion, most = flags & SQLITE_OPEN_READONLY ? 2 : 3;
    self->base.pMethods = &methods[(version < most ? version : most) - 1];
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    return real_vfs->xDelete(real_vfs, name, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return real_vfs->xAccess(real_vfs, name, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return real_vfs->xFullPathname(real_vfs, name, size, out);
}

static void *vfs_dl_open(sqlite3_vfs *vfs, const char *name)
{
    (void)vfs;
    return real_vfs->xDlOpen(real_vfs, name);
}

static void vfs_dl_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    real_vfs->xDlError(real_vfs, size, out);
}

static void (*vfs_dl_sym(sqlite3_vfs *vfs, void *library, const char *name))(void)
{
    (void)vfs;
    return real_vfs->xDlSym(real_vfs, library, name);
}

static void vfs_dl_close(sqlite3_vfs *vfs, void *library)
{
    (void)vfs;
    real_vfs->xDlClose(real_vfs, library);
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs;
    return real_vfs->xRandomness(real_vfs, bytes, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return real_vfs->xSleep(real_vfs, microseconds);
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    return real_vfs->xCurrentTime(real_vfs, out);
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    return real_vfs->xCurrentTimeInt64(real_vfs, out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return real_vfs->xGetLastError(real_vfs, size, out);
}

static sqlite3_vfs own_vfs = {
    .zName = VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xDlOpen = vfs_dl_open,
    .xDlError = vfs_dl_error,
    .xDlSym = vfs_dl_sym,
    .xDlClose = vfs_dl_close,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time64,
};
static bool is_registered;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void register_vfs(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    if (!real_vfs)
        return;
    own_vfs.iVersion = real_vfs->iVersion < 2 ? real_vfs->iVersion : 2;
    own_vfs.szOsFile = (int)sizeof(struct ow_file) + real_vfs->szOsFile;
    own_vfs.mxPathname = real_vfs->mxPathname;
    is_registered = sqlite3_vfs_register(&own_vfs, 0) == SQLITE_OK;
}

const char *ow_vfs_name(void)
{
    pthread_once(&once, register_vfs);
    return is_registered ? VFS_NAME : NULL;
}

int ow_vfs_tie(sqlite3 *db, struct ow_counters *counters, struct ow_pin *pin)
{
    return sqlite3_file_control(db, "main", TIE_OPCODE,
                                &(struct tie){.counters = counters, .pin = pin});
}

bool ow_vfs_changes(sqlite3 *db, uint32_t *out)
{
    return sqlite3_file_control(db, "main", CHANGES_OPCODE, out) == SQLITE_OK;
}
