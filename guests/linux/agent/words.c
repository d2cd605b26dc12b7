/* SPDX-License-Identifier: Apache-2.0 */
/* Reading words: verbs, and lower-case hexadecimal numbers as everywhere in the protocol. */
#include "agent.h"

#include <string.h>

bool word_is(const char **words, const char *verb)
{
    size_t length = strlen(verb);

    if (strncmp(*words, verb, length) || ((*words)[length] && (*words)[length] != ' '))
        return false;
    *words += length + ((*words)[length] == ' ');
    return true;
}

bool word_hex(const char **words, u64 *value)
{
    static const char digits[] = "0123456789abcdef";
    const char *next = *words, *digit;

    for (*value = 0; *next && *next != ' '; next++) {
        digit = strchr(digits, *next);
        if (!digit || next - *words == 16)
            return false;
        *value = *value << 4 | (u64)(digit - digits);
    }
    if (next == *words)
        return false;
    *words = next + (*next == ' ');
    return true;
}

bool word_option(const char **words, const char *key, u64 *value, u64 least, u64 most)
{
    size_t length = strlen(key);
    const char *next = *words + length + 1;
    u64 number;

    if (strncmp(*words, key, length) || (*words)[length] != '=')
        return false;
    if (!word_hex(&next, &number) || number < least || number > most)
        return false;
    *value = number;
    *words = next;
    return true;
}
