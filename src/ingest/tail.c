/* The tail's thread (tail.h): lists directories when they change, gives each node its turn, and
 * sleeps when there is nothing to read and nothing in flight.
 *
 * Must stay true: events are taken in only between turns, so a flag set by an event is never
 * cleared by a reading that began before it; a directory is listed after its watch was set, so
 * nothing falls between the two; nothing waits without a deadline or the stop descriptor. */
#include "ingest/tail.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sync.h"
#include "ingest/follow.h"
#include "ingest/watch.h"

#define SCAN_EVERY_MS FAMILY_IDLE_MS

static const struct tail_observer no_observer;

struct tail {
    struct tail_observer observer;
    struct follower follower;
    struct watch watch;
    struct followed *nodes;
    size_t count;
    int stop_fd;
    pthread_t thread;
    bool started;

    struct mutex lock; /* guards what follows */
    struct cond ended_cond;
    bool ended;
    struct tail_status *status;
};

static void on_written(void *ctx, size_t dir, const char *name)
{
    struct tail *t = ctx;
    for (size_t i = 0; i < t->count; i++) {
        struct followed *n = &t->nodes[i];
        if (n->dir == dir && family_claims(&n->family, name) && !family_look_at(&n->family, name))
            n->scan = true;
    }
}

static void on_changed(void *ctx, size_t dir)
{
    struct tail *t = ctx;
    for (size_t i = 0; i < t->count; i++)
        t->nodes[i].scan = t->nodes[i].scan || t->nodes[i].dir == dir;
}

static void on_committed(void *ctx, const struct flight_slot *slot)
{
    struct tail *t = ctx;
    if (t->observer.committed)
        t->observer.committed(t->observer.ctx, &slot->batch);
}

static void on_trouble(void *ctx, const struct book *book, const struct err *err)
{
    struct tail *t = ctx;
    char text[sizeof(err->text) + 128];
    for (size_t i = 0; i < t->count; i++) {
        struct followed *n = &t->nodes[i];
        if (&n->book != book)
            continue;
        snprintf(text, sizeof(text),
                 err ? "%s: the database does not take log lines: %s"
                     : "%s: the database takes log lines again%s",
                 n->name, err ? err->text : "");
        follow_remark(&t->follower, n, &n->said[SAID_STORE], err ? 'E' : 'I', text);
    }
}

/* Tells each node of the directory about the name; it belongs to those whose log's name is the
 * longest part of it, so that "node-2.log" is not taken for a sibling of "node". */
static bool see_name(struct tail *t, size_t dir, int dir_fd, const char *name, int64_t now_ms)
{
    size_t longest = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t claim = t->nodes[i].dir == dir ? family_claims(&t->nodes[i].family, name) : 0;
        longest = claim > longest ? claim : longest;
    }
    for (size_t i = 0; longest && i < t->count; i++) {
        struct followed *n = &t->nodes[i];
        if (n->dir == dir && family_claims(&n->family, name) == longest &&
            !family_see(&n->family, dir_fd, name, now_ms))
            return false;
    }
    return true;
}

static void remark_scanned(struct tail *t, struct followed *n, const char *trouble, bool slow)
{
    char text[512];
    bool found = family_primary(&n->family) != NULL;
    if (!found && n->log_found && !trouble && !slow)
        return; /* between a rename and the creation of the new log: not worth a word */
    if (trouble)
        snprintf(text, sizeof(text), "%s: cannot list %s: %s", n->name, n->dir_path, trouble);
    else if (!found)
        snprintf(text, sizeof(text), "%s: there is no log at %s yet; waiting for it", n->name,
                 n->path);
    else
        snprintf(text, sizeof(text), "%s: following %s", n->name, n->path);
    follow_remark(&t->follower, n, &n->said[SAID_LOG], found && !trouble ? 'I' : 'W', text);
    n->log_found = found;
    bool blind = t->watch.list[n->dir].wd < 0;
    snprintf(text, sizeof(text), "%s: %s cannot be watched; changes are seen within %d s", n->name,
             n->dir_path, SCAN_EVERY_MS / 1000);
    follow_remark(&t->follower, n, &n->said[SAID_WATCH], 'W', blind ? text : NULL);
}

