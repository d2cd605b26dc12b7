/* SPDX-License-Identifier: Apache-2.0 */
/* `reboot`: the machine is reset and boots anew. `leaving` is the last that this life says. */
#include "agent.h"

#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static bool ask(u32 id, const char *words)
{
    if (strcmp(words, "reboot"))
        return false;
    beat_now();
    statement_begin("leaving");
    statement_hex("id", id);
    statement_text("text", "reboot");
    statement_end_for_good();
    serial_drain();
    reboot(RB_AUTOBOOT);
    return true;
}

SUBJECT(reboot) = {.command = ask};
