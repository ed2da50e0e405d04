/* The program's own log: one line per event on standard error, for people and for journald (which
 * reads the <N> priority prefix when it is attached). */
#ifndef APP_LOG_H
#define APP_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR = 0,
    LOG_LEVEL_WARNING = 1,
    LOG_LEVEL_INFO = 2,
    LOG_LEVEL_DEBUG = 3
};

/* Lines above `level` are not written. Call before the first thread starts. */
void log_init(enum log_level level);
bool log_level_parse(const char *text, enum log_level *out);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* store_log_fn and the tail's remarks: level is 'I', 'W' or 'E'. */
void log_from(void *ctx, char level, const char *text);

#endif
