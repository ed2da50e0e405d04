/* Serves the embedded page: gzipped as it lies in the program, inflated only for a client that
 * cannot. */
#include "web/assets.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <zlib.h>

#include "web/internal.h"

static bool accepts_gzip(struct evhttp_request *request)
{
    const char *accepts =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Accept-Encoding");
    return accepts && strstr(accepts, "gzip");
}

static bool add_inflated(struct evbuffer *out, const struct asset *asset)
{
    z_stream z = {.next_in = (unsigned char *)asset->gzip, .avail_in = (unsigned)asset->gzip_len};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return false;
    int rc;
    do {
        unsigned char chunk[16384];
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        rc = inflate(&z, Z_NO_FLUSH);
        if ((rc == Z_OK || rc == Z_STREAM_END) &&
            evbuffer_add(out, chunk, sizeof(chunk) - z.avail_out))
            rc = Z_MEM_ERROR;
    } while (rc == Z_OK);
    inflateEnd(&z);
    return rc == Z_STREAM_END;
}

static void send_asset(struct evhttp_request *request, const struct asset *asset)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", asset->content_type);
    evhttp_add_header(headers, "ETag", asset->etag);
    evhttp_add_header(headers, "Vary", "Accept-Encoding");
    evhttp_add_header(headers, "Cache-Control",
                      asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    const char *known =
        evhttp_find_header(evhttp_request_get_input_headers(request), "If-None-Match");
    if (known && strstr(known, asset->etag)) {
        reply_send(request, 304);
        return;
    }
    struct evbuffer *out = evhttp_request_get_output_buffer(request);
    if (accepts_gzip(request)) {
        evhttp_add_header(headers, "Content-Encoding", "gzip");
        evbuffer_add_reference(out, asset->gzip, asset->gzip_len, NULL, NULL);
    } else if (!add_inflated(out, asset)) {
        evbuffer_drain(out, evbuffer_get_length(out));
        reply_send(request, 503);
        return;
    }
    reply_send(request, 200);
}

bool answer_asset(struct evhttp_request *request, const char *path)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (strcmp(assets[i].path, path) == 0) {
            send_asset(request, &assets[i]);
            return true;
        }
    }
    if (strcmp(path, "/") != 0)
        return false;
    reply_text(request, 200, "text/plain; charset=utf-8",
               "nodewatch was built without its page (-Ddashboard=false).\n"
               "The API is listed at /api/v1/, Prometheus metrics are at /metrics.\n");
    return true;
}
