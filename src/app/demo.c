/* `nodewatch demo`: four made-up nodes in a folder, thirty days of their logs, then live lines; and
 * the whole program reading them, as it would read real ones. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/demo_log.h"
#include "app/log.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sync.h"

#define HISTORY_MS     (INT64_C(30) * 24 * 3600 * 1000)
#define WRITE_EVERY_US 200000
#define CHUNK_BYTES    (4u << 20)
#define FOLDER_MAX     4000

struct demo {
    struct demo_node nodes[DEMO_NODES];
    int fd[DEMO_NODES];
    bool temporary;
    char folder[FOLDER_MAX];
    pthread_t thread;
    bool running;
    struct mutex lock;
    struct cond wake;
    bool stop;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int write_all(int fd, const char *bytes, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot write a demo log");
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_until(struct demo *d, size_t node, int64_t to_ms, int64_t now_ms,
                       struct buf *space, struct err *err)
{
    buf_clear(space);
    demo_write_lines(&d->nodes[node], to_ms, now_ms, space);
    if (space->failed)
        return err_set(err, ERR_MEMORY, "no memory for demo lines");
    return space->len ? write_all(d->fd[node], space->data, space->len, err) : 0;
}

static int write_history(struct demo *d, struct err *err)
{
    int64_t now = clock_unix_ms();
    CLEANUP(buf_fini) struct buf space = {0};
    for (size_t i = 0; i < DEMO_NODES; i++) {
        d->nodes[i].next_ms = now - HISTORY_MS;
        /* A day at a time keeps the buffer small. */
        for (int64_t to = d->nodes[i].next_ms + 86400000;; to += 86400000) {
            int rc = write_until(d, i, to < now ? to : now, now, &space, err);
            if (rc)
                return rc;
            if (to >= now)
                break;
        }
    }
    return 0;
}

static void *write_live(void *arg)
{
    struct demo *d = arg;
    CLEANUP(buf_fini) struct buf space = {0};
    struct err err;
    for (;;) {
        int64_t next_us = clock_monotonic_us() + WRITE_EVERY_US;
        {
            LOCK(&d->lock);
            while (!d->stop && cond_wait_until(&d->wake, &d->lock, next_us))
                ;
            if (d->stop)
                return NULL;
        }
        int64_t now = clock_unix_ms();
        for (size_t i = 0; i < DEMO_NODES; i++) {
            if (write_until(d, i, now, now, &space, &err)) {
                log_error("%s", err.text);
                return NULL;
            }
        }
    }
}

static int on_started(void *ctx, const char *url, struct err *err)
{
    struct demo *d = ctx;
    fprintf(stderr,
            "\n  The page:  %s\n"
            "  Four made-up nodes write log lines into %s;\n"
            "  nodewatch reads them as it would read yours. Ctrl-C ends it.\n\n",
            url, d->folder);
    int rc = thread_start(&d->thread, "demo-nodes", write_live, d, err);
    d->running = rc == 0;
    return rc;
}

static void on_stopping(void *ctx)
{
    struct demo *d = ctx;
    if (!d->running)
        return;
    {
        LOCK(&d->lock);
        d->stop = true;
        cond_signal(&d->wake);
    }
    pthread_join(d->thread, NULL);
    d->running = false;
}

/* The demo writes its logs anew: only into a folder that is empty or was a demo's before, so that
 * no log of a real node is overwritten, and not under another demo that still runs there. */
static int check_folder(struct demo *d, struct err *err)
{
    char path[FOLDER_MAX + 32];
    snprintf(path, sizeof(path), "%s/demo.db", d->folder);
    if (access(path, F_OK) != 0) {
        struct dirent **names; /* "." and ".." among them */
        int n = scandir(d->folder, &names, NULL, NULL);
        if (n < 0)
            return err_set_errno(err, errno, "cannot read the folder %s", d->folder);
        for (int i = 0; i < n; i++)
            free(names[i]);
        free(names);
        return n <= 2 ? 0
                      : err_set(err, ERR_USAGE,
                                "--dir %s: the folder is not empty; the demo wants one of its own",
                                d->folder);
    }
    snprintf(path, sizeof(path), "%s/demo.db.lock", d->folder);
    CLEANUP(close_fd) int lock = open(path, O_RDWR | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, ERR_USAGE, "--dir %s: another demo runs in this folder", d->folder);
    return 0;
}

