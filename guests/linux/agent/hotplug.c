/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs and memory that are plugged in while the guest runs: brought on line as a distribution's rules do, and said. A new
 * vCPU has a thread from then on; new memory is used by whoever wants more pages (`grow`).
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(const char *name, const char *text)
{
    statement_begin("added");
    statement_text("name", name);
    statement_text("text", text);
    statement_hex("cpus", vcpu_count);
    statement_end();
}

/* Whether it is on line now, or was already. */
static bool bring_on_line(const char *device, const char *attribute, const char *word)
{
    char path[256];

    snprintf(path, sizeof path, "/sys%s/%s", device, attribute);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool done = file >= 0 && (write(file, word, strlen(word)) > 0 || errno == EINVAL);
    if (file >= 0)
        close(file);
    return done;
}

static void plugged(const struct uevent *device)
{
    const char *name = strrchr(device->path, '/');
    bool is_cpu = !strcmp(device->subsystem, "cpu"), is_memory = !strcmp(device->subsystem, "memory");

    if (strcmp(device->action, "add") || !name++ || !(is_cpu || is_memory))
        return;
    if (!bring_on_line(device->path, is_cpu ? "online" : "state", is_cpu ? "1" : "online"))
        return tell(name, strerror(errno));
    if (is_cpu)
        vcpu_join((u32)strtoul(name + strlen("cpu"), NULL, 10));
    tell(name, "on line");
}

SUBJECT(hotplug) = {.device = plugged, .feature = "hotplug"};
