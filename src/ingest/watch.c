/* inotify on directories (watch.h), not on files: names come and go there, and one watch serves a
 * whole family. Arming is idempotent (the kernel gives the same descriptor for the same inode), so
 * it is simply repeated whenever a directory may have been replaced. Must stay true: a lost event
 * (queue overflow, no watch) becomes "anything may have changed". */
#include "ingest/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WATCH_MASK                                                                                 \
    (IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE |            \
     IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define PARENT_MASK (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

void watch_init(struct watch *w)
{
    *w = (struct watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
}

void watch_fini(struct watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        free(w->list[i].path);
    free(w->list);
    if (w->fd >= 0)
        close(w->fd);
    *w = (struct watch){.fd = -1};
}

int watch_add(struct watch *w, const char *path, size_t *index, struct err *err)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->list[i].path, path) == 0) {
            *index = i;
            return 0;
        }
    }
    struct watch_dir *list = reallocarray(w->list, w->count + 1, sizeof(*list));
    if (list)
        w->list = list;
    char *copy = strdup(path);
    if (!list || !copy) {
        free(copy);
        return err_set(err, ERR_MEMORY, "no memory to watch %s", path);
    }
    w->list[w->count] = (struct watch_dir){.path = copy, .wd = -1};
    *index = w->count++;
    return 0;
}

/* Cuts the last part off a path; "." and "/" are their own parents. */
static bool to_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash) {
        bool was_dot = strcmp(path, ".") == 0;
        if (*path)
            memcpy(path, ".", 2);
        return !was_dot;
    }
    if (slash == path && path[1] == '\0')
        return false;
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

static void arm_one(struct watch *w, struct watch_dir *dir)
{
    dir->wd = inotify_add_watch(w->fd, dir->path, WATCH_MASK | IN_ONLYDIR);
    dir->parent = false;
    if (dir->wd >= 0 || (errno != ENOENT && errno != ENOTDIR))
        return;
    CLEANUP(free_ptr) char *path = strdup(dir->path);
    while (path && dir->wd < 0 && to_parent(path)) {
        /* IN_MASK_ADD: the parent may itself be a watched directory. */
        dir->wd = inotify_add_watch(w->fd, path, PARENT_MASK | IN_ONLYDIR | IN_MASK_ADD);
    }
    dir->parent = true;
}

size_t watch_arm(struct watch *w)
{
    size_t blind = 0;
    for (size_t i = 0; i < w->count; i++) {
        /* Folders may be made while their parent is only just being watched: once more, until it
         * stays the same. */
        int before = -2;
        for (int depth = 0; w->fd >= 0 && depth < 32 && w->list[i].wd != before; depth++) {
            before = w->list[i].wd;
            arm_one(w, &w->list[i]);
        }
        if (w->list[i].wd < 0)
            blind++;
    }
    return blind;
}

static void all_changed(struct watch *w, const struct watch_handler *handler)
{
    for (size_t i = 0; i < w->count; i++)
        handler->changed(handler->ctx, i);
}

/* Returns true when the watches have to be armed anew. */
static bool dispatch(struct watch *w, const struct inotify_event *event,
                     const struct watch_handler *handler)
{
    if (event->mask & IN_Q_OVERFLOW) {
        all_changed(w, handler);
        return true;
    }
    bool rearm = event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT);
    for (size_t i = 0; i < w->count; i++) {
        if (w->list[i].wd != event->wd)
            continue;
        if (w->list[i].parent || rearm)
            rearm = true;
        else if (event->len > 0 && (event->mask & IN_MODIFY))
            handler->written(handler->ctx, i, event->name);
        else
            handler->changed(handler->ctx, i);
        if (rearm)
            handler->changed(handler->ctx, i);
    }
    return rearm;
}

static void read_events(struct watch *w, const struct watch_handler *handler)
{
    _Alignas(struct inotify_event) char buffer[16 * 1024];
    bool rearm = false;
    ssize_t n;
    while ((n = read(w->fd, buffer, sizeof(buffer))) > 0) {
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            rearm = dispatch(w, event, handler) || rearm;
            at += sizeof(*event) + event->len;
        }
    }
    if (rearm)
        watch_arm(w);
}

void watch_wait(struct watch *w, int wake_fd, int timeout_ms, const struct watch_handler *handler)
{
    struct pollfd p[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = w->fd, .events = POLLIN}};
    if (poll(p, 2, timeout_ms) > 0 && p[1].revents)
        read_events(w, handler);
}
