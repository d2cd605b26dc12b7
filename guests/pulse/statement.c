/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered, checksummed lines. Only whole ones, from one vCPU at a time. The format: guests/README.md. */
#include "pulse.h"

#define LINE 512

static struct lock lock;
static volatile u32 holder; /* index + 1 of the vCPU that makes a statement */
static u64 sequence;
static char line[LINE];
static u32 length;

static void put(char c)
{
    if (length < LINE)
        line[length++] = c;
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void put_digits(u64 value, int digits)
{
    while (digits--)
        put("0123456789abcdef"[value >> (4 * digits) & 15]);
}

static void put_hex(u64 value)
{
    int digits = 1;
    while (digits < 16 && value >> (4 * digits))
        digits++;
    put_digits(value, digits);
}

/* CRC-32 as zlib has it (reflected polynomial edb88320), four bits at a time: a table that is easy to check. */
u32 crc32(const char *data, u32 bytes)
{
    static const u32 nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    u32 crc = ~0u;

    while (bytes--) {
        crc ^= (u8)*data++;
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

static void head(const char *kind)
{
    holder = this_cpu()->index + 1;
    length = 0;
    put('@');
    put_hex(sequence++);
    put(' ');
    put_text(kind);
}

void statement_begin(const char *kind)
{
    acquire(&lock);
    head(kind);
}

/*
 * For a vCPU that will never run again: it may have trapped while it held the lock itself, or another may be stuck
 * with it. Then the lock is taken from them after about a second, the unfinished line is ended, and its number is lost.
 */
void statement_begin_trapped(const char *kind)
{
    u64 start = rdtsc();
    bool broken = false;

    while (!broken && __atomic_exchange_n(&lock.held, 1, __ATOMIC_ACQUIRE))
        broken = holder == this_cpu()->index + 1 || rdtsc() - start > 1ull << 31;
    if (broken)
        serial_write("\n", 1);
    head(kind);
}

void statement_hex(const char *key, u64 value)
{
    put(' ');
    put_text(key);
    put('=');
    put_hex(value);
}

void statement_text(const char *key, const char *value)
{
    put(' ');
    put_text(key);
    put('=');
    put_text(value);
}

void statement_end(void)
{
    u32 crc = crc32(line, length);

    put_text(" *");
    put_digits(crc, 8);
    put('\n');
    serial_write(line, length);
    holder = 0;
    release(&lock);
}
