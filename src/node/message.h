/* The catalogue of messages, for the tests that hold it against docs/log-format.md. */
#ifndef NODE_MESSAGE_H
#define NODE_MESSAGE_H

#include "node/event.h"

struct message_kind {
    const char *text;
    enum event_kind kind;
    const char *logger; /* part of the logger's name that must be there when a name is; or NULL */
};

/* The index-th entry, NULL behind the last. *is_beginning: the message may go on behind text. The
 * exact ones come first, sorted by strcmp. */
const struct message_kind *message_kind_at(size_t index, bool *is_beginning);

#endif
