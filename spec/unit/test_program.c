/* test_program.c - program.h: starting, talking to, waiting for and killing a program. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "os/program.h"
#include "unit/check.h"
#include "unit/must.h"

static struct program start(const char *script, uint32_t seconds)
{
	const char *const words[] = { "sh", "-c", script, NULL };
	struct failure failure = { 0 };
	struct program program;

	MUST(program_start(&program, words, seconds, &failure), failure);
	CHECK(program.pid > 0);
	return program;
}

/* Closes the program's input, reads its output and waits. Returns the output; valid until the next
 * call. */
static const char *finish(struct program *program, struct program_end *end)
{
	static char text[256];
	size_t len = 0;
	ssize_t got;

	program_close_input(program);
	program_close_input(program);
	while ((got = read(program->out, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(program->out);
	program_wait(program, end);
	CHECK_EQUAL_INT(program->pid, 0);
	return text;
}

static void input_and_output_are_pipes(void)
{
	struct program program = start("read word; echo got $word; echo wrong >&2; exit 3", 60);
	struct program_end end;

	CHECK(program_send(&program, "this\n", 5));
	CHECK_EQUAL_STRING(finish(&program, &end), "got this\nwrong\n");
	CHECK_EQUAL_INT(end.status, 3);
	CHECK_EQUAL_INT(end.signal, 0);
}

static void a_program_that_does_not_exist_has_status_127(void)
{
	const char *const words[] = { "/nowhere/at/all", NULL };
	struct failure failure = { 0 };
	struct program program;
	struct program_end end;

	MUST(program_start(&program, words, 60, &failure), failure);
	CHECK_EQUAL_STRING(finish(&program, &end), "");
	CHECK_EQUAL_INT(end.status, 127);
}

static void a_program_can_be_killed(void)
{
	struct program program = start("exec cat", 60);
	struct program_end end;

	program_kill(&program);
	finish(&program, &end);
	CHECK_EQUAL_INT(end.signal, SIGKILL);
	program_kill(&program);          /* does nothing */
}

static void an_ended_program_accepts_nothing(void)
{
	struct program program = start("exit 0", 60);
	struct program_end end;
	char byte;

	CHECK(read(program.out, &byte, 1) == 0);
	while (program_send(&program, "x", 1))   /* output is closed before input */
		;
	finish(&program, &end);
	CHECK(!program_send(&program, "x", 1));
}

static void its_time_is_limited(void)
{
	struct program program = start("exec sleep 100", 1);
	struct program_end end;

	finish(&program, &end);
	CHECK_EQUAL_INT(end.signal, SIGALRM);
}

static void signals_have_their_default_actions(void)
{
	struct program_end end;
	struct program program;

	signal(SIGTERM, SIG_IGN);
	program = start("kill -TERM $$; echo alive", 60);
	CHECK_EQUAL_STRING(finish(&program, &end), "");
	CHECK_EQUAL_INT(end.signal, SIGTERM);
	signal(SIGTERM, SIG_DFL);
}

static void a_fork_does_not_kill(void)
{
	struct program program = start("read word; echo $word", 60);
	struct program_end end;
	pid_t pid = fork();

	if (pid == 0) {
		program_kill(&program);
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(program_send(&program, "alive\n", 6));
	CHECK_EQUAL_STRING(finish(&program, &end), "alive\n");
}

static void it_ends_with_its_parent(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], 9);        /* without CLOEXEC: the program inherits it */
		start("exec sleep 100", 100);
		_exit(0);
	}
	close(ends[1]);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(read(ends[0], &byte, 1) == 0);
	close(ends[0]);
}

static void the_path_is_that_of_this_program(void)
{
	char path[4096];

	CHECK(program_path(path, sizeof path));
	CHECK(strstr(path, "test_program") || strstr(path, "qemu"));
	CHECK(!program_path(path, 5));
}

int main(void)
{
	input_and_output_are_pipes();
	a_program_that_does_not_exist_has_status_127();
	a_program_can_be_killed();
	an_ended_program_accepts_nothing();
	its_time_is_limited();
	signals_have_their_default_actions();
	a_fork_does_not_kill();
	it_ends_with_its_parent();
	the_path_is_that_of_this_program();
	return 0;
}
