/* Quantities as nodes print them: numbers of JSON, durations of Go, sizes of Storj's memory
 * package. All return false and leave *out alone when the text is none. Results out of range are
 * clamped. */
#ifndef NODE_UNITS_H
#define NODE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "node/text.h"

/* A decimal number with optional fraction and exponent, as JSON writes it. Independent of the
 * locale. */
bool units_number(struct text t, double *out);
/* The same, rounded towards zero. */
bool units_integer(struct text t, int64_t *out);
/* "1h59m42.3s", "162.857µs" (either micro sign, or "us"), "-5ms", "0s"; a bare number is seconds.
 */
bool units_duration_ns(struct text t, int64_t *out);
/* "3.7 GiB", "1.00 TB", "0 B", "1024"; KiB.. are powers of 1024, KB.. of 1000. */
bool units_size_bytes(struct text t, int64_t *out);

#endif
