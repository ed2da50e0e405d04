/* The store in memory (fake_sink.h). A batch is applied when it is waited for; that is late enough
 * to have several on their way, and needs no thread. */
#include "fake_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PATIENCE_US 30000000

static int sink_fails(struct fake_sink *f, int *countdown, struct err *err)
{
    f->attempts++;
    cond_broadcast(&f->changed);
    if (f->closed)
        return err_set(err, ERR_CLOSED, "closed");
    if (*countdown == 0)
        return 0;
    if (*countdown > 0)
        --*countdown;
    return err_set(err, f->fail_code, "made to fail");
}

static int fake_sources(void *ctx, int64_t node_id, struct source **out, size_t *count,
                        struct err *err)
{
    struct fake_sink *f = ctx;
    LOCK(&f->lock);
    if (sink_fails(f, &f->fail_reads, err))
        return err->code;
    *out = calloc(f->stored_count + 1, sizeof(**out));
    *count = 0;
    for (size_t i = 0; i < f->stored_count; i++) {
        if (f->stored[i].node_id == node_id)
            (*out)[(*count)++] = f->stored[i].source;
    }
    return 0;
}

static int fake_source_add(void *ctx, int64_t node_id, const char *name, struct source *source,
                           struct err *err)
{
    struct fake_sink *f = ctx;
    (void)name;
    LOCK(&f->lock);
    if (sink_fails(f, &f->fail_adds, err))
        return err->code;
    if (f->stored_count == FAKE_SOURCES)
        return err_set(err, ERR_BUG, "too many sources for the test");
    source->id = (int64_t)f->stored_count + 1;
    f->stored[f->stored_count].node_id = node_id;
    f->stored[f->stored_count++].source = *source;
    cond_broadcast(&f->changed);
    return 0;
}

static int fake_submit(void *ctx, struct batch *batch, void **ticket, struct err *err)
{
    struct fake_sink *f = ctx;
    LOCK(&f->lock);
    if (sink_fails(f, &f->fail_submits, err))
        return err->code;
    *ticket = batch;
    f->submits++;
    cond_broadcast(&f->changed);
    return 0;
}

static void check_rules(struct fake_sink *f, const struct source *was, const struct batch *b)
{
    const struct source *is = &b->source;
    size_t mark = is->offset < SOURCE_MARK_MAX ? (size_t)is->offset : SOURCE_MARK_MAX;
    bool good = is->offset > b->from_offset && is->mark_len == mark &&
                is->head_len >= was->head_len && memcmp(is->head, was->head, was->head_len) == 0 &&
                is->lines == was->lines + (int64_t)b->lines &&
                is->transfers == was->transfers + (int64_t)b->transfers;
    f->broken_rule = f->broken_rule || !good;
}

static void apply(struct fake_sink *f, const struct batch *b)
{
    for (size_t i = 0; i < b->row_count; i++) {
        int64_t number = b->rows[i].size_bytes;
        if (number >= 0 && number < FAKE_NUMBERS && f->seen[number] < 255)
            f->seen[number]++;
        f->last_at_unix_ms = b->rows[i].at_unix_ms;
    }
    f->rows += b->row_count;
    f->lines += b->lines;
    f->unparsed += b->unparsed;
    f->twins += b->twins;
    f->nul_bytes += b->nul_bytes;
    f->cut_lines += b->cut_lines;
    f->commits++;
}

static int fake_wait(void *ctx, void *ticket, int timeout_ms, struct err *err)
{
    struct fake_sink *f = ctx;
    const struct batch *b = ticket;
    int64_t until_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    LOCK(&f->lock);
    bool in_time = true;
    while (f->hold && !f->closed && in_time)
        in_time = cond_wait_until(&f->changed, &f->lock, until_us);
    if (f->hold && !f->closed)
        return err_set(err, ERR_TIMEOUT, "still on its way");
    if (sink_fails(f, &f->fail_waits, err))
        return err->code;
    struct source *stored = &f->stored[b->source.id - 1].source;
    if (stored->offset != b->from_offset) {
        f->stales++;
        return err_set(err, ERR_STALE, "moved on");
    }
    if (f->commits_left == 0) {
        f->closed = true;
        cond_broadcast(&f->changed);
        return err_set(err, ERR_CLOSED, "crashed");
    }
    f->commits_left -= f->commits_left > 0;
    check_rules(f, stored, b);
    *stored = b->source;
    apply(f, b);
    cond_broadcast(&f->changed);
    return 0;
}

