/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in a tree on an ext4 file system that is there: made, replaced by renaming, appended to, rewritten in place, removed.
 * Each step ends with fsync of the file and of its folder: what it did is promised then, and `flushed` says so.
 */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/mnt"
#define NEW  ROOT "/new" /* what is renamed over a file */
#define STEP 10          /* ms between two looks at what the rate has earned */
#define RATE 32          /* steps a second, to begin with */
#define FAR  5           /* files between the one that is written and the one that is read back */

static struct file files[FILES];
static const char *device;
static u32 credit;
static u64 since;
static struct disk_said *const said = &disk_said;

static void set(u32 *value, u32 to) { __atomic_store_n(value, to, __ATOMIC_RELEASE); }

/* What a call returned, if that was well; else it is counted and told. */
static bool well(bool good, const char *what)
{
    if (good)
        return true;
    const char *error = strerror(errno);
    set(&said->errors, said->errors + 1);
    statement_begin("file");
    statement_text("name", what);
    statement_hex("block", 0);
    statement_hex("found", NOT_READ);
    statement_hex("expected", NOT_READ);
    statement_text("text", error);
    statement_end();
    return false;
}

static bool settle_folder(u32 file)
{
    char folder[64];

    snprintf(folder, sizeof folder, ROOT "/d%u", file % FOLDERS);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && !fsync(fd);
    close(fd);
    return well(good, "fsync of a folder");
}

static bool put(const char *path, int flags, u32 file, u32 at, u32 count, u32 number)
{
    struct record record;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    bool good = fd >= 0;

    for (u32 i = at; good && i < at + count; i++) {
        record_make(&record, number, RECORDS_MAX * file + i);
        good = pwrite(fd, &record, PAGE, (off_t)i * PAGE) == PAGE;
    }
    good = good && !fsync(fd);
    close(fd);
    return well(good, path);
}

static bool replace(u32 file, const char *path, u32 number)
{
    struct file *now = &files[file];
    u32 count = tree_records(number);

    if (!put(NEW, O_TRUNC, file, 0, count, number) || !well(!rename(NEW, path), "rename"))
        return false;
    now->exists = true;
    now->count = count;
    for (u32 i = 0; i < count; i++)
        now->records[i] = number;
    return true;
}

static bool write_one(u32 file, const char *path, u32 at, u32 number)
{
    struct file *now = &files[file];

    if (!put(path, 0, file, at, 1, number))
        return false;
    now->exists = true;
    now->count = at < now->count ? now->count : at + 1;
    now->records[at] = number;
    return true;
}

static bool remove_it(u32 file, const char *path)
{
    if (files[file].exists && !well(!unlink(path), "unlink"))
        return false;
    files[file] = (struct file){0};
    return true;
}

static bool take_step(u32 number)
{
    u32 file = tree_file(number);
    char path[64];

    tree_path(path, sizeof path, file);
    switch (tree_step(number)) {
    case REPLACE:
        return replace(file, path, number);
    case REWRITE:
        return write_one(file, path, 0, number);
    case REMOVE:
        return remove_it(file, path);
    default:
        return write_one(file, path, files[file].count, number);
    }
}

static void verify(u32 file)
{
    if (!tree_is_as_left(file, &files[file]))
        set(&said->stale, said->stale + 1);
    set(&said->checked, said->checked + 1);
}

/* One after the other: of those that were begun only the last may not be promised. */
static void go_on(void)
{
    if (!disk_due(&credit, &since, 1))
        return;
    u32 number = said->issued + 1;
    credit -= 1000000;
    set(&said->issued, number);
    bool good = take_step(number);
    if (settle_folder(tree_file(number)) && good)
        set(&said->flushed, number);
    set(&said->done, number);
    verify((number + FAR) % FILES);
}

static bool attach(unsigned long flags)
{
    return well(!mount(device, ROOT, "ext4", MS_NOATIME | flags, NULL), "mount");
}

/* It is unmounted and mounted anew, so that nothing is left in memory: every file is read. It stays read-only at rest. */
static void answer(u32 rate)
{
    sync();
    well(!umount(ROOT), "umount");
    attach(MS_RDONLY);
    tree_complaints = 0;
    for (u32 file = 0; file < FILES; file++)
        verify(file);
    if (rate)
        attach(MS_REMOUNT);
    credit = 0;
    since = monotonic_ns();
    disk_answer();
}

static void begin(void)
{
    char folder[64];

    driver_find("fs-ext4");
    if (!attach(0))
        die("mount %s", device);
    for (u32 i = 0; i < FOLDERS; i++) {
        snprintf(folder, sizeof folder, ROOT "/d%u", i);
        well(!mkdir(folder, 0755) || errno == EEXIST, "mkdir");
    }
    said->rate = RATE;
    since = monotonic_ns();
    set(&said->blocks, FILES);
}

void files_live(const char *path)
{
    device = path;
    begin();
    for (;;) {
        struct disk_asked asked = disk_asked();
        if (asked.wanted)
            answer(asked.rate);
        else
            go_on();
        disk_listen(STEP);
    }
}
