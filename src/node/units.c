/* Reading quantities (units.h). One decimal reader serves them all: up to 19 significant digits as
 * an integer and a power of ten, joined in long double, which is exact enough for every figure a
 * node prints (17 digits) and needs neither a locale nor a copy of the text. */
#include "node/units.h"

#include <float.h>

struct decimal {
    uint64_t digits;
    int exponent;
    bool negative;
};

/* A number of so many digits fits an int64_t whatever they are. */
#define SHORT_DIGITS 18
#define EXPONENT_MAX 5000

static size_t read_digits(const char *at, size_t len, struct decimal *d, bool fraction)
{
    size_t n = 0;
    for (; n < len && at[n] >= '0' && at[n] <= '9'; n++) {
        if (d->digits < 1000000000000000000u) {
            d->digits = d->digits * 10 + (uint64_t)(at[n] - '0');
            d->exponent -= fraction;
        } else if (!fraction && d->exponent < EXPONENT_MAX) {
            d->exponent++;
        }
    }
    return n;
}

/* "e-9" at `at`: adds to the exponent. Returns its bytes, 0 when it is none. */
static size_t read_exponent(const char *at, size_t len, struct decimal *d)
{
    if (len < 2 || (*at != 'e' && *at != 'E'))
        return 0;
    bool negative = at[1] == '-';
    size_t from = at[1] == '-' || at[1] == '+' ? 2 : 1, n = from;
    int power = 0;
    for (; n < len && at[n] >= '0' && at[n] <= '9'; n++)
        if (power < EXPONENT_MAX)
            power = power * 10 + (at[n] - '0');
    if (n == from)
        return 0;
    d->exponent += negative ? -power : power;
    return n;
}

/* [-]digits[.digits] at the beginning; returns the bytes it takes, 0 when there is no digit. */
static size_t read_decimal(const char *at, size_t len, struct decimal *d)
{
    *d = (struct decimal){.negative = len && *at == '-'};
    size_t used = d->negative;
    if (len && *at == '+')
        used = 1;
    size_t whole = read_digits(at + used, len - used, d, false), part = 0;
    used += whole;
    if (used < len && at[used] == '.') {
        part = read_digits(at + used + 1, len - used - 1, d, true);
        used += part + 1;
    }
    return whole + part ? used : 0;
}

static long double decimal_value(const struct decimal *d)
{
    long double value = (long double)d->digits, base = 10;
    unsigned power = (unsigned)(d->exponent < 0 ? -d->exponent : d->exponent);
    long double scale = 1;
    for (; power && scale <= LDBL_MAX / 1e10L; power--)
        scale *= base;
    if (power) /* beyond any scale: nothing, or more than anything */
        value = d->exponent < 0 || !d->digits ? 0 : LDBL_MAX;
    else
        value = d->exponent < 0 ? value / scale : value * scale;
    return d->negative ? -value : value;
}

static int64_t clamp_integer(long double value)
{
    if (value >= 9223372036854775807.0L)
        return INT64_MAX;
    if (value <= -9223372036854775807.0L)
        return -INT64_MAX;
    return (int64_t)value;
}

static bool read_whole(struct text t, struct decimal *d)
{
    if (!t.len)
        return false;
    size_t used = read_decimal(t.at, t.len, d);
    if (used && used < t.len)
        used += read_exponent(t.at + used, t.len - used, d);
    return used == t.len;
}

bool units_number(struct text t, double *out)
{
    struct decimal d;
    if (!read_whole(t, &d))
        return false;
    long double value = decimal_value(&d);
    *out = value > DBL_MAX ? DBL_MAX : value < -DBL_MAX ? -DBL_MAX : (double)value;
    return true;
}

/* Most numbers of a log: up to 18 digits and nothing else. */
static bool short_integer(struct text t, int64_t *out)
{
    int64_t value = 0;
    if (!t.len || t.len > SHORT_DIGITS)
        return false;
    for (uint32_t i = 0; i < t.len; i++) {
        unsigned digit = (unsigned char)t.at[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool units_integer(struct text t, int64_t *out)
{
    struct decimal d;
    if (short_integer(t, out))
        return true;
    if (!read_whole(t, &d))
        return false;
    *out = clamp_integer(decimal_value(&d));
    return true;
}

static const struct {
    const char *name;
    long double ns;
} duration_units[] = {
    {"ns", 1},    {"us", 1e3L}, {"\xc2\xb5s", 1e3L}, {"\xce\xbcs", 1e3L},
    {"ms", 1e6L}, {"s", 1e9L},  {"m", 60e9L},        {"h", 3600e9L},
};

/* Bytes of the unit at the beginning of t, 0 when there is none. */
static size_t read_duration_unit(struct text t, long double *ns)
{
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        if (!text_begins(t, duration_units[i].name))
            continue;
        *ns = duration_units[i].ns;
        return strlen(duration_units[i].name);
    }
    return 0;
}

bool units_duration_ns(struct text t, int64_t *out)
{
    struct decimal d;
    if (read_whole(t, &d)) {
        *out = clamp_integer(decimal_value(&d) * 1e9L);
        return true;
    }
    bool negative = t.len && *t.at == '-';
    uint32_t at = negative;
    long double sum = 0;
    if (at == t.len)
        return false;
    while (at < t.len) {
        long double ns;
        size_t digits = read_decimal(t.at + at, t.len - at, &d);
        if (!digits || t.at[at] == '-' || t.at[at] == '+')
            return false;
        at += (uint32_t)digits;
        size_t unit = read_duration_unit((struct text){t.at + at, t.len - at}, &ns);
        if (!unit)
            return false;
        at += (uint32_t)unit;
        sum += decimal_value(&d) * ns;
    }
    /* Half a nanosecond up: 1.1s must not become 1099999999 ns by the way decimals are joined. */
    *out = clamp_integer(negative ? -(sum + 0.5L) : sum + 0.5L);
    return true;
}

static bool size_factor(struct text unit, long double *factor)
{
    static const char letters[] = "KMGTPE";
    *factor = 1;
    if (!unit.len || text_is(unit, "B"))
        return true;
    const char *letter = memchr(letters, unit.at[0] & ~0x20, sizeof(letters) - 1);
    bool binary = unit.len > 1 && unit.at[1] == 'i';
    if (!letter || unit.len != (binary ? 3u : 2u) || unit.at[unit.len - 1] != 'B')
        return false;
    for (const char *step = letters; step <= letter; step++)
        *factor *= binary ? 1024 : 1000;
    return true;
}

bool units_size_bytes(struct text t, int64_t *out)
{
    struct decimal d;
    long double factor;
    if (units_integer(t, out))
        return true;
    size_t used = t.len ? read_decimal(t.at, t.len, &d) : 0;
    if (!used)
        return false;
    struct text unit = text_trim((struct text){t.at + used, t.len - (uint32_t)used});
    if (!size_factor(unit, &factor))
        return false;
    *out = clamp_integer(decimal_value(&d) * factor + (d.negative ? -0.5L : 0.5L));
    return true;
}
