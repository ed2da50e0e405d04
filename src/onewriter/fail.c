/* Errors in words (fail.h). A text says what failed, SQLite's reason, the code's name and, where an
 * operator can do something, what to do. Texts longer than the struct are cut, never overrun. What
 * must stay true: ow_err_class decides from the two codes that are kept, so that a job's error can
 * be judged after it travelled through the caller's code. */
#include "onewriter/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static int fill(struct ow_err *err, enum ow_code code,
                                                      int sys_errno, const char *fmt, va_list args)
{
    if (!err)
        return code;
    err->code = code;
    err->sqlite_code = 0;
    err->sys_errno = sys_errno;
    int n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    char why[96];
    if (sys_errno && n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
                 strerror_r(sys_errno, why, sizeof(why)));
    return code;
}

int ow_fail(struct ow_err *err, enum ow_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(err, code, 0, fmt, args);
    va_end(args);
    return code;
}

int ow_fail_errno(struct ow_err *err, enum ow_code code, int sys_errno, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(err, code, sys_errno, fmt, args);
    va_end(args);
    return code;
}

static enum ow_code code_of(enum ow_class class, int sqlite_code)
{
    int primary = sqlite_code & 0xff;
    switch (class) {
    case OW_CLASS_OK:
        return OW_OK;
    case OW_CLASS_BACK_OFF:
    case OW_CLASS_REDO:
        return OW_TIMEOUT;
    case OW_CLASS_RESOURCE:
        return OW_RESOURCE;
    case OW_CLASS_CONFIG:
        return OW_CONFIG;
    case OW_CLASS_HOLD:
        return OW_DISK_FULL;
    case OW_CLASS_POISON:
        return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ? OW_CORRUPT : OW_IO;
    case OW_CLASS_CALLER:
        return OW_CALLER;
    case OW_CLASS_CANCELLED:
        return OW_CANCELLED;
    case OW_CLASS_CONN:
        return OW_IO;
    case OW_CLASS_BUG:
        break;
    }
    return OW_BUG;
}

/* What an operator should do, where the reason alone does not say it. */
static const char *advice(enum ow_class class, int sqlite_code)
{
    switch (class) {
    case OW_CLASS_RESOURCE:
        if ((sqlite_code & 0xff) == SQLITE_CANTOPEN)
            return "the process ran out of file descriptors: raise LimitNOFILE or ulimit -n";
        return ow_class_advice(class);
    case OW_CLASS_BACK_OFF:
    case OW_CLASS_CONFIG:
    case OW_CLASS_HOLD:
    case OW_CLASS_POISON:
    case OW_CLASS_CONN:
        return ow_class_advice(class);
    default:
        return "";
    }
}

/* SQLite keeps errno of the last failed system call, also when a later failure had none. */
static int errno_of(sqlite3 *db, int sqlite_code)
{
    int primary = sqlite_code & 0xff;
    bool from_system = primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR;
    return db && from_system ? sqlite3_system_errno(db) : 0;
}

int ow_fail_sqlite(sqlite3 *db, int rc, const char *what, struct ow_err *err)
{
    int code = rc;
    /* The message belongs to the connection's last error; only then it explains this one. */
    bool said = db && (sqlite3_extended_errcode(db) & 0xff) == (rc & 0xff);
    if (said)
        code = sqlite3_extended_errcode(db);
    int sys_errno = errno_of(db, code);
    enum ow_class class = ow_code_class(code, sys_errno);
    enum ow_code result = code_of(class, code);
    char why[112] = "";
    if (sys_errno) {
        char text[96];
        snprintf(why, sizeof(why), ", %s", strerror_r(sys_errno, text, sizeof(text)));
    }
    const char *what_to_do = advice(class, code);
    ow_fail(err, result, "%s: %s (%s%s)%s%s", what,
            said ? sqlite3_errmsg(db) : sqlite3_errstr(code), ow_code_name(code), why,
            *what_to_do ? "; " : "", what_to_do);
    if (err) {
        err->sqlite_code = code;
        err->sys_errno = sys_errno;
    }
    return result;
}

int ow_fail_prefix(struct ow_err *err, const char *prefix)
{
    if (!err)
        return OW_BUG;
    char text[sizeof(err->text)];
    memcpy(text, err->text, sizeof(text));
    int n = snprintf(err->text, sizeof(err->text), "%s: ", prefix);
    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, "%s", text);
    return err->code;
}

enum ow_class ow_err_class(const struct ow_err *err)
{
    if (!err->sqlite_code)
        return OW_CLASS_CALLER;
    return ow_code_class(err->sqlite_code, err->sys_errno);
}
