/* Defaults and limits of struct ow_options. */
#ifndef ONEWRITER_OPTIONS_H
#define ONEWRITER_OPTIONS_H

#include "onewriter/onewriter.h"

/* Copies what the caller's version of the struct holds over the defaults and checks every value. */
int ow_options_take(const struct ow_options *given, struct ow_options *out, struct ow_err *err);

#endif
