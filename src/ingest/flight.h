/* Batches on their way to the store: a few in rotation, so that the next is scanned while one is
 * committed; ended in the order they were handed in; kept and handed in again while the store is
 * unwell. One flight belongs to one thread. */
#ifndef INGEST_FLIGHT_H
#define INGEST_FLIGHT_H

#include "ingest/book.h"
#include "ingest/halt.h"

#define FLIGHT_BATCHES 3

struct flight_slot {
    enum { FLIGHT_FREE, FLIGHT_HELD, FLIGHT_SENT, FLIGHT_RETRY } state;
    struct batch batch;
    struct book *book;
    struct stream *stream;
    void *ticket;
    int64_t sent_ms; /* monotonic: when the store got it */
};

struct flight {
    const struct ingest_sink *sink;
    struct halt halt;
    void *ctx;
    /* After a commit (NULL allowed). */
    void (*committed)(void *ctx, const struct flight_slot *slot);
    /* The store failed and the batch is kept (err), or it works again (NULL). NULL allowed. */
    void (*trouble)(void *ctx, const struct book *book, const struct err *err);
    int64_t give_up_ms; /* trouble, or a commit, that lasts longer ends the flight with an error;
                           0 = never */

    struct flight_slot slot[FLIGHT_BATCHES];
    struct flight_slot *order[FLIGHT_BATCHES]; /* sent or to be sent again, oldest first */
    size_t order_count;
    int backoff_ms;
    int64_t trouble_since_ms; /* 0 = none */
    bool closed;
};

int flight_init(struct flight *f, const struct ingest_sink *sink, struct halt halt,
                struct err *err);
void flight_fini(struct flight *f);

/* A free slot with an empty batch, to be sent or put back. Waits for one as long as the store
 * takes. ERR_CANCELLED, ERR_CLOSED, or the store's error after give_up_ms. */
int flight_take(struct flight *f, struct flight_slot **out, struct err *err);
void flight_put_back(struct flight_slot *slot);
/* Hands in slot->batch, which moves slot->stream of slot->book to batch.source; the stream's `next`
 * and `from` are moved by this call. Never fails: what the store does not take is kept for later.
 */
void flight_send(struct flight *f, struct flight_slot *slot);
/* Until nothing is in flight. Errors as flight_take. */
int flight_settle(struct flight *f, struct err *err);
/* Waits for what the store has got (it holds our memory), and drops what it has not. False when the
 * store still had a batch at until_ms (monotonic): the flight must then outlive the store. */
bool flight_abandon(struct flight *f, int64_t until_ms);

/* Calls a sink function that gives an err code until it succeeds or fails for good, with the same
 * patience as for batches. */
int flight_insist(struct flight *f, const struct book *book,
                  int (*call)(void *arg, struct err *err), void *arg, struct err *err);

#endif
