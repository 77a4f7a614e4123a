/* acts.h - the steps of a test of a database, in order. */
#ifndef SYSCALLS_ACTS_H
#define SYSCALLS_ACTS_H

#include "codec/builder.h"
#include "tide.h"

struct actor {
	struct tide_options options;
	struct tide *tide;           /* NULL if closed */
	struct builder builder;
	struct failure failure;
};

struct act {
	const char *name;
	int (*run)(struct actor *actor);     /* returns 0 or the error */
	/* Result of repeating the act if the first attempt was committed. */
	int again;
};

extern const struct act acts[];
extern const unsigned act_count;

int actor_open(struct actor *actor);
int actor_close(struct actor *actor);

#endif
