/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks: `ID VERB arguments`. Whoever understands it answers. */
#include "agent.h"

#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

void command_handle(const char *line);

static void refuse(u32 id, const char *text)
{
    beat_now();
    statement_begin("refused");
    statement_hex("id", id);
    statement_text("text", text);
    statement_end();
}

static void echo(u32 id, const char *text)
{
    beat_now();
    statement_begin("echo");
    statement_hex("id", id);
    statement_text("text", text);
    statement_end();
}

static void set(u32 id)
{
    beat_now();
    statement_begin("set");
    statement_hex("id", id);
    statement_hex("rate", options.rate);
    statement_hex("duty", options.duty);
    statement_hex("zero", options.zero);
    statement_hex("flip", 0);
    statement_end();
}

static void leave(u32 id)
{
    beat_now();
    statement_begin("leaving");
    statement_hex("id", id);
    statement_text("text", "off");
    statement_end();
    reboot(RB_POWER_OFF);
}

static bool any_subject(u32 id, const char *words)
{
    for (const struct subject *subject = __start_subjects; subject < __stop_subjects; subject++)
        if (subject->command && subject->command(id, words))
            return true;
    return false;
}

void command_handle(const char *line)
{
    const char *words = line;
    u64 id = 0;

    if (!*line)
        return;
    if (!word_hex(&words, &id) || !*words) {
        refuse(0, line);
        return;
    }
    const char *rest = words;
    if (word_is(&rest, "echo") && *rest)
        echo((u32)id, rest);
    else if (word_is(&rest, "set") && options_parse(rest))
        set((u32)id);
    else if (!strcmp(words, "off"))
        leave((u32)id);
    else if (!any_subject((u32)id, words))
        refuse((u32)id, words);
}