void fake_init(struct fake_sink *f)
{
    *f = (struct fake_sink){.fail_code = ERR_STORE, .commits_left = -1};
    f->seen = calloc(FAKE_NUMBERS, 1);
    assert_non_null(f->seen);
    mutex_init(&f->lock);
    cond_init(&f->changed);
    f->sink = (struct ingest_sink){f, fake_sources, fake_source_add, fake_submit, fake_wait};
}

void fake_fini(struct fake_sink *f)
{
    free(f->seen);
    cond_fini(&f->changed);
    mutex_fini(&f->lock);
}

void fake_restart(struct fake_sink *f)
{
    LOCK(&f->lock);
    f->closed = false;
    f->commits_left = -1;
}

void fake_release(struct fake_sink *f)
{
    LOCK(&f->lock);
    f->hold = false;
    cond_broadcast(&f->changed);
}

static uint64_t wait_until_at_least(struct fake_sink *f, const uint64_t *what, uint64_t least)
{
    int64_t until_us = clock_monotonic_us() + PATIENCE_US;
    LOCK(&f->lock);
    bool in_time = true;
    while (*what < least && in_time)
        in_time = cond_wait_until(&f->changed, &f->lock, until_us);
    return *what;
}

void fake_wait_rows(struct fake_sink *f, uint64_t rows)
{
    uint64_t got = wait_until_at_least(f, &f->rows, rows);
    assert_true(got >= rows);
}

void fake_wait_submits(struct fake_sink *f, uint64_t submits)
{
    uint64_t got = wait_until_at_least(f, &f->submits, submits);
    assert_true(got >= submits);
}

void fake_wait_attempts(struct fake_sink *f, uint64_t attempts)
{
    uint64_t got = wait_until_at_least(f, &f->attempts, attempts);
    assert_true(got >= attempts);
}

void fake_wait_sources(struct fake_sink *f, uint64_t count)
{
    uint64_t got = wait_until_at_least(f, &f->stored_count, count);
    assert_true(got >= count);
}

uint64_t fake_rows(struct fake_sink *f)
{
    LOCK(&f->lock);
    return f->rows;
}

void fake_expect_once(struct fake_sink *f, uint32_t from, uint32_t to, uint64_t rows)
{
    for (uint32_t i = from; i < to; i++) {
        if (f->seen[i] != 1)
            print_error("line %u arrived %u times\n", i, f->seen[i]);
        assert_int_equal(f->seen[i], 1);
    }
    assert_int_equal(f->rows, rows);
    assert_false(f->broken_rule);
}

size_t fake_source_count(struct fake_sink *f)
{
    LOCK(&f->lock);
    return f->stored_count;
}

char *make_lines(uint32_t from, uint32_t to, size_t *len)
{
    size_t cap = (size_t)(to - from) * 160 + 1;
    char *text = malloc(cap);
    assert_non_null(text);
    size_t at = 0;
    for (uint32_t i = from; i < to; i++)
        at += (size_t)snprintf(
            text + at, cap - at,
            "2026-08-20T10:%02u:%02uZ\tINFO\tpiecestore\tuploaded\t{\"piece_id\": "
            "\"P%u\", \"satellite_id\": \"1S\", \"action\": \"PUT\", \"size\": %u}\n",
            i / 60 % 60, i % 60, i, i);
    text[at] = '\0';
    if (len)
        *len = at;
    return text;
}

void append_lines(const char *path, uint32_t from, uint32_t to)
{
    size_t len;
    char *text = make_lines(from, to, &len);
    test_file_append(path, text, len);
    free(text);
}
