/* SPDX-License-Identifier: Apache-2.0 */
/* The disk: who finds it, who writes it, and what is said of it. The records: guests/README.md. */
#ifndef DISK_H
#define DISK_H

#include "agent.h"

/* record.c: what a block holds is the number of its record, or one of these. */
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
void record_make(struct record *record, u32 number, u32 block);
u32 record_held(const struct record *record, u32 block);

/* disk.c: what is said of it, by whatever thread; `done` and the like only grow, `issued` first. */
struct disk_said {
    u32 blocks, rate, issued, done, flushed, checked, stale, errors;
};
extern struct disk_said disk_said;
struct disk_asked {
    bool wanted;
    u32 id, rate;
};
struct disk_asked disk_asked(void); /* what the host waits for */
void disk_answer(void);             /* it is done: the writing goes on, or rests, as was asked */
int disk_bell(void);                /* an eventfd: readable when something is asked, or rung by whoever else has it */
void disk_listen(u32 milliseconds); /* until the bell rings, or for so long */
u32 disk_due(u32 *credit, u64 *since, u32 most); /* how many records the rate has earned since, and takes none */

/* Each lives on the disk's own thread, and never returns. */
void blocks_live(const char *path);
void files_live(const char *path);

/* block.c: requests of the raw disk, several under way at once. */
#define DISK_BUFFERS 16
#define DISK_FLUSH   DISK_BUFFERS /* the request that has no block */
enum block_request { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSHES };
extern struct record *block_buffers;
u32 block_open(const char *path, bool *read_only); /* returns how many blocks there are */
void block_begin(u32 request, enum block_request what, u32 block);
bool block_ended(u32 *request, bool *good); /* takes one that has ended, if there is one */

#endif
