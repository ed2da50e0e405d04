/* The event loop (loop.h): libevent behind six functions, so that nothing outside this room knows
 * which library turns the wheel. */
#include "web/loop.h"

#include <stdlib.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "base/cleanup.h"

struct loop_watch {
    struct event *event;
    loop_fn *fn;
    void *ctx;
    SLIST_ENTRY(loop_watch) next;
};

struct loop {
    struct event_base *base;
    SLIST_HEAD(, loop_watch) watches;
};

int loop_new(struct loop **out, struct err *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop)
        loop->base = event_base_new();
    if (!loop || !loop->base) {
        free(loop);
        return err_set(err, ERR_MEMORY, "cannot start the event loop");
    }
    SLIST_INIT(&loop->watches);
    *out = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (!SLIST_EMPTY(&loop->watches)) {
        struct loop_watch *watch = SLIST_FIRST(&loop->watches);
        SLIST_REMOVE_HEAD(&loop->watches, next);
        event_free(watch->event);
        free(watch);
    }
    event_base_free(loop->base);
    free(loop);
}

int loop_run(struct loop *loop, struct err *err)
{
    return event_base_dispatch(loop->base) < 0 ? err_set(err, ERR_BUG, "the event loop failed") : 0;
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

static void fire(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_watch *watch = arg;
    watch->fn(watch->ctx);
}

static int add_watch(struct loop *loop, int fd, short what, const struct timeval *period,
                     loop_fn *fn, void *ctx, struct err *err)
{
    CLEANUP(free_ptr) struct loop_watch *watch = calloc(1, sizeof(*watch));
    if (watch) {
        watch->fn = fn;
        watch->ctx = ctx;
        watch->event = event_new(loop->base, fd, what, fire, watch);
    }
    if (!watch || !watch->event)
        return err_set(err, ERR_MEMORY, "no memory for a timer or signal");
    if (event_add(watch->event, period)) {
        event_free(watch->event);
        return err_set(err, ERR_BUG, "cannot add a timer or signal");
    }
    SLIST_INSERT_HEAD(&loop->watches, watch, next);
    watch = NULL;
    return 0;
}

int loop_signal(struct loop *loop, int signal_number, loop_fn *fn, void *ctx, struct err *err)
{
    return add_watch(loop, signal_number, EV_SIGNAL | EV_PERSIST, NULL, fn, ctx, err);
}

int loop_every(struct loop *loop, int period_ms, loop_fn *fn, void *ctx, struct err *err)
{
    struct timeval period = {period_ms / 1000, period_ms % 1000 * 1000};
    return add_watch(loop, -1, EV_PERSIST, &period, fn, ctx, err);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}
