/* workload.h - a program that uses a database, and knows what it was promised.
 *
 * It makes and deletes tables, puts small and big items alone and in batches,
 * trims, changes streams and retention, closes and opens again: by chance, as
 * its seed says. After each commit it marks the trace with all that the database
 * now shows.
 */
#ifndef POWERCUT_WORKLOAD_H
#define POWERCUT_WORKLOAD_H

#include "powercut/trace.h"
#include "tide.h"

/* One process's life. */
struct life {
	const char *path;
	const char *boot;            /* the machine's boot id, as a file */
	uint64_t seed;
	enum durability durability;
	int steps;
	uint64_t kill_at;            /* killed before that call to the system; 0: never */
	uint64_t fail_at;            /* that flush of a file fails; 0: none */
	bool closes;                 /* else it ends without closing */
};

/* Milliseconds that all its clocks show, and those of whoever looks at the
 * database afterwards. */
#define WORKLOAD_NOW UINT64_C(1700000000000)

/* Lives it in a process of its own and waits for the end. False if that was no
 * good one. */
bool workload_live(struct trace *trace, const struct life *life);

#endif
