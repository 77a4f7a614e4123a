/* steps.h - the steps that use a database while its system calls fail, in order. */
#ifndef SYSCALLS_STEPS_H
#define SYSCALLS_STEPS_H

#include "codec/builder.h"
#include "tide.h"

/* The database that the steps use. */
struct session {
	struct tide_options options;
	struct tide *tide;           /* NULL if closed */
	struct builder builder;
	struct failure failure;
};

/* A step: at most one transaction. */
struct step {
	const char *name;
	int (*run)(struct session *session);     /* returns 0 or the error */
	/* Result of the step if it is repeated after its first attempt was committed. */
	int again;
};

extern const struct step steps[];
extern const unsigned step_count;

int session_open(struct session *session);
int session_close(struct session *session);

#endif
