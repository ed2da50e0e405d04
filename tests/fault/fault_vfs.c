/* The failing VFS (fault_vfs.h): each operation asks the plan, then goes to the real VFS. What must
 * stay true: unlocking and closing never fail here, as they never fail on a real system. */
#include "fault_vfs.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static struct {
    _Atomic int op, left, fired, sqlite_code, sys_errno;
    _Atomic bool persistent;
} plan = {.op = FAULT_OPS};

static sqlite3_vfs *real_vfs;

/* The code to return, or SQLITE_OK to go on. */
static int fault(enum fault_op op)
{
    if (atomic_load(&plan.op) != (int)op)
        return SQLITE_OK;
    int left = atomic_fetch_sub(&plan.left, 1);
    if (left > 1 || (left < 1 && !atomic_load(&plan.persistent)))
        return SQLITE_OK;
    atomic_fetch_add(&plan.fired, 1);
    errno = atomic_load(&plan.sys_errno);
    return atomic_load(&plan.sqlite_code);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

#define FORWARD(file, method, ...) real_of(file)->pMethods->method(real_of(file), ##__VA_ARGS__)
#define FAIL_OR_FORWARD(op, file, method, ...)                                                     \
    int rc = fault(op);                                                                            \
    return rc ? rc : FORWARD(file, method, ##__VA_ARGS__)

static int file_close(sqlite3_file *file)
{
    return FORWARD(file, xClose);
}
static int file_read(sqlite3_file *file, void *buf, int amount, sqlite3_int64 at)
{
    FAIL_OR_FORWARD(FAULT_READ, file, xRead, buf, amount, at);
}
static int file_write(sqlite3_file *file, const void *buf, int amount, sqlite3_int64 at)
{
    FAIL_OR_FORWARD(FAULT_WRITE, file, xWrite, buf, amount, at);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    FAIL_OR_FORWARD(FAULT_TRUNCATE, file, xTruncate, size);
}
static int file_sync(sqlite3_file *file, int flags)
{
    FAIL_OR_FORWARD(FAULT_SYNC, file, xSync, flags);
}
static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return FORWARD(file, xFileSize, size);
}
static int file_lock(sqlite3_file *file, int level)
{
    FAIL_OR_FORWARD(FAULT_LOCK, file, xLock, level);
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
    int rc = op == SQLITE_FCNTL_COMMIT_PHASETWO ? fault(FAULT_COMMITTED) : SQLITE_OK;
    return rc ? rc : FORWARD(file, xFileControl, op, arg);
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
    FAIL_OR_FORWARD(FAULT_SHM_MAP, file, xShmMap, page, size, extend, out);
}
static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    int rc = flags & SQLITE_SHM_LOCK ? fault(FAULT_SHM_LOCK) : SQLITE_OK;
    return rc ? rc : FORWARD(file, xShmLock, offset, n, flags);
}
static void file_shm_barrier(sqlite3_file *file)
{
    FORWARD(file, xShmBarrier);
}
static int file_shm_unmap(sqlite3_file *file, int delete)
{
    return FORWARD(file, xShmUnmap, delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct fault_file *self = (struct fault_file *)file;
    self->base.pMethods = NULL;
    self->real = (sqlite3_file *)(self + 1);
    int rc = fault(FAULT_OPEN);
    if (rc)
        return rc;
    rc = real_vfs->xOpen(real_vfs, name, self->real, flags, out);
    if (self->real->pMethods)
        self->base.pMethods = &methods;
    return rc;
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;
    sqlite3_initialize();
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "fault";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    int rc = sqlite3_vfs_register(&vfs, 1);
    assert(rc == SQLITE_OK);
}

void fault_vfs_plan(enum fault_op op, int n, bool persistent, int sqlite_code, int sys_errno)
{
    fault_vfs_clear();
    atomic_store(&plan.left, n);
    atomic_store(&plan.persistent, persistent);
    atomic_store(&plan.sqlite_code, sqlite_code);
    atomic_store(&plan.sys_errno, sys_errno);
    atomic_store(&plan.op, (int)op);
}

int fault_vfs_clear(void)
{
    atomic_store(&plan.op, FAULT_OPS);
    return atomic_exchange(&plan.fired, 0);
}

const char *fault_op_name(enum fault_op op)
{
    static const char *const names[FAULT_OPS] = {
        "open", "read", "write", "sync", "truncate", "lock", "shm lock", "shm map", "committed"};
    return names[op];
}