/* Lists a directory for all nodes whose logs are in it; slow: this is the regular scan. */
static void scan_dir(struct tail *t, size_t dir, bool slow)
{
    int64_t now_ms = clock_monotonic_ms();
    const char *trouble = NULL;
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].dir == dir)
            family_scan_begin(&t->nodes[i].family);
    }
    DIR *listing = opendir(t->watch.list[dir].path);
    if (!listing && errno != ENOENT && errno != ENOTDIR)
        trouble = strerror(errno);
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        if (!see_name(t, dir, dirfd(listing), entry->d_name, now_ms))
            trouble = "no memory";
    }
    if (listing)
        closedir(listing);
    for (size_t i = 0; i < t->count; i++) {
        struct followed *n = &t->nodes[i];
        if (n->dir != dir)
            continue;
        n->scan = false;
        family_scan_end(&n->family, now_ms);
        remark_scanned(t, n, trouble, slow);
    }
}

static void scan_changed(struct tail *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].scan)
            scan_dir(t, t->nodes[i].dir, false);
    }
}

static void scan_all(struct tail *t)
{
    watch_arm(&t->watch);
    for (size_t dir = 0; dir < t->watch.count; dir++)
        scan_dir(t, dir, true);
    for (size_t i = 0; i < t->count; i++)
        follow_scanned(&t->nodes[i]);
}

static void publish_status(struct tail *t)
{
    LOCK(&t->lock);
    for (size_t i = 0; i < t->count; i++) {
        const struct followed *n = &t->nodes[i];
        t->status[i] = (struct tail_status){.node_id = n->node_id,
                                            .log_found = n->log_found,
                                            .backlog_bytes = follow_backlog(n),
                                            .newest_read_unix_ms = n->newest_read_unix_ms};
    }
}

/* One turn for each node. */
static enum follow_result take_turns(struct tail *t)
{
    enum follow_result all = FOLLOW_IDLE;
    for (size_t i = 0; i < t->count; i++) {
        enum follow_result one = follow_turn(&t->follower, &t->nodes[i]);
        if (one == FOLLOW_ENDED)
            return one;
        if (one == FOLLOW_WORKED)
            all = one;
    }
    return all;
}

static bool needs_turn(const struct tail *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct followed *n = &t->nodes[i];
        if (n->scan || (n->book.must_load && !n->said[SAID_STORE]))
            return true;
    }
    return false;
}

static void follow_all(struct tail *t)
{
    const struct watch_handler handler = {t, on_written, on_changed};
    int64_t scan_at_ms = clock_monotonic_ms();
    struct err err = {0};
    while (!halt_asked(&t->follower.flight.halt)) {
        if (clock_monotonic_ms() >= scan_at_ms) {
            scan_all(t);
            scan_at_ms = clock_monotonic_ms() + SCAN_EVERY_MS;
        }
        scan_changed(t);
        enum follow_result result = take_turns(t);
        publish_status(t);
        if (result == FOLLOW_ENDED)
            return;
        int timeout_ms = 0;
        if (result == FOLLOW_IDLE) {
            if (flight_settle(&t->follower.flight, &err))
                return;
            publish_status(t);
            int64_t left_ms = scan_at_ms - clock_monotonic_ms();
            timeout_ms = needs_turn(t) || left_ms < 0 ? 0 : (int)left_ms;
        }
        watch_wait(&t->watch, t->stop_fd, timeout_ms, &handler);
    }
}

static void *tail_main(void *arg)
{
    struct tail *t = arg;
    follow_all(t);
    /* The owner closes the store when this takes too long for him: that ends it. */
    flight_abandon(&t->follower.flight, INT64_MAX);
    publish_status(t);
    mutex_lock(&t->lock);
    t->ended = true;
    cond_broadcast(&t->ended_cond);
    mutex_unlock(&t->lock);
    return NULL;
}

