/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered, checksummed records, written block after block and round again; what was written last is read first. */
#include "disk.h"

#define BLOCKS_MAX  1024
#define FLUSH_EVERY 16 /* records */
#define STEP        10 /* ms between two looks at what the rate has earned */
#define COMPLAINTS  16

static struct buffer {
    enum { FREE, READING, WRITING } state;
    u32 block, number; /* of the record to be written; 0: the block is only read */
} buffers[DISK_BUFFERS];

static u32 blocks, last[BLOCKS_MAX];
static bool is_read_only;
static u32 credit, next_block, complaints;
static u64 since;
static u32 flushing; /* all records up to this number are flushed when the flush that is under way has ended well */
static bool flush_under_way;
static struct disk_said *const said = &disk_said;

static struct {
    bool begun, unflushed; /* unflushed: a flush failed, so none is waited for */
    u32 blocks;            /* how many are asked for by now */
} answer;

static void set(u32 *value, u32 to) { __atomic_store_n(value, to, __ATOMIC_RELEASE); }

/* All records up to this number are written, or failed. */
static u32 done(void)
{
    u32 below = said->issued + 1;

    for (u32 i = 0; i < DISK_BUFFERS; i++)
        if (buffers[i].state != FREE && buffers[i].number && buffers[i].number < below)
            below = buffers[i].number;
    return below - 1;
}

/* What nobody has read before may be empty or a record; later it is what was there, or was written since. */
static void check(u32 block, const struct record *record)
{
    u32 found = record_held(record, block), expected = last[block];

    last[block] = found;
    if (expected == NOT_READ && found != BROKEN)
        return;
    set(&said->checked, said->checked + 1);
    if (found == expected)
        return;
    set(&said->stale, said->stale + 1);
    if (complaints++ >= COMPLAINTS)
        return;
    statement_begin("block");
    statement_hex("block", block);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_end();
}

static void has_failed(void) { set(&said->errors, said->errors + 1); }

static void has_read(u32 i, bool good)
{
    struct record *record = &block_buffers[i];

    buffers[i].state = FREE;
    if (!good) {
        has_failed();
        return;
    }
    check(buffers[i].block, record);
    if (buffers[i].number) {
        buffers[i].state = WRITING;
        record_make(record, buffers[i].number, buffers[i].block);
        block_begin(i, BLOCK_WRITE, buffers[i].block);
    }
}

static void has_written(u32 i, bool good)
{
    buffers[i].state = FREE;
    last[buffers[i].block] = good ? buffers[i].number : NOT_READ;
    if (!good)
        has_failed();
}

static void has_flushed(bool good)
{
    flush_under_way = false;
    if (good) {
        set(&said->flushed, flushing);
    } else {
        has_failed();
        answer.unflushed = true;
    }
}

static void take_what_ended(void)
{
    u32 i;
    bool good;

    while (block_ended(&i, &good)) {
        if (i == DISK_FLUSH)
            has_flushed(good);
        else if (buffers[i].state == READING)
            has_read(i, good);
        else
            has_written(i, good);
    }
    set(&said->done, done());
}

static void flush(u32 when)
{
    if (flush_under_way || said->done - said->flushed < when)
        return;
    flush_under_way = true;
    flushing = said->done;
    block_begin(DISK_FLUSH, BLOCK_FLUSHES, 0);
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
        block_begin(i, BLOCK_READ, block);
        return true;
    }
    return false;
}

/* The writing rests, all is flushed, every block is read: then the answer. */
static void answer_when_done(void)
{
    if (!answer.begun)
        answer.begun = true, answer.unflushed = false, answer.blocks = 0;
    if (!answer.unflushed)
        flush(1);
    bool all_flushed = said->flushed == said->issued || answer.unflushed;
    if (!answer.blocks && (!all_free() || flush_under_way || !all_flushed))
        return;
    while (answer.blocks < blocks && begin(answer.blocks, 0))
        answer.blocks++;
    if (answer.blocks < blocks || !all_free())
        return;
    answer.begun = false;
    complaints = 0;
    credit = 0;
    since = monotonic_ns();
    disk_answer();
}

static void go_on(void)
{
    while (disk_due(&credit, &since, DISK_BUFFERS) && begin(next_block, is_read_only ? 0 : said->issued + 1)) {
        credit -= 1000000;
        set(&said->issued, said->issued + !is_read_only);
        next_block = next_block + 1 < blocks ? next_block + 1 : 0;
    }
    flush(FLUSH_EVERY);
}

void blocks_live(const char *path)
{
    blocks = block_open(path, &is_read_only);
    blocks = blocks < BLOCKS_MAX ? blocks : BLOCKS_MAX;
    for (u32 i = 0; i < blocks; i++)
        last[i] = NOT_READ;
    since = monotonic_ns();
    set(&said->blocks, blocks);
    for (;;) {
        take_what_ended();
        if (disk_asked().wanted)
            answer_when_done();
        else
            go_on();
        disk_listen(STEP);
    }
}
