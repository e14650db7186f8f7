/* W2: five FIFO servers in tandem. A packet that finds 256 waiting before a server is dropped:
 * the one that joined 256 before it has not begun by now. */
#include "work.h"

enum { SERVERS = 5, WAKEUPS = SERVERS, STOPS = 2 * SERVERS, END = 3 * SERVERS };

uint64_t w2(const struct work *w)
{
    const i64 n = w->tx_n;
    i64 begun[SERVERS][PLACES], end[SERVERS], joined[SERVERS] = {0}, wakeups[SERVERS] = {0};
    i64 last = 0;
    uint64_t sum = 0;

    for (int k = 0; k < SERVERS; k++) {
        end[k] = -1;
        for (int i = 0; i < PLACES; i++)
            begun[k][i] = -1;
    }
    for (i64 i = 0; i < n; i++) {
        i64 t = w->at[i];
        int k;

        for (k = 0; k < SERVERS; k++) {
            i64 *place = &begun[k][joined[k] % PLACES];

            if (*place >= t)
                break;
            joined[k]++;
            wakeups[k] += t > end[k];
            *place = later(t, end[k]);
            t = end[k] = *place + w->cost[k][i];
        }
        last = later(last, t);
        sum += ends(w, i, k < SERVERS ? -2 - k : t);
    }
    for (int k = 0; k < SERVERS; k++) {
        w->count[k] = joined[k];
        w->count[WAKEUPS + k] = wakeups[k];
    }
    w->count[END] = last;
    return sum;
}
