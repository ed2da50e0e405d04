/* Which directories changed: inotify, one watch per distinct directory. A directory that is missing
 * is waited for by watching its nearest existing parent. Without inotify (limit reached, network
 * mount) the caller's slow scan does the work alone. */
#ifndef INGEST_WATCH_H
#define INGEST_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct watch_dir {
    char *path;
    int wd;      /* -1 = not watched */
    bool parent; /* wd is that of a parent */
};

struct watch {
    int fd; /* -1: no inotify */
    struct watch_dir *list;
    size_t count;
};

struct watch_handler {
    void *ctx;
    /* Bytes were written to the file of this name. */
    void (*written)(void *ctx, size_t dir, const char *name);
    /* Names changed, or anything may have. */
    void (*changed)(void *ctx, size_t dir);
};

void watch_init(struct watch *w);
void watch_fini(struct watch *w);
/* Adds the directory unless it is there, and gives its index. */
int watch_add(struct watch *w, const char *path, size_t *index, struct err *err);
/* Puts the watches where they belong by now: again for a directory that appeared, vanished or was
 * replaced. Returns the number of directories that cannot be watched. */
size_t watch_arm(struct watch *w);
/* Waits until something changes, wake_fd becomes readable or the time is over, and tells the
 * handler. */
void watch_wait(struct watch *w, int wake_fd, int timeout_ms, const struct watch_handler *handler);

#endif
