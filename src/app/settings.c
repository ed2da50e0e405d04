/* The YAML file of settings (settings.h), by libyaml's document tree: it keeps the line of each value,
 * so that every complaint names the place. */
#include "app/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

struct settings {
    const char *path;
    yaml_document_t *document;
    settings_fn *fn;
    void *ctx;
};

#define WHERE_MAX 320

static void place(const struct settings *s, const yaml_node_t *node, char out[WHERE_MAX])
{
    snprintf(out, WHERE_MAX, "%s:%zu", s->path, node->start_mark.line + 1);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static int expect(const struct settings *s, const yaml_node_t *node, yaml_node_type_t type,
                  const char *what, struct err *err)
{
    if (node && node->type == type)
        return 0;
    char where[WHERE_MAX] = "";
    if (node)
        place(s, node, where);
    return err_set(err, ERR_USAGE, "%s: %s", node ? where : s->path, what);
}

/* One entry of a section: "section.key: value", or a node's "NAME: LOG". */
static int read_entry(const struct settings *s, const char *section, const yaml_node_t *key,
                      const yaml_node_t *value, struct err *err)
{
    int rc = expect(s, key, YAML_SCALAR_NODE, "a name is expected here", err);
    if (!rc)
        rc = expect(s, value, YAML_SCALAR_NODE, "a single value is expected here", err);
    if (rc)
        return rc;
    char where[WHERE_MAX], name[256], text[4608];
    place(s, value, where);
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
    if (!root)
        return 0; /* an empty file sets nothing */
    int rc = expect(s, root, YAML_MAPPING_NODE, "sections such as \"db:\" are expected", err);
    if (rc)
        return rc;
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
        yaml_node_t *name = yaml_document_get_node(s->document, p->key);
        yaml_node_t *section = yaml_document_get_node(s->document, p->value);
        rc = expect(s, name, YAML_SCALAR_NODE, "a section's name is expected here", err);
        if (rc)
            return rc;
        if (section && section->type == YAML_SCALAR_NODE && !*scalar_text(section))
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

static int read_stream(FILE *file, const char *path, settings_fn *fn, void *ctx, struct err *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_MEMORY, "no memory to read %s", path);
    yaml_parser_set_input_file(&parser, file);
    yaml_document_t document;
    int rc;
    if (!yaml_parser_load(&parser, &document)) {
        rc = err_set(err, ERR_USAGE, "%s:%zu: not valid YAML: %s", path,
                     parser.problem_mark.line + 1, parser.problem ? parser.problem : "cannot be read");
    } else {
        struct settings s = {.path = path, .document = &document, .fn = fn, .ctx = ctx};
        rc = read_sections(&s, err);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int settings_read(const char *path, settings_fn *fn, void *ctx, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(err, errno, "cannot read the settings file %s", path);
    int rc = read_stream(file, path, fn, ctx, err);
    fclose(file);
    return rc;
}
