/* The front door: finds the subcommand, loads its settings, runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/log.h"

static const struct {
    const char *name;
    enum command command;
    int (*run)(struct config *config);
    const char *usage, *what;
} commands[] = {
    {"run", COMMAND_RUN, command_run,
     "run [-c FILE] [--db PATH] [--listen ADDR:PORT] --node NAME=LOG [--node ...]",
     "follows the nodes' logs, keeps their history, serves the page"},
    {"ingest", COMMAND_INGEST, command_ingest, "ingest --db PATH --node NAME [--json] FILE...",
     "reads whole log files (plain, .gz, .zst, - for standard input)"},
    {"export", COMMAND_EXPORT, command_export,
     "export events --db PATH [--node NAME] [--from T] [--to T] --format csv|jsonl",
     "writes one record per transfer to standard output"},
    {"status", COMMAND_STATUS, command_status, "status --db PATH [--json]",
     "shows nodes, last event, rates, database size, WAL and queue"},
    {"demo", COMMAND_DEMO, command_demo, "demo [--listen ADDR:PORT] [--dir PATH]",
     "runs everything on made-up nodes, to look around"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
    fprintf(out, "nodewatch %s - watches Storj storage nodes through their logs\n\nUsage:\n",
            PROGRAM_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  nodewatch %s\n      %s\n", commands[i].usage, commands[i].what);
    fprintf(out, "  nodewatch --version | --help | SUBCOMMAND --help\n\n"
                 "Start with:  nodewatch run --node home=/path/to/storagenode.log\n"
                 "and open http://127.0.0.1:8765\n");
}

static int run_command(size_t i, int argc, char **argv)
{
    struct config config;
    struct err err;
    config_init(&config);
    int code;
    if (config_load(&config, commands[i].command, argc, argv, 2, &err)) {
        code = command_fail(&err);
    } else if (config.help) {
        printf("Usage: nodewatch %s\n\n%s\n\nOptions:\n", commands[i].usage, commands[i].what);
        config_print_options(commands[i].command, stdout);
        code = EXIT_FINE;
    } else {
        log_init((enum log_level)config.log_level);
        code = commands[i].run(&config);
    }
    config_fini(&config);
    return code;
}

int main(int argc, char **argv)
{
    /* A reader that left is an error of write(2), told like any other. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("nodewatch %s\n", PROGRAM_VERSION);
        return EXIT_FINE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(i, argc, argv);
    }
    fprintf(stderr, "nodewatch: there is no subcommand \"%s\"; see nodewatch --help\n", argv[1]);
    return EXIT_USAGE;
}
