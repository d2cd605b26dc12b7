/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks: `ID VERB arguments`. Handled by the boot vCPU, whatever woke it. */
#include "pulse.h"

#define LINE     96
#define TEXT_MAX 32

static bool word_is(const char **text, const char *verb)
{
    const char *t = *text;

    while (*verb)
        if (*t++ != *verb++)
            return false;
    if (*t && *t != ' ')
        return false;
    *text = *t ? t + 1 : t;
    return true;
}

/* A text value: printing characters, no spaces, not empty, not too long. */
static bool is_text(const char *text)
{
    u32 length = 0;

    while (text[length])
        if (text[length] <= ' ' || text[length] > '~' || ++length > TEXT_MAX)
            return false;
    return length > 0;
}

/* Says back what can be said of it: its first characters, those that cannot be in a value as `?`. */
static void refuse(u32 id, const char *text)
{
    char said[TEXT_MAX + 1];
    u32 i = 0;

    for (; text[i] && i < TEXT_MAX; i++)
        said[i] = text[i] <= ' ' || text[i] > '~' ? '?' : text[i];
    said[i] = 0;
    beat_now();
    statement_begin("refused");
    statement_hex("id", id);
    statement_text("text", i ? said : "-");
    statement_end();
}

/* Words of -append that are no options of ours. */
void commands_refuse_options(void) { refuse(0, "append"); }

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
    statement_hex("flip", options.flip);
    statement_end();
}

static void handle(const char *line)
{
    const char *rest = line;
    u32 id;

    if (!*line)
        return;
    if (!options_hex(&rest, &id) || *rest++ != ' ') {
        refuse(0, line);
        return;
    }
    const char *arguments = rest;
    if (word_is(&arguments, "verify") && !*arguments && verify_ask(id))
        return;
    if (word_is(&arguments, "suspend") && !*arguments && power_ask(id, SUSPEND))
        return;
    if (word_is(&arguments, "off") && !*arguments && power_ask(id, OFF))
        return;
    if (word_is(&arguments, "panic") && !*arguments && power_ask(id, PANIC))
        return;
    if (word_is(&arguments, "disk") && storage_ask(id, arguments))
        return;
    if (word_is(&arguments, "echo") && is_text(arguments))
        echo(id, arguments);
    else if (word_is(&arguments, "set") && options_parse(arguments))
        set(id);
    else
        refuse(id, rest);
}

void commands_handle(void)
{
    static char line[LINE];

    while (serial_line(line, sizeof line)) {
        clock_read_rtc(); /* the tick that should do it may be dead */
        handle(line);
    }
}
