/* Clocks (clock.h). Civil-date arithmetic is the era method of days_from_civil, exact for all years
 * and free of the time-zone state behind gmtime. */
#include "base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id, int64_t per_second)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * per_second + ts.tv_nsec / (1000000000 / per_second);
}

int64_t clock_monotonic_ms(void)
{
    return clock_read(CLOCK_MONOTONIC, 1000);
}

int64_t clock_monotonic_us(void)
{
    return clock_read(CLOCK_MONOTONIC, 1000000);
}

int64_t clock_unix_ms(void)
{
    return clock_read(CLOCK_REALTIME, 1000);
}

static void put_digits(char *at, unsigned value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

int clock_format_rfc3339_ms(char out[CLOCK_RFC3339_MAX], int64_t unix_ms)
{
    const int64_t first = -62167219200000, last = 253402300799999; /* years 0000 and 9999 */
    if (unix_ms < first)
        unix_ms = first;
    if (unix_ms > last)
        unix_ms = last;
    int64_t days = unix_ms / 86400000;
    int64_t rest = unix_ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    /* Days since 0000-03-01, in 400-year eras of 146097 days. */
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned day_of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_index = (5 * day_of_year + 2) / 153; /* 0 = March */
    unsigned month = month_index < 10 ? month_index + 3 : month_index - 9;
    int64_t year = (int64_t)year_of_era + era * 400 + (month <= 2);

    unsigned ms = (unsigned)rest;
    put_digits(out, (unsigned)year, 4);
    out[4] = '-';
    put_digits(out + 5, month, 2);
    out[7] = '-';
    put_digits(out + 8, day_of_year - (153 * month_index + 2) / 5 + 1, 2);
    out[10] = 'T';
    put_digits(out + 11, ms / 3600000, 2);
    out[13] = ':';
    put_digits(out + 14, ms / 60000 % 60, 2);
    out[16] = ':';
    put_digits(out + 17, ms / 1000 % 60, 2);
    out[19] = '.';
    put_digits(out + 20, ms % 1000, 3);
    out[23] = 'Z';
    out[24] = '\0';
    return 24;
}
