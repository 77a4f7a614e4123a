/* test_apart.c - apart.h: children that do well, and children that don't. */
#include <signal.h>

#include "sys/apart.h"
#include "unit/check.h"

static struct failure failure;

static void say_much(void *context, struct progress *progress, struct buffer *said)
{
	size_t len = *(size_t *)context;

	(void)progress;
	for (size_t i = 0; i < len; i++)
		buffer_put_u8(said, (uint8_t)(i * 7));
}

static void crash(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	(void)progress;
	buffer_put_u8(said, 1);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void hang(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	(void)progress;
	(void)said;
	for (;;)
		pause();
}

/* Slower than the patience, but not still. */
static void go_on(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	for (int i = 0; i < 40; i++) {
		progress_step(progress, 1);
		usleep(100000);
	}
	buffer_put_u8(said, 42);
}

static struct apart_end run(const struct apart *apart, struct buffer *said)
{
	struct apart_end end;

	buffer_clear(said);
	CHECK_EQUAL_INT(apart_run(apart, said, &end, &failure), 0);
	return end;
}

static void what_is_said_comes_back(void)
{
	struct buffer said = { 0 };

	for (size_t len = 0; len < 1000000; len = len * 3 + 1) {
		struct apart apart = { say_much, &len, 60000 };
		struct apart_end end = run(&apart, &said);

		CHECK(!end.signal && !end.status && !end.hung);
		CHECK_EQUAL_UINT(said.len, len);
		for (size_t i = 0; i < len; i++)
			CHECK(said.data[i] == (uint8_t)(i * 7));
	}
	buffer_release(&said);
}

static void a_crash_is_told(void)
{
	struct buffer said = { 0 };
	struct apart apart = { crash, NULL, 60000 };
	struct apart_end end = run(&apart, &said);

	CHECK_EQUAL_INT(end.signal, SIGSEGV);
	CHECK(!end.hung && said.len == 0);
	buffer_release(&said);
}

static void who_stands_still_is_ended(void)
{
	struct buffer said = { 0 };
	struct apart apart = { hang, NULL, 200 };
	struct apart_end end = run(&apart, &said);

	CHECK(end.hung && end.signal == SIGKILL);
	buffer_release(&said);
}

static void who_goes_on_is_waited_for(void)
{
	struct buffer said = { 0 };
	struct apart apart = { go_on, NULL, 2000 };
	struct apart_end end = run(&apart, &said);

	CHECK(!end.hung && !end.signal && said.len == 1 && said.data[0] == 42);
	buffer_release(&said);
}

int main(void)
{
	what_is_said_comes_back();
	a_crash_is_told();
	who_stands_still_is_ended();
	who_goes_on_is_waited_for();
	return 0;
}
