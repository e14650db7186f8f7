/* W1: one FIFO server. It wakes for a packet that finds it asleep, which takes no time. */
#include "work.h"

enum { SERVE, WAKEUPS, STOPS, END };

uint64_t w1(const struct work *w)
{
    const i64 n = w->tx_n, *at = w->at, *serve = w->cost[SERVE];
    i64 end = -1, wakeups = 0;
    uint64_t sum = 0;

    for (i64 i = 0; i < n; i++) {
        wakeups += at[i] > end;
        end = later(at[i], end) + serve[i];
        sum += ends(w, i, end);
    }
    w->count[SERVE] = n;
    w->count[WAKEUPS] = wakeups;
    w->count[END] = end;
    return sum;
}
