/* Work in slices: how large the next one is, and how much time is left. */
#ifndef ONEWRITER_SLICES_H
#define ONEWRITER_SLICES_H

#include "onewriter/onewriter.h"

struct ow_slices {
    int size, least, most; /* rows or pages of the next slice */
    int64_t aim_us;        /* how long one should take */
    int64_t deadline_us;
};

void ow_slices_init(struct ow_slices *slices, int size, int least, int most, int aim_ms,
                    int timeout_ms);
/* A slice took so long for so much: the next one grows twofold at most and shrinks at once. A slice
 * that found less to do than its size says nothing about a larger one. */
void ow_slices_learn(struct ow_slices *slices, int done, int64_t took_us);
/* Whole milliseconds until the deadline, 0 when it has passed. */
int ow_slices_left_ms(const struct ow_slices *slices);
/* True when a slice that was handed in was answered so because the deadline passed. */
bool ow_slices_is_late(const struct ow_slices *slices, int rc);
/* Time was up in the middle of what: OW_TIMEOUT with *err filled. */
int ow_slices_late(const char *what, struct ow_err *err);

#endif
