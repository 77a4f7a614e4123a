/* program.h - a program that runs as a child process, whose input and output are connected.
 *
 * Used by tidetable.testing: blocking calls, a time limit by SIGALRM, and no process group of its
 * own, so that a signal of the terminal ends a test with its programs. process.h has the children
 * of an event loop, which are polled, get chosen descriptors only, and are killed with their group.
 */
#ifndef OS_PROGRAM_H
#define OS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failure;

struct program {
	int64_t pid;         /* 0: none, or its end was reported */
	int64_t parent;      /* process that started it */
	int in;              /* socket to its standard input; -1: closed */
	int out;             /* pipe from its standard output and standard error; -1: closed */
};

struct program_end {
	int status;          /* exit status; 0 if a signal ended it */
	int signal;          /* signal that ended it; 0 if it exited */
};

/* Starts the program words[0], which is searched for in PATH; the list ends with NULL. The kernel
 * sends it SIGALRM after `seconds`, and SIGKILL when the thread that started it ends. Returns 0 or
 * ERR_STORE. A program that can't be executed exits with status 127. */
int program_start(struct program *program, const char *const words[], uint32_t seconds,
	struct failure *failure);

/* Sends bytes to the program's standard input. Returns false if the program has closed it or has
 * ended; no SIGPIPE is sent. */
bool program_send(const struct program *program, const void *bytes, size_t len);

/* Closes the program's standard input, which reaches its end. May be called twice. */
void program_close_input(struct program *program);

/* Waits for the end of the program. May be called once. */
void program_wait(struct program *program, struct program_end *end);

/* Sends SIGKILL, unless the end was reported or the process is a fork of the parent. */
void program_kill(const struct program *program);

/* Stores the path of the program that this process runs. Returns false if it is unknown. */
bool program_path(char *path, uint32_t size);

#endif
