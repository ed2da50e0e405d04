/* Rollup cells (cells.h): open addressing with linear probing in a table that never grows, because
 * a full one means "commit the batch". A slot is large (two histograms), so clearing touches only
 * the slots in use and a slot's histograms are zeroed when it is taken. */
#include "node/cells.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

int cells_init(struct batch_cells *cells, uint32_t cap)
{
    assert(cap && (cap & (cap - 1)) == 0);
    *cells = (struct batch_cells){.slot = calloc(cap, sizeof(struct batch_cell)), .cap = cap};
    return cells->slot ? 0 : ERR_MEMORY;
}

void cells_fini(struct batch_cells *cells)
{
    free(cells->slot);
    *cells = (struct batch_cells){0};
}

void cells_clear(struct batch_cells *cells)
{
    for (uint32_t i = 0; i < cells->cap && cells->used; i++) {
        cells->used -= cells->slot[i].used;
        cells->slot[i].used = false;
    }
}

bool cells_are_full(const struct batch_cells *cells)
{
    return cells->used >= cells->cap - cells->cap / 4;
}

struct batch_cell *cells_find(struct batch_cells *cells, int64_t at_unix_s, uint8_t satellite,
                              uint8_t action, uint8_t outcome)
{
    uint64_t hash =
        ((uint64_t)at_unix_s << 16 ^ (uint64_t)satellite << 8 ^ (uint64_t)action << 4 ^ outcome) *
        0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(hash >> 32) & (cells->cap - 1);
    for (;; at = (at + 1) & (cells->cap - 1)) {
        struct batch_cell *cell = &cells->slot[at];
        if (!cell->used) {
            *cell = (struct batch_cell){.at_unix_s = at_unix_s,
                                        .satellite = satellite,
                                        .action = action,
                                        .outcome = outcome,
                                        .used = true};
            cells->used++;
            return cell;
        }
        if (cell->at_unix_s == at_unix_s && cell->satellite == satellite &&
            cell->action == action && cell->outcome == outcome)
            return cell;
    }
}
