/* The program's log (log.h). A line is put together first and written by one write(2), so that
 * lines of several threads never mix; control characters in it (a log line quoted in an error)
 * become '?', so that text from outside cannot forge a line or move the terminal's cursor. */
#include "app/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_for_journal;

static const char *const level_names[] = {"ERROR", "WARNING", "INFO", "DEBUG"};

void log_init(enum log_level level)
{
    log_max = level;
    log_for_journal = getenv("JOURNAL_STREAM") != NULL;
}

bool log_level_parse(const char *text, enum log_level *out)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const int priority[] = {3, 4, 6, 7};
    if (level > log_max)
        return;
    char line[1024];
    int n;
    if (log_for_journal) {
        n = snprintf(line, sizeof(line), "<%d>", priority[level]);
    } else {
        char now[CLOCK_RFC3339_MAX];
        clock_format_rfc3339_ms(now, clock_unix_ms());
        n = snprintf(line, sizeof(line), "%s ", now);
    }
    int head = n;
    n += snprintf(line + n, sizeof(line) - (size_t)n, "[%s] ", level_names[level]);
    va_list args;
    va_start(args, fmt);
    int more = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, args);
    va_end(args);
    size_t len = (size_t)n + (more > 0 ? (size_t)more : 0);
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    for (size_t i = (size_t)head; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    /* Nobody is left to tell when standard error itself fails. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}

void log_from(void *ctx, char level, const char *text)
{
    (void)ctx;
    log_line(level == 'E'   ? LOG_LEVEL_ERROR
             : level == 'W' ? LOG_LEVEL_WARNING
                            : LOG_LEVEL_INFO,
             "%s", text);
}
