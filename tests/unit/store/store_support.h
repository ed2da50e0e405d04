/* A store in a temporary folder, sources to fill it through, and a model: every event handed in is
 * remembered, so that what the store says can be compared with what it was told. */
#ifndef TESTS_STORE_SUPPORT_H
#define TESTS_STORE_SUPPORT_H

#include "support.h"

#include "node/batch.h"
#include "store/store.h"

struct world {
    char *dir;
    struct store *store;
};

void world_init(struct world *w);
void world_fini(struct world *w);
/* Closes and opens again. */
void world_reopen(struct world *w);
const char *world_path(const struct world *w);
int64_t world_node(struct world *w, const char *name);
/* The first column of the only row of a query, by a connection of its own; text is given. */
int64_t world_number(const struct world *w, const char *sql);
char *world_text(const struct world *w, const char *sql);
/* A text that differs whenever any table does. */
char *world_digest(const struct world *w);

/* An event with everything a transfer or line needs; its texts are static or lent by the caller. */
struct event a_transfer(int64_t at_unix_ms, enum action action, enum outcome outcome, int64_t size);
struct event a_line(int64_t at_unix_ms, enum event_kind kind, enum level level,
                    const char *message);
struct text words(const char *text);

/* One source of a node, and the batch being filled for it. */
struct feeder {
    struct batch batch;
    int64_t offset;
};
void feeder_init(struct feeder *f, struct world *w, int64_t node_id, const char *name);
void feeder_fini(struct feeder *f);
void feeder_add(struct feeder *f, const struct event *event);
/* Hands the batch in and waits; 0 or an enum err_code. The batch is then empty again. */
int feeder_commit(struct feeder *f, struct world *w, struct err *err);
void feeder_must_commit(struct feeder *f, struct world *w);

/* ---- The model ------------------------------------------------------------------------------ */

struct remembered {
    int64_t node_id, at_unix_ms, size_bytes, duration_ms;
    enum event_kind kind;
    enum level level;
    enum action action;
    enum outcome outcome;
    char satellite[64], piece[64], remote[64], error[64], message[64];
};

struct model {
    struct remembered *lines;
    size_t count, cap;
};
void model_fini(struct model *m);
/* Makes a random event near the time, remembers it, and adds it to the feeder's batch. */
void model_add_random(struct model *m, struct feeder *f, struct test_random *r,
                      int64_t near_unix_ms, int64_t spread_ms);
/* What a time belongs to. */
int64_t step_begin_s(int64_t unix_ms, int64_t step_s);

#endif
