/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyboards, mice and tablets: every input device is told when the kernel finds it and when it loses it, and every report of
 * it is told with what it held, so that who typed or pointed can see it arrive.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 16
#define AXES        2

static struct input {
    char node[32]; /* `input/event3`; empty where there is none */
    char name[96];
    u32 number; /* of the node */
    int fd;
    int place[AXES], moved[AXES];
    u32 buttons;
    bool is_absolute, has_buttons, dropped;
} inputs[DEVICES_MAX];

/* How often a device of some name was found: more than once, and somebody had lost it. */
static u32 times_found(const char *name)
{
    static struct {
        char name[96];
        u32 times;
    } found[DEVICES_MAX];

    for (size_t i = 0; i < DEVICES_MAX; i++) {
        if (*found[i].name && strcmp(found[i].name, name))
            continue;
        strcpy(found[i].name, name);
        return ++found[i].times;
    }
    return 0;
}

static void say_found(const struct input *input)
{
    struct input_id id = {0};
    struct input_absinfo axis = {0};
    char phys[96] = "";

    ioctl(input->fd, EVIOCGID, &id);
    ioctl(input->fd, EVIOCGPHYS(sizeof phys), phys);
    ioctl(input->fd, EVIOCGABS(ABS_X), &axis);
    statement_begin("input");
    statement_hex("dev", input->number);
    statement_hex("bus", id.bustype);
    statement_hex("vendor", id.vendor);
    statement_hex("product", id.product);
    statement_hex("max", input->is_absolute ? (u32)axis.maximum : 0);
    statement_hex("times", times_found(input->name));
    statement_text("name", input->name);
    statement_text("phys", phys);
    statement_end();
}

static void lose(struct input *input)
{
    statement_begin("lost");
    statement_hex("dev", input->number);
    statement_text("name", input->name);
    statement_end();
    unwatch(input->fd);
    close(input->fd);
    *input->node = 0;
}

static void event_begin(const struct input *input, const struct input_event *event)
{
    statement_begin("event");
    statement_hex("dev", input->number);
    statement_hex("at", (u64)event->input_event_sec * 1000000 + (u64)event->input_event_usec);
}

static void say_key(const struct input *input, const struct input_event *event)
{
    event_begin(input, event);
    statement_hex("key", event->code);
    statement_hex("down", (u32)event->value);
    statement_end();
}

/* A report of a pointer, complete: what it did not speak of is as it was. */
static void say_report(struct input *input, const struct input_event *event)
{
    event_begin(input, event);
    if (input->dropped)
        statement_hex("dropped", 1);
    if (input->is_absolute) {
        statement_hex("x", (u32)input->place[0]);
        statement_hex("y", (u32)input->place[1]);
    } else {
        statement_hex("dx", (u32)input->moved[0]);
        statement_hex("dy", (u32)input->moved[1]);
    }
    statement_hex("buttons", input->buttons);
    statement_end();
    memset(input->moved, 0, sizeof input->moved);
    input->dropped = false;
}

static void take_key(struct input *input, const struct input_event *event)
{
    u32 bit = 1u << (event->code & 7);

    if (event->value > 1)
        return; /* the kernel's own repetition of a key that is held */
    if (event->code < BTN_LEFT || event->code >= BTN_LEFT + 8)
        say_key(input, event);
    else
        input->buttons = event->value ? input->buttons | bit : input->buttons & ~bit;
}

static void take(struct input *input, const struct input_event *event)
{
    if (event->type == EV_KEY)
        take_key(input, event);
    else if (event->type == EV_ABS && event->code < AXES)
        input->place[event->code] = event->value;
    else if (event->type == EV_REL && event->code < AXES)
        input->moved[event->code] += event->value;
    else if (event->type == EV_SYN && event->code == SYN_DROPPED)
        input->dropped = true; /* we were too slow: nobody else is to blame for what is missing */
    else if (event->type == EV_SYN && event->code == SYN_REPORT && input->has_buttons)
        say_report(input, event);
}

static void hear(void *context)
{
    struct input *input = context;
    struct input_event events[64];
    ssize_t length;

    while ((length = read(input->fd, events, sizeof events)) > 0)
        for (size_t i = 0; i < (size_t)length / sizeof *events; i++)
            take(input, &events[i]);
    if (length < 0 && errno == ENODEV)
        lose(input);
}

static bool has(const struct input *input, u32 type, u32 code)
{
    u8 bits[KEY_CNT / 8] = {0};

    ioctl(input->fd, EVIOCGBIT(type, sizeof bits), bits);
    return bits[code / 8] >> (code % 8) & 1;
}

static struct input *known(const char *node)
{
    for (struct input *input = inputs; input < inputs + DEVICES_MAX; input++)
        if (!strcmp(input->node, node))
            return input;
    return NULL;
}

static void open_one(const char *node)
{
    struct input *input = known("");
    char path[64];

    if (!input || strlen(node) >= sizeof input->node)
        return;
    snprintf(path, sizeof path, "/dev/%s", node);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    *input = (struct input){.fd = fd, .number = (u32)atoi(strpbrk(node, "0123456789"))};
    strcpy(input->node, node);
    ioctl(fd, EVIOCSCLOCKID, &(int){CLOCK_MONOTONIC});
    ioctl(fd, EVIOCGNAME(sizeof input->name), input->name);
    input->is_absolute = has(input, EV_ABS, ABS_X);
    input->has_buttons = has(input, EV_KEY, BTN_LEFT);
    watch(fd, EPOLLIN, hear, input);
    say_found(input);
}

static void device(const struct uevent *device)
{
    if (strcmp(device->subsystem, "input") || strncmp(device->name, "input/event", 11))
        return;
    struct input *input = known(device->name);
    if (input && !strcmp(device->action, "remove"))
        lose(input);
    else if (!input && strcmp(device->action, "remove"))
        open_one(device->name);
}

SUBJECT(input) = {.device = device, .feature = "input"};
