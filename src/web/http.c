/* The HTTP server: bind, refuse what should not be answered, find the route, answer. One route
 * table drives dispatch, the API's own index and the check against docs/api.md. */
#include "web/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "web/guard.h"

#define REQUEST_TIMEOUT_S 30
#define HEADERS_MAX_BYTES 16384
#define BODY_MAX_BYTES    4096

typedef void route_fn(struct web *, struct evhttp_request *, const struct web_query *);

static const struct route {
    const char *path;
    route_fn *answer;
    const char *what, *params;
} routes[] = {
    {"/healthz", answer_health, "200 ok, or 503 and the reason", NULL},
    {"/metrics", answer_metrics, "Prometheus text format", NULL},
    {"/api/v1/", answer_index, "this list", NULL},
    {"/api/v1/meta", answer_meta, "program, nodes, queue and database", NULL},
    {"/api/v1/overview", answer_overview, "everything the Overview page shows",
     "range=" WEB_RANGES "; nodes=ID,ID"},
    {"/api/v1/stream", answer_stream, "Server-Sent Events", "nodes=ID,ID"},
};

void answer_index(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    (void)query;
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s*}", "path", routes[i].path, "what",
                                              routes[i].what, "params", routes[i].params));
    reply_json(request, json_pack("{s:s, s:s, s:o}", "program", "nodewatch", "version",
                                  web->options.version, "routes", list));
}

/* ---- Replies -------------------------------------------------------------------------------- */

/* The page may load its own files and nothing else, and nobody may frame it. */
static void add_security_headers(struct evkeyvalq *headers)
{
    static const char *const fixed[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
         "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    };
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        evhttp_add_header(headers, fixed[i][0], fixed[i][1]);
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void reply_send(struct evhttp_request *request, int status)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(request);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD && status != 304) {
        char len[24];
        snprintf(len, sizeof(len), "%zu", evbuffer_get_length(out));
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", len);
        evbuffer_drain(out, evbuffer_get_length(out)); /* evhttp would send it */
    }
    evhttp_send_reply(request, status, reason(status), NULL);
}

void reply_text(struct evhttp_request *request, int status, const char *content_type,
                const char *text)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", content_type);
    if (!evhttp_find_header(headers, "Cache-Control"))
        evhttp_add_header(headers, "Cache-Control", "no-store");
    evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
    reply_send(request, status);
}

void reply_error(struct evhttp_request *request, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_t *body = json_pack("{s:o}", "error", json_text(text));
    CLEANUP(free_ptr) char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    reply_text(request, status, "application/json", dump ? dump : "{\"error\":\"\"}");
}

static uint64_t hash_bytes(const char *bytes)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *bytes; bytes++)
        hash = (hash ^ (unsigned char)*bytes) * 0x100000001b3u;
    return hash;
}

void reply_json(struct evhttp_request *request, json_t *body)
{
    CLEANUP(free_ptr) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (text) {
        json_object_del(body, "at");
        json_object_del(body, "seq");
    }
    CLEANUP(free_ptr) char *lasting = text ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!lasting) {
        reply_error(request, 503, "no memory for this answer");
        return;
    }
    char etag[24];
    snprintf(etag, sizeof(etag), "W/\"%016" PRIx64 "\"", hash_bytes(lasting));
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "ETag", etag);
    evhttp_add_header(headers, "Cache-Control", "no-cache");
    const char *known =
        evhttp_find_header(evhttp_request_get_input_headers(request), "If-None-Match");
    if (known && strstr(known, etag))
        reply_send(request, 304);
    else
        reply_text(request, 200, "application/json", text);
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

static int count_headers(struct evkeyvalq *headers, const char *name)
{
    int count = 0;
    struct evkeyval *header;
    TAILQ_FOREACH(header, headers, next)
    count += strcasecmp(header->key, name) == 0;
    return count;
}

/* evhttp is lenient; what a proxy and we might read differently is refused. False: answered. */
static bool pass_guard(struct web *web, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *host = evhttp_find_header(headers, "Host");
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    /* The host of "GET http://host/path" counts more than the header (RFC 9112, 3.2.2). */
    const char *named = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
    if (count_headers(headers, "Host") != 1 ||
        count_headers(headers, "Content-Length") + count_headers(headers, "Transfer-Encoding") >
            1) {
        reply_error(request, 400, "exactly one Host header and at most one length are expected");
    } else if (!guard_host(host, web->listen_host, web->allowed_hosts) ||
               (named && !guard_host(named, web->listen_host, web->allowed_hosts))) {
        reply_error(request, 403,
                    "this server does not answer to the host name \"%.100s\"; add it with "
                    "--allow-host if it is yours",
                    named ? named : host);
    } else if (!guard_origin(evhttp_find_header(headers, "Origin"), host)) {
        reply_error(request, 403, "requests from other sites are refused");
    } else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        reply_error(request, 405, "only GET is answered here");
    } else {
        return true;
    }
    web->refused++;
    return false;
}

