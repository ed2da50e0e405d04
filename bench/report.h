/* What a measurement came to, for people and for programs: text on stdout, one JSON object a line
 * in the file of --json, progress on stderr when that is a terminal. Errors of the program itself
 * end it. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdint.h>
#include <stdio.h>

struct report {
    FILE *json; /* NULL = none */
    const char *command;
    int ms, rounds; /* of each measurement, as set; written into every object */
};

/* Opens the file (appends); NULL path = none. */
void report_open(struct report *report, const char *command, const char *json_path);
void report_close(struct report *report);

/* One object: begin, fields, end. Names are plain identifiers. */
void json_begin(struct report *report, const char *what);
void json_text(struct report *report, const char *name, const char *value);
void json_int(struct report *report, const char *name, int64_t value);
void json_num(struct report *report, const char *name, double value);
void json_end(struct report *report);

/* Shows what is being measured, on a terminal. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_clear(void);

/* A line below a table that others' use of the machine has bent; nothing when they used little. */
void print_foreign(double cores);

/* Prints "bench-onewriter: ..." and exits with 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
