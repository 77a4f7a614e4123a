/* process.h - child processes of an event loop: programs that are executed with chosen descriptors,
 * polled for their end, and killed with their process group.
 *
 * A child has no descriptor of its parent except those it is given. It is the leader of a new
 * process group, so signals of the terminal don't reach it. The kernel sends it SIGKILL when the
 * thread that started it ends. Its signal mask is empty, and no signal is ignored or handled.
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct failure;

#define PROCESS_DESCRIPTORS_MAX 8
/* Exit status of a process that the kernel or another part of this process has reaped. */
#define PROCESS_END_LOST 255

struct process_plan {
	const char *const *words;      /* argv; ends with NULL; a program without a "/" is
	                                * searched for in PATH */
	const char *program;           /* path of the program; NULL: words[0] */
	const char *const *changes;    /* changes of the environment: NAME=VALUE sets, NAME removes
	                                * a variable; ends with NULL; NULL: none */
	const int *descriptors;        /* the child's descriptor i is a copy of descriptors[i], or
	                                * /dev/null if that is -1; every other one is closed */
	uint32_t count;                /* number of descriptors, at most PROCESS_DESCRIPTORS_MAX */
};

struct process {
	int64_t pid;                   /* also the id of its group; 0: reaped or not started */
	int64_t parent;                /* process that started it */
};

struct process_end {
	int status;                    /* exit status; 0 if a signal ended it */
	int signal;                    /* signal that ended it; 0 if it exited */
};

/* Starts a program. Returns 0 when it is being executed; ERR_NO_MEMORY, or ERR_STORE with the
 * system's error if it can't be started or executed. */
int process_start(struct process *process, const struct process_plan *plan,
	struct failure *failure);

/* Returns END (a positive value) while the process runs. After its end, sends SIGKILL to the rest
 * of its group, reaps it, sets *end and returns 0. The group can't belong to other processes,
 * because the leader is not reaped before. If this process ignores SIGCHLD or has reaped the
 * child elsewhere, the status is PROCESS_END_LOST and no signal is sent. Must not be called after
 * that. */
int process_poll(struct process *process, struct process_end *end);

/* Sends a signal to the process, or to its process group. Does nothing if the process was reaped,
 * or in a fork of the parent. */
void process_signal(const struct process *process, int number, bool whole_group);

#endif
