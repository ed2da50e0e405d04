/* Text from outside as JSON (json.h). jansson refuses bytes that are no UTF-8, and one refused
 * string would take a whole answer away. */
#include "web/json.h"

#include <string.h>

#include "base/cleanup.h"
#include "node/text.h"

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    CLEANUP(buf_fini) struct buf clean = {0};
    size_t len = strlen(text);
    text_copy(&clean, (struct text){.at = text, .len = (uint32_t)len}, 3 * len, TEXT_UTF8);
    return clean.failed ? NULL : json_stringn(clean.data ? clean.data : "", clean.len);
}
