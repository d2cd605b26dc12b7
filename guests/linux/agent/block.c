/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a raw disk, past the page cache, several under way at once: the kernel's own AIO (io_submit(2)). */
#define _GNU_SOURCE
#include "disk.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static aio_context_t queue;
static int disk = -1;
static struct iocb requests[DISK_BUFFERS + 1];
static u32 refused; /* a bit for each request that could not even be begun */
struct record *block_buffers;

u32 block_open(const char *path, bool *read_only)
{
    int is_read_only = 0;
    u64 bytes = 0;

    int look = open(path, O_RDONLY | O_CLOEXEC);
    if (look < 0 || ioctl(look, BLKROGET, &is_read_only) || ioctl(look, BLKGETSIZE64, &bytes))
        die("%s", path);
    close(look);
    *read_only = is_read_only;
    disk = open(path, (is_read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
    block_buffers = mmap(NULL, DISK_BUFFERS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (disk < 0 || block_buffers == MAP_FAILED || syscall(SYS_io_setup, 2 * DISK_BUFFERS, &queue))
        die("requests of %s", path);
    return bytes / PAGE > 0xffff ? 0xffff : (u32)(bytes / PAGE);
}

/* A flush has no block; every other request has its buffer of the same number. */
void block_begin(u32 request, enum block_request what, u32 block)
{
    static const uint16_t codes[] = {IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FDSYNC};
    struct iocb *one = &requests[request];

    memset(one, 0, sizeof *one);
    one->aio_data = request;
    one->aio_lio_opcode = codes[what];
    one->aio_fildes = (u32)disk;
    one->aio_flags = IOCB_FLAG_RESFD;
    one->aio_resfd = (u32)disk_bell();
    if (what != BLOCK_FLUSHES) {
        one->aio_buf = (u64)(uintptr_t)&block_buffers[request];
        one->aio_nbytes = PAGE;
        one->aio_offset = (long long)block * PAGE;
    }
    if (syscall(SYS_io_submit, queue, 1, &one) != 1)
        refused |= 1u << request;
}

static bool take_refused(u32 *request)
{
    for (*request = 0; *request <= DISK_BUFFERS; ++*request)
        if (refused & 1u << *request) {
            refused &= ~(1u << *request);
            return true;
        }
    return false;
}

bool block_ended(u32 *request, bool *good)
{
    struct io_event event;

    *good = false;
    if (take_refused(request))
        return true;
    if (syscall(SYS_io_getevents, queue, 0, 1, &event, NULL) != 1)
        return false;
    *request = (u32)event.data;
    *good = event.res == (*request == DISK_FLUSH ? 0 : PAGE);
    return true;
}
