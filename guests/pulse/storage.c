/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered, checksummed records, written block after block and round again; what was written last is read first. */
#include "disk.h"

#define BLOCKS_MAX    1024
#define MAGIC         0x6c6c6166646e616cull /* "landfall" */
#define CHECKED       (PAGE - 8)            /* bytes under the checksum, which is the last word */
#define FLUSH_EVERY   16                    /* records */
#define SAY_EVERY     10                    /* ticks */
#define COMPLAINTS    16
#define RATE_MAX      0x10000

/* What a block holds: the number of its record, or one of these. */
#define NOT_READ 0xffffffffu
#define EMPTY    0xfffffffeu
#define BROKEN   0xfffffffdu

struct record {
    u64 magic;
    u32 number, block;
    u64 filling[PAGE / 8 - 3];
    u64 checksum;
};
_Static_assert(sizeof(struct record) == PAGE, "a record is a block");

static struct buffer {
    enum { FREE, READING, WRITING } state;
    u32 block, number; /* of the record to be written; 0: the block is only read */
} buffers[DISK_BUFFERS];

static u32 blocks, last[BLOCKS_MAX];
static u32 rate = 0x80, credit, worked_at, said_at, next_block;
static u32 issued, flushed, flushing; /* numbers of records: record n is for block (n - 1) % blocks */
static u32 errors, stale, checked, complaints;
static bool flush_under_way;

static struct {
    bool wanted, unflushed; /* unflushed: a flush failed, so none is waited for */
    u32 id, blocks;         /* blocks: how many are asked for by now */
} answer;

void storage_find(void)
{
    disk_find();
    if (disk.blocks < DISK_BUFFERS)
        return;
    blocks = disk.blocks < BLOCKS_MAX ? disk.blocks : BLOCKS_MAX;
    for (u32 i = 0; i < blocks; i++)
        last[i] = NOT_READ;
}

const char *storage_feature(void)
{
    if (!blocks)
        return NULL;
    return disk.read_only ? "disk-ro" : "disk";
}

/* All records up to this number are written, or failed. */
static u32 done(void)
{
    u32 below = issued + 1;

    for (u32 i = 0; i < DISK_BUFFERS; i++)
        if (buffers[i].state != FREE && buffers[i].number && buffers[i].number < below)
            below = buffers[i].number;
    return below - 1;
}

static void say(void)
{
    statement_hex("blocks", blocks);
    statement_hex("rate", rate);
    statement_hex("issued", issued);
    statement_hex("done", done());
    statement_hex("flushed", flushed);
    statement_hex("checked", checked);
    statement_hex("stale", stale);
    statement_hex("errors", errors);
    statement_end();
}

static u32 held(const struct record *record, u32 block)
{
    const u64 *words = (const u64 *)record;
    u64 any = 0;

    if (record->magic == MAGIC && record->block == block && crc32((const char *)record, CHECKED) == record->checksum)
        return record->number;
    for (u32 i = 0; i < PAGE / 8; i++)
        any |= words[i];
    return any ? BROKEN : EMPTY;
}

/* What nobody has read before may be empty or a record; later it is what was there, or was written since. */
static void check(u32 block, const struct record *record)
{
    u32 found = held(record, block), expected = last[block];

    last[block] = found;
    if (expected == NOT_READ && found != BROKEN)
        return;
    checked++;
    if (found == expected)
        return;
    stale++;
    if (complaints == COMPLAINTS)
        return;
    complaints++;
    statement_begin("block");
    statement_hex("block", block);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_end();
}

static void write(u32 i)
{
    struct record *record = (struct record *)disk_buffers[i];
    u32 number = buffers[i].number, block = buffers[i].block;

    buffers[i].state = WRITING;
    record->magic = MAGIC;
    record->number = number;
    record->block = block;
    for (u32 word = 0; word < sizeof record->filling / 8; word++)
        record->filling[word] = (u64)number << 32 | block << 16 | word;
    record->checksum = crc32((const char *)record, CHECKED);
    disk_begin(i, DISK_WRITE, block);
}

