/* Errors as values (err.h). Texts longer than the struct are cut at its end, never overrun: an
 * error about a huge log line must not itself become a problem. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return code;
    *err = (struct err){.code = code};
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return code;
}

int err_set_errno(struct err *err, int sys_errno, const char *fmt, ...)
{
    if (!err)
        return ERR_IO;
    *err = (struct err){.code = ERR_IO, .sys_errno = sys_errno};
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    char why[96];
    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
                 strerror_r(sys_errno, why, sizeof(why)));
    return ERR_IO;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err)
        return ERR_BUG;
    char old[sizeof(err->text)];
    memcpy(old, err->text, sizeof(old));
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
    return err->code;
}
