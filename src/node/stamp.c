/* Times of log lines (stamp.h), without the C library: its calendar functions depend on the locale
 * and the zone of the process, and are too slow for every line. The count of days is the usual one
 * of a calendar that begins in March, so that the leap day is a year's last. */
#include "node/stamp.h"

#include <string.h>

/* The number at[0..2); *bad is set when that is not two digits. */
static inline int two_digits(const char *at, bool *bad)
{
    unsigned tens = (unsigned char)at[0] - '0', ones = (unsigned char)at[1] - '0';
    *bad |= tens > 9 || ones > 9;
    return (int)(tens * 10 + ones);
}

static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* "2026-08-20T10:00:14" to seconds as if it were UTC. */
static bool parse_civil(const char *at, int64_t *unix_s)
{
    bool bad = false;
    int year = two_digits(at, &bad) * 100 + two_digits(at + 2, &bad);
    int month = two_digits(at + 5, &bad), day = two_digits(at + 8, &bad);
    int hour = two_digits(at + 11, &bad), minute = two_digits(at + 14, &bad);
    int second = two_digits(at + 17, &bad);
    if (bad || at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':')
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    *unix_s = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

/* "Z", "+02:00" or "+0200" at `at`; returns its bytes, 0 when it is none. */
static size_t parse_zone(const char *at, size_t len, int *offset_s)
{
    *offset_s = 0;
    if (len && *at == 'Z')
        return 1;
    if (len < 5 || (*at != '+' && *at != '-'))
        return 0;
    size_t colon = at[3] == ':';
    if (len < 5 + colon)
        return 0;
    bool bad = false;
    int hours = two_digits(at + 1, &bad), minutes = two_digits(at + 3 + colon, &bad);
    if (bad || hours > 23 || minutes > 59)
        return 0;
    *offset_s = (hours * 3600 + minutes * 60) * (*at == '-' ? -1 : 1);
    return 5 + colon;
}

size_t stamp_parse(const char *at, size_t len, int64_t *unix_ms, bool *has_fraction)
{
    int64_t unix_s;
    if (len < 20 || !parse_civil(at, &unix_s))
        return 0;
    size_t used = 19;
    int ms = 0, scale = 100;
    *has_fraction = at[used] == '.';
    if (*has_fraction) {
        size_t from = ++used;
        for (; used < len && at[used] >= '0' && at[used] <= '9'; used++, scale /= 10)
            ms += (at[used] - '0') * scale;
        if (used == from)
            return 0;
    }
    int offset_s;
    size_t zone = parse_zone(at + used, len - used, &offset_s);
    if (!zone)
        return 0;
    *unix_ms = (unix_s - offset_s) * 1000 + ms;
    return used + zone;
}
