/* SPDX-License-Identifier: Apache-2.0 */
/* disk.c: a disk as blocks of a page, several requests under way at once. */
#ifndef DISK_H
#define DISK_H

#include "pulse.h"

#define DISK_BUFFERS 16
#define DISK_FLUSH   DISK_BUFFERS /* the request that has no block */

enum disk_request { DISK_READ = 0, DISK_WRITE = 1, DISK_FLUSHES = 4 }; /* virtio's own numbers (1.2, 5.2.6) */

struct disk {
    u32 blocks; /* 0: there is none */
    bool read_only, flushes;
};
extern struct disk disk;
extern u64 disk_buffers[DISK_BUFFERS][PAGE / 8];

void disk_find(void);
void disk_begin(u32 request, enum disk_request what, u32 block);
bool disk_ended(u32 *request, bool *good);

#endif
