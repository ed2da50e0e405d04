/* Lines without time and level that a node's process still writes (scan.h): the last words of a
 * process that dies, and Go's crash output. A trace has many lines of few shapes; they are told
 * from other text by strict patterns, because everything else in the file counts as unparsed. */
#include "node/scan.h"

#include "base/cleanup.h"

static const struct {
    const char *begins;
    enum event_kind kind;
} shapes[] = {
    {"Error: ", EVENT_FATAL},
    {"panic: ", EVENT_PANIC},
    {"fatal error: ", EVENT_PANIC},
    {"runtime: out of memory", EVENT_PANIC},
    {"runtime: goroutine stack exceeds", EVENT_PANIC},
    {"unexpected fault address ", EVENT_PANIC},
    {"signal: killed", EVENT_PANIC},
    {"[signal SIG", EVENT_STACK},
    {"runtime stack:", EVENT_STACK},
    {"created by ", EVENT_STACK},
    {"...additional frames elided...", EVENT_STACK},
};

/* "goroutine 17 [chan receive, 5 minutes]:" */
static bool is_goroutine(struct text line)
{
    uint32_t at = 10;
    if (!text_begins(line, "goroutine "))
        return false;
    while (at < line.len && line.at[at] >= '0' && line.at[at] <= '9')
        at++;
    return at > 10 && line.len - at > 4 && line.at[at] == ' ' && line.at[at + 1] == '[' &&
           line.at[line.len - 2] == ']' && line.at[line.len - 1] == ':';
}

/* "\t/path/file.go:12 +0x1d", "\t/path/asm_amd64.s:1594" */
static bool is_source_line(struct text line)
{
    if (!line.at || line.len < 5 || line.at[0] != '\t')
        return false;
    const char *colon = memrchr(line.at, ':', line.len);
    if (!colon || colon - line.at < 3)
        return false;
    bool go = memcmp(colon - 3, ".go", 3) == 0, assembly = memcmp(colon - 2, ".s", 2) == 0;
    struct text rest = text_span(colon + 1, line.at + line.len);
    uint32_t digits = 0;
    while (digits < rest.len && rest.at[digits] >= '0' && rest.at[digits] <= '9')
        digits++;
    rest = (struct text){.at = rest.at + digits, .len = rest.len - digits};
    return (go || assembly) && digits && (!rest.len || text_begins(rest, " +0x"));
}

static bool is_symbol_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_./-*()[]%~", c)) || (unsigned char)c >= 0x80;
}

/* "storj.io/common/rpc.(*Conn).Invoke(0xc000, {0x1, 0x2})", "main.main()", and the same without
 * arguments as zap prints it. A package path has a host with a dot in front. */
static bool is_call(struct text line)
{
    static const char *const packages[] = {"main.", "runtime.", "syscall.", "net/http.", "sync."};
    const char *slash = memchr(line.at, '/', line.len);
    bool known = slash && memchr(line.at, '.', (size_t)(slash - line.at));
    for (size_t i = 0; i < ARRAY_LEN(packages); i++)
        known |= text_begins(line, packages[i]);
    if (!known || line.at[0] == '.' || line.at[0] == '/')
        return false;
    /* The name behind the last slash of the path: "rpc.(*Conn).Invoke(". */
    uint32_t symbol = 0;
    bool dot = false, parenthesis = false;
    for (; symbol < line.len && is_symbol_char(line.at[symbol]); symbol++) {
        char c = line.at[symbol];
        dot = c != '/' && (dot || c == '.');
        parenthesis = c != '/' && (parenthesis || c == '(');
    }
    return dot && (symbol == line.len || (parenthesis && line.at[line.len - 1] == ')'));
}

void scan_bare(struct event *event, struct text line)
{
    static const char error_word[] = "Error: ";
    struct text trimmed = text_trim(line);
    enum event_kind kind = EVENT_UNPARSED;
    for (size_t i = 0; i < ARRAY_LEN(shapes) && kind == EVENT_UNPARSED; i++)
        if (text_begins(line, shapes[i].begins))
            kind = shapes[i].kind;
    if (kind == EVENT_UNPARSED && (is_goroutine(line) || is_source_line(line) || is_call(line)))
        kind = EVENT_STACK;
    event->kind = kind;
    if (kind == EVENT_UNPARSED)
        return;
    event->message = trimmed;
    if (kind == EVENT_FATAL)
        event->error = text_trim(text_span(line.at + sizeof(error_word) - 1, line.at + line.len));
}
