/* The commands of bench-onewriter. Each prints its tables and writes its JSON; 0, or 1 when rows or
 * tasks of onewriter were lost. */
#ifndef BENCH_ONEWRITER_H
#define BENCH_ONEWRITER_H

#include "report.h"
#include "settings.h"

int bench_write(const struct settings *settings, struct report *report);
int bench_append(const struct settings *settings, struct report *report);
int bench_read(const struct settings *settings, struct report *report);
int bench_wal(const struct settings *settings, struct report *report);
int bench_open(const struct settings *settings, struct report *report);
int bench_slow(const struct settings *settings, struct report *report);
int bench_fds(const struct settings *settings, struct report *report);

#endif
