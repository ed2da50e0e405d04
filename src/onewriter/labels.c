/* Figures by label (labels.h). Labels are few and nearly always the same literal, so a line is
 * found by pointer first and by content only when that fails. What must stay true: a line is
 * claimed once and never given up, so readers need no lock. */
#include "onewriter/labels.h"

#include <string.h>

static struct ow_label *find_by_pointer(struct ow_labels *labels, const char *name)
{
    for (int i = 0; i < OW_LABELS - 1; i++) {
        const char *here = atomic_load_explicit(&labels->line[i].name, memory_order_acquire);
        if (here == name)
            return &labels->line[i];
        if (!here)
            break;
    }
    return NULL;
}

struct ow_label *ow_labels_find(struct ow_labels *labels, const char *name)
{
    name = name ? name : "(none)";
    struct ow_label *line = find_by_pointer(labels, name);
    for (int i = 0; !line && i < OW_LABELS - 1; i++) {
        const char *here = NULL; /* becomes who has the line when it is not free */
        if (atomic_compare_exchange_strong(&labels->line[i].name, &here, name) ||
            strcmp(here, name) == 0)
            line = &labels->line[i];
    }
    if (line)
        return line;
    atomic_store(&labels->line[OW_LABELS - 1].name, "(other)");
    return &labels->line[OW_LABELS - 1];
}

void ow_labels_read(struct ow_labels *labels, struct ow_metrics *out)
{
    for (int i = 0; i < OW_LABELS; i++) {
        struct ow_label *line = &labels->line[i];
        out->label[i].label = atomic_load_explicit(&line->name, memory_order_acquire);
        if (!out->label[i].label)
            continue;
        ow_tally_read(&line->wait, &out->label[i].wait);
        ow_tally_read(&line->hold, &out->label[i].hold);
    }
}
