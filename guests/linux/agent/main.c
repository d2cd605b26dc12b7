/* SPDX-License-Identifier: Apache-2.0 */
/* The first process, and the only one: it finds its devices' drivers, owns memory, and testifies. */
#include "agent.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void mount_one(const char *what, const char *where)
{
    mkdir(where, 0755);
    if (mount(what, where, what, 0, NULL))
        die("mount %s", where);
}

/* `linux,log,…`: what else it testifies about. */
static const char *features(void)
{
    static char text[256] = "linux";

    for (const struct subject *subject = __start_subjects; subject < __stop_subjects; subject++)
        if (subject->feature && strlen(text) + strlen(subject->feature) + 2 < sizeof text) {
            strcat(text, ",");
            strcat(text, subject->feature);
        }
    return text;
}

static void boot(void)
{
    statement_begin("boot");
    statement_text("guest", "linux");
    statement_hex("bits", 8 * sizeof(void *));
    statement_hex("cpus", vcpu_count);
    statement_hex("pages", options.pages);
    statement_text("features", features());
    statement_hex("tick", 1000000000 / TICKS_PER_S);
    statement_end();
}

u64 ready_at;

static void ready(void)
{
    ready_at = monotonic_ns();
    statement_begin("ready");
    statement_hex("pages", options.pages);
    statement_hex("at", ready_at / 1000);
    statement_end();
}

int main(int count, char **words)
{
    mount_one("devtmpfs", "/dev");
    mount_one("proc", "/proc");
    mount_one("sysfs", "/sys");
    serial_open("/dev/ttyS0");
    bool understood = options_start(count, words);
    vcpus_count();
    boot();
    if (!understood) {
        statement_begin("refused");
        statement_hex("id", 0);
        statement_text("text", "append");
        statement_end();
    }
    vcpus_start();
    for (const struct subject *subject = __start_subjects; subject < __stop_subjects; subject++)
        if (subject->start)
            subject->start();
    ready();
    loop();
}
