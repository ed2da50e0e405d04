/* Memory of appended rows: filled from one end by producers, given back as a whole when the writer
 * has settled all rows in it. The owner's mutex guards it. */
#ifndef ONEWRITER_SLAB_H
#define ONEWRITER_SLAB_H

#include "onewriter/job.h"

struct ow_slabs {
    struct ow_slab *open; /* takes rows */
    struct ow_slab *kept; /* empty, for the next need */
    int kept_count;
};

void ow_slabs_fini(struct ow_slabs *slabs);
/* Bytes that a row takes with what its values point to, without its statement's text. */
size_t ow_row_bytes(const struct ow_value *values, int count);
/* Bytes that a copy takes now: with the text, unless the row before it had the same. */
size_t ow_slabs_needs(const struct ow_slabs *slabs, const char *sql, const struct ow_value *values,
                      int count);
/* Copies a row with all it points to; NULL when there is no memory. Only slab, sql, values and
 * count are set. */
struct ow_row *ow_slabs_copy(struct ow_slabs *slabs, const char *sql, const struct ow_value *values,
                             int count);
/* Gives the memory of so many rows of one slab back. */
void ow_slabs_release(struct ow_slabs *slabs, struct ow_slab *slab, uint32_t rows);

#endif
