/* Which requests are answered at all (guard.h). */
#include "web/guard.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Copies the name part of host[:port] or [v6][:port], without brackets. */
static bool copy_name(const char *text, char name[256], const char **after)
{
    const char *from = text, *end;
    if (*text == '[') {
        from = text + 1;
        end = strchr(from, ']');
        if (!end)
            return false;
        *after = end + 1;
    } else {
        end = strchr(text, ':');
        if (!end)
            end = text + strlen(text);
        *after = end;
    }
    size_t len = (size_t)(end - from);
    if (!len || len > 255)
        return false;
    memcpy(name, from, len);
    name[len] = '\0';
    return true;
}

static bool parse_port(const char *text, int *port)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || *text == '+' || *text == '-' || value < 0 || value > 65535)
        return false;
    *port = (int)value;
    return true;
}

bool guard_split_authority(const char *text, char host[256], int *port)
{
    const char *after;
    return copy_name(text, host, &after) && *after == ':' && parse_port(after + 1, port);
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool in_list(const char *name, const char *list)
{
    size_t len = strlen(name);
    for (const char *at = list; *at;) {
        at += strspn(at, ", ");
        size_t item = strcspn(at, ", ");
        if (item == len && strncasecmp(at, name, len) == 0)
            return true;
        at += item;
    }
    return false;
}

bool guard_host(const char *host, const char *bound_address, const char *allowed)
{
    char name[256];
    const char *after;
    int port;
    if (!host || !copy_name(host, name, &after))
        return false;
    if (*after && (*after != ':' || !parse_port(after + 1, &port)))
        return false;
    if (in_list(name, "localhost,127.0.0.1,::1") || strcasecmp(name, bound_address) == 0)
        return true;
    bool bound_to_all = strcmp(bound_address, "0.0.0.0") == 0 || strcmp(bound_address, "::") == 0;
    return (bound_to_all && is_address(name)) || in_list(name, allowed);
}

bool guard_origin(const char *origin, const char *host)
{
    if (!origin)
        return true;
    const char *authority = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
                            : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
                                                                      : NULL;
    return authority && host && strcasecmp(authority, host) == 0;
}
