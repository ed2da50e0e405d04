/* The event loop of the main thread: signals, timers, HTTP. Everything here runs on that thread. */
#ifndef WEB_LOOP_H
#define WEB_LOOP_H

#include "base/err.h"

struct loop;
struct event_base;

typedef void loop_fn(void *ctx);

int loop_new(struct loop **out, struct err *err);
/* Drops all timers and signals. NULL is allowed. */
void loop_free(struct loop *loop);
/* Runs until loop_stop. */
int loop_run(struct loop *loop, struct err *err);
/* Ends loop_run after the present callback. */
void loop_stop(struct loop *loop);
/* Calls fn(ctx) each time the signal arrives / every period_ms, until loop_free. */
int loop_signal(struct loop *loop, int signal_number, loop_fn *fn, void *ctx, struct err *err);
int loop_every(struct loop *loop, int period_ms, loop_fn *fn, void *ctx, struct err *err);
struct event_base *loop_base(struct loop *loop);

#endif
