/* SPDX-License-Identifier: Apache-2.0 */
/* `watchdog feed=N timeout=N`: the watchdog device is armed (seconds) and fed from then on, or armed and left to starve. */
#include "agent.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FEED_MS     500
#define TIMEOUT_MAX 2046 /* drivers/watchdog/i6300esb.c */

static int dog = -1;
static bool feeds;

static void feed(void *context)
{
    (void)context;
    if (feeds && dog >= 0)
        ioctl(dog, WDIOC_KEEPALIVE, 0);
}

static bool arm(u64 timeout)
{
    static bool fed;

    if (dog < 0)
        dog = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);
    if (dog < 0 || ioctl(dog, WDIOC_SETTIMEOUT, &(int){(int)timeout}))
        return false;
    if (!fed)
        every(FEED_MS, feed, NULL);
    fed = true;
    return true;
}

static bool ask(u32 id, const char *words)
{
    u64 wanted = 0, timeout = 0;

    if (!word_is(&words, "watchdog") || !word_option(&words, "feed", &wanted, 0, 1) ||
        !word_option(&words, "timeout", &timeout, 1, TIMEOUT_MAX) || *words || !arm(timeout))
        return false;
    feeds = wanted;
    beat_now();
    statement_begin("watchdog");
    statement_hex("id", id);
    statement_hex("feed", feeds);
    statement_hex("timeout", timeout);
    statement_end();
    return true;
}

SUBJECT(watchdog) = {.command = ask};
