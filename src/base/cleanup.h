/* Scope-bound ownership: a local that owns says so, and hands on with STEAL.
 *
 *     CLEANUP(buf_fini) struct buf text = {0};      called as buf_fini(&text) at scope end
 *     CLEANUP(free_ptr) char *name = strdup(s);     called as free_ptr(&name)
 *     *out = STEAL(name);                           name is NULL now, nothing is freed
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define STEAL(p)                                                                                   \
    ({                                                                                             \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Frees what a `T *` local points to. */
static inline void free_ptr(void *p)
{
    free(*(void **)p);
}

/* Closes a file-descriptor local; -1 means "holds none". */
static inline void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
