/* Output (report.h). What must stay true: a line of JSON is whole or absent, and stdout holds no
 * progress. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stats.h"

void report_open(struct report *report, const char *command, const char *json_path)
{
    *report = (struct report){.command = command};
    if (!json_path)
        return;
    report->json = fopen(json_path, "ae");
    if (!report->json)
        die("cannot write %s: %s", json_path, strerror(errno));
}

void report_close(struct report *report)
{
    if (report->json && fclose(report->json) != 0)
        die("the JSON file is incomplete: %s", strerror(errno));
    report->json = NULL;
}

static void put_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else if (*at < 0x20)
            fprintf(out, "\\u%04x", *at);
        else
            putc(*at, out);
    putc('"', out);
}

void json_begin(struct report *report, const char *what)
{
    char at[32];
    time_t now = time(NULL);
    struct tm tm;
    if (!report->json)
        return;
    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    fprintf(report->json, "{\"bench\":\"onewriter\",\"command\":\"%s\",\"what\":", report->command);
    put_string(report->json, what);
    json_text(report, "at", at);
    json_text(report, "sqlite", sqlite3_libversion());
    json_int(report, "cpus", usage_cpus());
    json_int(report, "ms", report->ms);
    json_int(report, "rounds", report->rounds);
}

void json_text(struct report *report, const char *name, const char *value)
{
    if (!report->json)
        return;
    fprintf(report->json, ",\"%s\":", name);
    put_string(report->json, value);
}

void json_int(struct report *report, const char *name, int64_t value)
{
    if (report->json)
        fprintf(report->json, ",\"%s\":%lld", name, (long long)value);
}

void json_num(struct report *report, const char *name, double value)
{
    if (!report->json)
        return;
    if (isfinite(value))
        fprintf(report->json, ",\"%s\":%.6g", name, value);
    else
        fprintf(report->json, ",\"%s\":null", name);
}

void json_end(struct report *report)
{
    if (!report->json)
        return;
    fputs("}\n", report->json);
    fflush(report->json);
}

void progress(const char *format, ...)
{
    va_list args;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

void progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

void print_foreign(double cores)
{
    if (cores >= 0.2)
        printf("  (others used up to %.1f of the %d cores meanwhile)\n", cores, usage_cpus());
}

void die(const char *format, ...)
{
    va_list args;
    progress_clear();
    va_start(args, format);
    fputs("bench-onewriter: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(1);
}
