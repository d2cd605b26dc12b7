/* SPDX-License-Identifier: Apache-2.0 */
/* `rate=400 duty=32 zero=2`, hexadecimal: from the command line of the kernel, and from the host's `set`. */
#include "pulse.h"

#define RATE_MAX 0x01000000 /* keeps the arithmetic of a tick in 32 bits */
#define DUTY_MAX 100
#define ZERO_MAX 16
#define FLIP_MAX 0x1f

struct options options = {.rate = 0x400, .duty = 50, .zero = 2};

static bool starts(const char **text, const char *with)
{
    const char *t = *text;

    while (*with)
        if (*t++ != *with++)
            return false;
    *text = t;
    return true;
}

static bool digit(char c, u32 *value)
{
    if (c >= '0' && c <= '9')
        *value = (u32)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *value = (u32)(c - 'a') + 10;
    else
        return false;
    return true;
}

/* Reads up to eight digits; what is left of the text begins after them. */
bool options_hex(const char **text, u32 *value)
{
    const char *start = *text;
    u32 d;

    *value = 0;
    while (*text - start < 8 && digit(**text, &d)) {
        *value = *value << 4 | d;
        (*text)++;
    }
    return *text > start && !digit(**text, &d);
}

static bool number(const char **text, u32 *value, u32 low, u32 high)
{
    return options_hex(text, value) && (**text == 0 || **text == ' ') && *value >= low && *value <= high;
}

static bool option(const char **text, u32 *rate, u32 *duty, u32 *zero, u32 *flip)
{
    if (starts(text, "rate="))
        return number(text, rate, 0, RATE_MAX);
    if (starts(text, "duty="))
        return number(text, duty, 1, DUTY_MAX);
    if (starts(text, "zero="))
        return number(text, zero, 0, ZERO_MAX);
    if (starts(text, "flip="))
        return number(text, flip, 0, FLIP_MAX) && flip_possible(*flip);
    if (starts(text, "timers=")) {
        u32 timers;
        return number(text, &timers, 0, TIMERS) && timers_choose(timers);
    }
    return false;
}

/* All of them or none: false, and nothing changed, if a word is not an option. */
bool options_parse(const char *words)
{
    u32 rate = options.rate, duty = options.duty, zero = options.zero, flip = options.flip;

    while (*words == ' ')
        words++;
    while (*words) {
        if (!option(&words, &rate, &duty, &zero, &flip))
            return false;
        while (*words == ' ')
            words++;
    }
    options.rate = rate;
    options.duty = duty;
    options.zero = zero;
    options.flip = flip;
    return true;
}
