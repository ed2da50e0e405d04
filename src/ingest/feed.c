/* From bytes to batches (feed.h).
 *
 * A batch may end at any line end, except behind a fragment that waits for its end: a restart has
 * to read that fragment again, and with it every line behind it. So a batch is closed where a
 * fragment opens, and one that begins with an open fragment is handed in only once it is closed; if
 * the data ends before that, the batch is forgotten and read again later. Only when such a batch is
 * full is the fragment given up (counted as a cut line), so that nothing can block a log.
 *
 * Must stay true: batch.source.offset lies behind every line in the batch and before every line
 * that is not; the mark is made from bytes as they are in the file, that is before unwrapping,
 * which may change them. */
#include "ingest/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int feed_init(struct feed *f, struct err *err)
{
    *f = (struct feed){.reader = {.fd = -1}, .open_at = -1};
    unwrap_init(&f->unwrap);
    if (!lines_init(&f->lines))
        return err_set(err, ERR_MEMORY, "no memory to read logs");
    return 0;
}

void feed_fini(struct feed *f)
{
    if (!f)
        return;
    feed_end(f);
    lines_fini(&f->lines);
}

void feed_begin(struct feed *f, struct book *book, struct stream *stream, const char *name)
{
    f->book = book;
    f->stream = stream;
    f->generation = book->generation;
    f->reached = stream ? stream->next.offset : 0;
    f->name = name;
    f->from_at = f->reader.at;
    f->mark = f->reader.mark;
    f->open_at = -1;
    f->held_back = false;
    lines_reset(&f->lines, f->reader.at);
}

bool feed_has_rest(struct feed *f)
{
    struct line rest;
    return lines_rest(&f->lines, &rest);
}

void feed_end(struct feed *f)
{
    reader_close(&f->reader);
    unwrap_fini(&f->unwrap);
    unwrap_init(&f->unwrap);
    f->book = NULL;
    f->stream = NULL;
}

static const struct event unparsed_event = {.kind = EVENT_UNPARSED, .at_unix_ms = EVENT_NO_TIME};

/* An empty piece is a line of its own (and no node line) only where a line begins. Behind a run of
 * NUL bytes, or behind a last line that was taken without its LF, it ends what was given before. */
static bool is_no_line(const struct line *line, const struct source_mark *before)
{
    if (line->len > 0)
        return false;
    bool begins = before->len == 0 || before->bytes[before->len - 1] == '\n';
    return line->nul_bytes > 0 || !begins;
}

/* Adds one physical line. False on memory exhaustion. *opened: it is a fragment, and none was open.
 */
static bool add_line(struct feed *f, struct batch *batch, const struct line *line, int64_t fallback,
                     bool *opened)
{
    struct event event = unparsed_event;
    struct text raw = {.at = line->bytes, .len = (uint32_t)line->len};
    int64_t wrapper_unix_ms;
    char *text;
    size_t len;
    bool cut, was_open = f->open_at >= 0;
    *opened = false;
    batch->cut_lines += line->cut;
    switch (unwrap_line(&f->unwrap, line->bytes, line->len, &text, &len, &wrapper_unix_ms, &cut)) {
    case UNWRAP_PENDING:
        *opened = !was_open;
        return true;
    case UNWRAP_LINE:
        raw = (struct text){.at = text, .len = (uint32_t)len};
        batch->cut_lines += cut;
        line_scan(text, len, wrapper_unix_ms, &event);
        if (!batch_add(batch, &event, raw, line->at, fallback))
            return false;
        break;
    case UNWRAP_BAD:
        if (!batch_add(batch, &event, raw, line->at, fallback))
            return false;
        break;
    }
    if (!unwrap_is_pending(&f->unwrap))
        f->open_at = -1;
    return true;
}

/* A finished file may lack its last LF. The line counts when it is whole by its looks: one with
 * fields ends in '}', and a line that was cut inside them does not scan. */
static bool add_rest(struct feed *f, struct batch *batch, int64_t fallback)
{
    struct line rest;
    if (!lines_rest(&f->lines, &rest) || rest.cut || memchr(rest.bytes, '\0', rest.len))
        return true;
    CLEANUP(free_ptr) char *copy = malloc(rest.len);
    if (!copy)
        return false;
    memcpy(copy, rest.bytes, rest.len);
    char *text;
    size_t len;
    int64_t wrapper_unix_ms;
    bool cut;
    if (unwrap_line(&f->unwrap, copy, rest.len, &text, &len, &wrapper_unix_ms, &cut) != UNWRAP_LINE)
        return true;
    struct event event;
    line_scan(text, len, wrapper_unix_ms, &event);
    bool whole = len > 0 && (event.kind != EVENT_OTHER || text[len - 1] == '}');
    if (event.kind == EVENT_UNPARSED || !whole)
        return true;
    if (!batch_add(batch, &event, (struct text){.at = text, .len = (uint32_t)len}, rest.at,
                   fallback))
        return false;
    source_mark_push(&f->mark, rest.bytes, rest.raw_len);
    lines_reset(&f->lines, rest.end_at);
    return true;
}

