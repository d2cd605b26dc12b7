/* SPDX-License-Identifier: Apache-2.0 */
/* The line to the host: what is said there, and what is asked. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

void command_handle(const char *line);

#define LINE 256

static int line_fd = -1;
static char line[LINE];
static size_t length;
static bool too_long;

static void take(char c)
{
    if (c != '\n') {
        too_long |= length == LINE - 1;
        if (!too_long)
            line[length++] = c;
        return;
    }
    line[length] = 0;
    if (!too_long)
        command_handle(line);
    length = 0;
    too_long = false;
}

static void hear(void *context)
{
    char bytes[64];
    ssize_t count = read(line_fd, bytes, sizeof bytes);

    (void)context;
    for (ssize_t i = 0; i < count; i++)
        take(bytes[i]);
}

void serial_open(const char *path)
{
    struct termios raw;

    line_fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (line_fd < 0 || tcgetattr(line_fd, &raw))
        die("%s", path);
    cfmakeraw(&raw);
    cfsetspeed(&raw, B115200);
    if (tcsetattr(line_fd, TCSANOW, &raw))
        die("%s", path);
    watch(line_fd, EPOLLIN, hear, NULL);
}

/* Waits while the host does not take it. */
void serial_write(const char *text, size_t count)
{
    while (count) {
        ssize_t written = write(line_fd, text, count);
        if (written < 0 && errno != EINTR)
            die("the serial line");
        if (written > 0) {
            text += written;
            count -= (size_t)written;
        }
    }
}

void serial_drain(void) { tcdrain(line_fd); }
