/* A mergeable log-linear histogram (histogram.h). The bucket of v >= 4 is its power of two and the
 * two bits below the top bit; that is the HDR scheme with two bits of precision. */
#include "base/histogram.h"

#include <string.h>

unsigned histogram_bucket(int64_t value)
{
    if (value < 4)
        return value < 0 ? 0 : (unsigned)value;
    unsigned top = 63 - (unsigned)__builtin_clzll((uint64_t)value);
    unsigned bucket = (top - 1) * 4 + (unsigned)((uint64_t)value >> (top - 2) & 3);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

int64_t histogram_floor(unsigned bucket)
{
    if (bucket < 4)
        return bucket;
    unsigned top = bucket / 4 + 1;
    return (int64_t)(4 + bucket % 4) << (top - 2);
}

void histogram_add(struct histogram *h, int64_t value)
{
    h->count[histogram_bucket(value)]++;
}

uint64_t histogram_total(const struct histogram *h)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += h->count[i];
    return total;
}

double histogram_quantile(const struct histogram *h, double q)
{
    uint64_t total = histogram_total(h);
    if (!total)
        return -1;
    double rank = q * (double)total, below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)h->count[i];
        if (here > 0 && below + here >= rank) {
            double low = (double)histogram_floor(i), high = (double)histogram_floor(i + 1);
            double part = (rank - below) / here;
            return low + (high - low) * (part < 0 ? 0 : part);
        }
        below += here;
    }
    return (double)histogram_floor(HISTOGRAM_BUCKETS);
}

static size_t varint_put(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t b = *(*at)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

size_t histogram_encode(const struct histogram *h, uint8_t out[HISTOGRAM_ENCODED_MAX])
{
    size_t n = 0;
    unsigned next = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (!h->count[i])
            continue;
        n += varint_put(out + n, i - next);
        n += varint_put(out + n, h->count[i]);
        next = i + 1;
    }
    return n;
}

bool histogram_merge_encoded(struct histogram *into, const uint8_t *bytes, size_t len)
{
    struct histogram sum = *into;
    const uint8_t *at = bytes, *end = bytes + len;
    uint64_t bucket = 0;
    while (at < end) {
        uint64_t gap, count;
        if (!varint_get(&at, end, &gap) || !varint_get(&at, end, &count))
            return false;
        if (gap >= HISTOGRAM_BUCKETS || bucket + gap >= HISTOGRAM_BUCKETS)
            return false;
        bucket += gap;
        sum.count[bucket++] += count;
    }
    *into = sum;
    return true;
}
