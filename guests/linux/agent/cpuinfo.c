/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every vCPU says of itself, CPUID leaf by leaf, and what the kernel made of it in /proc/cpuinfo: learned at the start,
 * looked at again once a second, and when asked (`cpu`). What is not as it was is said, and is what is expected from then on.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <cpuid.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX     192
#define EVERY_MS       1000
#define STATEMENTS_MAX 24 /* of one look at all vCPUs */
#define TEXT           16384
#define WORDS_MAX      380 /* characters of words told */

static struct leaf {
    u32 number, sub, registers[4];
} known[MAX_CPUS][LEAVES_MAX];
static u32 leaves_known[MAX_CPUS];
static char *lines_known[MAX_CPUS];
static u32 looks, differing, said;

/* Leaves with more than one answer, by ECX, and how many are looked at. */
static u32 subs_of(u32 leaf)
{
    static const struct {
        u32 leaf, subs;
    } more[] = {{4, 8}, {7, 3}, {0xb, 3}, {0xd, 20}, {0xf, 2}, {0x10, 4}, {0x12, 4}, {0x14, 2}, {0x1f, 3}, {0x8000001d, 5}};

    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i].leaf == leaf)
            return more[i].subs;
    return 1;
}

/* What the kernel may change while it runs is left out: CR4.OSXSAVE and CR4.PKE as CPUID shows them, XCR0's size. */
static void normalise(struct leaf *leaf)
{
    u32 *r = leaf->registers;

    if (leaf->number == 1)
        r[2] &= ~(u32)bit_OSXSAVE;
    if (leaf->number == 7 && !leaf->sub)
        r[2] &= ~(1u << 4);
    if (leaf->number == 0xd && leaf->sub < 2)
        r[1] = 0;
}

static u32 read_leaves(struct leaf *leaves)
{
    static const u32 ranges[] = {0, 0x40000000, 0x80000000, 0xc0000000};
    u32 count = 0;

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        u32 first = ranges[i], last, b, c, d;
        __cpuid_count(first, 0, last, b, c, d);
        if (last < first || last > first + 0x40) /* no such range: the answer is another leaf's */
            continue;
        for (u32 leaf = first; leaf <= last; leaf++)
            for (u32 sub = 0; sub < subs_of(leaf) && count < LEAVES_MAX; sub++, count++) {
                u32 *r = leaves[count].registers;
                leaves[count].number = leaf;
                leaves[count].sub = sub;
                __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
                normalise(&leaves[count]);
            }
    }
    return count;
}

static void tell_leaf(u32 cpu, const struct leaf *was, const struct leaf *is)
{
    static const char *const names[] = {"eax", "ebx", "ecx", "edx"};

    for (u32 n = 0; n < 4; n++) {
        if (was->registers[n] == is->registers[n] || said++ >= STATEMENTS_MAX)
            continue;
        statement_begin("cpuid");
        statement_hex("cpu", cpu);
        statement_hex("leaf", is->number);
        statement_hex("sub", is->sub);
        statement_text("name", names[n]);
        statement_hex("found", is->registers[n]);
        statement_hex("expected", was->registers[n]);
        statement_end();
    }
}

static void compare_leaves(u32 cpu, const struct leaf *now, u32 count)
{
    u32 before = leaves_known[cpu], common = before < count ? before : count;

    for (u32 n = 0; n < common; n++) {
        if (!memcmp(&known[cpu][n], &now[n], sizeof *now))
            continue;
        differing++;
        tell_leaf(cpu, &known[cpu][n], &now[n]);
    }
    differing += before != count;
}

/* On that vCPU itself. */
static void look_at_leaves(u32 cpu)
{
    static struct leaf now[LEAVES_MAX];
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        die("vCPU %u", cpu);
    u32 count = read_leaves(now);
    if (leaves_known[cpu])
        compare_leaves(cpu, now, count);
    memcpy(known[cpu], now, sizeof now);
    leaves_known[cpu] = count;
}

