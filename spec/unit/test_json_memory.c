/* test_json_memory.c - the memory of json_read_item is bounded by the length of the text, however
 * short its names and members are.
 *
 * The program is linked so that its allocations are counted. A block that grows counts twice until
 * its bytes have moved.
 */
#include <malloc.h>
#include <stdlib.h>

#include "base/memory.h"
#include "codec/json_reader.h"
#include "unit/check.h"

#define TEXT_MOST (8u << 20)
#define FIXED_BYTES (128u << 10)      /* entries of the builder */

void *__real_memory_realloc(void *memory, size_t size);
void *__real_memory_grow(void *array, size_t *cap, size_t element_size);
void __real_memory_free(void *memory);
void *__wrap_memory_realloc(void *memory, size_t size);
void *__wrap_memory_grow(void *array, size_t *cap, size_t element_size);
void __wrap_memory_free(void *memory);

static size_t held, most;

static size_t size_of(void *memory)
{
	return memory ? malloc_usable_size(memory) : 0;
}

static void *count(size_t before, void *moved)
{
	held += size_of(moved);
	if (held > most)
		most = held;
	held -= before;
	return moved;
}

void *__wrap_memory_realloc(void *memory, size_t size)
{
	size_t before = size_of(memory);

	return count(before, __real_memory_realloc(memory, size));
}

void *__wrap_memory_grow(void *array, size_t *cap, size_t element_size)
{
	size_t before = size_of(array);

	return count(before, __real_memory_grow(array, cap, element_size));
}

void __wrap_memory_free(void *memory)
{
	held -= size_of(memory);
	__real_memory_free(memory);
}

/* A container of n members: its text begins, each member is a format with a number, and it ends. */
struct shape {
	const char *start, *member, *end, *between;
	enum json_form form;
	size_t times;                /* bound of the memory, in lengths of the text */
};

static const struct shape shapes[] = {
	{ "{\"x\":{\"$SS\":[", "\"%x\"", "]}}", ",", JSON_PLAIN, 4 },
	{ "{\"x\":{\"$NS\":[", "%u", "]}}", ",", JSON_PLAIN, 4 },
	{ "{\"x\":{", "\"%x\":1", "}}", ",", JSON_PLAIN, 4 },
	{ "{", "\"%x\":\"\"", "}", ",", JSON_PLAIN, 4 },
	{ "{\"x\":[", "%u", "]}", ",", JSON_PLAIN, 4 },
	{ "{\"x\":\"", "\\n%x", "\"}", "", JSON_PLAIN, 4 },
	{ "{\"x\":[", "[]", "]}", ",", JSON_PLAIN, 6 },
	{ "{\"x\":{\"SS\":[", "\"%x\"", "]}}", ",", JSON_TYPED, 4 },
	{ "{\"x\":{\"NS\":[", "\"%u\"", "]}}", ",", JSON_TYPED, 4 },
	{ "{\"x\":{\"M\":{", "\"%x\":{\"N\":\"1\"}", "}}}", ",", JSON_TYPED, 4 },
};

/* Returns the length of the text. The numbers are not in order. */
static size_t compose(char *text, const struct shape *shape, unsigned n)
{
	char *to = text + sprintf(text, "%s", shape->start);

	for (unsigned i = 0; i < n; i++) {
		to += sprintf(to, "%s", i ? shape->between : "");
		to += sprintf(to, shape->member, i * 7919u % n);
	}
	to += sprintf(to, "%s", shape->end);
	return (size_t)(to - text);
}

static void check_shape(char *text, const struct shape *shape, unsigned n)
{
	struct json_reader reader = { 0 };
	size_t len = compose(text, shape, n), bound = FIXED_BYTES + shape->times * len;
	struct slice item;
	int err;

	held = most = 0;
	err = json_read_item(&reader, slice_of(text, len), 0, NULL, shape->form, &item);
	CHECK(err == 0 || reader.defect == JSON_INVALID);        /* too big */
	if (most > bound)
		fprintf(stderr, "%s%s, %u times: %zu bytes for a text of %zu\n", shape->start,
			shape->member, n, most, len);
	CHECK(most <= bound);
	json_reader_release(&reader);
	CHECK_EQUAL_UINT(held, 0);
}

int main(void)
{
	char *text = malloc(TEXT_MOST);

	CHECK(text != NULL);
	for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (unsigned n = 100; n < 300000; n += 1 + n / 5)
			check_shape(text, &shapes[i], n);
	free(text);
	return 0;
}
