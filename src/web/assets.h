/* The page, embedded gzipped at build time (tools/embed writes the table). */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct asset {
    const char *path; /* "/", "/app-3f2a.js" */
    const char *content_type;
    const char *etag; /* quoted */
    bool immutable;   /* the name changes with the content */
    const unsigned char *gzip;
    size_t gzip_len;
};

extern const struct asset assets[];
extern const size_t asset_count;

#endif