static void answer_route(struct web *web, struct evhttp_request *request, const struct route *route)
{
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq params;
    if (evhttp_parse_query_str(text ? text : "", &params)) {
        reply_error(request, 400, "the query string cannot be read");
        return;
    }
    struct web_query query;
    struct err err;
    if (web_query_parse(web, &params, &query, &err)) {
        reply_error(request, 400, "%s", err.text);
    } else {
        route->answer(web, request, &query);
        web_query_fini(&query);
    }
    evhttp_clear_headers(&params);
}

static void on_request(struct evhttp_request *request, void *ctx)
{
    struct web *web = ctx;
    web->requests++;
    add_security_headers(evhttp_request_get_output_headers(request));
    if (!pass_guard(web, request))
        return;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    if (!path || !*path)
        path = "/";
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].path, path) == 0) {
            answer_route(web, request, &routes[i]);
            return;
        }
    }
    if (!answer_asset(request, path))
        reply_error(request, 404, "there is nothing at %.200s; /api/v1/ lists what there is", path);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int bind_address(struct web *web, const char *listen, struct err *err)
{
    char host[256];
    int port = 0;
    if (!guard_split_authority(listen, host, &port))
        return err_set(
            err, ERR_USAGE,
            "cannot listen on \"%s\": ADDR:PORT is expected, e.g. 127.0.0.1:8765 or [::1]:8765",
            listen);
    web->listen_host = strdup(host);
    if (!web->listen_host)
        return err_set(err, ERR_MEMORY, "no memory for the server");
    errno = 0;
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(web->http, host, (unsigned short)port);
    if (!bound)
        return errno == EADDRINUSE
                   ? err_set(err, ERR_IO,
                             "cannot listen on %s: another program uses this port; choose another "
                             "with --listen",
                             listen)
                   : err_set_errno(err, errno ? errno : EINVAL, "cannot listen on %s", listen);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(evhttp_bound_socket_get_fd(bound), &address.any, &len))
        return err_set_errno(err, errno, "cannot read back the address of %s", listen);
    port = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    bool v6 = strchr(host, ':') != NULL;
    snprintf(web->url, sizeof(web->url), "http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "",
             port);
    return 0;
}

/* Nodes that are in the store but not watched (any more) are not part of "all nodes". */
static int name_our_nodes(struct web *web, struct err *err)
{
    struct store_node *stored;
    size_t count, known = 0;
    int rc = store_nodes(web->options.store, &stored, &count, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++)
        known += web_node_find(web, stored[i].id) != NULL;
    store_nodes_free(stored, count);
    size_t n = web->options.node_count;
    if (known == count || !n)
        return 0;
    web->node_ids = calloc(n, sizeof(*web->node_ids));
    if (!web->node_ids)
        return err_set(err, ERR_MEMORY, "no memory for the server");
    for (; web->node_id_count < n; web->node_id_count++)
        web->node_ids[web->node_id_count] = web->options.nodes[web->node_id_count].id;
    return 0;
}

static int start(struct web *web, struct err *err)
{
    uint64_t boot;
    if (getrandom(&boot, sizeof(boot), 0) != sizeof(boot))
        return err_set_errno(err, errno, "cannot read random bytes");
    snprintf(web->boot, sizeof(web->boot), "%08" PRIx64, boot & 0xffffffff);
    web->started_unix_ms = clock_unix_ms();
    web->allowed_hosts = strdup(web->options.allowed_hosts);
    web->http = evhttp_new(loop_base(web->options.loop));
    if (!web->http || !web->allowed_hosts)
        return err_set(err, ERR_MEMORY, "no memory for the server");
    evhttp_set_timeout(web->http, REQUEST_TIMEOUT_S);
    evhttp_set_max_headers_size(web->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(web->http, BODY_MAX_BYTES);
    /* All methods reach the handler, so that a wrong one gets 405 and words rather than 501. */
    evhttp_set_allowed_methods(web->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                              EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS |
                                              EVHTTP_REQ_TRACE);
    evhttp_set_gencb(web->http, on_request, web);
    int rc = name_our_nodes(web, err);
    if (!rc)
        rc = bind_address(web, web->options.listen, err);
    return rc ? rc : live_open(web, &web->live, err);
}

int web_open(const struct web_options *options, struct web **out, struct err *err)
{
    struct web *web = calloc(1, sizeof(*web));
    if (!web)
        return err_set(err, ERR_MEMORY, "no memory for the server");
    web->options = *options;
    int rc = start(web, err);
    if (rc)
        web_close(web);
    else
        *out = web;
    return rc;
}

void web_close(struct web *web)
{
    if (!web)
        return;
    live_close(web->live);
    if (web->http)
        evhttp_free(web->http);
    judgement_fini(&web->judgement);
    free(web->listen_host);
    free(web->allowed_hosts);
    free(web->node_ids);
    free(web);
}

const char *web_url(const struct web *web)
{
    return web->url;
}

void web_committed(struct web *web, const struct batch *batch)
{
    live_add(web->live, batch);
}

const struct web_node *web_node_find(const struct web *web, int64_t id)
{
    for (size_t i = 0; i < web->options.node_count; i++) {
        if (web->options.nodes[i].id == id)
            return &web->options.nodes[i];
    }
    return NULL;
}
