/* SPDX-License-Identifier: Apache-2.0 */
/* `rate=400 duty=32 zero=2 pages=800`, hexadecimal: from the command line, and from the host's `set`. */
#include "agent.h"

#include <string.h>

#define RATE_MAX  0x1000000
#define PAGES_MAX 0x100000
#define SPIN_MAX  10000

struct options options = {.rate = 0x400, .duty = 50, .zero = 2, .pages = 0x800, .spin = 200};
static int word_count;
static char **given;

struct wanted {
    u64 rate, duty, zero, pages, spin;
};

static bool option(const char **words, struct wanted *wanted)
{
    return word_option(words, "rate", &wanted->rate, 0, RATE_MAX) ||
           word_option(words, "duty", &wanted->duty, 1, 100) ||
           word_option(words, "zero", &wanted->zero, 0, 16) ||
           word_option(words, "pages", &wanted->pages, MAX_CPUS, PAGES_MAX) ||
           word_option(words, "spin", &wanted->spin, 0, SPIN_MAX);
}

static void accept(const struct wanted *wanted)
{
    options.rate = (u32)wanted->rate;
    options.duty = (u32)wanted->duty;
    options.zero = (u32)wanted->zero;
    options.pages = (u32)wanted->pages;
    options.spin = (u32)wanted->spin;
}

static struct wanted now(void)
{
    return (struct wanted){options.rate, options.duty, options.zero, options.pages, options.spin};
}

bool options_parse(const char *words)
{
    struct wanted wanted = now();

    while (*words)
        if (!option(&words, &wanted))
            return false;
    if (wanted.pages != options.pages || wanted.spin != options.spin)
        return false;
    accept(&wanted);
    return true;
}

/* A word that is no option with a value is a subject's flag. */
bool options_start(int count, char **words)
{
    struct wanted wanted = now();
    bool understood = true;

    word_count = count;
    given = words;
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strchr(word, '=') && !option(&word, &wanted))
            understood = false;
    }
    accept(&wanted);
    return understood;
}

bool option_flag(const char *name)
{
    for (int i = 1; i < word_count; i++)
        if (!strcmp(given[i], name))
            return true;
    return false;
}
