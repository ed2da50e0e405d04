/* A mergeable log-linear histogram: four buckets per power of two, so a value is known to within
 * 25 % (12.5 % from the middle) whatever its size. Values 0..3 have a bucket each; values above
 * 2^40 share the last. The encoding is sparse (varint pairs), so a stored histogram of a minute
 * costs some tens of bytes. Units are the caller's (bytes, milliseconds). */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 160
/* Worst case of histogram_encode: every bucket used, 1 byte gap + 10 bytes count each. */
#define HISTOGRAM_ENCODED_MAX (HISTOGRAM_BUCKETS * 11)

struct histogram {
    uint64_t count[HISTOGRAM_BUCKETS];
};

/* Bucket of a value (negative counts as 0). */
unsigned histogram_bucket(int64_t value);
/* Smallest value of a bucket; histogram_floor(HISTOGRAM_BUCKETS) is the upper end. */
int64_t histogram_floor(unsigned bucket);
void histogram_add(struct histogram *h, int64_t value);
uint64_t histogram_total(const struct histogram *h);
/* Value below which the fraction q (0..1) of the samples lie, interpolated inside its bucket;
 * -1 when empty. */
double histogram_quantile(const struct histogram *h, double q);

/* Writes pairs (gap to the next used bucket, count) as LEB128 varints; returns the bytes written.
 */
size_t histogram_encode(const struct histogram *h, uint8_t out[HISTOGRAM_ENCODED_MAX]);
/* Adds an encoded histogram to *into. False when the bytes are not a histogram (*into is then
 * unchanged). */
bool histogram_merge_encoded(struct histogram *into, const uint8_t *bytes, size_t len);

#endif
