/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader left in memory that pulse is about to own: read once, before the first page is written. */
#include "pulse.h"

/* Multiboot Specification 0.6.96, section 3.3. */
struct multiboot {
    u32 flags, lower, upper, device;
    u32 command_line;
    u32 modules, module_address, symbols[4];
    u32 map_bytes, map;
};

struct map_entry {
    u32 size; /* of what follows */
    u64 address, length;
    u32 type;
} __attribute__((packed));

#define HAS_COMMAND_LINE 0x04
#define HAS_MAP          0x40
#define AVAILABLE        1

extern u32 multiboot_info;

static const struct multiboot *info(void) { return (const struct multiboot *)(word)multiboot_info; }

/* QEMU writes the kernel's file name before the words of -append (hw/i386/multiboot.c, 7.2). */
bool multiboot_options(void)
{
    const char *words = (const char *)(word)info()->command_line;

    if (!(info()->flags & HAS_COMMAND_LINE))
        return true;
    while (*words && *words != ' ')
        words++;
    return options_parse(words);
}

void multiboot_each_range(void (*use)(u64 start, u64 end))
{
    word at = info()->map, end = at + info()->map_bytes;

    if (!(info()->flags & HAS_MAP))
        return;
    while (at < end) {
        const struct map_entry *entry = (const struct map_entry *)at;
        if (entry->type == AVAILABLE)
            use(entry->address, entry->address + entry->length);
        at += entry->size + sizeof entry->size;
    }
}
