/* SPDX-License-Identifier: Apache-2.0 */
/* `rng`: 8 bytes of the random number device. Who reads them waits in a thread of his own: they may take their time. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void *read_it(void *context)
{
    u64 random = 0;
    size_t got = 0;
    int file = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);

    while (file >= 0 && got < sizeof random) {
        ssize_t count = read(file, (u8 *)&random + got, sizeof random - got);
        if (count <= 0 && errno != EINTR)
            break;
        got += count > 0 ? (size_t)count : 0;
    }
    if (file >= 0)
        close(file);
    beat_now();
    statement_begin("rng");
    statement_hex("id", (uintptr_t)context);
    statement_hex("bytes", got);
    statement_hex("value", random);
    statement_end();
    return NULL;
}

static bool ask(u32 id, const char *words)
{
    pthread_t thread;

    if (strcmp(words, "rng"))
        return false;
    if (!pthread_create(&thread, NULL, read_it, (void *)(uintptr_t)id))
        pthread_detach(thread);
    return true;
}

SUBJECT(rng) = {.command = ask};
