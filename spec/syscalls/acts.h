/* acts.h - a life of a database, act by act. */
#ifndef SYSCALLS_ACTS_H
#define SYSCALLS_ACTS_H

#include "codec/builder.h"
#include "tide.h"

struct actor {
	struct tide_options options;
	struct tide *tide;           /* NULL: closed */
	struct builder builder;
	struct failure failure;
};

struct act {
	const char *name;
	int (*run)(struct actor *actor);     /* 0 or the error */
	/* What a second try of it says, if the first was stored after all. */
	int again;
};

extern const struct act acts[];
extern const unsigned act_count;

int actor_open(struct actor *actor);
int actor_close(struct actor *actor);

#endif
