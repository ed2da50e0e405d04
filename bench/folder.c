/* A temporary folder that goes away however the program ends (folder.h). What must stay true: the
 * signal handler calls only what may be called in one, so the names of the files are known
 * beforehand; a forked child ends with _exit and so removes nothing. */
#include "folder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILES 5
static const char *const ends[FILES] = {"", "-wal", "-shm", "-journal", ".lock"};
static char folder[4096];
static char paths[FILES][4128];

void folder_clear(void)
{
    for (size_t i = 0; i < FILES; i++)
        unlink(paths[i]);
}

static void remove_all(void)
{
    folder_clear();
    rmdir(folder);
}

static void end_by_signal(int number)
{
    remove_all();
    signal(number, SIG_DFL);
    raise(number);
}

const char *folder_make(const char *parent)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    if (!parent)
        parent = getenv("TMPDIR");
    if (!parent || !*parent)
        parent = "/tmp";
    int length = snprintf(folder, sizeof(folder), "%s/onewriter-bench-XXXXXX", parent);
    if (length >= (int)sizeof(folder) || !mkdtemp(folder)) {
        fprintf(stderr, "bench-onewriter: cannot make a folder in %s: %s\n", parent,
                strerror(errno));
        exit(1);
    }
    for (size_t i = 0; i < FILES; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/bench.db%s", folder, ends[i]);
    atexit(remove_all);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (signal(signals[i], end_by_signal) == SIG_IGN)
            signal(signals[i], SIG_IGN); /* as under nohup */
    return paths[0];
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int64_t folder_wal_bytes(void)
{
    return size_of(paths[1]);
}

int64_t folder_db_bytes(void)
{
    return size_of(paths[0]);
}
