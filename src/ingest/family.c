/* Keeps track of a log's files across renames (family.h). A file is followed by inode here only to
 * know its new name; what it IS is decided by its content (book.h), so a reused inode number
 * misleads nobody. Must stay true: a file with a name is in the list once, even if it has two
 * names; a file without one stays as long as it is being read or written. */
#include "ingest/family.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void log_file_free(struct log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->name);
    free(file->said);
    free(file);
}

void family_fini(struct family *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        log_file_free(f->list[i]);
    free(f->list);
    f->list = NULL;
    f->count = f->cap = 0;
}

size_t family_claims(const struct family *f, const char *name)
{
    if (strncmp(name, f->base, f->base_len) != 0)
        return 0;
    char next = name[f->base_len];
    return next == '\0' || next == '.' || next == '-' ? f->base_len : 0;
}

void family_scan_begin(struct family *f)
{
    for (size_t i = 0; i < f->count; i++)
        f->list[i]->listed = f->list[i]->primary = false;
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Takes over what stat says; a change asks for a look. */
static void log_file_note(struct log_file *file, const struct stat *st, int64_t now_ms)
{
    int64_t mtime_ns = ns_of(st->st_mtim), ctime_ns = ns_of(st->st_ctim);
    if (file->size == st->st_size && file->mtime_ns == mtime_ns && file->ctime_ns == ctime_ns)
        return;
    if (file->size != st->st_size || file->mtime_ns != mtime_ns)
        file->changed_ms = now_ms;
    file->size = st->st_size;
    file->mtime_ns = mtime_ns;
    file->ctime_ns = ctime_ns;
    file->look = true;
}

static struct log_file *log_file_new(struct family *f, const struct stat *st)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 8;
        struct log_file **list = reallocarray(f->list, cap, sizeof(struct log_file *));
        if (!list)
            return NULL;
        f->list = list;
        f->cap = cap;
    }
    struct log_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->fd = -1;
    file->size = file->short_size = file->line_at = -1;
    f->list[f->count++] = file;
    return file;
}

static struct log_file *find_inode(const struct family *f, const struct stat *st)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->list[i]->ino == st->st_ino && f->list[i]->dev == st->st_dev)
            return f->list[i];
    }
    return NULL;
}

bool family_see(struct family *f, int dir_fd, const char *name, int64_t now_ms)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, 0) != 0)
        return true; /* gone again; its deletion is an event of its own */
    bool primary = name[f->base_len] == '\0';
    struct log_file *file = find_inode(f, &st);
    if (!file)
        file = log_file_new(f, &st);
    if (!file)
        return false;
    /* A second name of the same file: LOG's is the one that counts. */
    if (!file->listed || primary) {
        if (!file->name || strcmp(file->name, name) != 0) {
            char *copy = strdup(name);
            if (!copy)
                return false;
            free(file->name);
            file->name = copy;
        }
        file->primary = primary;
    }
    file->listed = true;
    log_file_note(file, &st, now_ms);
    return true;
}

/* The number in "LOG.3.gz"; the higher the older. A date ("LOG-20260820") counts the other way. */
static int64_t age_of_name(const struct family *f, const char *name)
{
    const char *digits = name + f->base_len;
    digits += strcspn(digits, "0123456789");
    int64_t n = strtoll(digits, NULL, 10);
    return n >= 1000 ? -n : n;
}

static int by_age(const void *left, const void *right, void *ctx)
{
    const struct log_file *a = *(struct log_file *const *)left;
    const struct log_file *b = *(struct log_file *const *)right;
    if (a->primary != b->primary)
        return a->primary ? 1 : -1;
    if (a->mtime_ns != b->mtime_ns)
        return a->mtime_ns < b->mtime_ns ? -1 : 1;
    int64_t age_a = age_of_name(ctx, a->name), age_b = age_of_name(ctx, b->name);
    if (age_a != age_b)
        return age_a > age_b ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* True for a file without name that nobody needs any more. The node keeps writing to a log that was
 * moved away or deleted until it is restarted, so it must be read out, idle, and replaced. */
static bool is_finished(const struct log_file *file, bool replaced, int64_t now_ms)
{
    if (file->listed || file->pinned)
        return false;
    if (file->fd < 0)
        return true;
    return !file->look && replaced && now_ms - file->changed_ms >= FAMILY_IDLE_MS;
}

void family_scan_end(struct family *f, int64_t now_ms)
{
    for (size_t i = 0; i < f->count; i++) {
        struct stat st;
        if (!f->list[i]->listed && f->list[i]->fd >= 0 && fstat(f->list[i]->fd, &st) == 0)
            log_file_note(f->list[i], &st, now_ms);
    }
    bool replaced = family_primary(f) != NULL;
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct log_file *file = f->list[i];
        if (!file->name || is_finished(file, replaced, now_ms))
            log_file_free(file);
        else
            f->list[kept++] = file;
    }
    f->count = kept;
    if (kept > 1)
        qsort_r(f->list, kept, sizeof(struct log_file *), by_age, f);
}

int log_file_open(struct log_file *file, const char *dir)
{
    char path[PATH_MAX];
    if (file->fd >= 0)
        return 0;
    if (snprintf(path, sizeof(path), "%s/%s", dir, file->name) >= (int)sizeof(path))
        return ENAMETOOLONG;
    /* A FIFO must not block us, and a terminal must not become ours. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno;
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_ino != file->ino || st.st_dev != file->dev) {
        close(fd);
        return EAGAIN;
    }
    file->fd = fd;
    return 0;
}

void family_let_go(struct family *f, struct log_file *file)
{
    bool youngest = false;
    for (size_t i = f->count; i-- > 0 && !youngest;) {
        if (f->list[i]->primary || !f->list[i]->listed)
            continue;
        youngest = f->list[i] == file;
        break;
    }
    if (file->fd < 0 || file->primary || !file->listed || youngest)
        return;
    close(file->fd);
    file->fd = -1;
    /* From here on the inode number may come back as another file: forget what it was. */
    file->stream = NULL;
    file->emptied = false;
    file->short_size = file->line_at = -1;
}

struct log_file *family_primary(const struct family *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->list[i]->primary)
            return f->list[i];
    }
    return NULL;
}

bool family_look_at(struct family *f, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->list[i]->name, name) != 0)
            continue;
        f->list[i]->look = true;
        found = found || f->list[i]->listed;
    }
    return found;
}

void family_look_at_all(struct family *f)
{
    for (size_t i = 0; i < f->count; i++)
        f->list[i]->look = true;
}
