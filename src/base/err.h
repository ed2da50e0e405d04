/* Errors as values. A function that can fail takes `struct err *err` last and returns 0 or an
 * `enum err_code`; on failure *err says what failed in words an operator can act on. An error is
 * written once, where it arose; callers forward it untouched or prefix where it happened. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_NONE = 0,
    ERR_USAGE,     /* the caller's words or settings are wrong: tell the user */
    ERR_INPUT,     /* data from outside is not what it should be */
    ERR_IO,        /* the operating system refused; sys_errno says why */
    ERR_MEMORY,    /* no memory */
    ERR_TIMEOUT,   /* a deadline passed; nothing was applied */
    ERR_FULL,      /* a bounded thing is full (queue, disk) */
    ERR_STALE,     /* compare-and-swap lost: somebody else moved on */
    ERR_CLOSED,    /* the object is shut down */
    ERR_CANCELLED, /* asked to stop */
    ERR_STORE,     /* the database failed; sqlite_code holds its extended result code */
    ERR_BUG,       /* cannot happen */
};

struct err {
    enum err_code code;
    int sys_errno;   /* 0 when none */
    int sqlite_code; /* SQLite extended result code, 0 when none */
    char text[320];
};

/* Fills *err (NULL is allowed: the code alone is returned). Returns code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with ERR_IO, and appends ": " and strerror(sys_errno). */
int err_set_errno(struct err *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text of an error that is being forwarded. Returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
