/* The YAML file of settings (settings.h), by libyaml's document tree: it keeps the line of each
 * value, so that every complaint names the place. The file is read whole first, so that a file that
 * cannot be read and a file that is no YAML are told apart. */
#include "app/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/buf.h"
#include "base/cleanup.h"

struct settings {
    const char *path;
    yaml_document_t *document;
    settings_fn *fn;
    void *ctx;
};

#define FILE_MAX   (1u << 20)
#define PATH_SHOWN 160 /* of a longer path, its end: the line must fit into the error, too */
#define WHERE_MAX  (PATH_SHOWN + 32)

static void place(const char *path, size_t line, char out[WHERE_MAX])
{
    size_t len = strlen(path);
    bool cut = len > PATH_SHOWN;
    snprintf(out, WHERE_MAX, "%s%s:%zu", cut ? "..." : "", cut ? path + len - PATH_SHOWN : path,
             line);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static bool is_empty(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;
}

static int expect(const struct settings *s, const yaml_node_t *node, yaml_node_type_t type,
                  const char *what, struct err *err)
{
    if (node->type == type)
        return 0;
    char where[WHERE_MAX];
    place(s->path, node->start_mark.line + 1, where);
    return err_set(err, ERR_USAGE, "%s: %s", where, what);
}

/* A value in one piece. YAML can write a NUL ("\0") into one, where C would see its end. */
static int expect_text(const struct settings *s, const yaml_node_t *node, const char *what,
                       struct err *err)
{
    int rc = expect(s, node, YAML_SCALAR_NODE, what, err);
    if (rc || strlen(scalar_text(node)) == node->data.scalar.length)
        return rc;
    char where[WHERE_MAX];
    place(s->path, node->start_mark.line + 1, where);
    return err_set(err, ERR_USAGE, "%s: a value cannot contain a NUL character", where);
}

/* One entry of a section: "section.key: value", or a node's "NAME: LOG". */
static int read_entry(const struct settings *s, const char *section, const yaml_node_t *key,
                      const yaml_node_t *value, struct err *err)
{
    int rc = expect_text(s, key, "a name is expected here", err);
    if (!rc)
        rc = expect_text(s, value, "a single value is expected here", err);
    if (rc)
        return rc;
    char where[WHERE_MAX], name[256], text[4608];
    place(s->path, value->start_mark.line + 1, where);
    bool is_node = strcmp(section, "nodes") == 0;
    int n = is_node ? snprintf(text, sizeof(text), "%s=%s", scalar_text(key), scalar_text(value))
                    : snprintf(text, sizeof(text), "%s", scalar_text(value));
    int m = is_node ? snprintf(name, sizeof(name), "nodes")
                    : snprintf(name, sizeof(name), "%s.%s", section, scalar_text(key));
    if (n < 0 || (size_t)n >= sizeof(text) || m < 0 || (size_t)m >= sizeof(name))
        return err_set(err, ERR_USAGE, "%s: too long", where);
    if (is_node && strchr(scalar_text(key), '='))
        return err_set(err, ERR_USAGE, "%s: a node's name cannot contain '='", where);
    return s->fn(s->ctx, name, text, where, err);
}

static int read_sections(const struct settings *s, struct err *err)
{
    yaml_node_t *root = yaml_document_get_root_node(s->document);
    if (!root || is_empty(root))
        return 0; /* an empty file sets nothing */
    int rc = expect(s, root, YAML_MAPPING_NODE, "sections such as \"db:\" are expected", err);
    if (rc)
        return rc;
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
         p++) {
        yaml_node_t *name = yaml_document_get_node(s->document, p->key);
        yaml_node_t *section = yaml_document_get_node(s->document, p->value);
        rc = expect_text(s, name, "a section's name is expected here", err);
        if (rc)
            return rc;
        if (is_empty(section))
            continue; /* "db:" with all of it commented out */
        rc = expect(s, section, YAML_MAPPING_NODE, "a section holds lines of \"name: value\"", err);
        if (rc)
            return rc;
        for (yaml_node_pair_t *e = section->data.mapping.pairs.start;
             e < section->data.mapping.pairs.top; e++) {
            rc = read_entry(s, scalar_text(name), yaml_document_get_node(s->document, e->key),
                            yaml_document_get_node(s->document, e->value), err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* Where the parser stumbled. Of bytes that are no UTF-8 it knows the offset only. */
static size_t problem_line(const yaml_parser_t *parser, const struct buf *text)
{
    if (parser->error != YAML_READER_ERROR || !text->data)
        return parser->problem_mark.line + 1;
    size_t line = 1;
    for (size_t i = 0; i < parser->problem_offset && i < text->len; i++)
        line += text->data[i] == '\n';
    return line;
}

static int fail_parse(const yaml_parser_t *parser, const char *path, const struct buf *text,
                      struct err *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(err, ERR_MEMORY, "no memory to read %s", path);
    char where[WHERE_MAX];
    place(path, problem_line(parser, text), where);
    return err_set(err, ERR_USAGE, "%s: not valid YAML: %s", where,
                   parser->problem ? parser->problem : "cannot be read");
}

/* The first document gives the settings; another one would be passed over, so it is refused. */
static int read_documents(yaml_parser_t *parser, const char *path, const struct buf *text,
                          settings_fn *fn, void *ctx, struct err *err)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return fail_parse(parser, path, text, err);
    struct settings s = {.path = path, .document = &document, .fn = fn, .ctx = ctx};
    int rc = read_sections(&s, err);
    bool ended = !yaml_document_get_root_node(&document);
    yaml_document_delete(&document);
    if (rc || ended)
        return rc;
    if (!yaml_parser_load(parser, &document))
        return fail_parse(parser, path, text, err);
    const yaml_node_t *second = yaml_document_get_root_node(&document);
    if (second) {
        char where[WHERE_MAX];
        place(path, second->start_mark.line + 1, where);
        rc = err_set(err, ERR_USAGE, "%s: a second YAML document; one is expected", where);
    }
    yaml_document_delete(&document);
    return rc;
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(err, errno, "cannot read the settings file %s", path);
    char chunk[4096];
    size_t n;
    errno = 0;
    while (out->len <= FILE_MAX && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(out, chunk, n);
    int rc = 0;
    if (ferror(file))
        rc = err_set_errno(err, errno, "cannot read the settings file %s", path);
    else if (out->failed)
        rc = err_set(err, ERR_MEMORY, "no memory to read %s", path);
    else if (out->len > FILE_MAX)
        rc = err_set(err, ERR_USAGE, "%s: larger than 1 MiB: not a settings file", path);
    fclose(file);
    return rc;
}

int settings_read(const char *path, settings_fn *fn, void *ctx, struct err *err)
{
    CLEANUP(buf_fini) struct buf text = {0};
    int rc = read_file(path, &text, err);
    if (rc)
        return rc;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_MEMORY, "no memory to read %s", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""),
                                 text.len);
    rc = read_documents(&parser, path, &text, fn, ctx, err);
    yaml_parser_delete(&parser);
    return rc;
}
