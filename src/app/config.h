/* The settings of the program, from flags, then NODEWATCH_... environment, then the YAML file, then
 * defaults. ONE table (config.c) drives all four, `--help`, and the check of etc/nodewatch.yaml. */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* Subcommands, as bits: which option belongs to which. */
enum command {
    COMMAND_RUN = 1 << 0,
    COMMAND_INGEST = 1 << 1,
    COMMAND_EXPORT = 1 << 2,
    COMMAND_STATUS = 1 << 3,
    COMMAND_DEMO = 1 << 4,
};

struct config_node {
    char *name, *log;
};

struct config {
    struct config_node *nodes;
    size_t node_count;
    char *db_path;
    int db_profile; /* enum ow_profile */
    int db_thread_pool_size, db_connection_pool_size;
    int db_connection_timeout_ms, db_max_retries, db_retry_base_delay_ms, db_retry_max_delay_ms;
    bool db_synchronous_full;
    char *web_listen, *web_allowed_hosts;
    int log_level; /* enum log_level */

    /* Flags of single commands; not in the file or the environment. */
    char *file; /* -c */
    char *ingest_node, *from, *to, *format, *demo_dir;
    bool json, help;
    char **operands;
    size_t operand_count;
};

/* Sets the defaults. */
void config_init(struct config *c);
void config_fini(struct config *c);
/* Reads argv[first..] for one command, then the environment and the file for what flags left open.
 * ERR_USAGE names the flag, variable, or file and line that is wrong. */
int config_load(struct config *c, enum command command, int argc, char **argv, int first,
                struct err *err);
/* The options of a command, for its --help. */
void config_print_options(enum command command, FILE *out);
/* Calls fn for every option that a file may hold: name, default as text, help. */
void config_each_setting(void (*fn)(void *ctx, const char *key, const char *value,
                                    const char *help),
                         void *ctx);

#endif
