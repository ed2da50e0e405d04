/* Where a backup goes (target.h). A name is given to a copy only when the copy is whole, so what
 * stands under to_path is always a complete backup, the old or the new one. The lock is flock, on a
 * descriptor that stays open until all is done: SQLite's own locks on the file are of another kind
 * and would be lost when any descriptor of the file is closed. What must stay true: nothing is
 * opened, truncated or removed that could be the database itself. */
#include "onewriter/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "onewriter/fail.h"

/* Another backup may finish between our open and our lock, but hardly so often. */
#define OPEN_TRIES 10

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* errno as an error of the place where the copy goes. */
static int fail_here(const struct ow_target *target, const char *what, struct ow_err *err)
{
    int sys_errno = errno;
    bool full = sys_errno == ENOSPC || sys_errno == EDQUOT;
    enum ow_code code = full                  ? OW_DISK_FULL
                        : sys_errno == EIO    ? OW_IO
                        : sys_errno == EMFILE ? OW_RESOURCE
                                              : OW_CONFIG;
    return ow_fail_errno(err, code, sys_errno, "backup to %s: %s", target->path, what);
}

static int refuse_database(const struct ow_target *target, const struct stat *database,
                           struct ow_err *err)
{
    const char *const paths[] = {target->path, target->temporary};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0 && is_same(&st, database))
            return ow_fail(err, OW_CONFIG, "backup to %s: %s is the database itself", target->path,
                           paths[i]);
    }
    return 0;
}

/* A log that belongs to the file in place now would be taken for the new one's. */
static int refuse_journal(const struct ow_target *target, struct ow_err *err)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        CLEANUP(free_ptr) char *path = NULL;
        struct stat st;
        if (asprintf(&path, "%s%s", target->path, suffixes[i]) < 0) {
            path = NULL;
            return ow_fail(err, OW_RESOURCE, "no memory for a backup");
        }
        if (stat(path, &st) == 0 && st.st_size > 0)
            return ow_fail(err, OW_CONFIG,
                           "backup to %s: %s exists, so a program has written to the copy that is "
                           "there now: end it, or choose another name",
                           target->path, path);
    }
    return 0;
}

/* One try: 0, a code, or -1 when the name went to another file before it was locked. */
static int open_temporary(struct ow_target *target, struct ow_err *err)
{
    struct stat opened, named;
    target->fd = open(target->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (target->fd < 0)
        return fail_here(target, "making the temporary file", err);
    if (flock(target->fd, LOCK_EX | LOCK_NB) != 0) {
        close(target->fd);
        target->fd = -1; /* so that closing does not remove the other's file */
        return ow_fail(err, OW_CONFIG, "backup to %s: another backup to it is under way",
                       target->path);
    }
    if (fstat(target->fd, &opened) == 0 && stat(target->temporary, &named) == 0 &&
        is_same(&opened, &named))
        return 0;
    close(target->fd);
    target->fd = -1;
    return -1;
}

static int make_temporary(struct ow_target *target, mode_t mode, struct ow_err *err)
{
    int rc = -1;
    for (int i = 0; i < OPEN_TRIES && rc == -1; i++)
        rc = open_temporary(target, err);
    if (rc == -1)
        return ow_fail(err, OW_CONFIG, "backup to %s: other backups to it are under way",
                       target->path);
    if (!rc && (ftruncate(target->fd, 0) != 0 || fchmod(target->fd, mode & 0777) != 0))
        rc = fail_here(target, "preparing the temporary file", err);
    return rc;
}

int ow_target_open(struct ow_target *target, const char *from_path, const char *to_path,
                   struct ow_err *err)
{
    struct stat database;
    *target = (struct ow_target){.fd = -1};
    target->path = strdup(to_path);
    if (asprintf(&target->temporary, "%s.tmp-backup", to_path) < 0)
        target->temporary = NULL;
    if (!target->path || !target->temporary)
        return ow_fail(err, OW_RESOURCE, "no memory for a backup");
    if (stat(from_path, &database) != 0)
        return fail_here(target, "looking at the database", err);
    int rc = refuse_database(target, &database, err);
    if (!rc)
        rc = refuse_journal(target, err);
    if (!rc)
        rc = make_temporary(target, database.st_mode, err);
    return rc;
}

static int sync_folder(const struct ow_target *target, struct ow_err *err)
{
    CLEANUP(free_ptr) char *folder = strdup(target->path);
    if (!folder)
        return ow_fail(err, OW_RESOURCE, "no memory for a backup");
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0'; /* "/name" is in "/" */
    CLEANUP(close_fd) int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_here(target, "syncing the folder; the backup is in place", err);
    return 0;
}

int ow_target_publish(struct ow_target *target, struct ow_err *err)
{
    if (fsync(target->fd) != 0)
        return fail_here(target, "syncing the copy", err);
    int rc = refuse_journal(target, err);
    if (rc)
        return rc;
    if (rename(target->temporary, target->path) != 0)
        return fail_here(target, "renaming the copy", err);
    close(target->fd);
    target->fd = -1;
    return sync_folder(target, err);
}

void ow_target_close(struct ow_target *target)
{
    if (target->fd >= 0) {
        unlink(target->temporary);
        close(target->fd);
    }
    free(target->path);
    free(target->temporary);
    *target = (struct ow_target){.fd = -1};
}
