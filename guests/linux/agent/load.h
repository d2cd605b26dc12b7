/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of load have of the threads that do it. */
#ifndef LOAD_H
#define LOAD_H

#include "agent.h"

enum { LOAD_MEMORY, LOAD_CPU, LOAD_IO, LOAD_KINDS };

struct worker {
    u32 kind, index;
    bool started;
    u64 rounds;
    void *state; /* the kind's own */
};
typedef void work(struct worker *worker); /* a round of it: some milliseconds, and everything that came out is checked */
work load_memory, load_cpu, load_io;

void load_wrong(const struct worker *worker, u64 found, u64 expected); /* what came out is not what must */

#endif
