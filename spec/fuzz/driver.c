/* driver.c - runs a fuzzer where libFuzzer is not: with gcc, and within make test.
 *
 *     fuzz_NAME [FILE ...]
 *
 * Every file goes in as it is, then RUNS times (20,000) either noise or a file
 * with some of its bytes changed. It finds less than libFuzzer, which sees
 * which branches an input took, but it keeps each fuzzer built and running.
 */
#include "unit/check.h"

enum { LONGEST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t bytes[LONGEST];
	size_t length;
};

/* A copy of its own length, so that the sanitizer sees a step past the end. */
static void feed(const struct input *input)
{
	uint8_t *copy = malloc(input->length ? input->length : 1);

	CHECK(copy != NULL);
	memcpy(copy, input->bytes, input->length);
	LLVMFuzzerTestOneInput(copy, input->length);
	free(copy);
}

static void read_file(struct input *input, const char *path)
{
	FILE *file = fopen(path, "rb");

	CHECK(file != NULL);
	input->length = fread(input->bytes, 1, LONGEST, file);
	fclose(file);
}

/* Short inputs more often: most branches are decided by the first bytes. */
static void make_noise(struct input *input)
{
	input->length = check_random_below(check_random_below(LONGEST) / 16 + 1);
	check_random_bytes(input->bytes, input->length);
}

static void change_some(struct input *input)
{
	uint64_t times = 1 + check_random_below(4);

	while (input->length && times--)
		input->bytes[check_random_below(input->length)] = (uint8_t)check_random();
	if (check_random_below(4) == 0)
		input->length = check_random_below(input->length + 1);
}

int main(int argc, char **argv)
{
	const char *text = getenv("RUNS");
	long runs = text && *text ? atol(text) : 20000;
	struct input input = { .length = 0 };
	int i;

	for (i = 1; i < argc; i++) {
		read_file(&input, argv[i]);
		feed(&input);
	}
	while (runs-- > 0) {
		if (argc > 1 && check_random_below(2)) {
			read_file(&input, argv[1 + check_random_below((uint64_t)argc - 1)]);
			change_some(&input);
		} else {
			make_noise(&input);
		}
		feed(&input);
	}
	return 0;
}
