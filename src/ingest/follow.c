/* One node's turn (follow.h): find a file that may hold something new, find out what it is, read a
 * batch.
 *
 * A file that begins like a known log but is shorter than what was read of it is one of two things.
 * A sibling is a copy in the making, or a part of what is known: nothing to do. LOG itself was cut
 * short in part (a power failure, an operator's editor), or is being restored: when it is the very
 * file that was read further before, or when it stays that short for FAMILY_IDLE_MS, reading goes
 * on at its end as a new source; what stands before was counted when it was read.
 *
 * Must stay true: `look` is cleared before a file is read to its end, never after, so that what is
 * written meanwhile asks for another look. */
#include "ingest/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SEARCH_BYTES      (64 * 1024)
#define LONG_LINE_BYTES   (64 * 1024)
#define REMARK_TEXT_BYTES 512

int followed_init(struct followed *n, const struct tail_node *config, struct err *err)
{
    *n = (struct followed){.node_id = config->id, .book = {.node_id = config->id}};
    const char *slash = strrchr(config->path, '/');
    const char *base = slash ? slash + 1 : config->path;
    if (*base == '\0')
        return err_set(err, ERR_USAGE, "node %s: the log path \"%s\" names no file", config->name,
                       config->path);
    n->name = strdup(config->name);
    n->path = strdup(config->path);
    size_t dir_len = slash == config->path ? 1 : (size_t)(base - config->path) - (slash != NULL);
    n->dir_path = slash ? strndup(config->path, dir_len) : strdup(".");
    if (!n->name || !n->path || !n->dir_path)
        return err_set(err, ERR_MEMORY, "no memory to follow the log of %s", config->name);
    n->family.base = n->path + (base - config->path);
    n->family.base_len = strlen(base);
    n->book.must_load = true;
    n->scan = true;
    return 0;
}

void followed_fini(struct followed *n)
{
    if (!n)
        return;
    family_fini(&n->family);
    book_fini(&n->book);
    free(n->name);
    free(n->path);
    free(n->dir_path);
    for (int i = 0; i < SAID_SLOTS; i++)
        free(n->said[i]);
    *n = (struct followed){0};
}

void follow_remark(const struct follower *f, const struct followed *n, char **said, char level,
                   const char *text)
{
    if (text && *said && strcmp(*said, text) == 0)
        return;
    free(*said);
    *said = text ? strdup(text) : NULL;
    if (text && f->observer->remark)
        f->observer->remark(f->observer->ctx, n->node_id, level, text);
}

static void file_remark(const struct follower *f, const struct followed *n, struct log_file *file,
                        char level, const char *what)
{
    char text[REMARK_TEXT_BYTES];
    snprintf(text, sizeof(text), "%s: %s/%s: %s", n->name, n->dir_path, file->name, what);
    follow_remark(f, n, &file->said, level, text);
}

static enum follow_result file_failed(const struct follower *f, const struct followed *n,
                                      struct log_file *file, const struct err *err)
{
    file->again = true;
    file_remark(f, n, file, 'W', err->text);
    return FOLLOW_IDLE;
}

static int64_t fallback_time(const struct log_file *file)
{
    return file->primary ? clock_unix_ms() : file->mtime_ns / 1000000;
}

/* True when the long unfinished line that the last look found still has no LF: what was searched
 * once is not searched again. */
static bool is_still_unfinished(struct log_file *file, const struct stream *stream)
{
    if (file->line_at < 0 || !stream || stream->next.offset != file->line_at)
        return false;
    char bytes[SEARCH_BYTES];
    ssize_t n;
    while ((n = pread(file->fd, bytes, sizeof(bytes), file->searched_to)) > 0) {
        if (memchr(bytes, '\n', (size_t)n))
            return false;
        file->searched_to += n;
    }
    return n == 0;
}

static void note_unfinished(struct log_file *file, const struct feed *feed)
{
    bool is_long = feed->reader.at - feed->lines.at > LONG_LINE_BYTES && !feed->lines.has_nul;
    file->line_at = is_long ? feed->lines.at : -1;
    file->searched_to = feed->reader.at;
}

/* LOG is shorter than what was read of it. True: go on at short_size. */
static bool is_cut_short(const struct followed *n, struct log_file *file, struct reader *r)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!file->primary || !memchr(r->head, '\n', r->head_len))
        return false;
    if (file->short_size < 0) {
        file->short_size = r->size_bytes;
        file->short_since_ms = now_ms;
    }
    bool same = file->stream && file->generation == n->book.generation &&
                source_compare_head(&file->stream->next, r->head, r->head_len) != SOURCE_DIFFERENT;
    if (same || now_ms - file->short_since_ms >= FAMILY_IDLE_MS)
        return true;
    file->again = true;
    return false;
}

