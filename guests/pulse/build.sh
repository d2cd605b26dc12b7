#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh OUTDIR: builds OUTDIR/pulse-32 and OUTDIR/pulse-64 with $CC (gcc) and binutils, nothing else.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Loops over pages must stay loops: there is no memset to call. Pages are read as words of more than one size.
flags="-std=gnu11 -ffreestanding -nostdlib -mgeneral-regs-only -fno-stack-protector -fno-pic -mno-red-zone -O2
 -fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns
 -fno-strict-aliasing -Wall -Wextra -Werror"

for bits in 32 64; do
    arch=-m$bits
    objects=
    for source in *.S *.c; do
        object=$work/$source.$bits.o
        # shellcheck disable=SC2086
        $cc $arch $flags -c "$source" -o "$object"
        objects="$objects $object"
    done
    # shellcheck disable=SC2086
    $cc $arch -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-T,pulse.ld $objects -o "$work/pulse-$bits"
done

# QEMU loads no 64-bit ELF by multiboot (hw/i386/multiboot.c, "Cannot load x86-64 image", 7.2).
objcopy -S -O elf32-i386 "$work/pulse-64" "$out/pulse-64"
objcopy -S "$work/pulse-32" "$out/pulse-32"
