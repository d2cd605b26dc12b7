/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered, checksummed lines. Only whole ones, from one thread at a time. The format: guests/README.md. */
#include "agent.h"

#include <pthread.h>
#include <string.h>

#define LINE     1024
#define TEXT_MAX 400 /* characters of a text value; the rest is cut */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u64 sequence;
static char line[LINE];
static size_t length;

static void put(char c)
{
    if (length < LINE - 12) /* " *", the checksum, the line feed */
        line[length++] = c;
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void put_hex(u64 value, int least_digits)
{
    int digits = least_digits;

    while (digits < 16 && value >> (4 * digits))
        digits++;
    while (digits--)
        put("0123456789abcdef"[value >> (4 * digits) & 15]);
}

/* CRC-32 as zlib has it (reflected polynomial edb88320), a bit at a time: a line is short. */
u32 crc32(const void *data, size_t bytes)
{
    const u8 *next = data;
    u32 crc = ~0u;

    while (bytes--) {
        crc ^= *next++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

void statement_begin(const char *kind)
{
    pthread_mutex_lock(&lock);
    length = 0;
    put('@');
    put_hex(sequence++, 1);
    put(' ');
    put_text(kind);
}

static void put_key(const char *key)
{
    put(' ');
    put_text(key);
    put('=');
}

void statement_hex(const char *key, u64 value)
{
    put_key(key);
    put_hex(value, 1);
}

void statement_text(const char *key, const char *value)
{
    put_key(key);
    if (!*value)
        put('-');
    for (size_t left = TEXT_MAX; *value && left; value++, left--) {
        bool plain = *value > ' ' && *value <= '~' && *value != '%' && *value != '*';
        if (plain) {
            put(*value);
        } else {
            put('%');
            put_hex((u8)*value, 2);
        }
    }
}

static void finish(void)
{
    u32 crc = crc32(line, length);

    memcpy(line + length, " *", 2);
    length += 2;
    for (int digit = 8; digit--;)
        line[length++] = "0123456789abcdef"[crc >> (4 * digit) & 15];
    line[length++] = '\n';
    serial_write(line, length);
}

void statement_end(void)
{
    finish();
    pthread_mutex_unlock(&lock);
}

void statement_end_for_good(void) { finish(); }
