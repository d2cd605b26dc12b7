/* SPDX-License-Identifier: Apache-2.0 */
/* COM1, a 16550A: sends by polling, receives by interrupt. Registers: PC16550D data sheet, table II. */
#include "pulse.h"

#define COM1 0x3f8
#define DATA (COM1 + 0)
#define IER  (COM1 + 1)
#define FCR  (COM1 + 2)
#define LCR  (COM1 + 3)
#define MCR  (COM1 + 4)
#define LSR  (COM1 + 5)

#define LSR_DATA_READY 0x01
#define LSR_THR_EMPTY  0x20
#define FIFO           16

#define RING 1024 /* a power of two */

static char ring[RING];
static volatile u32 ring_in, ring_out;

void serial_start(void)
{
    outb(IER, 0);
    outb(LCR, 0x80); /* the divisor, 1: 115200 baud */
    outb(DATA, 1);
    outb(IER, 0);
    outb(LCR, 0x03); /* 8 bits, no parity */
    outb(FCR, 0x07); /* FIFOs on and empty, an interrupt for the first byte */
    outb(MCR, 0x0b); /* DTR, RTS, OUT2: the interrupt line of a PC's COM port */
    outb(IER, 0x01); /* received data */
}

/* An empty transmit register means an empty FIFO: 16 bytes fit without asking again. */
void serial_write(const char *text, u32 length)
{
    while (length) {
        while (!(inb(LSR) & LSR_THR_EMPTY))
            pause();
        for (u32 room = FIFO; room && length; room--, length--)
            outb(DATA, (u8)*text++);
    }
}

/* The line is edge triggered: it rises again only after the FIFO was seen empty. */
void serial_receive(void)
{
    while (inb(LSR) & LSR_DATA_READY) {
        char c = (char)inb(DATA);
        if (ring_in - ring_out < RING) {
            ring[ring_in % RING] = c;
            BARRIER();
            ring_in = ring_in + 1;
        }
    }
}

bool serial_pending(void) { return ring_in != ring_out; }

/* Takes what has come; true once a line is whole. What does not fit is cut. */
bool serial_line(char *line, u32 size)
{
    static u32 length;

    while (serial_pending()) {
        char c = ring[ring_out % RING];
        BARRIER();
        ring_out = ring_out + 1;
        if (c == '\n') {
            line[length] = 0;
            length = 0;
            return true;
        }
        if (c != '\r' && length < size - 1)
            line[length++] = c;
    }
    return false;
}
