/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers, as a distribution finds them: a device says by its modalias what it is, and the module whose pattern fits is
 * loaded, what it needs first. The two tables are made with the initramfs (landfall.linux.initramfs).
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE    8192
#define ALIASES "/etc/modules.alias" /* lines of `PATTERN NAME` */
#define NEEDS   "/etc/modules.dep"   /* lines of `NAME NEEDED NEEDED …`, in the order of loading */

/* A module that cannot be loaded is a complaint like the kernel's own. */
static void complain(const char *path)
{
    statement_begin("kernel");
    statement_hex("level", 3);
    statement_hex("at", monotonic_ns() / 1000);
    statement_text("text", path);
    statement_end();
}

static void insert(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "/lib/modules/%s.ko", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST))
        complain(path);
    if (file >= 0)
        close(file);
}

static void load(const char *name)
{
    char *line = NULL, *rest;
    size_t size = 0;
    FILE *needs = fopen(NEEDS, "re");

    while (needs && getline(&line, &size, needs) > 0) {
        char *own = strtok_r(line, " \n", &rest);
        if (!own || strcmp(own, name))
            continue;
        for (char *needed; (needed = strtok_r(NULL, " \n", &rest));)
            insert(needed);
        insert(name);
    }
    free(line);
    if (needs)
        fclose(needs);
}

void driver_find(const char *alias)
{
    char pattern[LINE], name[128];

    FILE *aliases = fopen(ALIASES, "re");
    while (aliases && fscanf(aliases, "%8191s %127s", pattern, name) == 2)
        if (!fnmatch(pattern, alias, 0))
            load(name);
    if (aliases)
        fclose(aliases);
}

static void find(const struct uevent *device)
{
    if (*device->modalias && strcmp(device->action, "remove"))
        driver_find(device->modalias);
}

SUBJECT(driver) = {.device = find};
