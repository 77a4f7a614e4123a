/* workload.h - a program that uses a database and records the promises that it got.
 *
 * The program makes random steps, which a seed determines. It creates and deletes tables, puts,
 * updates and deletes small and large items alone and in batches, some of which have expired,
 * sweeps, changes streams, retention and time to live, creates, moves and deletes consumers,
 * delivers batches to them, parks records, closes and opens the database. After each commit it
 * marks the trace with a digest of the database.
 */
#ifndef POWERCUT_WORKLOAD_H
#define POWERCUT_WORKLOAD_H

#include "powercut/trace.h"
#include "tide.h"

/* The session of one process. */
struct session {
	const char *path;
	const char *boot;            /* file that contains the boot id */
	uint64_t seed;
	enum durability durability;
	int steps;
	uint64_t kill_at;            /* system call before which it is killed; 0 if never */
	uint64_t fail_at;            /* number of the flush of a file that fails; 0 if none */
	bool closes;                 /* true if the session closes the database at the end */
};

/* Time of all clocks of the workload and of the judge, in milliseconds. */
#define WORKLOAD_NOW UINT64_C(1700000000000)

/* Runs the session in a separate process and waits for it. Returns false if
 * it failed. */
bool workload_run(struct trace *trace, const struct session *session);

#endif
