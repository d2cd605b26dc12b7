/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an agent that cannot go on: the kernel's console says why, and the kernel panics with it. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
    int error = errno, console = open("/dev/console", O_WRONLY);
    va_list arguments;

    va_start(arguments, format);
    if (console >= 0) {
        dprintf(console, "the agent: ");
        vdprintf(console, format, arguments);
        dprintf(console, ": %s\n", strerror(error));
    }
    va_end(arguments);
    exit(1);
}
