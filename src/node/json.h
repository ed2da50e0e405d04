/* Walks a JSON object that lies in a line: strict about the grammar, lenient about bytes (invalid
 * UTF-8 passes; text_copy replaces it), in any key order, with repeated keys, without allocation.
 */
#ifndef NODE_JSON_H
#define NODE_JSON_H

#include <stdbool.h>

#include "node/text.h"

/* Objects and arrays nested deeper are malformed. */
#define JSON_DEPTH_MAX 64

enum json_kind {
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_OBJECT,
    JSON_ARRAY,
};

struct json_value {
    enum json_kind kind;
    struct text text; /* a string without its quotes; anything else as written */
};

struct json_walk {
    const char *at, *end;
    bool first;
};

enum json_step { JSON_MEMBER, JSON_CLOSED, JSON_BAD };

/* Enters the object at the beginning of the bytes; false when there is none. */
bool json_open(struct json_walk *w, struct text bytes);
/* The next member of the object, or its end. Nested values are checked and skipped as a whole;
 * enter them with json_open(&inner, value->text). */
enum json_step json_next(struct json_walk *w, struct text *key, struct json_value *value);
/* True when nothing but white space follows the closed object. */
bool json_is_done(struct json_walk *w);

#endif
