/* Reads whole files through the shared feed (bulk.h). Reading and scanning happen in the caller's
 * thread while the store commits the batches before: three are in rotation.
 *
 * A last line without LF is counted when it is whole by its looks (feed.c), because an operator who
 * ingests a finished file expects it; the offset then stands behind it, and should the file go on
 * with just the missing LF, that is a blank line, which counts as nothing.
 *
 * Must stay true: whatever ends the run, the batches handed in are waited for, and *totals counts
 * exactly what was committed. */
#include "ingest/bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/feed.h"

#define REPORT_EVERY_MS 100
#define GIVE_UP_MS      60000
#define ABANDON_MS      5000
#define CHANGED_MAX     16 /* another reader of the same file: each time it got further */

struct bulk {
    const struct bulk_progress *progress;
    struct bulk_totals *totals;
    struct flight flight;
    struct feed feed;
    struct book book;
    const char *path;
    int64_t reported_ms;
};

static void on_committed(void *ctx, const struct flight_slot *slot)
{
    struct bulk *b = ctx;
    const struct batch *batch = &slot->batch;
    struct bulk_totals *t = b->totals;
    t->bytes += (uint64_t)(batch->source.offset - batch->from_offset);
    t->lines += batch->lines;
    t->transfers += batch->transfers;
    t->duplicates += batch->twins;
    t->unparsed += batch->unparsed;
    t->cut_lines += batch->cut_lines;
    t->nul_bytes += batch->nul_bytes;
}

static void report(struct bulk *b, bool at_end)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!b->progress || !b->progress->report ||
        (!at_end && now_ms - b->reported_ms < REPORT_EVERY_MS))
        return;
    b->reported_ms = now_ms;
    const struct reader *r = &b->feed.reader;
    bool unpacks = r->pipe || r->pack != PACK_NONE;
    b->progress->report(b->progress->ctx, b->path, unpacks ? r->raw_at : r->at, r->size_bytes,
                        b->totals);
}

struct load_call {
    struct book *book;
    const struct ingest_sink *sink;
};

static int load_book(void *arg, struct err *err)
{
    struct load_call *call = arg;
    return book_load(call->book, call->sink, err);
}

static int reload(struct bulk *b, struct err *err)
{
    struct load_call call = {&b->book, b->flight.sink};
    int rc = flight_settle(&b->flight, err);
    return rc ? rc : flight_insist(&b->flight, &b->book, load_book, &call, err);
}

/* Finds out what the file is and where to go on. *known: nothing in it is new. */
static int begin_file(struct bulk *b, bool first, bool *known, struct err *err)
{
    struct stream *stream;
    *known = true;
    switch (book_identify(&b->book, &b->feed.reader, &stream, err)) {
    case BOOK_FAILED:
        return err->code;
    case BOOK_EMPTY:
        return 0;
    case BOOK_SHORTER:
        return 0;
    case BOOK_COMPLETE:
        b->totals->duplicates += first ? (uint64_t)stream->done.transfers : 0;
        return 0;
    case BOOK_KNOWN:
        b->totals->duplicates += first ? (uint64_t)stream->done.transfers : 0;
        break;
    case BOOK_NEW:
        break;
    }
    *known = false;
    feed_begin(&b->feed, &b->book, stream, b->path);
    return 0;
}

/* Reads the open file to its end. FEED_CHANGED: begin again. */
static enum feed_result read_file(struct bulk *b, bool first, struct err *err)
{
    bool known;
    if ((b->book.must_load && reload(b, err)) || begin_file(b, first, &known, err))
        return FEED_FAILED;
    enum feed_result rc = known ? FEED_DRY : FEED_MORE;
    while (rc == FEED_MORE) {
        rc = feed_pump(&b->feed, &b->flight, b->feed.reader.mtime_unix_ms, false, err);
        report(b, false);
        if (rc != FEED_FAILED && halt_asked(&b->flight.halt)) {
            err_set(err, ERR_CANCELLED, "asked to stop");
            rc = FEED_FAILED;
        }
    }
    if (rc == FEED_DRY && flight_settle(&b->flight, err))
        return FEED_FAILED;
    if (rc != FEED_DRY)
        return rc;
    if (b->book.must_load)
        return FEED_CHANGED;
    /* Told, but not stored: when it was torn, the rest of it is still to come. */
    bool rest = !known && feed_has_rest(&b->feed);
    b->totals->lines += rest;
    b->totals->unparsed += rest;
    return FEED_DRY;
}

/* The descriptor to read from; "-" is standard input. */
static int open_path(const char *path, int *fd, struct err *err)
{
    if (strcmp(path, "-") == 0)
        *fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    else
        /* A FIFO without a writer must not block the open; the reader waits for it with poll. */
        *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    return *fd < 0 ? err_set_errno(err, errno, "cannot open") : 0;
}

static int run_file(struct bulk *b, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    if (open_path(b->path, &fd, err))
        return err->code;
    enum feed_result rc = FEED_CHANGED;
    for (int i = 0; i < CHANGED_MAX && rc == FEED_CHANGED; i++) {
        bool reopen = i == 0 || !b->feed.reader.pipe;
        if (reopen)
            reader_close(&b->feed.reader);
        rc = reopen && reader_open(&b->feed.reader, fd, true, &b->flight.halt, err)
                 ? FEED_FAILED
                 : read_file(b, i == 0, err);
    }
    if (rc == FEED_DRY) {
        report(b, true);
        b->totals->files++;
        *err = b->feed.reader.trouble;
    } else if (rc == FEED_CHANGED) {
        err_set(err, ERR_INPUT, "changes all the time while it is read; run again");
    }
    feed_end(&b->feed);
    return err->code;
}

static int bulk_init(struct bulk *b, const struct ingest_sink *sink,
                     const volatile sig_atomic_t *stop, struct err *err)
{
    if (flight_init(&b->flight, sink, (struct halt){.fd = -1, .flag = stop}, err) ||
        feed_init(&b->feed, err))
        return err->code;
    b->flight.ctx = b;
    b->flight.committed = on_committed;
    b->flight.give_up_ms = GIVE_UP_MS;
    b->feed.take_rest = true;
    b->book.must_load = true;
    return 0;
}

int bulk_run(const struct ingest_sink *sink, int64_t node_id, const char *const *paths,
             size_t count, const struct bulk_progress *progress, const volatile sig_atomic_t *stop,
             struct bulk_totals *totals, struct err *err)
{
    struct err ignored;
    err = err ? err : &ignored;
    *err = (struct err){0};
    *totals = (struct bulk_totals){0};
    struct bulk *b = calloc(1, sizeof(*b));
    if (!b)
        return err_set(err, ERR_MEMORY, "no memory to read logs");
    b->progress = progress;
    b->totals = totals;
    b->book.node_id = node_id;
    int rc = bulk_init(b, sink, stop, err);
    for (size_t i = 0; i < count && !rc; i++) {
        b->path = paths[i];
        rc = run_file(b, err);
        if (rc && rc != ERR_CANCELLED && rc != ERR_CLOSED)
            err_prefix(err, "%s", strcmp(paths[i], "-") == 0 ? "standard input" : paths[i]);
    }
    feed_fini(&b->feed);
    /* What the store still has stays its own: it reads these batches until it is closed. */
    if (!flight_abandon(&b->flight, clock_monotonic_ms() + ABANDON_MS))
        return rc ? rc : err_set(err, ERR_TIMEOUT, "the database did not take the last lines");
    flight_fini(&b->flight);
    book_fini(&b->book);
    free(b);
    return rc;
}
