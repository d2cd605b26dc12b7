/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of its devices, told on to every subject; first of those that were there before us. */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <glob.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE 8192
#define QUEUE   (1 << 20) /* bytes of messages that may wait */

static int events = -1;

/* `ACTION@PATH` and then `KEY=VALUE`, each ended by a zero: lib/kobject_uevent.c. */
static struct uevent parse(const char *message, size_t length)
{
    struct uevent device = {"", "", "", "", ""};
    const struct {
        const char *key, **value;
    } wanted[] = {{"ACTION=", &device.action}, {"DEVPATH=", &device.path}, {"SUBSYSTEM=", &device.subsystem},
                  {"DEVNAME=", &device.name}, {"MODALIAS=", &device.modalias}};

    for (const char *word = message; word < message + length; word += strlen(word) + 1)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (!strncmp(word, wanted[i].key, strlen(wanted[i].key)))
                *wanted[i].value = word + strlen(wanted[i].key);
    return device;
}

static void hear(void *context)
{
    char message[MESSAGE + 1];
    ssize_t length;

    (void)context;
    while ((length = recv(events, message, MESSAGE, MSG_DONTWAIT)) > 0) {
        message[length] = 0;
        struct uevent device = parse(message, (size_t)length);
        for (const struct subject *subject = __start_subjects; subject < __stop_subjects; subject++)
            if (subject->device)
                subject->device(&device);
    }
}

/* Has the kernel tell of the devices that are there: written to `uevent`, the word is the action. */
static void ask_for(const char *pattern)
{
    glob_t found;

    if (glob(pattern, GLOB_NOSORT, NULL, &found))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int file = open(found.gl_pathv[i], O_WRONLY | O_CLOEXEC);
        if (file >= 0 && write(file, "add", 3) == 3)
            hear(NULL);
        close(file);
    }
    globfree(&found);
}

static void start(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};

    events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    setsockopt(events, SOL_SOCKET, SO_RCVBUFFORCE, &(int){QUEUE}, sizeof(int));
    if (events < 0 || bind(events, (struct sockaddr *)&address, sizeof address))
        die("the kernel's events");
    watch(events, EPOLLIN, hear, NULL);
    ask_for("/sys/bus/pci/devices/*/uevent");
    ask_for("/sys/bus/acpi/devices/*/uevent");
    ask_for("/sys/bus/serio/devices/*/uevent");
    ask_for("/sys/class/input/*/uevent");
    ask_for("/sys/class/block/*/uevent");
    ask_for("/sys/class/net/*/uevent");
}

SUBJECT(uevent) = {.start = start};
