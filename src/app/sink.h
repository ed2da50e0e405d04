/* Joins ingest to the store: the functions of ingest/sink.h, kept by a store. */
#ifndef APP_SINK_H
#define APP_SINK_H

#include "ingest/sink.h"
#include "store/store.h"

struct ingest_sink sink_of_store(struct store *store);

#endif
