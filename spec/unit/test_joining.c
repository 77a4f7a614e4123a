/* test_joining.c - os/shared_page.h: processes that open it at the same time,
 * and children of fork. */
#include "unit/shared_pages.h"

static void stay_in_open(struct child *parent, void *context)
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

/* A third process that has the database open is not named. */
static void test_busy_names_the_opening_process(void)
{
	struct child bystander = child_start(stay_open, NULL);
	struct child opener;
	struct failure failure;

	CHECK(child_hear(&bystander));
	opener = child_start(stay_in_open, NULL);
	CHECK(child_hear(&opener));
	CHECK_EQUAL_INT(try_open(&failure), ERR_BUSY);
	CHECK(failure.transient);
	CHECK_EQUAL_INT(failure.pid, opener.pid);
	child_kill(&opener);
	CHECK_EQUAL_INT(try_open(&failure), 0);
	child_tell(&bystander);
	child_end(&bystander);
}

static void forget_and_wait(struct child *parent, void *context)
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
	*child = child_start(forget_and_wait, shared);
	CHECK(child_hear(child));
	child_tell(parent);
	child_hear(parent);
}

/* The grandchild, which is alive, has inherited the descriptor and the mapping. */
static void test_living_child_keeps_no_lock(void)
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
static void test_same_pid_in_another_namespace(void)
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
	test_busy_names_the_opening_process();
	test_living_child_keeps_no_lock();
	test_same_pid_in_another_namespace();
	return 0;
}
