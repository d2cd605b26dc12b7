/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables, and what an interrupt does: count, receive, or testify and stop. */
#include "pulse.h"

struct frame {
#ifdef __x86_64__
    word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
    word di, si, bp, sp, bx, dx, cx, ax;
#endif
    word vector, error, ip, cs, flags;
};

struct gate {
    u16 low, selector;
    u8 stack, type;
    u16 middle;
#ifdef __x86_64__
    u32 high, zero;
#endif
};

#define INTERRUPT_GATE 0x8e /* present, privilege 0, interrupts off inside (SDM 3A, 6.11) */
#define DOUBLE_FAULT   8
#define TSS_BYTES      104 /* in both modes (SDM 3A, 8.2.1 and 8.7) */
#define TSS_IST1       36

extern const u8 interrupt_stubs[];
extern u64 gdt[];

static struct gate idt[256] __attribute__((aligned(16)));
static u8 tss[MAX_CPUS][TSS_BYTES] __attribute__((aligned(8)));

void interrupts_build(void)
{
    for (u32 vector = 0; vector < 256; vector++) {
        word stub = (word)interrupt_stubs + vector * STUB_BYTES;
        idt[vector].low = (u16)stub;
        idt[vector].middle = (u16)(stub >> 16);
        idt[vector].selector = SEL_CODE;
        idt[vector].type = INTERRUPT_GATE;
    }
#ifdef __x86_64__
    idt[DOUBLE_FAULT].stack = 1;
#endif
}

static void load_task(struct cpu *cpu)
{
    word base = (word)tss[cpu->index];
    u64 *descriptor = &gdt[(SEL_TSS >> 3) + 2 * cpu->index];

#ifdef __x86_64__
    *(u64 *)(base + TSS_IST1) = (u64)cpu->fault_stack + sizeof cpu->fault_stack;
#endif
    descriptor[0] = (TSS_BYTES - 1) | (u64)(base & 0xffffff) << 16 | 0x890000000000ull | (u64)(base >> 24 & 0xff) << 56;
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS + 16 * cpu->index) : "memory");
}

void interrupts_load(struct cpu *cpu)
{
    struct {
        u16 limit;
        word base;
    } __attribute__((packed)) pointer = {sizeof idt - 1, (word)idt};

    __asm__ volatile("lidt %0" ::"m"(pointer));
    load_task(cpu);
}

/* Says what happened and never returns: from now on the host sees this vCPU's ticks stand still. */
_Noreturn static void trap(const struct frame *frame)
{
    struct cpu *cpu = this_cpu();

    statement_begin_trapped("trap");
    statement_hex("cpu", cpu->index);
    statement_hex("vector", frame->vector);
    statement_hex("error", frame->error);
    statement_hex("ip", frame->ip);
    statement_hex("cr2", read_cr2());
    statement_end();
    cpu->dead = true;
    apic_wake(cpu_at(0)->apic_id); /* it may be waiting for this one */
    halt_for_good();
}

void interrupt(const struct frame *frame)
{
    switch (frame->vector) {
    case VECTOR_TIMER: {
        struct cpu *cpu = this_cpu();
        cpu->ticks = cpu->ticks + 1;
        break;
    }
    case VECTOR_WAKE:
        break;
    case VECTOR_SERIAL:
        serial_receive();
        break;
    case VECTOR_CALL:
        flip_called();
        return;
    case VECTOR_PIT:
    case VECTOR_HPET:
    case VECTOR_RTC:
        timers_interrupt((u32)frame->vector);
        break;
    case VECTOR_SPURIOUS:
        return; /* not in service, so not ended (SDM 3A, 11.9) */
    default:
        trap(frame);
    }
    apic_end_of_interrupt();
}
