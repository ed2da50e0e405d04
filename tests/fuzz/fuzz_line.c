/* The way of any bytes through unwrapper, scanner and batch. The input is a file: its lines go in
 * one after the other, each in a heap block of its own length. Beside not crashing, what comes out
 * must hold together: slices inside the line, text valid UTF-8 (copying it again changes nothing),
 * sums that add up. Built for libFuzzer with -Dfuzz=true; replay.c runs the corpus in every other
 * build. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/batch.h"
#include "node/line.h"

static void check_slice(struct text t, const char *line, size_t len)
{
    assert(!t.len || (t.at >= line && t.at + t.len <= line + len));
}

static void check_event(const struct event *e, const char *line, size_t len)
{
    const struct text slices[] = {e->process,     e->logger, e->message,   e->tail,
                                  e->action_name, e->piece,  e->satellite, e->remote,
                                  e->error,       e->store,  e->version};
    for (size_t i = 0; i < ARRAY_LEN(slices); i++)
        check_slice(slices[i], line, len);
    assert((unsigned)e->kind < EVENT_KIND_COUNT);
    assert((e->kind == EVENT_TRANSFER) == (e->outcome != OUTCOME_NONE));
    assert(e->kind != EVENT_TRANSFER || e->action != ACTION_NONE);
    assert(e->size_bytes >= 0 || e->size_bytes == EVENT_NO_NUMBER);
}

static void check_batch(const struct batch *b)
{
    uint64_t lines = 0, cells = 0;
    for (size_t i = 0; i < b->line_count_count; i++)
        lines += b->line_counts[i].count;
    for (uint32_t i = 0; i < b->cells[BATCH_DAY].cap; i++)
        cells += b->cells[BATCH_DAY].slot[i].used ? b->cells[BATCH_DAY].slot[i].count : 0;
    assert(lines == b->lines && cells == b->transfers && b->row_count == b->transfers);
    assert(b->text.len <= BATCH_TEXT_MAX);
    CLEANUP(buf_fini) struct buf again = {0};
    struct text all = {.at = b->text.data, .len = (uint32_t)b->text.len};
    assert(text_copy(&again, all, BATCH_TEXT_MAX, TEXT_UTF8) == b->text.len);
    assert(!b->text.len || memcmp(again.data, b->text.data, b->text.len) == 0);
}

static void take_line(struct unwrap *u, struct batch *b, const uint8_t *bytes, size_t len)
{
    CLEANUP(free_ptr) char *copy = malloc(len ? len : 1);
    struct event e = {.kind = EVENT_UNPARSED, .at_unix_ms = EVENT_NO_TIME};
    char *line;
    size_t line_len;
    int64_t at_unix_ms;
    bool cut;
    assert(copy);
    if (len)
        memcpy(copy, bytes, len);
    enum unwrap_result result = unwrap_line(u, copy, len, &line, &line_len, &at_unix_ms, &cut);
    if (result == UNWRAP_PENDING)
        return;
    if (result == UNWRAP_LINE) {
        line_scan(line, line_len, at_unix_ms, &e);
        check_event(&e, line, line_len);
    }
    if (batch_is_full(b))
        batch_clear(b);
    assert(batch_add(b, &e, (struct text){.at = line, .len = (uint32_t)line_len}, 0, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct batch batch; /* its memory is reused: making it is slower than a line */
    CLEANUP(unwrap_fini) struct unwrap u = {0};
    if (!batch.rows)
        assert(batch_init(&batch) == 0);
    while (size) {
        const uint8_t *lf = memchr(data, '\n', size);
        size_t len = lf ? (size_t)(lf - data) : size;
        take_line(&u, &batch, data, len);
        data += len + (lf != NULL);
        size -= len + (lf != NULL);
    }
    check_batch(&batch);
    batch_clear(&batch);
    return 0;
}