static void tail_free(struct tail *t)
{
    feed_fini(&t->follower.plain);
    feed_fini(&t->follower.archive);
    flight_fini(&t->follower.flight);
    watch_fini(&t->watch);
    for (size_t i = 0; i < t->count; i++)
        followed_fini(&t->nodes[i]);
    free(t->nodes);
    free(t->status);
    if (t->stop_fd >= 0)
        close(t->stop_fd);
    cond_fini(&t->ended_cond);
    mutex_fini(&t->lock);
    free(t);
}

static int tail_build(struct tail *t, const struct ingest_sink *sink, const struct tail_node *nodes,
                      size_t count, struct err *err)
{
    t->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->stop_fd < 0)
        return err_set_errno(err, errno, "cannot make an event descriptor");
    watch_init(&t->watch);
    t->nodes = calloc(count + 1, sizeof(*t->nodes));
    t->status = calloc(count + 1, sizeof(*t->status));
    if (!t->nodes || !t->status)
        return err_set(err, ERR_MEMORY, "no memory to follow %zu logs", count);
    struct follower *f = &t->follower;
    f->observer = &t->observer;
    if (flight_init(&f->flight, sink, (struct halt){.fd = t->stop_fd}, err) ||
        feed_init(&f->plain, err) || feed_init(&f->archive, err))
        return err->code;
    f->flight.ctx = t;
    f->flight.committed = on_committed;
    f->flight.trouble = on_trouble;
    for (; t->count < count; t->count++) {
        struct followed *n = &t->nodes[t->count];
        if (followed_init(n, &nodes[t->count], err) ||
            watch_add(&t->watch, n->dir_path, &n->dir, err)) {
            followed_fini(n);
            return err->code;
        }
        /* True from the first moment: a status must not call a log missing that nobody looked for.
         */
        t->status[t->count].node_id = n->node_id;
        t->status[t->count].log_found = access(nodes[t->count].path, F_OK) == 0;
    }
    return 0;
}

int tail_start(const struct ingest_sink *sink, const struct tail_observer *observer,
               const struct tail_node *nodes, size_t count, struct tail **out, struct err *err)
{
    struct tail *t = calloc(1, sizeof(*t));
    if (!t)
        return err_set(err, ERR_MEMORY, "no memory to follow logs");
    t->observer = observer ? *observer : no_observer;
    t->watch.fd = t->stop_fd = -1;
    mutex_init(&t->lock);
    cond_init(&t->ended_cond);
    int rc = tail_build(t, sink, nodes, count, err);
    if (!rc)
        rc = thread_start(&t->thread, "tail", tail_main, t, err);
    if (rc) {
        tail_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

size_t tail_status(struct tail *tail, struct tail_status *out, size_t max)
{
    LOCK(&tail->lock);
    size_t give = tail->count < max ? tail->count : max;
    memcpy(out, tail->status, give * sizeof(*out));
    return tail->count;
}

int tail_stop(struct tail *tail, int timeout_ms, struct err *err)
{
    if (!tail)
        return 0;
    uint64_t one = 1;
    ssize_t n = write(tail->stop_fd, &one, sizeof(one));
    assert(n == sizeof(one) || errno == EAGAIN);
    int64_t until_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    mutex_lock(&tail->lock);
    bool in_time = true;
    while (!tail->ended && in_time)
        in_time = cond_wait_until(&tail->ended_cond, &tail->lock, until_us);
    bool ended = tail->ended;
    mutex_unlock(&tail->lock);
    if (!ended)
        return err_set(err, ERR_TIMEOUT,
                       "the database still holds log lines that were handed in %d ms ago",
                       timeout_ms);
    pthread_join(tail->thread, NULL);
    tail_free(tail);
    return 0;
}
