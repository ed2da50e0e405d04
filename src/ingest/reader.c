/* Reading with verification (reader.h). Between two system calls a rotation may copy and truncate
 * the file, and new lines may already stand where the old ones did. So a chunk is read first and
 * believed afterwards: when the head, the bytes before the chunk and the chunk's own end still
 * stand where they stood, then the file was never cut in between (a cut file does not get its old
 * bytes back), and the chunk is of one piece. Must stay true: no byte is given out that was not
 * verified; r->mark is what stands before r->at. */
#include "ingest/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PIPE_LOOK_MS   1000
#define SKIP_BYTES     (64 * 1024)
#define GZIP_SCAN_STEP (256 * 1024)

/* As pread, until cap bytes or the end of the file. -1 with errno. */
static ssize_t pread_full(int fd, void *buf, size_t cap, int64_t at)
{
    size_t have = 0;
    while (have < cap) {
        ssize_t n = pread(fd, (char *)buf + have, cap - have, at + (int64_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* Waits for bytes of a pipe, but not longer than until somebody asks to stop. */
static ssize_t pipe_pull(struct reader *r, void *buf, size_t cap)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = r->fd, .events = POLLIN},
                              {.fd = r->halt ? r->halt->fd : -1, .events = POLLIN}};
        poll(p, 2, PIPE_LOOK_MS);
        if (r->halt && halt_asked(r->halt)) {
            errno = ECANCELED;
            return -1;
        }
        if (!p[0].revents)
            continue;
        ssize_t n = read(r->fd, buf, cap);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN))
            return n;
    }
}

/* Bytes as they lie on disk or come through the pipe, in order. */
static ssize_t raw_pull(void *ctx, void *buf, size_t cap)
{
    struct reader *r = ctx;
    ssize_t n;
    if (!r->pipe) {
        n = pread_full(r->fd, buf, cap, r->raw_at);
    } else if (r->magic_given < r->magic_len) {
        size_t left = r->magic_len - r->magic_given;
        n = (ssize_t)(left < cap ? left : cap);
        memcpy(buf, r->magic + r->magic_given, (size_t)n);
        r->magic_given += (size_t)n;
    } else {
        n = pipe_pull(r, buf, cap);
    }
    if (n > 0)
        r->raw_at += n;
    return n;
}

static int look_at_size(struct reader *r, struct err *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return err_set_errno(err, errno, "cannot look at the file");
    r->size_bytes = r->pipe ? -1 : st.st_size;
    r->mtime_unix_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return 0;
}

static int read_failed(struct err *err)
{
    return errno == ECANCELED ? err_set(err, ERR_CANCELLED, "asked to stop")
                              : err_set_errno(err, errno, "cannot read");
}

/* The head of a plain file and what it says of its kind come from one read: a file that is just
 * being made could otherwise be two things at once. */
static int look_at_begin(struct reader *r, struct err *err)
{
    ssize_t n = 0;
    if (!r->pipe) {
        n = pread_full(r->fd, r->head, sizeof(r->head), 0);
        r->head_len = n > 0 ? (size_t)n : 0;
        r->pack = pack_kind_of(r->head, r->head_len);
        return n < 0 ? read_failed(err) : 0;
    }
    while (r->magic_len < sizeof(r->magic)) {
        n = pipe_pull(r, r->magic + r->magic_len, sizeof(r->magic) - r->magic_len);
        if (n <= 0)
            break;
        r->magic_len += (size_t)n;
    }
    r->pack = pack_kind_of(r->magic, r->magic_len);
    return n < 0 ? read_failed(err) : 0;
}

static int look_at_kind(struct reader *r, bool allow_pipe, struct err *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return err_set_errno(err, errno, "cannot look at the file");
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_INPUT, "is a directory, not a log file");
    r->pipe = !S_ISREG(st.st_mode);
    if (r->pipe && !allow_pipe)
        return err_set(err, ERR_INPUT, "is not a regular file");
    if (look_at_size(r, err) || look_at_begin(r, err))
        return err->code;
    if (r->pack == PACK_UNKNOWN)
        return err_set(err, ERR_INPUT,
                       "is packed in a way that cannot be read here (gzip and zstd can)");
    return 0;
}

/* The next bytes of a pipe or archive, as many as there are by now. An archive's defect ends it and
 * is kept as trouble. */
