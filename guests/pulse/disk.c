/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk by its legacy interface: one queue, no interrupts. Registers and layout: VIRTIO 1.2, 4.1.4.10, 2.7, 5.2. */
#include "disk.h"

#define VENDOR 0x1af4
#define BLOCK  0x1001 /* the transitional device, on a bus that has I/O ports */

#define HOST_FEATURES  0x00
#define GUEST_FEATURES 0x04
#define QUEUE_PAGE     0x08
#define QUEUE_SIZE     0x0c
#define QUEUE_SELECT   0x0e
#define QUEUE_NOTIFY   0x10
#define STATUS         0x12
#define CAPACITY       0x14 /* sectors; without MSI-X the device's own registers begin here */

#define READY         0x07 /* acknowledged, has a driver, driver is set up */
#define FEATURE_RO    (1u << 5)
#define FEATURE_FLUSH (1u << 9)

#define QUEUE_MAX     256 /* descriptors: QEMU's default (hw/block/virtio-blk.c, "queue-size", 5.2 to 11.1) */
#define QUEUE_BYTES   (3 * PAGE)
#define CHAIN         4 /* descriptors kept for a request, three of them used */
#define SECTORS       (PAGE / 512)
#define NEXT          1
#define DEVICE_WRITES 2
#define NO_INTERRUPT  1
#define UNFINISHED    0xff

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

struct available {
    u16 flags;
    volatile u16 index;
    u16 ring[QUEUE_MAX];
};

struct used {
    u16 flags;
    volatile u16 index;
    struct {
        u32 id, length;
    } ring[QUEUE_MAX];
};

struct request {
    u32 type, reserved;
    u64 sector;
};

struct disk disk;
u64 disk_buffers[DISK_BUFFERS][PAGE / 8] __attribute__((aligned(PAGE)));

static u8 queue[QUEUE_BYTES] __attribute__((aligned(PAGE)));
static struct request requests[DISK_BUFFERS + 1];
static volatile u8 statuses[DISK_BUFFERS + 1];
static struct descriptor *descriptors;
static struct available *available;
static volatile struct used *used;
static u16 ports, size, seen;

static bool lay_out_queue(void)
{
    outw(ports + QUEUE_SELECT, 0);
    size = inw(ports + QUEUE_SIZE);
    if (size < CHAIN * (DISK_BUFFERS + 1) || size > QUEUE_MAX)
        return false;
    descriptors = (struct descriptor *)queue;
    available = (struct available *)(queue + size * sizeof *descriptors);
    word end = (word)available + 6 + 2 * (word)size;
    used = (struct used *)((end + PAGE - 1) & ~(word)(PAGE - 1));
    available->flags = NO_INTERRUPT;
    outl(ports + QUEUE_PAGE, (u32)((word)queue / PAGE));
    return true;
}

/* What the firmware set up is forgotten. */
void disk_find(void)
{
    ports = pci_find(VENDOR, BLOCK);
    if (!ports)
        return;
    outb(ports + STATUS, 0);
    outb(ports + STATUS, READY & 3);
    u32 features = inl(ports + HOST_FEATURES) & (FEATURE_RO | FEATURE_FLUSH);
    outl(ports + GUEST_FEATURES, features);
    if (!lay_out_queue())
        return;
    disk.read_only = features & FEATURE_RO;
    disk.flushes = features & FEATURE_FLUSH;
    u32 sectors = inl(ports + CAPACITY + 4) ? ~0u : inl(ports + CAPACITY);
    disk.blocks = sectors / SECTORS;
    outb(ports + STATUS, READY);
}

static void describe(u32 at, const volatile void *what, u32 length, u16 flags)
{
    descriptors[at].address = (word)what;
    descriptors[at].length = length;
    descriptors[at].flags = flags;
    descriptors[at].next = (u16)(at + 1);
}

/* A flush has no block; every other request has its buffer of the same number. */
void disk_begin(u32 request, enum disk_request what, u32 block)
{
    u32 first = request * CHAIN, at = first;

    requests[request] = (struct request){what, 0, (u64)block * SECTORS};
    statuses[request] = UNFINISHED;
    describe(at++, &requests[request], sizeof *requests, NEXT);
    if (what != DISK_FLUSHES)
        describe(at++, disk_buffers[request], PAGE, NEXT | (what == DISK_READ ? DEVICE_WRITES : 0));
    describe(at, &statuses[request], 1, DEVICE_WRITES);
    available->ring[available->index % size] = (u16)first;
    BARRIER();
    available->index = available->index + 1;
    BARRIER();
    outw(ports + QUEUE_NOTIFY, 0);
}

/* Takes one request that has ended, if there is one. */
bool disk_ended(u32 *request, bool *good)
{
    if (seen == used->index)
        return false;
    BARRIER();
    *request = used->ring[seen % size].id / CHAIN;
    *good = statuses[*request] == 0;
    seen++;
    return true;
}
