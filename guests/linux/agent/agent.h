/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the agent have of each other. The protocol: guests/README.md. */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE        4096
#define MAX_CPUS    16
#define TICKS_PER_S 100

/*
 * A subject is what one file testifies about. It enters itself here, and nothing else needs to know it:
 *     SUBJECT(input) = {.start = input_start, .command = input_command};
 * All but the threads of the vCPUs runs in the one loop: nothing there may block for long.
 */
struct uevent;
struct subject {
    void (*start)(void);                         /* once, before the first statement; may be null */
    bool (*command)(u32 id, const char *words);  /* `VERB arguments`: whether it is its, and understood; may be null */
    void (*device)(const struct uevent *device); /* the kernel told of a device (or of one there was); may be null */
    const char *feature;                         /* what `boot` says of it; may be null */
};
#define SUBJECT(name) static const struct subject subject_##name __attribute__((section("subjects"), used, aligned(8)))
extern const struct subject __start_subjects[], __stop_subjects[];

/* A message of the kernel about a device; what it does not say is empty. */
struct uevent {
    const char *action, *path, *subsystem, *name, *modalias;
};

extern u64 ready_at; /* monotonic nanoseconds of when `ready` was said; 0 before */

/* die.c: a harness's fault, said on the kernel's console; the machine then stops. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* loop.c */
typedef void handler(void *context);
void watch(int fd, u32 events, handler *ready, void *context); /* of epoll(7) */
void unwatch(int fd);
void every(u32 milliseconds, handler *due, void *context);
__attribute__((noreturn)) void loop(void);

/* driver.c */
void driver_find(const char *alias); /* has the modules loaded that are for it, such as `fs-ext4` */

/* statement.c: one at a time, by whatever thread; whole lines only. */
void statement_begin(const char *kind);
void statement_hex(const char *key, u64 value);
void statement_text(const char *key, const char *value); /* percent-encoded; `-` where it is empty */
void statement_end(void);
void statement_end_for_good(void); /* nobody says anything afterwards */
u32 crc32(const void *data, size_t bytes);

/* serial.c */
void serial_open(const char *path);
void serial_write(const char *text, size_t length);
void serial_drain(void); /* returns when all is out */

/* words.c: reading `key=HEX …` */
bool word_is(const char **words, const char *verb); /* takes the verb and the space behind it */
bool word_hex(const char **words, u64 *value);      /* takes a number and the space behind it */
bool word_option(const char **words, const char *key, u64 *value, u64 least, u64 most);

/* options.c */
struct options {
    u32 rate, duty, zero; /* as pulse's */
    u32 pages;            /* owned by all vCPUs; fixed at the start */
    u32 spin;             /* microseconds of a tick that a vCPU spins with values in its registers; fixed at the start */
};
extern struct options options;
bool options_parse(const char *words); /* all of them, or none and false */
bool options_start(int count, char **words);
bool option_flag(const char *name); /* whether the command line has this word; for subjects */

/* vcpu.c: a thread for each vCPU, pinned to it, that wakes TICKS_PER_S times a second. */
struct share {
    u32 first, count, gen, cur;
    u32 zero, zero_before, credit;
    u8 *pages;
};
struct vcpu {
    u32 index;
    u32 ticks, wrote, bad, regs, warps;
    u64 tsc;
    u64 tsc_per_tick;
    struct share share;
    struct share grown; /* pages of a second kind, owned since it was asked to: none at first */
    struct published {
        u64 tsc;
        u32 ticks, gen, cur;
    } published;
    u32 verified_pages, verified_bad, verify_round;
    u64 fs_base;
};
extern u32 vcpu_count;
struct vcpu *vcpu_at(u32 index);
extern u32 vcpu_owners; /* those that own pages from the start */
void vcpus_count(void); /* those that are on line now */
void vcpus_start(void); /* returns when every page was written once */
void vcpu_join(u32 index); /* one that was plugged in: it owns no pages */
void vcpus_wake(void);

/* pages.c: all by the vCPU's own thread */
void pages_own(struct vcpu *vcpu);
void pages_grow(struct vcpu *vcpu, u32 count);
void pages_dirty(struct vcpu *vcpu);
void pages_verify(struct vcpu *vcpu);
void pages_reset_statements(void);

/* verify.c */
void verify_when_asked(struct vcpu *vcpu);
void verify_join(struct vcpu *vcpu); /* one that comes when rounds have been */

/* grow.c */
void grow_when_asked(struct vcpu *vcpu);

/* canary.c: fill the registers, sleep until then, or spin for so long, look at them again; counted in `regs` */
void canary_sleep(struct vcpu *vcpu, u64 until_ns);
void canary_spin(struct vcpu *vcpu, u32 microseconds);

/* clock.c */
u64 rdtsc(void);
u64 monotonic_ns(void);
void clock_observe(struct vcpu *vcpu);
struct published clock_published(struct vcpu *vcpu);
const char *clock_rtc(void);

/* beat.c */
void beat_now(void);
void beat_when_due(void);

#endif