static void has_read(u32 i, bool good)
{
    buffers[i].state = FREE;
    if (!good) {
        errors++;
        return;
    }
    check(buffers[i].block, (const struct record *)disk_buffers[i]);
    if (buffers[i].number)
        write(i);
}

static void has_written(u32 i, bool good)
{
    buffers[i].state = FREE;
    errors += !good;
    last[buffers[i].block] = good ? buffers[i].number : NOT_READ;
}

static void take_what_ended(void)
{
    u32 i;
    bool good;

    while (disk_ended(&i, &good)) {
        if (i == DISK_FLUSH) {
            flush_under_way = false;
            if (good)
                flushed = flushing;
            else {
                errors++;
                answer.unflushed = true;
            }
        } else if (buffers[i].state == READING)
            has_read(i, good);
        else
            has_written(i, good);
    }
}

static void flush(u32 when)
{
    u32 now = done();

    if (!disk.flushes)
        flushed = now; /* what has no cache to flush is written when it says so */
    if (flush_under_way || now - flushed < when)
        return;
    flush_under_way = true;
    flushing = now;
    disk_begin(DISK_FLUSH, DISK_FLUSHES, 0);
}

static bool all_free(void)
{
    for (u32 i = 0; i < DISK_BUFFERS; i++)
        if (buffers[i].state != FREE)
            return false;
    return true;
}

static bool begin(u32 block, u32 number)
{
    for (u32 i = 0; i < DISK_BUFFERS; i++) {
        if (buffers[i].state != FREE)
            continue;
        buffers[i] = (struct buffer){READING, block, number};
        disk_begin(i, DISK_READ, block);
        return true;
    }
    return false;
}

/* The writing rests, all is flushed, every block is read: then the answer. */
static void answer_when_done(void)
{
    if (!answer.unflushed)
        flush(1);
    if (!answer.blocks && (!all_free() || flush_under_way || (flushed != issued && !answer.unflushed)))
        return;
    while (answer.blocks < blocks && begin(answer.blocks, 0))
        answer.blocks++;
    if (answer.blocks < blocks || !all_free())
        return;
    answer.wanted = false;
    complaints = 0;
    beat_now();
    statement_begin("disk");
    statement_hex("id", answer.id);
    say();
}

static void go_on(u32 ticks)
{
    credit += ticks * rate;
    while (credit >= TICKS_PER_S && begin(next_block, disk.read_only ? 0 : issued + 1)) {
        credit -= TICKS_PER_S;
        issued += !disk.read_only;
        next_block = next_block + 1 < blocks ? next_block + 1 : 0;
    }
    if (credit > DISK_BUFFERS * TICKS_PER_S)
        credit = DISK_BUFFERS * TICKS_PER_S; /* the disk is slower than that */
    flush(FLUSH_EVERY);
}

void storage_work(const struct cpu *boot)
{
    u32 ticks = boot->ticks - worked_at;

    if (!blocks)
        return;
    worked_at += ticks;
    take_what_ended();
    if (answer.wanted)
        answer_when_done();
    else if (ticks)
        go_on(ticks);
    if (boot->ticks - said_at >= SAY_EVERY) {
        said_at = boot->ticks;
        statement_begin("disk");
        say();
    }
}

/* An answer is worked for without rest, and without a timer. */
bool storage_wanted(void) { return answer.wanted; }

static bool rate_given(const char *text, u32 *value)
{
    for (const char *key = "rate="; *key; key++)
        if (*text++ != *key)
            return false;
    return options_hex(&text, value) && !*text && *value <= RATE_MAX;
}

/* `disk` or `disk rate=N`: false if it cannot be done. Asking again for what is worked for does nothing. */
bool storage_ask(u32 id, const char *argument)
{
    u32 wanted = rate;

    if (!blocks || (answer.wanted && answer.id != id) || (*argument && !rate_given(argument, &wanted)))
        return false;
    if (answer.wanted)
        return true;
    rate = wanted;
    credit = 0;
    answer.wanted = true;
    answer.unflushed = false;
    answer.id = id;
    answer.blocks = 0;
    return true;
}
