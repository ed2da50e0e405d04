/* Text from outside as JSON. */
#ifndef WEB_JSON_H
#define WEB_JSON_H

#include <jansson.h>

/* A string, whatever the bytes: what is not UTF-8 (a cut text, an odd path) becomes U+FFFD. NULL
 * when there is no memory. */
json_t *json_text(const char *text);

#endif
