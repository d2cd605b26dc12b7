/* SPDX-License-Identifier: Apache-2.0 */
/* Canaries: values left in the SSE registers while the thread sleeps, and looked at when it wakes. */
#include "agent.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REGISTERS 8 /* those that both 32-bit and 64-bit code has */

/* The kernel leaves them alone over a system call; a compiler's library call need not. */
static void sleep_with(u64 *held, const struct timespec *until)
{
    long result;

    __asm__ volatile("movdqu 0(%[v]), %%xmm0\n movdqu 16(%[v]), %%xmm1\n"
                     "movdqu 32(%[v]), %%xmm2\n movdqu 48(%[v]), %%xmm3\n"
                     "movdqu 64(%[v]), %%xmm4\n movdqu 80(%[v]), %%xmm5\n"
                     "movdqu 96(%[v]), %%xmm6\n movdqu 112(%[v]), %%xmm7\n"
#ifdef __x86_64__
                     "xorl %%r10d, %%r10d\n syscall\n"
#else
                     "int $0x80\n"
#endif
                     "movdqu %%xmm0, 0(%[v])\n movdqu %%xmm1, 16(%[v])\n"
                     "movdqu %%xmm2, 32(%[v])\n movdqu %%xmm3, 48(%[v])\n"
                     "movdqu %%xmm4, 64(%[v])\n movdqu %%xmm5, 80(%[v])\n"
                     "movdqu %%xmm6, 96(%[v])\n movdqu %%xmm7, 112(%[v])\n"
                     : "=a"(result)
#ifdef __x86_64__
                     : "a"(SYS_clock_nanosleep), "D"(CLOCK_MONOTONIC), "S"(TIMER_ABSTIME), "d"(until), [v] "r"(held)
                     : "rcx", "r10", "r11", "memory",
#else
                     : "a"(SYS_clock_nanosleep_time64), "b"(CLOCK_MONOTONIC), "c"(TIMER_ABSTIME), "d"(until),
                       "S"(0), [v] "D"(held)
                     : "memory",
#endif
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
}

static u64 canary(const struct vcpu *vcpu, u32 n)
{
    return (u64)(vcpu->index + 1) << 56 | (u64)n << 48 | vcpu->ticks;
}

static void report(const struct vcpu *vcpu, u32 n, u64 found)
{
    char name[] = "xmm0";

    name[3] = (char)('0' + n / 2);
    statement_begin("register");
    statement_hex("cpu", vcpu->index);
    statement_text("name", name);
    statement_hex("found", found);
    statement_hex("expected", canary(vcpu, n));
    statement_end();
}

void canary_sleep(struct vcpu *vcpu, u64 until_ns)
{
    u64 held[2 * REGISTERS];
    struct {
        int64_t seconds, nanoseconds;
    } until = {(int64_t)(until_ns / 1000000000), (int64_t)(until_ns % 1000000000)};

    for (u32 n = 0; n < 2 * REGISTERS; n++)
        held[n] = canary(vcpu, n);
    sleep_with(held, (const struct timespec *)&until);
    for (u32 n = 0; n < 2 * REGISTERS; n++)
        if (held[n] != canary(vcpu, n))
            report(vcpu, n, held[n]);
    vcpu->regs++;
}