static bool begin_at_cut(struct follower *f, struct followed *n, struct log_file *file,
                         struct stream *weak)
{
    struct err err = {0};
    if (reader_seek(&f->plain.reader, file->short_size, &err) != READER_DATA)
        return false;
    file_remark(f, n, file, 'W', "was cut short; reading goes on at its new end");
    feed_begin(&f->plain, &n->book, weak, n->path);
    file->short_size = -1;
    return true;
}

/* Identifies a plain file and sets the feed to where reading goes on. False: nothing to read now.
 */
static bool begin_plain(struct follower *f, struct followed *n, struct log_file *file,
                        struct err *err)
{
    struct stream *stream;
    struct reader *r = &f->plain.reader;
    switch (book_identify(&n->book, r, &stream, err)) {
    case BOOK_KNOWN:
    case BOOK_COMPLETE:
        file->short_size = -1;
        file->emptied = false;
        file->stream = stream;
        file->generation = n->book.generation;
        if (is_still_unfinished(file, stream))
            return false;
        break;
    case BOOK_SHORTER:
        if (!file->emptied)
            return is_cut_short(n, file, r) && begin_at_cut(f, n, file, stream);
        if (reader_seek(r, 0, err) != READER_DATA)
            return false;
        break;
    case BOOK_NEW:
        /* Grown past the offset, but not the bytes that stood there: it had been cut short. */
        if (file->short_size >= 0 && r->size_bytes >= file->short_size &&
            memchr(r->head, '\n', r->head_len))
            return begin_at_cut(f, n, file, NULL);
        break;
    case BOOK_EMPTY:
        file->short_size = -1;
        /* Not of a sibling: a copy in the making begins empty, too. */
        file->emptied = file->primary && file->stream;
        return false;
    case BOOK_FAILED:
        return false;
    }
    feed_begin(&f->plain, &n->book, stream, n->path);
    return true;
}

static enum follow_result feed_ended(const struct follower *f, const struct followed *n,
                                     struct log_file *file, const struct err *err)
{
    if (err->code == ERR_CANCELLED || err->code == ERR_CLOSED)
        return FOLLOW_ENDED;
    return file_failed(f, n, file, err);
}

static bool is_idle_sibling(const struct log_file *file)
{
    return !file->primary && clock_monotonic_ms() - file->changed_ms >= FAMILY_IDLE_MS;
}

static enum follow_result plain_turn(struct follower *f, struct followed *n, struct log_file *file)
{
    struct err err = {0};
    enum feed_result rc = FEED_DRY;
    file->look = false;
    file->size = f->plain.reader.size_bytes;
    bool reading = begin_plain(f, n, file, &err);
    if (reading)
        rc = feed_pump(&f->plain, &f->flight, fallback_time(file), is_idle_sibling(file), &err);
    else if (err.code)
        rc = FEED_FAILED;
    bool worked = reading && f->plain.sent;
    if (worked) {
        n->newest_read_unix_ms = clock_unix_ms();
        file->stream = f->plain.stream;
        file->generation = n->book.generation;
        file->emptied = false;
    }
    if (reading && rc == FEED_DRY)
        note_unfinished(file, &f->plain);
    file->look = rc == FEED_MORE || rc == FEED_CHANGED;
    file->again = file->again || (reading && f->plain.held_back);
    feed_end(&f->plain);
    if (rc == FEED_FAILED)
        return feed_ended(f, n, file, &err);
    if (!file->again)
        follow_remark(f, n, &file->said, 'I', NULL);
    return worked || file->look ? FOLLOW_WORKED : FOLLOW_IDLE;
}

/* What there was to read of the archive was read. */
static void archive_done(struct follower *f, struct followed *n, struct log_file *file)
{
    const struct err *trouble = &f->archive.reader.trouble;
    bool fresh = clock_unix_ms() - file->mtime_ns / 1000000 < FAMILY_IDLE_MS;
    if (trouble->code && !fresh)
        file_remark(f, n, file, 'W', trouble->text);
    /* It is perhaps still being written. */
    file->again = trouble->code && fresh;
    file->pinned = false;
    f->archive_file = NULL;
    feed_end(&f->archive);
}

