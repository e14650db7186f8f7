/* What a hand-written loop of a standard work is given, and where it leaves what it found. */
#ifndef VIRTSIM_BENCH_WORK_H
#define VIRTSIM_BENCH_WORK_H

#include <stdint.h>

typedef int64_t i64;

enum { PLACES = 256 };

struct work {
    i64 rx_n, tx_n;         /* packets: received ones first; works of one way have rx_n 0 */
    const i64 *at;          /* arrivals, ps */
    const i64 *const *cost; /* by use: one price, or one for each packet, ps */
    i64 *fate;              /* by packet: when it was delivered, or -2 - the ring that dropped it */
    i64 *count;             /* by use, then wake-ups by thread, stops by stage, the end of the run */
};

/* Note the end of a packet's life; return its share of the checksum. */
static inline uint64_t ends(const struct work *w, i64 packet, i64 fate)
{
    w->fate[packet] = fate;
    return (2 * (uint64_t)packet + 1) * (uint64_t)fate;
}

static inline i64 later(i64 a, i64 b)
{
    return a > b ? a : b;
}

#endif
