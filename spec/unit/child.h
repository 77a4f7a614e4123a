/* child.h - forked processes, for tests of objects that processes share.
 *
 * A child runs a function and exits, with status 0 unless a check failed. Parent and child
 * synchronize by sending single bytes through pipes.
 */
#ifndef UNIT_CHILD_H
#define UNIT_CHILD_H

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit/check.h"

struct child {
	pid_t pid;      /* 0 in the child, where the struct describes the parent */
	int in;
	int out;
};

/* Coverage builds need exit, which writes the counts. With ASan, _exit skips the leak check, which
 * fails in a process that has changed its user or inherited its parent's stores. */
static inline void child_quit(void)
{
#ifdef __SANITIZE_ADDRESS__
	_exit(0);
#else
	exit(0);
#endif
}

static inline struct child child_start(void (*run)(struct child *parent, void *context),
	void *context)
{
	struct child child, parent;
	int down[2], up[2];

	check_random_state();   /* initializes the seed in the parent */
	CHECK(pipe(down) == 0 && pipe(up) == 0);
	fflush(NULL);
	child.pid = fork();
	CHECK(child.pid >= 0);
	if (child.pid == 0) {
		close(down[1]);
		close(up[0]);
		parent = (struct child){ 0, down[0], up[1] };
		*check_random_state() += (uint64_t)getpid();
		run(&parent, context);
		child_quit();
	}
	close(down[0]);
	close(up[1]);
	child.in = up[0];
	child.out = down[1];
	return child;
}

static inline void child_tell(const struct child *other)
{
	CHECK(write(other->out, "!", 1) == 1);
}

/* Waits for a byte. Returns false if the other process has ended. */
static inline bool child_hear(const struct child *other)
{
	char byte;
	ssize_t got;

	do
		got = read(other->in, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1;
}

static inline int child_reap(struct child *child)
{
	int status;

	close(child->out);   /* ends child_hear in the child */
	CHECK(waitpid(child->pid, &status, 0) == child->pid);
	close(child->in);
	return status;
}

/* Waits until the child exits and checks its status. */
static inline void child_end(struct child *child)
{
	CHECK_EQUAL_INT(child_reap(child), 0);
}

static inline void child_kill(struct child *child)
{
	CHECK(kill(child->pid, SIGKILL) == 0);
	CHECK(WIFSIGNALED(child_reap(child)));
}

#endif
