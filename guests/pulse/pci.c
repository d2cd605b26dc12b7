/* SPDX-License-Identifier: Apache-2.0 */
/* Devices on PCI's first bus, by configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
#include "pulse.h"

#define ADDRESS 0xcf8
#define DATA    0xcfc
#define ENABLE  0x80000000u
#define SLOTS   32

#define ID      0x00
#define COMMAND 0x04
#define BAR0    0x10

#define IO_SPACE          0x001
#define BUS_MASTER        0x004
#define INTERRUPT_DISABLE 0x400

static u32 read(u32 slot, u32 offset)
{
    outl(ADDRESS, ENABLE | slot << 11 | offset);
    return inl(DATA);
}

static void write(u32 slot, u32 offset, u32 value)
{
    outl(ADDRESS, ENABLE | slot << 11 | offset);
    outl(DATA, value);
}

/* The I/O ports of the first such device, which may read and write memory from now on; 0 if there is none. */
u16 pci_find(u16 vendor, u16 device)
{
    for (u32 slot = 0; slot < SLOTS; slot++) {
        if (read(slot, ID) != ((u32)device << 16 | vendor))
            continue;
        u32 bar = read(slot, BAR0);
        if (!(bar & 1) || bar >> 16)
            continue; /* not I/O ports, or none given by the firmware */
        u32 was = read(slot, COMMAND) & 0xffff; /* the status, in the upper half, is cleared by ones */
        write(slot, COMMAND, was | IO_SPACE | BUS_MASTER | INTERRUPT_DISABLE);
        return (u16)(bar & ~3u);
    }
    return 0;
}
