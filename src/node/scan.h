/* What the parts of the scanner share: private to line.c, record.c, field.c and message.c. */
#ifndef NODE_SCAN_H
#define NODE_SCAN_H

#include "node/event.h"
#include "node/json.h"

/* A line being read: the event, and what is decided only when all fields are known. */
struct scan {
    struct event *event;
    bool has_fraction;  /* the line's own time goes below the second */
    bool has_level;     /* record.c: "L" or "severity" was there and is a level */
    struct text reason; /* becomes the error when there is none */
    struct text id;     /* a satellite on lines about trust, a piece or a log elsewhere */
};

/* One field of the line: the key in any spelling. Unknown ones are passed over. */
void scan_field(struct scan *scan, struct text key, const struct json_value *value);
/* All members of the object `tail`; false when it is malformed or something follows it. */
bool scan_fields(struct scan *scan, struct text tail);

/* A line of --log.encoding=json or gcloudlogging; false when it is neither. */
bool scan_record(struct scan *scan, struct text line);

/* The capital names of zap; LEVEL_NONE for anything else. */
enum level scan_level(struct text word);

/* True for a message of the catalogue, whatever its fields. */
bool scan_message_is_known(struct text message);
/* Gives the event its kind, and a transfer its action and outcome, from message, level and fields.
 * False when the line cannot be whole: a transfer without its fields. */
bool scan_classify(struct scan *scan);
/* A line without a level: Go's own crash output and "Error: ...". UNPARSED when it is none. */
void scan_bare(struct event *event, struct text line);

#endif
