/* SPDX-License-Identifier: Apache-2.0 */
/* From what a Multiboot loader tells to what a Linux kernel is told that is entered by PVH: such a
 * kernel need not unpack itself, which takes an emulated processor longer than all else of its boot.
 * Structures: Multiboot 0.6.96, 3.3; Linux, include/xen/interface/hvm/start_info.h (6.1). */
typedef unsigned int u32;
typedef unsigned long long u64;

struct multiboot {
	u32 flags, lower, upper, boot_device, cmdline, mods_count, mods, symbols[4], mmap_length, mmap;
};
struct mod { u32 start, end, cmdline, reserved; };
struct range { u32 size; u64 address, length; u32 type; } __attribute__((packed));

struct start_info {
	u32 magic, version, flags, modules;
	u64 module_list, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};
struct module { u64 address, size, cmdline, reserved; };
struct memory { u64 address, size; u32 type, reserved; };

enum { MAGIC = 0x336ec578, MOST = 64, BIOS = 0xe0000, BIOS_END = 0x100000, PARAGRAPH = 16 };

static struct module module;
static struct memory map[MOST];
static struct start_info info;

static u32 find_rsdp(void)
{
	for (u32 at = BIOS; at < BIOS_END; at += PARAGRAPH) {
		const volatile u32 *words = (const volatile u32 *)at;

		if (words[0] == 0x20445352 && words[1] == 0x20525450) /* "RSD PTR " */
			return at;
	}
	return 0;
}

struct start_info *main(const struct multiboot *told)
{
	const struct mod *mod = (const struct mod *)told->mods;
	u32 at = told->mmap, count = 0;

	while (at < told->mmap + told->mmap_length && count < MOST) {
		const struct range *range = (const struct range *)at;

		map[count++] = (struct memory){ range->address, range->length, range->type, 0 };
		at += range->size + sizeof(range->size);
	}
	module = (struct module){ mod->start, mod->end - mod->start, 0, 0 };
	info = (struct start_info){
		.magic = MAGIC, .version = 1,
		.modules = told->mods_count ? 1 : 0, .module_list = (u32)&module,
		.cmdline = told->cmdline, .rsdp = find_rsdp(),
		.memmap = (u32)map, .memmap_entries = count,
	};
	return &info;
}
