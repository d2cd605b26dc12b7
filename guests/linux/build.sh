#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh OUTDIR: builds OUTDIR/agent-64 and, where $CC (gcc) has a 32-bit C library, OUTDIR/agent-32.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/agent"
cc=${CC:-gcc}

flags="-std=gnu11 -O2 -static -pthread -s -Wl,--build-id=none -Wall -Wextra -Werror"

# shellcheck disable=SC2086
$cc $flags -m64 -msse2 ./*.c ./*.S -o "$out/agent-64"
if echo 'int main(void) { return 0; }' | $cc -m32 -static -x c - -o "$out/agent-32" 2>/dev/null; then
    # shellcheck disable=SC2086
    $cc $flags -m32 -msse2 -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64 ./*.c ./*.S -o "$out/agent-32"
fi
