/* The list of ways (ways.h), in the order of their tables: what is compared with first, onewriter,
 * the yardstick last. libzdb is there when the build found it. */
#include "ways.h"

#include <string.h>

#include "base/cleanup.h"

const struct way *const ways[] = {
    &way_each, &way_seed, &way_kept,  &way_mutex,
#ifdef HAVE_ZDB
    &way_zdb,
#endif
    &way_job,  &way_row,  &way_group,
};
const unsigned ways_count = ARRAY_LEN(ways);

const struct way *way_named(const char *key)
{
    for (unsigned i = 0; i < ways_count; i++)
        if (strcmp(ways[i]->key, key) == 0)
            return ways[i];
    return NULL;
}
