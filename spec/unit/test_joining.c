/* test_joining.c - wake.h: who opens, who has it open, and what a child of fork keeps. */
#include "unit/shared_pages.h"

static void open_and_stay(struct child *parent, void *context)
{
	struct shared_page *shared;
	struct failure failure;
	bool alone;

	(void)context;
	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

/* A third process has the database open, and has nothing to do with it. */
static void the_process_that_opens_is_named(void)
{
	struct child innocent = child_start(stay_open, NULL);
	struct child opener;
	struct failure failure;

	CHECK(child_hear(&innocent));
	opener = child_start(open_and_stay, NULL);
	CHECK(child_hear(&opener));
	CHECK_EQUAL_INT(try_open(&failure), ERR_BUSY);
	CHECK(failure.momentary);
	CHECK_EQUAL_INT(failure.pid, opener.pid);
	child_kill(&opener);
	CHECK_EQUAL_INT(try_open(&failure), 0);
	child_tell(&innocent);
	child_end(&innocent);
}

static void forget_and_stay(struct child *parent, void *context)
{
	shared_page_forget(context);
	child_tell(parent);
	child_hear(parent);
}

static void lock_and_fork(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();
	struct child *child = context;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	*child = child_start(forget_and_stay, shared);
	CHECK(child_hear(child));
	child_tell(parent);
	child_hear(parent);
}

/* The grandchild lives on, and has had the descriptor and the page. */
static void a_child_that_lives_keeps_no_lock(void)
{
	struct child *grandchild = share_memory(sizeof *grandchild);
	struct child child = child_start(lock_and_fork, grandchild);
	struct shared_page *shared;

	CHECK(child_hear(&child));
	child_kill(&child);
	shared = open_page();
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	CHECK_EQUAL_INT(shared_page_other(shared), 0);
	shared_page_close(shared);
	CHECK(kill(grandchild->pid, SIGKILL) == 0);
	munmap(grandchild, sizeof *grandchild);
}

/* The first process of another container has pid 1 as well. */
static void a_namesake_of_another_namespace_is_told_apart(void)
{
	struct shared_page *shared = open_page();
	struct failure failure;
	uint64_t namespace = shared->page->pid_namespace;

	shared->page->pid_namespace = namespace + 1;
	CHECK_EQUAL_INT(try_open(&failure), ERR_NAMESPACE);
	shared->page->pid_namespace = namespace;
	CHECK_EQUAL_INT(try_open(&failure), ERR_OPTIONS);
	shared_page_close(shared);
}

int main(void)
{
	use_test_directory();
	the_process_that_opens_is_named();
	a_child_that_lives_keeps_no_lock();
	a_namesake_of_another_namespace_is_told_apart();
	return 0;
}
