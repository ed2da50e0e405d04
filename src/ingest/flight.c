/* The way of batches to the store (flight.h).
 *
 * When one fails for now, it and what follows it stay in order and are handed in again: the lines
 * in them may be gone from disk by then. When one turns out stale (another reader moved the
 * source), it and all behind it of the same stream are dropped, and the stream waits for a reload.
 *
 * Must stay true: batches of one stream reach the store in the order they were read; a batch that
 * the store holds is neither changed nor freed; a batch of a stale stream is never sent again. */
#include "ingest/flight.h"

#include <assert.h>

#include "base/clock.h"

#define WAIT_SLICE_MS  1000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000

int flight_init(struct flight *f, const struct ingest_sink *sink, struct halt halt, struct err *err)
{
    *f = (struct flight){.sink = sink, .halt = halt, .backoff_ms = BACKOFF_MIN_MS};
    for (size_t i = 0; i < FLIGHT_BATCHES; i++) {
        if (batch_init(&f->slot[i].batch)) {
            flight_fini(f);
            return err_set(err, ERR_MEMORY, "no memory for the batches of log lines");
        }
    }
    return 0;
}

void flight_fini(struct flight *f)
{
    if (!f)
        return;
    assert(f->order_count == 0);
    for (size_t i = 0; i < FLIGHT_BATCHES; i++)
        batch_fini(&f->slot[i].batch);
}

static void slot_end(struct flight *f, size_t at)
{
    struct flight_slot *slot = f->order[at];
    f->order_count--;
    for (size_t i = at; i < f->order_count; i++)
        f->order[i] = f->order[i + 1];
    slot->stream->in_flight--;
    flight_put_back(slot);
}

static void note_trouble(struct flight *f, const struct book *book, const struct err *err)
{
    if (err && !f->trouble_since_ms)
        f->trouble_since_ms = clock_monotonic_ms();
    else if (!err && !f->trouble_since_ms)
        return;
    if (!err) {
        f->trouble_since_ms = 0;
        f->backoff_ms = BACKOFF_MIN_MS;
    }
    if (f->trouble)
        f->trouble(f->ctx, book, err);
}

/* The stream's batches behind a dropped one build on it: none of them can be applied. */
static void drop_stale(struct flight *f, size_t at)
{
    struct stream *stream = f->order[at]->stream;
    stream->stale = true;
    f->order[at]->book->must_load = true;
    slot_end(f, at);
    for (size_t i = f->order_count; i-- > at;) {
        if (f->order[i]->stream == stream && f->order[i]->state == FLIGHT_RETRY)
            slot_end(f, i);
    }
}

static bool waits_behind_retry(const struct flight *f, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (f->order[i]->stream == f->order[at]->stream && f->order[i]->state == FLIGHT_RETRY)
            return true;
    }
    return false;
}

static void slot_committed(struct flight *f, size_t at)
{
    struct flight_slot *slot = f->order[at];
    slot->stream->done = slot->batch.source;
    note_trouble(f, slot->book, NULL);
    if (f->committed)
        f->committed(f->ctx, slot);
    slot_end(f, at);
}

/* Waits a while for the batch at this place; acts on how it ended. */
static void slot_wait(struct flight *f, size_t at)
{
    struct flight_slot *slot = f->order[at];
    struct err err = {0};
    int rc = f->sink->batch_wait(f->sink->ctx, slot->ticket, WAIT_SLICE_MS, &err);
    if (rc == ERR_TIMEOUT)
        return;
    slot->ticket = NULL;
    slot->state = FLIGHT_RETRY;
    if (rc == 0) {
        slot_committed(f, at);
    } else if (rc == ERR_CLOSED) {
        f->closed = true;
    } else if (rc == ERR_STALE) {
        if (!waits_behind_retry(f, at))
            drop_stale(f, at);
    } else {
        note_trouble(f, slot->book, &err);
    }
}

static void slot_submit(struct flight *f, struct flight_slot *slot)
{
    struct err err = {0};
    int rc = f->sink->batch_submit(f->sink->ctx, &slot->batch, &slot->ticket, &err);
    if (rc == 0) {
        slot->state = FLIGHT_SENT;
        slot->sent_ms = clock_monotonic_ms();
    } else if (rc == ERR_CLOSED) {
        f->closed = true;
    } else {
        note_trouble(f, slot->book, &err);
    }
}

/* Hands in again what is kept, up to the first that is not taken. */
static void resend(struct flight *f)
{
    for (size_t i = 0; i < f->order_count;) {
        if (f->order[i]->stream->stale) {
            slot_end(f, i);
            continue;
        }
        slot_submit(f, f->order[i]);
        if (f->order[i]->state != FLIGHT_SENT)
            return;
        i++;
    }
}

