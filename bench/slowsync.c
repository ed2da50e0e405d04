/* Preloaded (LD_PRELOAD) before a program: its fsync and fdatasync sleep first, as long as
 * SLOWSYNC_MS says, which is what a spinning disk does. What must stay true: the call behind is
 * made, with its result. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void sleep_first(void)
{
    const char *text = getenv("SLOWSYNC_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&ts, &ts) != 0)
        ;
}

int fsync(int fd)
{
    sleep_first();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    sleep_first();
    return (int)syscall(SYS_fdatasync, fd);
}
