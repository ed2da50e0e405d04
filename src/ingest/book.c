/* Which source a file is, and how far each was read (book.h).
 *
 * Several sources may begin alike (the NULs that a non-appending writer leaves after a truncation;
 * logs without time), so the head only nominates and the mark decides; the source that is furthest
 * wins. A source at offset 0 has no mark: it is weak evidence, and loses to one of which the file
 * may be a part. Must stay true: a stream with batches in flight is never touched by a reload. */
#include "ingest/book.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void book_fini(struct book *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        free(b->list[i]);
    free(b->list);
    *b = (struct book){.node_id = b->node_id};
}

void stream_rewind(struct stream *s)
{
    s->next = s->done;
    s->from = s->done.offset;
}

static struct stream *book_find(const struct book *b, int64_t id)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->list[i]->done.id == id)
            return b->list[i];
    }
    return NULL;
}

static struct stream *book_append(struct book *b, const struct source *stored)
{
    if (b->count == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 8;
        struct stream **list = reallocarray(b->list, cap, sizeof(struct stream *));
        if (!list)
            return NULL;
        b->list = list;
        b->cap = cap;
    }
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->done = *stored;
    stream_rewind(s);
    b->list[b->count++] = s;
    return s;
}

static bool holds_id(const struct source *list, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].id == id)
            return true;
    }
    return false;
}

static void book_drop_missing(struct book *b, const struct source *stored, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct stream *s = b->list[i];
        if (s->in_flight > 0 || holds_id(stored, count, s->done.id))
            b->list[kept++] = s;
        else
            free(s);
    }
    if (kept < b->count)
        b->generation++;
    b->count = kept;
}

int book_load(struct book *b, const struct ingest_sink *sink, struct err *err)
{
    CLEANUP(free_ptr) struct source *stored = NULL;
    size_t count = 0;
    int rc = sink->sources(sink->ctx, b->node_id, &stored, &count, err);
    if (rc)
        return rc;
    book_drop_missing(b, stored, count);
    b->must_load = false;
    for (size_t i = 0; i < count; i++) {
        struct stream *s = book_find(b, stored[i].id);
        if (!s) {
            if (!book_append(b, &stored[i]))
                return err_set(err, ERR_MEMORY, "no memory for the sources of a node");
        } else if (s->in_flight > 0) {
            b->must_load = b->must_load || s->stale;
        } else {
            s->done = stored[i];
            s->stale = false;
            stream_rewind(s);
        }
    }
    return 0;
}

int book_add(struct book *b, const struct ingest_sink *sink, const char *name,
             const struct source *fresh, struct stream **out, struct err *err)
{
    int64_t newest = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->list[i]->done.id > newest)
            newest = b->list[i]->done.id;
    }
    int rc = book_load(b, sink, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < b->count; i++) {
        const struct source *s = &b->list[i]->done;
        if (s->id > newest &&
            source_compare_head(s, fresh->head, fresh->head_len) != SOURCE_DIFFERENT)
            return err_set(err, ERR_STALE, "another reader has just added this file");
    }
    struct source added = {.head_len = fresh->head_len};
    memcpy(added.head, fresh->head, fresh->head_len);
    rc = sink->source_add(sink->ctx, b->node_id, name, &added, err);
    if (rc)
        return rc;
    *out = book_append(b, &added);
    if (!*out)
        return err_set(err, ERR_MEMORY, "no memory for the sources of a node");
    return 0;
}

/* The candidate that comes after `last` (NULL: the first), by falling offset. */
static struct stream *next_candidate(const struct book *b, const struct reader *r, size_t *tried,
                                     const struct stream *last)
{
    struct stream *best = NULL;
    size_t best_at = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct stream *s = b->list[i];
        bool passed = last && (s->next.offset > last->next.offset ||
                               (s->next.offset == last->next.offset && i <= *tried));
        if (passed || (best && s->next.offset <= best->next.offset) ||
            source_compare_head(&s->next, r->head, r->head_len) != SOURCE_ALIKE)
            continue;
        best = s;
        best_at = i;
    }
    *tried = best_at;
    return best;
}

static bool is_prefix_of_any(const struct book *b, const struct reader *r)
{
    for (size_t i = 0; i < b->count; i++) {
        if (source_compare_head(&b->list[i]->next, r->head, r->head_len) == SOURCE_SHORTER)
            return true;
    }
    return false;
}

enum book_match book_identify(struct book *b, struct reader *r, struct stream **out,
                              struct err *err)
{
    *out = NULL;
    if (r->head_len == 0)
        return BOOK_EMPTY;
    struct stream *weak = NULL;
    bool shorter = is_prefix_of_any(b, r);
    size_t tried = 0;
    for (struct stream *s = next_candidate(b, r, &tried, NULL); s;
         s = next_candidate(b, r, &tried, s)) {
        if (s->next.offset == 0) {
            weak = s;
            continue;
        }
        *out = s;
        if (reader_gzip_holds(r, s->next.offset))
            return BOOK_COMPLETE;
        enum reader_result rc = reader_seek(r, s->next.offset, err);
        if (rc == READER_CHANGED)
            err_set(err, ERR_INPUT,
                    "what comes through the pipe begins like a log that was read "
                    "before but goes on differently: save it as a file first");
        if (rc == READER_CHANGED || rc == READER_FAILED)
            return BOOK_FAILED;
        if (rc == READER_DATA && source_mark_is(&s->next, &r->mark))
            return BOOK_KNOWN;
        shorter = shorter || rc == READER_END;
    }
    *out = weak;
    if (shorter)
        return BOOK_SHORTER;
    enum reader_result rc = reader_seek(r, 0, err);
    if (rc == READER_CHANGED)
        err_set(err, ERR_INPUT,
                "what comes through the pipe begins like a log that was read before "
                "but goes on differently: save it as a file first");
    if (rc != READER_DATA)
        return BOOK_FAILED;
    return weak ? BOOK_KNOWN : BOOK_NEW;
}
