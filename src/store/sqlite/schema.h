/* The numbered steps that make a database (schema.c). */
#ifndef STORE_SQLITE_SCHEMA_H
#define STORE_SQLITE_SCHEMA_H

#include <stddef.h>

#include "onewriter/onewriter.h"

extern const struct ow_migration schema_steps[];
extern const size_t schema_step_count;

#endif
