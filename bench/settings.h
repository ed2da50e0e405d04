/* The command line of bench-onewriter: what every command may be told. */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "rows.h"
#include "ways.h"

#define THREADS_MAX 512
#define LIST_MAX    16

struct settings {
    bool full;             /* --full: the long list of everything */
    int ms;                /* --ms: of one measurement */
    int rounds;            /* --rounds: so often each way is measured, in turn */
    int threads[LIST_MAX]; /* --threads */
    int threads_count;
    bool sync_full[2]; /* --sync: normal, full, in that order */
    int sync_count;
    const struct table *table[LIST_MAX]; /* --tables */
    int tables_count;
    const struct way *way[LIST_MAX]; /* --ways */
    int ways_count;
    int pool;           /* --pool: readers of onewriter; 0 = its default */
    int sleep_ms;       /* --sleep: delay of an fsync */
    int hold_ms;        /* --hold: how long the reader of `wal` sleeps */
    const char *folder; /* --folder; NULL = the temporary one */
    const char *json;   /* --json; NULL = none */
    int argc;           /* as given, for programs that start themselves anew */
    char **argv;
};

struct report;

struct command {
    const char *name;
    const char *help; /* one line */
    int (*run)(const struct settings *settings, struct report *report);
    /* Defaults, as they would be typed: without and with --full. */
    const char *quick, *all;
};

/* Reads the arguments after the command's name. On a bad one: prints usage to stderr and exits with
 * 2; on --help prints it to stdout and exits with 0. */
void settings_parse(const struct command *command, int argc, char **argv, struct settings *out);
/* Usage of the options, to that file. */
void settings_usage(FILE *file);

#endif
