/* test_memory.c - tests of base/memory.h: allocation, and simulated failures in one thread. */
#include "base/memory.h"

#include <pthread.h>

#include "check.h"

static bool can_get(void)
{
	void *memory = memory_alloc(16);

	memory_free(memory);
	return memory != NULL;
}

static void memory_comes_and_goes(void)
{
	char *memory = memory_alloc(3);
	size_t i;

	CHECK(memory != NULL);
	memcpy(memory, "abc", 3);
	memory = memory_realloc(memory, 100000);
	CHECK(memory && memcmp(memory, "abc", 3) == 0);
	memory_free(memory);

	memory = memory_alloc_zeroed(1000);
	CHECK(memory != NULL);
	for (i = 0; i < 1000; i++)
		CHECK_EQUAL_INT(memory[i], 0);
	memory_free(memory);
	memory_free(NULL);
}

/* Size 0 does not return NULL, which means only that memory ran out. */
static void nothing_is_something(void)
{
	void *memory = memory_alloc(0), *zeroed = memory_alloc_zeroed(0);

	CHECK(memory && zeroed);
	memory = memory_realloc(memory, 0);
	CHECK(memory);
	memory_free(memory);
	memory_free(zeroed);
}

static void an_array_doubles_or_stays(void)
{
	size_t cap = 0, before;
	long *grown, *array = memory_grow(NULL, &cap, sizeof *array);

	CHECK(array && cap > 0);
	for (size_t i = 0; i < cap; i++)
		array[i] = (long)i;
	before = cap;
	memory_fail_once_after(0);
	CHECK(!memory_grow(array, &cap, sizeof *array));
	CHECK_EQUAL_INT(cap, before);
	grown = memory_grow(array, &cap, sizeof *array);
	CHECK(grown != NULL);
	CHECK_EQUAL_INT(cap, 2 * before);
	for (size_t i = 0; i < before; i++)
		CHECK_EQUAL_INT(grown[i], i);
	grown[cap - 1] = 0;
	memory_free(grown);
}

static void each_kind_of_request_is_counted(void)
{
	void *first, *second;

	CHECK_EQUAL_INT(memory_limit().requests, -1);
	memory_fail_after(2);
	first = memory_alloc(1);
	CHECK_EQUAL_INT(memory_limit().requests, 1);
	second = memory_alloc_zeroed(1);
	CHECK(first && second);
	CHECK_EQUAL_INT(memory_limit().requests, 0);
	CHECK(!memory_was_refused());
	CHECK(!memory_alloc(1) && !memory_alloc_zeroed(1) && !memory_realloc(first, 2));
	memory_fail_after(1);
	first = memory_realloc(first, 2);
	CHECK(first && !can_get());
	memory_fail_after(-1);
	CHECK(can_get());
	memory_free(first);
	memory_free(second);
}

static void one_alone_can_be_refused(void)
{
	for (long before = 0; before < 3; before++) {
		memory_fail_once_after(before);
		for (long i = 0; i < before; i++)
			CHECK(can_get() && !memory_was_refused());
		CHECK(!can_get());
		for (int i = 0; i < 5; i++)
			CHECK(can_get() && memory_was_refused());
		CHECK_EQUAL_INT(memory_limit().requests, -1);
	}
	memory_fail_once_after(0);
	CHECK(!memory_was_refused());
	memory_fail_once_after(-1);
	CHECK(can_get() && !memory_was_refused());
}

/* A copied limit starts with memory_was_refused() false. */
static void a_limit_goes_along(void)
{
	struct memory_limit limit;

	memory_fail_once_after(1);
	CHECK(can_get());
	limit = memory_limit();
	CHECK(!can_get() && memory_was_refused());
	memory_limit_as(limit);
	CHECK(!memory_was_refused());
	CHECK(!can_get() && can_get());
}

static void *get_in_a_thread(void *unused)
{
	(void)unused;
	return can_get() ? "got" : NULL;
}

static void other_threads_do_not_notice(void)
{
	pthread_t thread;
	void *got = NULL;

	CHECK_EQUAL_INT(pthread_create(&thread, NULL, get_in_a_thread, NULL), 0);
	memory_fail_after(0);
	CHECK_EQUAL_INT(pthread_join(thread, &got), 0);
	CHECK(got && !can_get());
	memory_fail_after(-1);
}

int main(void)
{
	memory_comes_and_goes();
	nothing_is_something();
	an_array_doubles_or_stays();
	each_kind_of_request_is_counted();
	one_alone_can_be_refused();
	a_limit_goes_along();
	other_threads_do_not_notice();
	return 0;
}
