/* Which requests are answered at all. Pure. */
#ifndef WEB_GUARD_H
#define WEB_GUARD_H

#include <stdbool.h>

/* True when `host` (the Host header: name, address or [v6], with or without port) is the server
 * itself: localhost or a loopback address, the address it is bound to, any address when it is bound
 * to all, or one of `allowed` (comma-separated). Keeps other sites' pages from reaching the API by
 * DNS rebinding. */
bool guard_host(const char *host, const char *bound_address, const char *allowed);

/* True when there is no Origin, or it is the very authority the request was sent to. */
bool guard_origin(const char *origin, const char *host);

/* Splits "127.0.0.1:8765", "[::1]:0" or "localhost:80"; false when it is neither. */
bool guard_split_authority(const char *text, char host[256], int *port);

#endif
