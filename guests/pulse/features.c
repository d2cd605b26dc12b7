/* SPDX-License-Identifier: Apache-2.0 */
/* What this CPU and machine have, so that nothing is touched that is not there (SDM 2A, CPUID). */
#include "pulse.h"

struct features features;

static char text[128];

void features_find(void)
{
    struct cpuid basic = cpuid(1, 0);
    struct cpuid extended = cpuid(0x80000000, 0);

    features.sep = basic.d & 1 << 11;
    features.mtrr = basic.d & 1 << 12 && rdmsr(0xfe) & 0xff; /* MTRRCAP: number of variable pairs */
    features.pat = basic.d & 1 << 16;
    /* AVX state in the standard format is 256 bytes at offset 576 (SDM 1, 13.4.2; CPUID leaf 13, sub-leaf 2). */
    features.avx = basic.c & 1 << 26 && basic.c & 1 << 28 && cpuid(13, 2).a == 256 && cpuid(13, 2).b == 576;
    if (extended.a >= 0x80000001) {
        extended = cpuid(0x80000001, 0);
        features.nx = extended.d & 1 << 20;
        features.rdtscp = extended.d & 1 << 27;
        features.lm = extended.d & 1 << 29;
    }
    features.rtc = clock_has_rtc();
}

static char *add(char *to, bool has, const char *name)
{
    if (!has)
        return to;
    if (to > text)
        *to++ = ',';
    while (*name)
        *to++ = *name++;
    *to = 0;
    return to;
}

const char *features_text(void)
{
    char *to = text;

    to = add(to, features.avx, "avx");
    to = add(to, features.rdtscp, "rdtscp");
    to = add(to, features.rtc, "rtc");
    to = add(to, features.nx, "nx");
    to = add(to, features.mtrr, "mtrr");
    to = add(to, features.pat, "pat");
    to = add(to, features.sep, "sep");
    to = add(to, features.lm, "lm");
    to = add(to, timers_drive(TIMER_PIT), "pit");
    to = add(to, timers_drive(TIMER_HPET), "hpet");
    to = add(to, timers_drive(TIMER_RTC), "rtc-periodic");
    to = add(to, timers_drive(TIMER_PM), "pm-timer");
    to = add(to, acpi.control != 0, "acpi");
    to = add(to, acpi.sleeps, "s3");
    to = add(to, acpi.panic_port != 0, "pvpanic");
    to = add(to, storage_feature() != NULL, storage_feature());
    return to > text ? text : "-";
}
