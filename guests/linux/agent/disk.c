/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first disk that appears, but one on USB, which is used otherwise: where it holds an ext4 file system files are written
 * there, else records, block by block. All that waits for it does so on a thread of its own; the loop says what there is.
 */
#include "disk.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SAY_EVERY  100 /* ms */
#define RATE_MAX   0x10000
#define SUPER      1024   /* where ext4's superblock begins: linux/Documentation/filesystems/ext4/super.rst */
#define EXT4_MAGIC 0xef53
#define EXT4_AT    0x38

struct disk_said disk_said = {.rate = 0x80};
static char path[64]; /* of the disk; empty while there is none */
static const char *kind = ""; /* `disk` or `files`, as it is used; empty before that is known */
static int bell = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk_asked asked;

struct disk_asked disk_asked(void)
{
    pthread_mutex_lock(&lock);
    struct disk_asked now = asked;
    pthread_mutex_unlock(&lock);
    return now;
}

int disk_bell(void) { return bell; }

void disk_listen(u32 milliseconds)
{
    struct pollfd heard = {.fd = bell, .events = POLLIN};
    u64 rung;

    if (poll(&heard, 1, (int)milliseconds) > 0 && read(bell, &rung, sizeof rung) < 0)
        die("the disk's bell");
}

u32 disk_due(u32 *credit, u64 *since, u32 most)
{
    u64 now = monotonic_ns();
    u64 earned = *credit + (now - *since) / 1000 * disk_said.rate;

    *since = now;
    *credit = earned < (u64)most * 1000000 ? (u32)earned : most * 1000000; /* the disk is slower than that */
    return *credit / 1000000;
}

static u32 now(const u32 *value) { return __atomic_load_n(value, __ATOMIC_ACQUIRE); }

static void say(const char *id_key, u32 id)
{
    statement_begin(kind);
    if (id_key)
        statement_hex(id_key, id);
    u32 flushed = now(&disk_said.flushed), done = now(&disk_said.done), issued = now(&disk_said.issued);
    statement_hex("blocks", now(&disk_said.blocks));
    statement_hex("rate", disk_said.rate);
    statement_hex("issued", issued);
    statement_hex("done", done);
    statement_hex("flushed", flushed);
    statement_hex("checked", now(&disk_said.checked));
    statement_hex("stale", now(&disk_said.stale));
    statement_hex("errors", now(&disk_said.errors));
    statement_end();
}

static void say_now(void *context)
{
    (void)context;
    if (now(&disk_said.blocks))
        say(NULL, 0);
}

void disk_answer(void)
{
    pthread_mutex_lock(&lock);
    disk_said.rate = asked.rate;
    asked.wanted = false;
    u32 id = asked.id;
    pthread_mutex_unlock(&lock);
    beat_now();
    say("id", id);
}

static bool holds_files(void)
{
    u8 super[EXT4_AT + 2];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool read_it = file >= 0 && pread(file, super, sizeof super, SUPER) == sizeof super;

    close(file);
    return read_it && (super[EXT4_AT] | super[EXT4_AT + 1] << 8) == EXT4_MAGIC;
}

static void *live(void *context)
{
    (void)context;
    if (holds_files()) {
        kind = "files";
        files_live(path);
    }
    kind = "disk";
    blocks_live(path);
    return NULL;
}

static bool is_ours(const struct uevent *device)
{
    bool named = !strncmp(device->name, "vd", 2) || !strncmp(device->name, "sd", 2) || !strncmp(device->name, "nvme", 4);

    return named && !strcmp(device->subsystem, "block") && !strcmp(device->action, "add") && !strstr(device->path, "/usb");
}

static void found(const struct uevent *device)
{
    pthread_t thread;

    if (*path || !is_ours(device))
        return;
    snprintf(path, sizeof path, "/dev/%s", device->name);
    bell = eventfd(0, EFD_CLOEXEC);
    if (bell < 0 || pthread_create(&thread, NULL, live, NULL))
        die("the disk's thread");
    every(SAY_EVERY, say_now, NULL);
}

static bool take(u32 id, u32 rate)
{
    bool free_for_it;

    pthread_mutex_lock(&lock);
    free_for_it = !asked.wanted || asked.id == id;
    if (!asked.wanted)
        asked = (struct disk_asked){true, id, rate};
    pthread_mutex_unlock(&lock);
    return free_for_it && write(bell, &(u64){1}, sizeof(u64)) == sizeof(u64);
}

/* `disk`, `disk rate=N`, or `files`. Asking again for what is worked for does nothing. */
static bool ask(u32 id, const char *words)
{
    u64 rate = disk_said.rate;

    if (!now(&disk_said.blocks) || !word_is(&words, kind))
        return false;
    if (*words && (!word_option(&words, "rate", &rate, 0, RATE_MAX) || *words))
        return false;
    return take(id, (u32)rate);
}

SUBJECT(disk) = {.device = found, .command = ask};
