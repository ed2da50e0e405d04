/* The whole program at work: tails in, store in the middle, web out. Shared by `run` and `demo`. */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

#include "app/config.h"

struct daemon_hooks {
    void *ctx;
    /* Called once the page is served; may be NULL. Non-zero ends the daemon with that err. */
    int (*started)(void *ctx, const char *url, struct err *err);
    /* Called when stopping, before the tails stop; may be NULL. */
    void (*stopping)(void *ctx);
};

/* Runs until SIGINT or SIGTERM. Returns the exit code; tells its errors itself. */
int daemon_run(const struct config *config, bool demo, const struct daemon_hooks *hooks);

/* The store settings of a config. */
struct store_options;
void daemon_store_options(const struct config *config, struct store_options *out);

#endif
