/* SPDX-License-Identifier: Apache-2.0 */
/* struct hold, for hold.S and canary.c: what is put in the registers, and what was found there. */
#ifndef CANARY_H
#define CANARY_H

#define HOLD_GPR   0   /* 16 of 8 bytes, in the order of their encoding: ax cx dx bx sp bp si di r8 … */
#define HOLD_FOUND 128 /* 16 likewise */
#define HOLD_MASK  256 /* components for XSAVE; 0 where FXSAVE is all there is */
#define HOLD_TURNS 264
#define HOLD_GIVEN 272 /* save areas: to be loaded, */
#define HOLD_TAKEN 280 /* stored, */
#define HOLD_OWN   288 /* and the caller's own */

#endif
