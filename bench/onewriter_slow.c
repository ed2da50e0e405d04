/* `bench-onewriter slow`: the same as `write`, in a program that was started anew with slowsync.c
 * preloaded, so that every fsync takes as long as on a spinning disk. What must stay true: before
 * anything is measured, an fsync is timed; a delay that does not work ends the program. */
#include "onewriter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats.h"

#define LIBRARY "libslowsync.so"

/* Does not come back. */
static void start_anew(const struct settings *s)
{
    char self[PATH_MAX], library[PATH_MAX + sizeof(LIBRARY)], delay[16];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        die("cannot find myself: %s", strerror(errno));
    self[length] = '\0';
    snprintf(library, sizeof(library), "%.*s/" LIBRARY, (int)(strrchr(self, '/') - self), self);
    if (access(library, R_OK) != 0)
        die("%s: %s", library, strerror(errno));
    snprintf(delay, sizeof(delay), "%d", s->sleep_ms);
    setenv("LD_PRELOAD", library, 1);
    setenv("SLOWSYNC_MS", delay, 1);
    char **args = calloc((size_t)s->argc + 2, sizeof(*args));
    if (!args)
        die("no memory");
    args[0] = self;
    memcpy(args + 1, s->argv, (size_t)s->argc * sizeof(*args));
    execv(self, args);
    die("cannot start %s: %s", self, strerror(errno));
}

/* Milliseconds of one fsync of a small file. */
static double time_fsync(const char *folder)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/onewriter-fsync-XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0)
        die("cannot make a file in %s: %s", folder, strerror(errno));
    unlink(path);
    if (write(fd, path, sizeof(path)) < 0)
        die("cannot write in %s: %s", folder, strerror(errno));
    int64_t start_ns = now_ns();
    fdatasync(fd);
    double ms = (double)(now_ns() - start_ns) / 1e6;
    close(fd);
    return ms;
}

int bench_slow(const struct settings *s, struct report *report)
{
    if (!getenv("SLOWSYNC_MS"))
        start_anew(s);
    const char *folder = s->folder ? s->folder : getenv("TMPDIR");
    double ms = time_fsync(folder && *folder ? folder : "/tmp");
    if (ms < s->sleep_ms)
        die("an fsync takes %.2f ms only: the delay does not work", ms);
    printf("an fsync takes %.2f ms\n", ms);
    return bench_write(s, report);
}
