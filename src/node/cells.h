/* The rollup tables of a batch: private to batch.c. */
#ifndef NODE_CELLS_H
#define NODE_CELLS_H

#include "node/batch.h"

/* 0 or ERR_MEMORY; cap is a power of two. */
int cells_init(struct batch_cells *cells, uint32_t cap);
void cells_fini(struct batch_cells *cells);
void cells_clear(struct batch_cells *cells);
/* True when there is no room for one more cell. A quarter stays free, so that looking is short. */
bool cells_are_full(const struct batch_cells *cells);
/* The cell of these four, made when there is none yet. */
struct batch_cell *cells_find(struct batch_cells *cells, int64_t at_unix_s, uint8_t satellite,
                              uint8_t action, uint8_t outcome);

#endif
