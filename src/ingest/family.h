/* The files of one node's log: LOG and its siblings LOG.* and LOG-*, and those that were, as long
 * as somebody may still write to them. */
#ifndef INGEST_FAMILY_H
#define INGEST_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ingest/book.h"

/* A file nobody has written to for this long is taken to be finished. */
#define FAMILY_IDLE_MS 10000

struct log_file {
    char *name; /* in the family's directory; of a file that left it, the last one it had */
    dev_t dev;
    ino_t ino;
    int64_t size, mtime_ns, ctime_ns; /* as last seen */
    int64_t changed_ms;               /* monotonic time at which a change was last seen */
    int fd;                           /* -1 = closed */
    bool primary;                     /* it is LOG */
    bool listed;                      /* it has a name in the directory */
    bool look;                        /* there may be something to read */
    bool again;                       /* could not be read, or not wholly: look at the next scan */
    bool pinned;                      /* an archive that is being read: keep it */
    const struct stream *stream;      /* last known as, in `generation` of the book */
    uint64_t generation;
    bool emptied; /* was seen empty since it was last known: what it holds now is new */
    int64_t short_since_ms, short_size; /* seen shorter than what was read; size -1 = never */
    int64_t line_at, searched_to;       /* a long unfinished line, and how far it has no LF */
    char *said;                         /* the last remark about it */
};

struct family {
    const char *base; /* lent: the name of LOG in its directory */
    size_t base_len;
    struct log_file **list; /* oldest first, LOG last */
    size_t count, cap;
};

void family_fini(struct family *f);
/* Length of the part of `name` that makes it one of the family (LOG's length), or 0. */
size_t family_claims(const struct family *f, const char *name);

/* A scan: begin, see each name of the directory, end. Marks with `look` what is new or changed. */
void family_scan_begin(struct family *f);
/* False when memory ran out. */
bool family_see(struct family *f, int dir_fd, const char *name, int64_t now_ms);
/* Sorts, and forgets what is gone: files without a name are kept open while they may be written to.
 */
void family_scan_end(struct family *f, int64_t now_ms);

/* Opens the file if it is not open. 0 or errno; EAGAIN: it is no longer the file that was seen. */
int log_file_open(struct log_file *file, const char *dir);
/* Closes unless it must stay open: LOG, its youngest sibling, and files without a name, which could
 * not be opened again when someone deletes them. */
void family_let_go(struct family *f, struct log_file *file);
struct log_file *family_primary(const struct family *f);
/* The file of this name was written to: it, or one that had the name. False: no file has it. */
bool family_look_at(struct family *f, const char *name);
void family_look_at_all(struct family *f);

#endif
