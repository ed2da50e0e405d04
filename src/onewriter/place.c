/* The place of the database (place.h). SQLite says "unable to open database file" to a missing
 * folder, to missing rights and to a process without descriptors alike; here each gets its own
 * words. The database file is looked at with stat only: opening and closing it would drop the locks
 * that SQLite holds on it for other connections of this process. What must stay true: the checks
 * explain, they do not decide what SQLite can do better; whatever passes them may still fail in
 * sqlite3_open. */
#include "onewriter/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "onewriter/fail.h"

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* File systems on which WAL's shared memory or POSIX locks do not reach every user of the file. */
static const char *network_name(long type)
{
    static const struct {
        long type;
        const char *name;
    } kinds[] = {
        {0x6969, "NFS"},      {0x517b, "SMB"},        {0xff534d42, "CIFS"}, {0xfe534d42, "SMB2"},
        {0x01021997, "9p"},   {0x00c36400, "Ceph"},   {0x5346414f, "AFS"},  {0x73757245, "Coda"},
        {0x47504653, "GPFS"}, {0x0bd00bd0, "Lustre"}, {0x564c, "NCP"},      {0x19830326, "BeeGFS"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if ((type & 0xffffffffL) == kinds[i].type)
            return kinds[i].name;
    return NULL;
}

static int check_filesystem(const char *folder, struct ow_err *err)
{
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot examine the file system of %s", folder);
    const char *network = network_name((long)fs.f_type);
    if (!network)
        return 0;
    return ow_fail(
        err, OW_CONFIG,
        "%s is on a network file system (%s), where SQLite's write-ahead log would damage "
        "the database: put it on a local disk of the machine that runs this program",
        folder, network);
}

static int check_file(const struct ow_options *options, bool *exists, struct ow_err *err)
{
    const char *path = options->path;
    struct stat st;
    *exists = stat(path, &st) == 0;
    if (!*exists) {
        int sys_errno = errno;
        if (sys_errno == ENOENT && options->create && !options->read_only)
            return 0;
        return ow_fail_errno(err, OW_CONFIG, sys_errno, "cannot open the database %s", path);
    }
    if (S_ISDIR(st.st_mode))
        return ow_fail_errno(err, OW_CONFIG, EISDIR, "the path of the database, %s, is a folder",
                             path);
    if (!S_ISREG(st.st_mode))
        return ow_fail(err, OW_CONFIG, "the path of the database, %s, is no regular file", path);
    if (options->read_only && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot read the database %s", path);
    if (!options->read_only && faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot read and write the database %s", path);
    return 0;
}

int ow_place_check(const struct ow_options *options, struct ow_err *err)
{
    const char *path = options->path;
    if (!path || !*path || strcmp(path, ":memory:") == 0)
        return ow_fail(err, OW_CONFIG, "the database needs the path of a file");
    CLEANUP(free_ptr) char *folder = folder_of(path);
    if (!folder)
        return ow_fail(err, OW_RESOURCE, "no memory");
    struct stat st;
    if (stat(folder, &st) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "the folder of the database, %s", folder);
    if (!S_ISDIR(st.st_mode))
        return ow_fail_errno(err, OW_CONFIG, ENOTDIR, "the folder of the database, %s", folder);
    bool exists;
    int rc = check_file(options, &exists, err);
    if (rc)
        return rc;
    /* The -wal and -shm files are made beside the database, so the folder must be writable too. */
    if (!options->read_only && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno,
                             "cannot create files in %s, the folder of the "
                             "database",
                             folder);
    return check_filesystem(folder, err);
}

int ow_place_fail_readonly(const char *path, struct ow_err *err)
{
    int sys_errno = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 ? errno : EROFS;
    return ow_fail_errno(err, OW_CONFIG, sys_errno, "the database %s can only be read", path);
}

int ow_place_descriptors(int readers)
{
    /* Per connection the database and its log; the shared-memory file once per process; two more
     * while the writer's connection is being replaced; one for a temporary file. */
    return 2 * (readers + 1) + 1 + 2 + 1;
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 3;   /* no /proc: at least the standard ones */
    int count = -3; /* ".", ".." and the listing's own */
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

int ow_place_check_descriptors(int readers, struct ow_err *err)
{
    struct rlimit limit;
    int needed = ow_place_descriptors(readers);
    int used = open_descriptors();
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        (rlim_t)used + (rlim_t)needed <= limit.rlim_cur)
        return 0;
    return ow_fail(err, OW_CONFIG,
                   "the database needs %d file descriptors, %d are in use and the limit is %llu: "
                   "raise LimitNOFILE (ulimit -n) to at least %d or use fewer readers",
                   needed, used, (unsigned long long)limit.rlim_cur, used + needed);
}
