/* Slices (slices.h). A long piece of work shares the writer by taking a little at a time, and how
 * much is little depends on the disk, the rows and their indexes, so it is measured as it goes.
 * What must stay true: the size stays between least and most, whatever a clock says. */
#include "onewriter/slices.h"

#include <limits.h>

#include "base/clock.h"
#include "onewriter/fail.h"

void ow_slices_init(struct ow_slices *slices, int size, int least, int most, int aim_ms,
                    int timeout_ms)
{
    *slices = (struct ow_slices){.size = size, .least = least, .most = most};
    slices->aim_us = (int64_t)aim_ms * 1000;
    slices->deadline_us = clock_monotonic_us() + (int64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
}

void ow_slices_learn(struct ow_slices *slices, int done, int64_t took_us)
{
    if (done <= 0)
        return;
    int64_t fits = (int64_t)done * slices->aim_us / (took_us > 0 ? took_us : 1);
    if (fits >= slices->size) {
        if (done < slices->size)
            return;
        fits = fits < 2 * (int64_t)slices->size ? fits : 2 * (int64_t)slices->size;
    }
    if (fits > slices->most)
        fits = slices->most;
    slices->size = fits < slices->least ? slices->least : (int)fits;
}

int ow_slices_left_ms(const struct ow_slices *slices)
{
    int64_t left_us = slices->deadline_us - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    return left_us / 1000 < INT_MAX - 1 ? (int)((left_us + 999) / 1000) : INT_MAX;
}

bool ow_slices_is_late(const struct ow_slices *slices, int rc)
{
    return (rc == OW_TIMEOUT || rc == OW_QUEUE_FULL) && !ow_slices_left_ms(slices);
}

int ow_slices_late(const char *what, struct ow_err *err)
{
    return ow_fail(err, OW_TIMEOUT, "%s: time was up; what was done until then stays", what);
}
