#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh ENTRY OUT: builds OUT, which enters a kernel at ENTRY, with $CC (gcc) and binutils.
set -eu

[ $# -eq 2 ] || { echo "usage: build.sh ENTRY OUT" >&2; exit 2; }
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-m32 -DENTRY=$1 -std=gnu11 -ffreestanding -nostdlib -mgeneral-regs-only -fno-stack-protector
 -fno-pic -O2 -fcf-protection=none -fno-asynchronous-unwind-tables -Wall -Wextra -Werror"
for source in entry.S main.c; do
    # shellcheck disable=SC2086
    ${CC:-gcc} $flags -c "$source" -o "$work/$source.o"
done
${CC:-gcc} -m32 -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-T,pvh.ld \
    "$work/entry.S.o" "$work/main.c.o" -o "$2"
