/* Waiting that ends early when somebody asks to stop (halt.h). A flag set by a signal handler
 * cannot be waited for without a race, so it is looked at every HALT_LOOK_MS as well; that costs
 * nothing, since these waits happen only while the store is unwell. */
#include "ingest/halt.h"

#include <poll.h>
#include <stdint.h>

#include "base/clock.h"

#define HALT_LOOK_MS 200

static bool halt_poll(const struct halt *h, int timeout_ms)
{
    struct pollfd p = {.fd = h->fd, .events = POLLIN};
    return poll(&p, h->fd >= 0 ? 1 : 0, timeout_ms) > 0;
}

bool halt_asked(const struct halt *h)
{
    return (h->flag && *h->flag) || (h->fd >= 0 && halt_poll(h, 0));
}

bool halt_wait(const struct halt *h, int timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        if (halt_asked(h))
            return true;
        int64_t left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0)
            return false;
        halt_poll(h, h->flag && left_ms > HALT_LOOK_MS ? HALT_LOOK_MS : (int)left_ms);
    }
}
