/* SPDX-License-Identifier: Apache-2.0 */
/* The files: where they are, what becomes of each in turn, and whether one is as it was left. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMPLAINTS 16

u32 tree_complaints;

u32 tree_file(u32 number) { return (number - 1) % FILES; }

enum step tree_step(u32 number) { return (enum step)(((number - 1) / FILES + tree_file(number)) % STEPS); }

u32 tree_records(u32 number) { return 1 + number % 3; }

void tree_path(char *path, size_t size, u32 file) { snprintf(path, size, "/mnt/d%u/f%u", file % FOLDERS, file); }

/* One record, or that a file is there at all, is otherwise; `text` is the error of a call that failed. */
static bool complain(const char *path, u32 block, u32 found, u32 expected, const char *text)
{
    if (tree_complaints++ >= COMPLAINTS)
        return false;
    statement_begin("file");
    statement_text("name", path + strlen("/mnt/"));
    statement_hex("block", block);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_text("text", text);
    statement_end();
    return false;
}

static u32 expected(const struct file *left, u32 block)
{
    return left->exists && block < left->count ? left->records[block] : EMPTY;
}

static bool compare(const char *path, u32 file, const struct file *left, const struct record *records, u32 count)
{
    bool right = true;

    for (u32 i = 0; i < count || i < left->count; i++) {
        u32 found = i < count ? record_held(&records[i], RECORDS_MAX * file + i) : EMPTY;
        if (found != expected(left, i))
            right = complain(path, i, found, expected(left, i), "");
    }
    return right;
}

/* Past the page cache: what counts is what the disk holds. One block more than there can be shows a file that is too long. */
bool tree_is_as_left(u32 file, const struct file *left)
{
    static struct record *records;
    char path[64];

    if (!records)
        records = mmap(NULL, (RECORDS_MAX + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tree_path(path, sizeof path, file);
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !left->exists)
        return true;
    if (fd < 0)
        return complain(path, 0, EMPTY, expected(left, 0), strerror(errno));
    ssize_t length = pread(fd, records, (RECORDS_MAX + 1) * PAGE, 0);
    const char *error = length < 0 ? strerror(errno) : "";
    close(fd);
    if (length < 0 || (length % PAGE) || !left->exists)
        return complain(path, 0, BROKEN, expected(left, 0), error);
    return compare(path, file, left, records, (u32)length / PAGE);
}
