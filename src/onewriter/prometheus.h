/* The metrics as Prometheus text, by one table that also tells the docs what there is. */
#ifndef ONEWRITER_PROMETHEUS_H
#define ONEWRITER_PROMETHEUS_H

#include "onewriter/onewriter.h"

enum ow_metric_type { OW_COUNTER, OW_GAUGE, OW_HISTOGRAM };

/* One series for each ... */
enum ow_metric_set { OW_EACH_DATABASE, OW_EACH_LANE, OW_EACH_LABEL, OW_EACH_CODE };

/* How the field in struct ow_metrics is kept, and in which unit it is shown. */
enum ow_metric_field {
    OW_IN_U64,
    OW_IN_I64,
    OW_IN_INT,
    OW_IN_BOOL,
    OW_IN_US,
    OW_IN_TIMES,
    OW_IN_SIZES
};

struct ow_metric {
    const char *name, *help;
    enum ow_metric_type type;
    enum ow_metric_set set;
    enum ow_metric_field field;
    size_t offset; /* in struct ow_metrics; of the first of a set */
};

extern const struct ow_metric ow_metric_table[];
extern const size_t ow_metric_count;

/* As ow_metrics_text, of figures that were read before. */
size_t ow_prometheus_write(const struct ow_metrics *metrics, const char *labels, char *text,
                           size_t size);

#endif