/* Fills the batch from what is in the buffer. FEED_DRY: the buffer holds no further line. */
static enum feed_result scan_lines(struct feed *f, struct batch *batch, int64_t fallback,
                                   struct err *err)
{
    struct line line;
    for (;;) {
        if (batch_is_full(batch))
            return FEED_MORE;
        if (!lines_next(&f->lines, &line))
            return FEED_DRY;
        struct source_mark before = f->mark;
        source_mark_push(&f->mark, line.bytes, line.raw_len);
        batch->nul_bytes += line.nul_bytes;
        if (is_no_line(&line, &before))
            continue;
        bool opened;
        if (!add_line(f, batch, &line, fallback, &opened)) {
            err_set(err, ERR_MEMORY, "no memory for log lines");
            return FEED_FAILED;
        }
        if (!opened)
            continue;
        f->open_at = line.at;
        f->open_mark = before;
        if (line.at > f->from_at)
            return FEED_MORE;
    }
}

static enum feed_result fill(struct feed *f, struct batch *batch, int64_t fallback, struct err *err)
{
    for (;;) {
        enum feed_result rc = scan_lines(f, batch, fallback, err);
        if (rc != FEED_DRY)
            return rc;
        size_t cap, got;
        char *space = lines_space(&f->lines, &cap);
        switch (reader_read(&f->reader, space, cap, &got, err)) {
        case READER_DATA:
            lines_filled(&f->lines, got);
            break;
        case READER_END:
            if (!f->take_rest || f->reader.trouble.code || add_rest(f, batch, fallback))
                return FEED_DRY;
            err_set(err, ERR_MEMORY, "no memory for log lines");
            return FEED_FAILED;
        case READER_CHANGED:
            return FEED_CHANGED;
        case READER_FAILED:
            return FEED_FAILED;
        }
    }
}

/* Sets what the batch moves. False when it moves nothing that may be committed. */
static bool seal(struct feed *f, struct batch *b, bool force)
{
    struct source_mark *mark = &f->mark;
    int64_t end = f->lines.at;
    f->held_back = f->open_at == f->from_at && !force;
    if (f->held_back)
        return false;
    if (f->open_at > f->from_at) {
        end = f->open_at;
        mark = &f->open_mark;
    } else if (f->open_at >= 0) {
        b->cut_lines++;
        f->open_at = -1;
        unwrap_fini(&f->unwrap);
        unwrap_init(&f->unwrap);
    }
    struct source *s = &b->source;
    *s = f->stream ? f->stream->next : (struct source){0};
    b->node_id = f->book->node_id;
    b->from_offset = f->stream ? f->stream->from : 0;
    source_grow_head(s, f->reader.head, f->reader.head_len);
    if (end <= b->from_offset)
        return false;
    source_move(s, end, mark);
    s->lines += (int64_t)b->lines;
    s->transfers += (int64_t)b->transfers;
    s->twins += (int64_t)b->twins;
    s->unparsed += (int64_t)b->unparsed;
    return true;
}

struct add_call {
    struct feed *feed;
    struct flight *flight;
    const struct source *fresh;
};

static int add_source(void *arg, struct err *err)
{
    struct add_call *call = arg;
    return book_add(call->feed->book, call->flight->sink, call->feed->name, call->fresh,
                    &call->feed->stream, err);
}

/* Hands in a sealed batch; a new source is stored first. */
static enum feed_result hand_in(struct feed *f, struct flight *flight, struct flight_slot *slot,
                                struct err *err)
{
    if (!f->stream) {
        struct add_call call = {.feed = f, .flight = flight, .fresh = &slot->batch.source};
        int rc = flight_insist(flight, f->book, add_source, &call, err);
        if (rc) {
            flight_put_back(slot);
            return rc == ERR_STALE ? FEED_CHANGED : FEED_FAILED;
        }
        slot->batch.source.id = f->stream->done.id;
        f->generation = f->book->generation;
    }
    slot->book = f->book;
    slot->stream = f->stream;
    f->from_at = f->reached = slot->batch.source.offset;
    flight_send(flight, slot);
    f->sent = true;
    return FEED_MORE;
}

enum feed_result feed_pump(struct feed *f, struct flight *flight, int64_t fallback_unix_ms,
                           bool force, struct err *err)
{
    struct flight_slot *slot;
    f->sent = false;
    if (flight_take(flight, &slot, err))
        return FEED_FAILED;
    if (f->book->must_load || f->generation != f->book->generation ||
        (f->stream && f->stream->next.offset != f->reached)) {
        flight_put_back(slot);
        return FEED_CHANGED;
    }
    enum feed_result rc = fill(f, &slot->batch, fallback_unix_ms, err);
    if (rc == FEED_FAILED && err->code == ERR_MEMORY) {
        flight_put_back(slot);
        return rc;
    }
    if (!seal(f, &slot->batch, force || rc == FEED_MORE || (rc == FEED_DRY && f->take_rest))) {
        flight_put_back(slot);
        return rc;
    }
    enum feed_result handed = hand_in(f, flight, slot, err);
    return handed == FEED_MORE ? rc : handed;
}
