/* bench-onewriter: what onewriter brings and what it costs, beside other ways in the same run on
 * the same disk. This file holds the commands and their defaults; onewriter_*.c measure. What must
 * stay true: whatever is compared is measured by the same code with the same rows. */
#include "onewriter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"

#define EVERYWHERE "--threads 1,2,4,8,16,64,256 --sync normal,full --tables lean1,peer --ways all"

static const struct command commands[] = {
    {"write", "small transactions, each waited for, by every way", bench_write,
     "--ms 100 --rounds 2 --threads 1,8,64 --sync normal,full --tables lean1 --ways all",
     "--ms 2000 --rounds 3 " EVERYWHERE},
    {"append", "rows handed over without waiting, beside transactions grouped by hand",
     bench_append, "--ms 500 --rounds 1 --threads 4 --sync normal --tables lean1,peer",
     "--ms 3000 --rounds 3 --threads 1,2,4,16 --sync normal,full --tables lean1,peer"},
    {"read", "readers beside a writer", bench_read,
     "--ms 200 --threads 1,4 --tables lean1 --sync normal",
     "--ms 2000 --threads 1,2,4,20 --tables lean1,peer --sync normal"},
    {"wal", "the log while one reader sleeps in a snapshot", bench_wal,
     "--hold 2500 --threads 4 --tables lean1 --sync normal",
     "--hold 10000 --threads 4 --tables lean1,peer --sync normal"},
    {"open", "time to the first answer, memory of a handle", bench_open,
     "--rounds 50 --tables lean1 --sync normal", "--rounds 500 --tables lean1 --sync normal"},
    {"slow", "`write` on a disk whose fsync takes 8 ms", bench_slow,
     "--ms 500 --sleep 8 --threads 16 --sync full --tables lean1 --ways seed,kept,job,row,group",
     "--ms 5000 --sleep 8 --threads 1,8,64 --sync full --tables lean1,peer --ways all"},
    {"fds", "everything with 64 file descriptors: who fails", bench_fds,
     "--threads 64 --sync normal --tables lean1 --ways each,seed,job,row",
     "--threads 16,64,256 --sync normal --tables lean1,peer --ways all"},
};

static void usage(FILE *out)
{
    fputs("usage: bench-onewriter COMMAND [options]     COMMAND --help tells its options\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* A connection per thread needs two descriptors each; that shall not be what is measured. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    const rlim_t wanted = 4 * THREADS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct report report;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    const struct command *command = argc > 1 ? find(argv[1]) : NULL;
    if (!command) {
        usage(stderr);
        return 2;
    }
    raise_descriptors();
    settings_parse(command, argc - 1, argv + 1, &settings);
    report_open(&report, command->name, settings.json);
    report.ms = settings.ms;
    report.rounds = settings.rounds;
    int rc = command->run(&settings, &report);
    report_close(&report);
    return rc;
}
