/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware left behind about power: ACPI tables (ACPI 6.5, chapter 5), and files of fw_cfg
 * (QEMU, docs/specs/fw_cfg.rst). Read once; the tables lie in memory that the map calls reserved.
 */
#include "pulse.h"

#define RSDP_FIRST 0xe0000u /* ACPI 6.5, 5.2.5.1 */
#define RSDP_END   0x100000u
#define RSDP_RSDT  16
#define HEADER     36
#define LENGTH     4
#define FADT_FACS  36
#define FADT_PM1A_CONTROL 64

#define FW_CFG_SELECTOR  0x510
#define FW_CFG_DATA      0x511
#define FW_CFG_DIRECTORY 0x19
#define NAME             56

#define PCI_ADDRESS  0xcf8 /* configuration mechanism 1: PCI Local Bus 3.0, 3.2.2.3.2 */
#define PCI_DATA     0xcfc
#define ICH9_LPC     0x8000f800u
#define ICH9_ID      0x29188086u
#define ICH9_PM_BASE 0x40 /* ICH9 data sheet, 13.1.13, and behind it what enables it */
#define ICH9_PM_LAST 0x44

struct acpi acpi;

static u32 ich9[2];

static u32 get32(word address) { return *(const volatile u32 *)address; }

static bool is(const void *here, const char *name)
{
    const volatile char *at = here;

    while (*name)
        if (*at++ != *name++)
            return false;
    return true;
}

static word rsdt(void)
{
    for (word at = RSDP_FIRST; at < RSDP_END; at += 16)
        if (is((const void *)at, "RSD PTR "))
            return get32(at + RSDP_RSDT);
    return 0;
}

static word table(const char *signature)
{
    word root = rsdt();

    if (!root || !is((const void *)root, "RSDT"))
        return 0;
    for (word at = root + HEADER; at < root + get32(root + LENGTH); at += 4)
        if (is((const void *)(word)get32(at), signature))
            return get32(at);
    return 0;
}

static u32 next(u32 bytes)
{
    u32 value = 0;

    while (bytes--)
        value = value << 8 | inb(FW_CFG_DATA);
    return value;
}

/* Reads the first bytes of a file; false where the machine has none of that name. */
static bool file(const char *name, u8 *to, u32 bytes)
{
    outw(FW_CFG_SELECTOR, FW_CFG_DIRECTORY);
    for (u32 count = next(4); count; count--) {
        char found[NAME];
        u32 size = next(4), selector = next(2);
        next(2);
        for (u32 i = 0; i < NAME; i++)
            found[i] = (char)next(1);
        if (!is(found, name) || found[0] == 0 || size < bytes)
            continue;
        outw(FW_CFG_SELECTOR, (u16)selector);
        while (bytes--)
            *to++ = inb(FW_CFG_DATA);
        return true;
    }
    return false;
}

static u32 pci_read(u32 address)
{
    outl(PCI_ADDRESS, address);
    return inl(PCI_DATA);
}

static void ich9_remember(void)
{
    if (pci_read(ICH9_LPC) != ICH9_ID)
        return;
    for (u32 at = ICH9_PM_BASE; at <= ICH9_PM_LAST; at += 4)
        ich9[(at - ICH9_PM_BASE) / 4] = pci_read(ICH9_LPC + at);
}

/* Where the power management ports are is the firmware's to say again: SeaBIOS (1.16) does on pc, not on q35. */
void acpi_restore(void)
{
    for (u32 at = ICH9_PM_BASE; ich9[0] && at <= ICH9_PM_LAST; at += 4) {
        outl(PCI_ADDRESS, ICH9_LPC + at);
        outl(PCI_DATA, ich9[(at - ICH9_PM_BASE) / 4]);
    }
}

/* etc/system-states: for each S-state its SLP_TYP, and bit 7 where it is offered (QEMU 10.0, hw/acpi/piix4.c). */
void acpi_find(void)
{
    word fadt = table("FACP");
    u8 states[6], port[2];

    if (fadt) {
        acpi.control = (u16)get32(fadt + FADT_PM1A_CONTROL);
        acpi.facs = get32(fadt + FADT_FACS);
    }
    ich9_remember();
    if (acpi.control && acpi.facs && file("etc/system-states", states, sizeof states)) {
        acpi.sleeps = states[3] & 0x80;
        acpi.sleep_type = states[3] & 7;
    }
    if (file("etc/pvpanic-port", port, sizeof port))
        acpi.panic_port = (u16)(port[0] | port[1] << 8);
}