/* Words of one line that the other has not. */
static void words_only_in(const char *line, const char *other, char *words)
{
    char copy[2048], around[2052], padded[2052], *rest;

    *words = 0;
    snprintf(copy, sizeof copy, "%s", line);
    snprintf(padded, sizeof padded, " %s ", other);
    for (char *word = strtok_r(copy, " \t:", &rest); word; word = strtok_r(NULL, " \t:", &rest)) {
        snprintf(around, sizeof around, " %s ", word);
        if (!strstr(padded, around) && strlen(words) + strlen(word) + 2 < WORDS_MAX) {
            strcat(words, *words ? " " : "");
            strcat(words, word);
        }
    }
}

static void tell_line(u32 cpu, const char *was, const char *is)
{
    char gone[WORDS_MAX], come[WORDS_MAX], name[64];

    differing++;
    if (said++ >= STATEMENTS_MAX)
        return;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(*is ? is : was, "\t:"), *is ? is : was);
    words_only_in(was, is, gone);
    words_only_in(is, was, come);
    statement_begin("cpuinfo");
    statement_hex("cpu", cpu);
    statement_text("name", name);
    statement_text("was", gone);
    statement_text("text", come);
    statement_end();
}

static void compare_lines(u32 cpu, const char *before, const char *now)
{
    char *was = strdup(before), *is = strdup(now), *was_rest = was, *is_rest = is;

    for (;;) {
        char *one = strsep(&was_rest, "\n"), *other = strsep(&is_rest, "\n");
        if (!one && !other)
            break;
        if (strcmp(one ? one : "", other ? other : ""))
            tell_line(cpu, one ? one : "", other ? other : "");
    }
    free(was);
    free(is);
}

static bool is_steady(const char *line)
{
    return *line != '\n' && strncmp(line, "cpu MHz", 7) && strncmp(line, "bogomips", 8);
}

static void keep_lines(u32 cpu, const char *now, bool compares)
{
    if (lines_known[cpu] && compares)
        compare_lines(cpu, lines_known[cpu], now);
    free(lines_known[cpu]);
    lines_known[cpu] = strdup(now);
}

/* A paragraph is a vCPU's, and begins with its number. One more changes the topology that the others tell of. */
static void look_at_lines(void)
{
    static u32 counted;
    static char now[TEXT];
    char line[2048];
    u32 cpu = MAX_CPUS;
    size_t length = 0;
    FILE *file = fopen("/proc/cpuinfo", "re");

    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "processor", 9)) {
            if (cpu < MAX_CPUS)
                keep_lines(cpu, now, counted == vcpu_count);
            cpu = (u32)strtoul(line + strcspn(line, ":") + 1, NULL, 10);
            length = 0;
        }
        if (is_steady(line) && length + strlen(line) < TEXT)
            length += (size_t)sprintf(now + length, "%s", line);
    }
    if (cpu < MAX_CPUS)
        keep_lines(cpu, now, counted == vcpu_count);
    if (file)
        fclose(file);
    counted = vcpu_count;
}

static void look(void *context)
{
    cpu_set_t everywhere;

    (void)context;
    said = 0;
    sched_getaffinity(0, sizeof everywhere, &everywhere);
    for (u32 cpu = 0; cpu < vcpu_count; cpu++)
        look_at_leaves(cpu);
    sched_setaffinity(0, sizeof everywhere, &everywhere);
    look_at_lines();
    looks++;
}

static void start(void)
{
    look(NULL);
    every(EVERY_MS, look, NULL);
}

static bool ask(u32 id, const char *words)
{
    if (strcmp(words, "cpu"))
        return false;
    look(NULL);
    u32 leaves = 0, digest = crc32(known, sizeof known);
    for (u32 cpu = 0; cpu < vcpu_count; cpu++)
        leaves += leaves_known[cpu];
    beat_now();
    statement_begin("cpu");
    statement_hex("id", id);
    statement_hex("looks", looks);
    statement_hex("leaves", leaves);
    statement_hex("differing", differing);
    statement_hex("digest", digest);
    statement_end();
    return true;
}

SUBJECT(cpuinfo) = {.start = start, .command = ask, .feature = "cpuid"};
