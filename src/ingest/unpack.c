/* Streaming decompression (unpack.h). Both libraries are driven by one loop: feed what is there,
 * take what comes out, ask for more. Window memory is bounded: an archive made with a larger window
 * than ZSTD_WINDOW_LOG is refused rather than let one file decide how much memory the program
 * takes. Must stay true: bytes that came out before a defect are given out before the defect is
 * told. */
#include "ingest/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define UNPACK_INPUT_BYTES (128 * 1024)
#define ZSTD_WINDOW_LOG    25 /* 32 MiB: zstd -20; its own default limit is 27 */
#define GZIP_WINDOW_BITS   (15 + 16)

struct unpack {
    enum pack_kind kind;
    unpack_pull *pull;
    void *ctx;
    z_stream gzip;
    ZSTD_DStream *zstd;
    const uint8_t *in; /* unread part of input */
    size_t in_len;
    bool between;  /* at the start, or behind a complete member or frame */
    bool any;      /* a member or frame began */
    bool finished; /* nothing comes any more; trouble says why */
    struct err trouble;
    uint8_t input[UNPACK_INPUT_BYTES];
};

static bool begins_with(const uint8_t *at, size_t len, const char *magic, size_t magic_len)
{
    return len >= magic_len && memcmp(at, magic, magic_len) == 0;
}

enum pack_kind pack_kind_of(const uint8_t *magic, size_t len)
{
    if (begins_with(magic, len, "\x1f\x8b", 2))
        return PACK_GZIP;
    if (begins_with(magic, len, "\x28\xb5\x2f\xfd", 4))
        return PACK_ZSTD;
    /* A zstd skippable frame may come first (pzstd, seekable format). */
    if (len >= 4 && (magic[0] & 0xf0) == 0x50 && begins_with(magic + 1, 3, "\x2a\x4d\x18", 3))
        return PACK_ZSTD;
    if (begins_with(magic, len, "\3757zXZ", 5) || begins_with(magic, len, "BZh", 3) ||
        begins_with(magic, len, "\x04\x22\x4d\x18", 4) || begins_with(magic, len, "PK\x03\x04", 4))
        return PACK_UNKNOWN;
    return PACK_NONE;
}

int unpack_open(enum pack_kind kind, unpack_pull *pull, void *ctx, struct unpack **out,
                struct err *err)
{
    struct unpack *u = calloc(1, sizeof(*u));
    if (!u)
        return err_set(err, ERR_MEMORY, "no memory to decompress");
    u->kind = kind;
    u->pull = pull;
    u->ctx = ctx;
    u->between = true;
    bool ok;
    if (kind == PACK_GZIP) {
        ok = inflateInit2(&u->gzip, GZIP_WINDOW_BITS) == Z_OK;
    } else {
        u->zstd = ZSTD_createDStream();
        ok = u->zstd &&
             !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
    }
    if (!ok) {
        unpack_close(u);
        return err_set(err, ERR_MEMORY, "no memory to decompress");
    }
    *out = u;
    return 0;
}

void unpack_close(struct unpack *u)
{
    if (!u)
        return;
    if (u->kind == PACK_GZIP)
        inflateEnd(&u->gzip);
    ZSTD_freeDStream(u->zstd);
    free(u);
}

/* Nothing more comes after this. code 0: the regular end. */
static void unpack_finish(struct unpack *u, int code, const char *why)
{
    u->finished = true;
    if (code)
        err_set(&u->trouble, (enum err_code)code, "%s", why);
}

/* Makes sure that input is there; finishes at its end. */
static void unpack_refill(struct unpack *u)
{
    if (u->in_len > 0)
        return;
    ssize_t n = u->pull(u->ctx, u->input, sizeof(u->input));
    if (n > 0) {
        u->in = u->input;
        u->in_len = (size_t)n;
    } else if (n < 0) {
        u->finished = true;
        err_set_errno(&u->trouble, errno, "cannot read the archive");
    } else if (u->between && u->any) {
        unpack_finish(u, 0, NULL);
    } else {
        unpack_finish(u, ERR_INPUT, "the archive is cut off: it ends before its end mark");
    }
}

/* What follows a complete gzip member: another one; or padding, which is not an error. */
static void gzip_next_member(struct unpack *u)
{
    if (u->in[0] == 0x1f)
        inflateReset(&u->gzip);
    else if (u->in[0] == 0)
        unpack_finish(u, 0, NULL);
    else
        unpack_finish(u, ERR_INPUT,
                      "the archive has something else behind its end; it was ignored");
}

static size_t gzip_step(struct unpack *u, uint8_t *out, size_t cap)
{
    if (u->between && u->any) {
        gzip_next_member(u);
        if (u->finished)
            return 0;
    }
    u->between = false;
    u->any = true;
    u->gzip.next_in = (Bytef *)(uintptr_t)u->in;
    u->gzip.avail_in = (uInt)u->in_len;
    u->gzip.next_out = out;
    u->gzip.avail_out = cap > UINT32_MAX ? UINT32_MAX : (uInt)cap;
    uInt room = u->gzip.avail_out;
    int rc = inflate(&u->gzip, Z_NO_FLUSH);
    u->in += u->in_len - u->gzip.avail_in;
    u->in_len = u->gzip.avail_in;
    if (rc == Z_STREAM_END)
        u->between = true;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        unpack_finish(u, ERR_INPUT, "the archive is damaged; what lies before the damage was read");
    return room - u->gzip.avail_out;
}

static size_t zstd_step(struct unpack *u, uint8_t *out, size_t cap)
{
    ZSTD_inBuffer in = {u->in, u->in_len, 0};
    ZSTD_outBuffer to = {out, cap, 0};
    u->any = true;
    size_t rc = ZSTD_decompressStream(u->zstd, &to, &in);
    u->in += in.pos;
    u->in_len -= in.pos;
    u->between = rc == 0;
    if (ZSTD_isError(rc))
        unpack_finish(u, ERR_INPUT, ZSTD_getErrorName(rc));
    return to.pos;
}

int unpack_read(struct unpack *u, void *buf, size_t cap, size_t *got, struct err *err)
{
    uint8_t *out = buf;
    size_t have = 0;
    while (have < cap && !u->finished) {
        /* zstd may still hold output when its input is used up: ask it before asking for more. */
        size_t n = 0;
        if (u->kind == PACK_ZSTD && u->in_len == 0 && u->any && !u->between)
            n = zstd_step(u, out + have, cap - have);
        if (n == 0) {
            unpack_refill(u);
            if (u->finished)
                break;
            n = u->kind == PACK_GZIP ? gzip_step(u, out + have, cap - have)
                                     : zstd_step(u, out + have, cap - have);
        }
        have += n;
    }
    *got = have;
    if (have == 0 && u->trouble.code) {
        *err = u->trouble;
        return u->trouble.code;
    }
    return 0;
}
