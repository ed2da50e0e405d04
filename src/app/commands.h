/* The subcommands. Each takes a loaded config and returns the exit code. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include "app/config.h"

/* Exit codes, fixed because scripts call us. */
enum exit_code { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define PROGRAM_VERSION NODEWATCH_VERSION

int command_run(struct config *config);
int command_ingest(struct config *config);
int command_export(struct config *config);
int command_status(struct config *config);
int command_demo(struct config *config);

/* Says err on standard error as "nodewatch: ..." and gives the exit code for it. */
int command_fail(const struct err *err);

#endif