static int stream_pull(struct reader *r, void *buf, size_t cap, size_t *got, struct err *err)
{
    *got = 0;
    if (r->pack == PACK_NONE) {
        ssize_t n = raw_pull(r, buf, cap);
        if (n < 0)
            return read_failed(err);
        *got = (size_t)n;
    } else if (unpack_read(r->unpack, buf, cap, got, err)) {
        if (err->sys_errno == ECANCELED)
            return err_set(err, ERR_CANCELLED, "asked to stop");
        if (err->code != ERR_INPUT)
            return err->code;
        r->trouble = *err;
        *err = (struct err){0};
    }
    r->unpacked += (int64_t)*got;
    return 0;
}

/* (Re)starts a pipe or archive; its first bytes are held in head and given from there. */
static int stream_begin(struct reader *r, struct err *err)
{
    r->raw_at = 0;
    r->unpacked = 0;
    r->at = 0;
    r->mark.len = 0;
    unpack_close(r->unpack);
    r->unpack = NULL;
    if (r->pack != PACK_NONE && unpack_open(r->pack, raw_pull, r, &r->unpack, err))
        return err->code;
    r->head_len = 0;
    for (size_t got = 1; got > 0 && r->head_len < sizeof(r->head); r->head_len += got) {
        if (stream_pull(r, r->head + r->head_len, sizeof(r->head) - r->head_len, &got, err))
            return err->code;
    }
    return 0;
}

static bool is_plain_file(const struct reader *r)
{
    return !r->pipe && r->pack == PACK_NONE;
}

int reader_open(struct reader *r, int fd, bool allow_pipe, const struct halt *halt, struct err *err)
{
    *r = (struct reader){.fd = fd, .halt = halt};
    if (look_at_kind(r, allow_pipe, err))
        return err->code;
    return is_plain_file(r) ? 0 : stream_begin(r, err);
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    unpack_close(r->unpack);
    *r = (struct reader){.fd = -1};
}

static enum reader_result plain_seek(struct reader *r, int64_t at, struct err *err)
{
    if (look_at_size(r, err))
        return READER_FAILED;
    if (r->size_bytes < at)
        return READER_END;
    struct source_mark mark = {.len = at < SOURCE_MARK_MAX ? (size_t)at : SOURCE_MARK_MAX};
    ssize_t n = pread_full(r->fd, mark.bytes, mark.len, at - (int64_t)mark.len);
    if (n < 0) {
        err_set_errno(err, errno, "cannot read");
        return READER_FAILED;
    }
    if ((size_t)n < mark.len)
        return READER_END;
    r->mark = mark;
    r->at = at;
    return READER_DATA;
}

/* Gives from the held head, or else from the pipe or archive. */
static enum reader_result stream_read(struct reader *r, void *buf, size_t cap, size_t *got,
                                      struct err *err)
{
    if (r->at < (int64_t)r->head_len) {
        size_t left = r->head_len - (size_t)r->at;
        *got = left < cap ? left : cap;
        memcpy(buf, r->head + r->at, *got);
    } else if (stream_pull(r, buf, cap, got, err)) {
        return READER_FAILED;
    }
    r->at += (int64_t)*got;
    source_mark_push(&r->mark, buf, *got);
    if (!r->pipe && look_at_size(r, err))
        return READER_FAILED;
    return *got ? READER_DATA : READER_END;
}

static enum reader_result stream_seek(struct reader *r, int64_t at, struct err *err)
{
    if (at < r->at) {
        if (r->unpacked > (int64_t)r->head_len && r->pipe)
            return READER_CHANGED;
        if (r->unpacked == (int64_t)r->head_len) {
            r->at = 0;
            r->mark.len = 0;
        } else if (stream_begin(r, err)) {
            return READER_FAILED;
        }
    }
    CLEANUP(free_ptr) char *scratch = malloc(SKIP_BYTES);
    if (!scratch) {
        err_set(err, ERR_MEMORY, "no memory to read");
        return READER_FAILED;
    }
    while (r->at < at) {
        if (r->halt && halt_asked(r->halt)) {
            err_set(err, ERR_CANCELLED, "asked to stop");
            return READER_FAILED;
        }
        size_t want = at - r->at < SKIP_BYTES ? (size_t)(at - r->at) : SKIP_BYTES;
        size_t got;
        enum reader_result rc = stream_read(r, scratch, want, &got, err);
        if (rc != READER_DATA)
            return rc;
    }
    return READER_DATA;
}