/* Opens the archive for reading. False: nothing to read in it, or err. */
static bool begin_archive(struct follower *f, struct followed *n, struct log_file *file,
                          struct err *err)
{
    struct stream *stream;
    file->look = false;
    f->archive_file = file;
    file->pinned = true;
    if (reader_open(&f->archive.reader, file->fd, false, &f->flight.halt, err))
        return false;
    enum book_match match = book_identify(&n->book, &f->archive.reader, &stream, err);
    if (match != BOOK_KNOWN && match != BOOK_NEW)
        return false;
    feed_begin(&f->archive, &n->book, stream, n->path);
    return true;
}

static enum follow_result archive_turn(struct follower *f, struct followed *n,
                                       struct log_file *file)
{
    struct err err = {0};
    enum feed_result rc = FEED_DRY;
    bool reading = f->archive_file == file || begin_archive(f, n, file, &err);
    if (reading)
        rc = feed_pump(&f->archive, &f->flight, fallback_time(file), is_idle_sibling(file), &err);
    else if (err.code)
        rc = FEED_FAILED;
    if (rc == FEED_MORE)
        return FOLLOW_WORKED;
    bool held_back = reading && f->archive.held_back;
    archive_done(f, n, file);
    file->again = file->again || held_back;
    file->look = rc == FEED_CHANGED;
    enum follow_result result = rc == FEED_FAILED ? feed_ended(f, n, file, &err) : FOLLOW_WORKED;
    family_let_go(&n->family, file);
    return result;
}

static enum follow_result file_turn(struct follower *f, struct followed *n, struct log_file *file)
{
    if (f->archive_file == file)
        return archive_turn(f, n, file);
    file->again = false;
    struct err err = {0};
    int rc = log_file_open(file, n->dir_path);
    if (rc) {
        file->look = false;
        n->scan = n->scan || rc == EAGAIN;
        if (rc == EAGAIN || rc == ENOENT)
            return FOLLOW_IDLE;
        err_set_errno(&err, rc, "cannot open");
        return file_failed(f, n, file, &err);
    }
    if (reader_open(&f->plain.reader, file->fd, false, &f->flight.halt, &err)) {
        file->look = false;
        feed_end(&f->plain);
        enum follow_result failed = feed_ended(f, n, file, &err);
        family_let_go(&n->family, file);
        return failed;
    }
    bool archive = f->plain.reader.pack != PACK_NONE;
    if (archive) {
        feed_end(&f->plain);
        return f->archive_file ? FOLLOW_IDLE : archive_turn(f, n, file);
    }
    enum follow_result result = plain_turn(f, n, file);
    if (!file->look)
        family_let_go(&n->family, file);
    return result;
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

/* Another reader moved our source, or this is the start: learn how far everything is. */
static int reload(struct follower *f, struct followed *n, struct err *err)
{
    struct load_call call = {&n->book, f->flight.sink};
    int rc = flight_settle(&f->flight, err);
    if (!rc)
        rc = flight_insist(&f->flight, &n->book, load_book, &call, err);
    if (!rc)
        family_look_at_all(&n->family);
    return rc;
}

enum follow_result follow_turn(struct follower *f, struct followed *n)
{
    struct err err = {0};
    if (n->book.must_load && reload(f, n, &err)) {
        if (err.code == ERR_CANCELLED || err.code == ERR_CLOSED)
            return FOLLOW_ENDED;
        follow_remark(f, n, &n->said[SAID_STORE], 'E', err.text);
        return FOLLOW_IDLE;
    }
    for (size_t i = 0; i < n->family.count; i++) {
        struct log_file *file = n->family.list[i];
        if (!file->look && f->archive_file != file)
            continue;
        enum follow_result result = file_turn(f, n, file);
        if (result != FOLLOW_IDLE)
            return result;
    }
    return FOLLOW_IDLE;
}

void follow_scanned(struct followed *n)
{
    for (size_t i = 0; i < n->family.count; i++) {
        struct log_file *file = n->family.list[i];
        file->look = file->look || file->again;
        if (!file->look)
            family_let_go(&n->family, file);
    }
}

int64_t follow_backlog(const struct followed *n)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < n->family.count; i++) {
        const struct log_file *file = n->family.list[i];
        bool known = file->stream && file->generation == n->book.generation;
        if (known && file->size > file->stream->done.offset)
            bytes += file->size - file->stream->done.offset;
        else if (!known && file->look)
            bytes += file->size; /* nobody has looked whether it is new: it may all be */
    }
    return bytes;
}
