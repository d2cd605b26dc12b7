/* SPDX-License-Identifier: Apache-2.0 */
/* A record: a block that says by itself what it is, where it belongs, and whether it is whole. */
#include "disk.h"

#include <pthread.h>

#define MAGIC   0x6c6c6166646e616cull /* "landfall" */
#define CHECKED (PAGE - 8)            /* bytes under the checksum, which is the last word */

static u32 table[256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (u32 byte = 0; byte < 256; byte++) {
        u32 crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        table[byte] = crc;
    }
}

/* crc32() by a table: records are long, and there are hundreds a second. */
static u32 checksum(const struct record *record)
{
    const u8 *next = (const u8 *)record;
    u32 crc = ~0u;

    pthread_once(&made, make_table);
    for (u32 i = 0; i < CHECKED; i++)
        crc = crc >> 8 ^ table[(u8)crc ^ next[i]];
    return ~crc;
}

void record_make(struct record *record, u32 number, u32 block)
{
    record->magic = MAGIC;
    record->number = number;
    record->block = block;
    for (u32 word = 0; word < sizeof record->filling / 8; word++)
        record->filling[word] = (u64)number << 32 | block << 16 | word;
    record->checksum = checksum(record);
}

u32 record_held(const struct record *record, u32 block)
{
    const u64 *words = (const u64 *)record;
    u64 any = 0;

    if (record->magic == MAGIC && record->block == block && checksum(record) == record->checksum)
        return record->number;
    for (u32 i = 0; i < PAGE / 8; i++)
        any |= words[i];
    return any ? BROKEN : EMPTY;
}