enum reader_result reader_seek(struct reader *r, int64_t at, struct err *err)
{
    return is_plain_file(r) ? plain_seek(r, at, err) : stream_seek(r, at, err);
}

/* True when the len bytes at `at` still are these. */
static bool still_stands(int fd, const void *bytes, size_t len, int64_t at)
{
    uint8_t now[SOURCE_HEAD_MAX];
    return pread_full(fd, now, len, at) == (ssize_t)len && memcmp(now, bytes, len) == 0;
}

static bool plain_unchanged(struct reader *r, const char *chunk, size_t len)
{
    size_t end = len < SOURCE_MARK_MAX ? len : SOURCE_MARK_MAX;
    int64_t end_at = r->at + (int64_t)(len - end);
    return r->size_bytes >= r->at + (int64_t)len && still_stands(r->fd, r->head, r->head_len, 0) &&
           still_stands(r->fd, r->mark.bytes, r->mark.len, r->at - (int64_t)r->mark.len) &&
           still_stands(r->fd, chunk + (len - end), end, end_at);
}

static enum reader_result plain_read(struct reader *r, void *buf, size_t cap, size_t *got,
                                     struct err *err)
{
    ssize_t n = pread_full(r->fd, buf, cap, r->at);
    if (n < 0) {
        err_set_errno(err, errno, "cannot read");
        return READER_FAILED;
    }
    if (look_at_size(r, err))
        return READER_FAILED;
    if (!plain_unchanged(r, buf, (size_t)n))
        return READER_CHANGED;
    if (r->head_len < SOURCE_HEAD_MAX) {
        uint8_t head[SOURCE_HEAD_MAX];
        ssize_t len = pread_full(r->fd, head, sizeof(head), 0);
        if (len < (ssize_t)r->head_len || memcmp(head, r->head, r->head_len) != 0)
            return READER_CHANGED;
        memcpy(r->head, head, (size_t)len);
        r->head_len = (size_t)len;
        if (pack_kind_of(r->head, r->head_len) != PACK_NONE)
            return READER_CHANGED; /* the rest of an archive's magic has only just arrived */
    }
    source_mark_push(&r->mark, buf, (size_t)n);
    r->at += n;
    *got = (size_t)n;
    return n ? READER_DATA : READER_END;
}

enum reader_result reader_read(struct reader *r, void *buf, size_t cap, size_t *got,
                               struct err *err)
{
    *got = 0;
    return is_plain_file(r) ? plain_read(r, buf, cap, got, err)
                            : stream_read(r, buf, cap, got, err);
}

/* Looks for what could be the header of a further member: magic, deflate, no reserved flag. */
static bool holds_member_header(const uint8_t *at, size_t len)
{
    const uint8_t *end = at + len;
    while (end - at >= 4) {
        const uint8_t *hit = memmem(at, (size_t)(end - at), "\x1f\x8b\x08", 3);
        if (!hit || end - hit < 4)
            return false;
        if (hit[3] < 0x20)
            return true;
        at = hit + 1;
    }
    return false;
}

bool reader_gzip_holds(const struct reader *r, int64_t bytes)
{
    uint8_t trailer[4];
    if (r->pack != PACK_GZIP || r->pipe || r->size_bytes < 18 ||
        pread_full(r->fd, trailer, 4, r->size_bytes - 4) != 4)
        return false;
    uint32_t stated = (uint32_t)trailer[0] | (uint32_t)trailer[1] << 8 |
                      (uint32_t)trailer[2] << 16 | (uint32_t)trailer[3] << 24;
    if (stated != (uint32_t)bytes)
        return false;
    CLEANUP(free_ptr) uint8_t *step = malloc(GZIP_SCAN_STEP);
    /* Steps overlap by three bytes, so that no header hides between two of them. */
    for (int64_t at = 1; step && at < r->size_bytes; at += GZIP_SCAN_STEP - 3) {
        ssize_t n = pread_full(r->fd, step, GZIP_SCAN_STEP, at);
        if (n < 0 || holds_member_header(step, (size_t)n))
            return false;
    }
    return step != NULL;
}
