/* The place of the database (place.h). SQLite says "unable to open database file" to a missing
 * folder, to missing rights and to a process without descriptors alike; here each gets its own
 * words. The database file is looked at with stat only: opening and closing it would drop the locks
 * that SQLite holds on it for other connections of this process. For the same reason the lock that
 * keeps writers apart is on a file of its own, PATH.lock; it is never removed, since two processes
 * could then lock two files of that name. What must stay true: the checks explain, they do not
 * decide what SQLite can do better; whatever passes them may still fail in sqlite3_open. */
#include "onewriter/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

/* FUSE has one type for all. Programs that bring a remote file system name it after "fuse.". */
static bool is_remote_fuse(const char *type)
{
    static const char *const remote[] = {
        "sshfs",   "rclone",      "s3fs",      "glusterfs",   "ceph",
        "gcsfuse", "goofys",      "mount-s3",  "s3ql",        "blobfuse",
        "juicefs", "seaweedfs",   "moosefs",   "lizardfs",    "mfs",
        "davfs",   "curlftpfs",   "afpfs",     "smbnetfs",    "google-drive-ocamlfuse",
        "geesefs", "objectivefs", "onedriver", "vmhgfs-fuse", "cvmfs2",
        "beegfs",  "orangefs",
    };
    if (strncmp(type, "fuse.", 5) != 0)
        return strcmp(type, "davfs") == 0;
    for (size_t i = 0; i < ARRAY_LEN(remote); i++)
        if (strcmp(type + 5, remote[i]) == 0)
            return true;
    return false;
}

/* A line of mountinfo: "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw". Writes the
 * type when the line is about that device. */
static bool mount_type(const char *line, dev_t device, char type[64])
{
    char wanted[32];
    int length = snprintf(wanted, sizeof(wanted), "%u:%u ", major(device), minor(device));
    for (int field = 0; field < 2 && line; field++) {
        line = strchr(line, ' ');
        line = line ? line + 1 : NULL;
    }
    if (!line || strncmp(line, wanted, (size_t)length) != 0)
        return false;
    const char *rest = strstr(line, " - ");
    return rest && sscanf(rest, " - %63s", type) == 1;
}

/* Where it cannot be learnt the file system passes: local FUSE file systems are common. */
static bool find_remote_fuse(const char *folder, char type[64])
{
    struct stat st;
    if (stat(folder, &st) != 0)
        return false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts)
        return false;
    CLEANUP(free_ptr) char *line = NULL;
    size_t size = 0;
    bool found = false;
    while (!found && getline(&line, &size, mounts) > 0)
        found = mount_type(line, st.st_dev, type) && is_remote_fuse(type);
    fclose(mounts);
    return found;
}

static int check_filesystem(const char *folder, struct ow_err *err)
{
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot examine the file system of %s", folder);
    const char *network = network_name((long)fs.f_type);
    char type[64];
    if (!network && find_remote_fuse(folder, type))
        network = type;
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

/* ---- the lock ---- */

/* Locked by its first holder for an instant, read-locked by the others: a lock on a range belongs
 * to the open file and changes from one to the other in one step. */
static bool is_first_holder(int fd)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
    bool first = fcntl(fd, F_OFD_SETLK, &range) == 0;
    range.l_type = F_RDLCK;
    fcntl(fd, F_OFD_SETLK, &range);
    return first;
}

/* Given: PATH with symbolic links resolved, as SQLite does, and the suffix. */
static char *beside(const char *path, const char *suffix)
{
    CLEANUP(free_ptr) char *real = realpath(path, NULL);
    char *text = NULL;
    return asprintf(&text, "%s%s", real ? real : path, suffix) < 0 ? NULL : text;
}

static int take_lock(int fd, const char *path, struct ow_err *err)
{
    bool safe = ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
    if (flock(fd, (safe ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot lock %s.lock", path);
    if (safe)
        return ow_fail(err, OW_CONFIG,
                       "another process has %s open for writing with onewriter and a SQLite that "
                       "may lose commits when two connections checkpoint (WAL-reset bug, fixed in "
                       "3.51.3, 3.50.7, 3.44.6): close it, or link it to a fixed SQLite",
                       path);
    return ow_fail(err, OW_CONFIG,
                   "another process (or another handle of this one) has %s open for writing with "
                   "onewriter, and this SQLite %s may lose commits when two connections checkpoint "
                   "(WAL-reset bug, fixed in 3.51.3, 3.50.7, 3.44.6): close the other, or link a "
                   "fixed SQLite",
                   path, sqlite3_libversion());
}

void ow_place_unlock(struct ow_place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}

int ow_place_lock(struct ow_place *place, const char *path, struct ow_err *err)
{
    *place = (struct ow_place){.fd = -1};
    CLEANUP(free_ptr) char *name = beside(path, ".lock");
    CLEANUP(free_ptr) char *log = beside(path, "-wal");
    if (!name || !log)
        return ow_fail(err, OW_RESOURCE, "no memory");
    place->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (place->fd < 0)
        return ow_fail_errno(err, OW_CONFIG, errno, "cannot open the lock file %s", name);
    int rc = take_lock(place->fd, path, err);
    struct stat st;
    if (rc)
        ow_place_unlock(place);
    else
        place->is_first = is_first_holder(place->fd);
    if (place->is_first && stat(log, &st) == 0)
        place->log_bytes = st.st_size;
    return rc;
}

/* ---- words for SQLite's refusals ---- */

int ow_place_fail_readonly(const char *path, struct ow_err *err)
{
    int sys_errno = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 ? errno : EROFS;
    return ow_fail_errno(err, OW_CONFIG, sys_errno, "the database %s can only be read", path);
}

int ow_place_descriptors(const struct ow_options *options)
{
    /* Per connection the database and its log; the shared-memory file once per process; one for a
     * temporary file. */
    int needed = 2 * options->readers + 1 + 1;
    /* The writer's connection and one more while it is being replaced or the file is checked; the
     * lock; the connection that checkpoints. */
    if (!options->read_only)
        needed += 2 + 2 + 1 + (options->checkpoint_thread ? 2 : 0);
    return needed;
}

int ow_descriptors(const struct ow_options *options)
{
    return ow_place_descriptors(options);
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

int ow_place_check_descriptors(const struct ow_options *options, struct ow_err *err)
{
    struct rlimit limit;
    int needed = ow_place_descriptors(options);
    int used = open_descriptors();
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        (rlim_t)used + (rlim_t)needed <= limit.rlim_cur)
        return 0;
    return ow_fail(err, OW_CONFIG,
                   "the database needs %d file descriptors, %d are in use and the limit is %llu: "
                   "raise LimitNOFILE (ulimit -n) to at least %d or use fewer readers",
                   needed, used, (unsigned long long)limit.rlim_cur, used + needed);
}
