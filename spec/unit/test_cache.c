/* test_cache.c - tests of expr/cache.h. */
#include "expr/cache.h"

#include "unit/check.h"

static struct expression_cache cache;

static struct expression *get(enum expression_kind kind, const char *text)
{
	struct expression *expression;
	struct failure failure;

	CHECK_EQUAL_INT(cache_get(&cache, kind, slice_of_text(text), &expression, &failure), 0);
	CHECK(expression->kind == kind);
	CHECK(slice_equal(expression->text, slice_of_text(text)));
	return expression;
}

static void use(unsigned n)
{
	char text[32];

	snprintf(text, sizeof text, "attribute%u", n);
	expression_release(get(EXPRESSION_PROJECTION, text));
}

static void check_counts(uint64_t hits, uint64_t misses)
{
	CHECK_EQUAL_UINT(cache.hits, hits);
	CHECK_EQUAL_UINT(cache.misses, misses);
	cache.hits = cache.misses = 0;
}

static void test_hits(void)
{
	struct expression *first = get(EXPRESSION_CONDITION, "a = b"), *again, *other;

	check_counts(0, 1);
	CHECK_EQUAL_UINT(first->references, 2);
	again = get(EXPRESSION_CONDITION, "a = b");
	CHECK(again == first);
	other = get(EXPRESSION_FILTER, "a = b");
	CHECK(other != first);
	expression_release(other);
	other = get(EXPRESSION_CONDITION, "a = c");
	CHECK(other != first);
	expression_release(other);
	check_counts(1, 2);
	CHECK_EQUAL_UINT(cache.count, 3);
	/* a reference stays valid after the cache was cleared */
	cache_clear(&cache);
	CHECK_EQUAL_UINT(cache.count, 0);
	CHECK_EQUAL_UINT(cache.bytes, 0);
	CHECK_EQUAL_UINT(first->references, 2);
	expression_release(first);
	expression_release(again);
}

static void test_bound(void)
{
	unsigned i;

	cache = (struct expression_cache){ .count = 0 };
	for (i = 0; i < CACHE_ENTRIES; i++)
		use(i);
	check_counts(0, CACHE_ENTRIES);
	for (i = 0; i < CACHE_ENTRIES; i++)
		use(i);
	check_counts(CACHE_ENTRIES, 0);
	/* 0 is used again, so 1 is evicted next */
	use(0);
	use(CACHE_ENTRIES);
	use(0);
	for (i = 2; i <= CACHE_ENTRIES; i++)
		use(i);
	check_counts(CACHE_ENTRIES + 1, 1);
	CHECK_EQUAL_UINT(cache.count, CACHE_ENTRIES);
	use(1);
	check_counts(0, 1);
	cache_clear(&cache);
}

/* A large expression evicts several entries. */
static void test_bytes(void)
{
	static char text[EXPRESSION_BYTES_MAX + 1];
	size_t i, largest = 0;
	unsigned n;

	for (i = 0; i < EXPRESSION_BYTES_MAX - 1; i += 2) {
		text[i] = (char)('a' + i % 23);
		text[i + 1] = ',';
	}
	memcpy(text, "SET a=b,", 8);
	text[EXPRESSION_BYTES_MAX - 2] = 'z';
	text[EXPRESSION_BYTES_MAX - 1] = '\0';
	for (i = 8; i + 4 < EXPRESSION_BYTES_MAX - 2; i += 4)
		memcpy(text + i, "a=b,", 4);
	memcpy(text + i, "z=a", 4);
	for (n = 0; n < 50; n++) {
		text[i] = (char)('a' + n % 26);
		text[i + 2] = (char)('a' + n / 26);
		expression_release(get(EXPRESSION_UPDATE, text));
		CHECK(cache.bytes <= CACHE_BYTES_MAX);
		largest = cache.count > largest ? cache.count : largest;
	}
	CHECK(largest > 1 && largest < 50);
	for (n = 0; n < CACHE_ENTRIES; n++)
		use(n);
	CHECK_EQUAL_UINT(cache.count, CACHE_ENTRIES);
	cache_clear(&cache);
	CHECK_EQUAL_UINT(cache.bytes, 0);
}

static void test_errors(void)
{
	static char text[EXPRESSION_BYTES_MAX + 1];
	struct expression *expression;
	struct failure failure;

	memset(text, 'a', sizeof text);
	cache = (struct expression_cache){ .count = 0 };
	CHECK_EQUAL_INT(cache_get(&cache, EXPRESSION_FILTER, slice_of_text("a ="), &expression,
		&failure), ERR_VALIDATION);
	CHECK(expression == NULL);
	CHECK_EQUAL_INT(cache_get(&cache, EXPRESSION_FILTER, slice_of(text, sizeof text),
		&expression, &failure), ERR_VALIDATION);
	CHECK_EQUAL_UINT(cache.count, 0);
	check_counts(0, 2);
}

/* Random lookups, with a plain list in the order of use as model. */
static void test_random(void)
{
	unsigned list[CACHE_ENTRIES], count = 0, i;
	uint64_t runs = check_runs(20000);

	cache = (struct expression_cache){ .count = 0 };
	while (runs-- > 0) {
		unsigned n = (unsigned)check_random_below(CACHE_ENTRIES * 3 / 2);
		uint64_t hits = cache.hits;

		for (i = 0; i < count && list[i] != n;)
			i++;
		use(n);
		CHECK_EQUAL_UINT(cache.hits - hits, i < count);
		if (i == count && count < CACHE_ENTRIES)
			count++;
		else
			memmove(&list[i < count ? i : 0], &list[i < count ? i + 1 : 1],
				(count - 1 - (i < count ? i : 0)) * sizeof *list);
		list[count - 1] = n;
	}
	cache_clear(&cache);
}

int main(void)
{
	test_hits();
	test_bound();
	test_bytes();
	test_errors();
	test_random();
	return 0;
}
