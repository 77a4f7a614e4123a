/* driver.c - runs a fuzzer without libFuzzer: with gcc, and in make test.
 *
 *     fuzz_NAME [FILE ...]
 *     fuzz_NAME --seeds DIRECTORY
 *
 * Runs the fuzzer's seeds and all files unchanged, then RUNS (20,000) inputs that are either
 * random bytes or a seed or file with some bytes changed. The driver finds less than libFuzzer,
 * which observes the branches that an input takes, but with it each fuzzer is built and run in
 * every make test. --seeds writes the seeds for libFuzzer.
 */
#include "fuzz/fuzz.h"

enum { INPUT_MAX = 8192, TIMEOUT_SECONDS = 20 };

struct input {
	uint8_t bytes[INPUT_MAX];
	size_t length;
};

/* Inputs that mutations start from. */
static struct input *valid;
static size_t valid_count;

/* Runs the fuzzer on a copy of exact size, so that the sanitizer detects a read
 * past the end. The alarm ends the program if the input takes too long. */
static void feed(const struct input *input)
{
	uint8_t *copy = malloc(input->length ? input->length : 1);

	CHECK(copy != NULL);
	memcpy(copy, input->bytes, input->length);
	alarm(TIMEOUT_SECONDS);
	LLVMFuzzerTestOneInput(copy, input->length);
	alarm(0);
	free(copy);
}

static struct input *new_input(void)
{
	valid = realloc(valid, (valid_count + 1) * sizeof *valid);
	CHECK(valid != NULL);
	return &valid[valid_count++];
}

static void read_file(const char *path)
{
	struct input *input = new_input();
	FILE *file = fopen(path, "rb");

	CHECK(file != NULL);
	input->length = fread(input->bytes, 1, INPUT_MAX, file);
	fclose(file);
}

static void make_seeds(void)
{
	struct buffer bytes = { 0 };

	for (unsigned n = 0; fuzz_seed(n, &bytes); n++) {
		struct input *input = new_input();

		CHECK_EQUAL_INT(buffer_error(&bytes), 0);
		CHECK(bytes.len <= INPUT_MAX);
		input->length = bytes.len;
		if (bytes.len)
			memcpy(input->bytes, bytes.data, bytes.len);
		buffer_clear(&bytes);
	}
	buffer_release(&bytes);
}

static void write_seeds(const char *directory)
{
	char path[4096];

	for (size_t i = 0; i < valid_count; i++) {
		FILE *file;

		snprintf(path, sizeof path, "%s/seed-%zu", directory, i);
		file = fopen(path, "wb");
		CHECK(file != NULL);
		CHECK(fwrite(valid[i].bytes, 1, valid[i].length, file) == valid[i].length);
		CHECK(fclose(file) == 0);
	}
}

/* Prefers short inputs: the first bytes decide most branches. */
static void make_noise(struct input *input)
{
	input->length = check_random_below(check_random_below(INPUT_MAX) / 16 + 1);
	check_random_bytes(input->bytes, input->length);
}

static void change_some(struct input *input)
{
	uint64_t times = 1 + check_random_below(4);

	while (input->length && times--) {
		uint8_t *byte = &input->bytes[check_random_below(input->length)];

		if (check_random_below(2))
			*byte = (uint8_t)check_random();
		else
			*byte = (uint8_t)(*byte + check_random_below(3) - 1);
	}
	if (check_random_below(4) == 0)
		input->length = check_random_below(input->length + 1);
}

static void run(long runs)
{
	struct input input;

	for (size_t i = 0; i < valid_count; i++)
		feed(&valid[i]);
	while (runs-- > 0) {
		if (valid_count && check_random_below(4)) {
			input = valid[check_random_below(valid_count)];
			change_some(&input);
		} else {
			make_noise(&input);
		}
		feed(&input);
	}
}

int main(int argc, char **argv)
{
	const char *text = getenv("RUNS");

	make_seeds();
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
		write_seeds(argv[2]);
	} else {
		for (int i = 1; i < argc; i++)
			read_file(argv[i]);
		run(text && *text ? atol(text) : 20000);
	}
	free(valid);
	return 0;
}
