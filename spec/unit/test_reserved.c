/* test_reserved.c - tests of expr/reserved.h. */
#include "expr/reserved.h"

#include "unit/check.h"

static bool reserved(const char *word)
{
	return is_reserved(slice_of_text(word));
}

int main(void)
{
	char word[64];
	unsigned i;
	size_t at;

	for (i = 0; i < RESERVED_COUNT; i++) {
		CHECK(reserved(reserved_word(i)));
		CHECK(i == 0 || strcmp(reserved_word(i - 1), reserved_word(i)) < 0);
		for (at = 0; reserved_word(i)[at]; at++)
			word[at] = (char)(reserved_word(i)[at] + (check_random_below(2) ? 32 : 0));
		word[at] = '\0';
		CHECK(reserved(word));
		strcpy(word + at, "_");
		CHECK(!reserved(word));
	}
	CHECK_EQUAL_STRING(reserved_word(0), "ABORT");
	CHECK_EQUAL_STRING(reserved_word(RESERVED_COUNT - 1), "ZONE");
	CHECK(reserved("status"));
	CHECK(reserved("Name"));
	CHECK(!reserved(""));
	CHECK(!reserved("nam"));
	CHECK(!reserved("names1"));
	CHECK(!reserved("zones"));
	CHECK(!reserved("A"));
	CHECK(!reserved("\xff"));
	return 0;
}
