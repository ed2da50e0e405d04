/* How long borrowers wait and hold, by label. */
#ifndef ONEWRITER_LABELS_H
#define ONEWRITER_LABELS_H

#include "onewriter/metrics.h"

struct ow_label {
    _Atomic(const char *) name; /* NULL: free */
    struct ow_tally wait, hold;
};

/* Zero-initialised is empty. Any thread. */
struct ow_labels {
    struct ow_label line[OW_LABELS];
};

/* The line of a label, which is kept for good: static storage; NULL counts as "(none)". Labels that
 * find no line free share the last, "(other)". */
struct ow_label *ow_labels_find(struct ow_labels *labels, const char *name);
void ow_labels_read(struct ow_labels *labels, struct ow_metrics *out);

#endif