static int make_folder(struct demo *d, const char *wanted, struct err *err)
{
    if (wanted) {
        if (strlen(wanted) >= FOLDER_MAX)
            return err_set(err, ERR_USAGE, "--dir: the path is too long");
        snprintf(d->folder, sizeof(d->folder), "%s", wanted);
        if (mkdir(d->folder, 0755) && errno != EEXIST)
            return err_set_errno(err, errno, "cannot make the folder %s", d->folder);
        return check_folder(d, err);
    }
    const char *base = getenv("TMPDIR");
    snprintf(d->folder, sizeof(d->folder), "%s/nodewatch-demo-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(d->folder))
        return err_set_errno(err, errno, "cannot make a temporary folder %s", d->folder);
    d->temporary = true;
    return 0;
}

/* A folder used before holds the history of logs that are written anew: it begins anew too. */
static int name_database(struct demo *d, struct config *config, struct err *err)
{
    free(config->db_path);
    if (asprintf(&config->db_path, "%s/demo.db", d->folder) < 0) {
        config->db_path = NULL;
        return err_set(err, ERR_MEMORY, "no memory for the demo");
    }
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[FOLDER_MAX + 32];
        snprintf(path, sizeof(path), "%s%s", config->db_path, suffixes[i]);
        if (unlink(path) && errno != ENOENT)
            return err_set_errno(err, errno, "cannot remove the old %s", path);
    }
    return 0;
}

/* Opens the four logs and names them, and the database, in the config. */
static int open_logs(struct demo *d, struct config *config, struct err *err)
{
    config->nodes = calloc(DEMO_NODES, sizeof(*config->nodes));
    if (!config->nodes)
        return err_set(err, ERR_MEMORY, "no memory for the demo");
    for (size_t i = 0; i < DEMO_NODES; i++) {
        struct config_node *node = &config->nodes[config->node_count];
        d->nodes[i] = demo_nodes[i];
        node->name = strdup(demo_nodes[i].name);
        if (asprintf(&node->log, "%s/%s.log", d->folder, demo_nodes[i].name) < 0)
            node->log = NULL;
        config->node_count++;
        if (!node->name || !node->log)
            return err_set(err, ERR_MEMORY, "no memory for the demo");
        d->fd[i] = open(node->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
        if (d->fd[i] < 0)
            return err_set_errno(err, errno, "cannot create %s", node->log);
    }
    return name_database(d, config, err);
}

static int prepare(struct demo *d, struct config *config, struct err *err)
{
    int rc = make_folder(d, config->demo_dir, err);
    if (!rc)
        rc = open_logs(d, config, err);
    if (rc)
        return rc;
    log_info("Writing 30 days of made-up logs of %d nodes", DEMO_NODES);
    return write_history(d, err);
}

int command_demo(struct config *config)
{
    if (config->operand_count) {
        fprintf(stderr, "nodewatch: demo takes no \"%s\"\n", config->operands[0]);
        return EXIT_USAGE;
    }
    struct demo d = {.fd = {-1, -1, -1, -1}};
    mutex_init(&d.lock);
    cond_init(&d.wake);
    struct err err;
    const struct daemon_hooks hooks = {&d, on_started, on_stopping};
    int code = prepare(&d, config, &err) ? command_fail(&err) : daemon_run(config, true, &hooks);
    for (size_t i = 0; i < DEMO_NODES; i++)
        close_fd(&d.fd[i]);
    if (d.temporary)
        nftw(d.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    cond_fini(&d.wake);
    mutex_fini(&d.lock);
    return code;
}