static int back_off(struct flight *f, struct err *err)
{
    if (halt_wait(&f->halt, f->backoff_ms))
        return err_set(err, ERR_CANCELLED, "asked to stop");
    f->backoff_ms = f->backoff_ms * 2 < BACKOFF_MAX_MS ? f->backoff_ms * 2 : BACKOFF_MAX_MS;
    return 0;
}

/* A store that fails, and one that neither fails nor commits (its disk is full, it waits for
 * space).
 */
static bool is_given_up(const struct flight *f)
{
    int64_t oldest_ms = clock_monotonic_ms() - f->give_up_ms;
    if (!f->give_up_ms)
        return false;
    if (f->trouble_since_ms && f->trouble_since_ms < oldest_ms)
        return true;
    return f->order_count > 0 && f->order[0]->state == FLIGHT_SENT &&
           f->order[0]->sent_ms < oldest_ms;
}

/* One step nearer to an empty order: waits for a batch, or backs off and sends again. */
static int flight_step(struct flight *f, struct err *err)
{
    if (f->closed)
        return err_set(err, ERR_CLOSED, "the store is closed");
    if (halt_asked(&f->halt))
        return err_set(err, ERR_CANCELLED, "asked to stop");
    if (is_given_up(f))
        return err_set(err, ERR_STORE,
                       "the database did not take the lines for %d s: is its disk full?",
                       (int)(f->give_up_ms / 1000));
    for (size_t i = 0; i < f->order_count; i++) {
        if (f->order[i]->state == FLIGHT_SENT) {
            slot_wait(f, i);
            return 0;
        }
    }
    if (back_off(f, err))
        return err->code;
    resend(f);
    return 0;
}

static bool has_retry(const struct flight *f)
{
    for (size_t i = 0; i < f->order_count; i++) {
        if (f->order[i]->state == FLIGHT_RETRY)
            return true;
    }
    return false;
}

int flight_take(struct flight *f, struct flight_slot **out, struct err *err)
{
    /* While the store is unwell nothing further is read: the file is the queue. */
    while (f->closed || f->order_count == FLIGHT_BATCHES || has_retry(f)) {
        if (flight_step(f, err))
            return err->code;
    }
    for (size_t i = 0; i < FLIGHT_BATCHES; i++) {
        if (f->slot[i].state == FLIGHT_FREE) {
            f->slot[i].state = FLIGHT_HELD;
            batch_clear(&f->slot[i].batch);
            *out = &f->slot[i];
            return 0;
        }
    }
    return err_set(err, ERR_BUG, "a batch was taken and not given back");
}

void flight_put_back(struct flight_slot *slot)
{
    if (!slot)
        return;
    slot->state = FLIGHT_FREE;
    slot->stream = NULL;
    slot->book = NULL;
}

void flight_send(struct flight *f, struct flight_slot *slot)
{
    assert(slot->state == FLIGHT_HELD && f->order_count < FLIGHT_BATCHES);
    slot->stream->next = slot->batch.source;
    slot->stream->from = slot->batch.source.offset;
    slot->stream->in_flight++;
    slot->state = FLIGHT_RETRY;
    f->order[f->order_count++] = slot;
    slot_submit(f, slot);
}

int flight_settle(struct flight *f, struct err *err)
{
    while (f->order_count > 0) {
        if (flight_step(f, err))
            return err->code;
    }
    return 0;
}

bool flight_abandon(struct flight *f, int64_t until_ms)
{
    while (f->order_count > 0) {
        if (f->order[0]->state == FLIGHT_SENT && clock_monotonic_ms() > until_ms)
            return false;
        if (f->order[0]->state == FLIGHT_SENT)
            slot_wait(f, 0);
        if (f->order_count > 0 && f->order[0]->state == FLIGHT_RETRY) {
            stream_rewind(f->order[0]->stream);
            f->order[0]->book->must_load = true;
            slot_end(f, 0);
        }
    }
    return true;
}

int flight_insist(struct flight *f, const struct book *book,
                  int (*call)(void *arg, struct err *err), void *arg, struct err *err)
{
    for (;;) {
        int rc = call(arg, err);
        bool transient = rc == ERR_STORE || rc == ERR_TIMEOUT || rc == ERR_FULL || rc == ERR_IO;
        if (rc == 0) {
            note_trouble(f, book, NULL);
            *err = (struct err){0};
        }
        f->closed = f->closed || rc == ERR_CLOSED;
        if (!transient)
            return rc;
        note_trouble(f, book, err);
        if (is_given_up(f))
            return rc;
        if (back_off(f, err))
            return err->code;
    }
}
