/* test_address_space.c - address_space.h, and databases in a small address space. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "os/address_space.h"
#include "unit/stores.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct failure failure;

/* Returns the number of bytes that this process has mapped. */
static uint64_t mapped(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	CHECK(file && fscanf(file, "%llu", &pages) == 1);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Limits the address space to `more` bytes in addition to those mapped now. Returns false if that
 * is impossible: valgrind uses the limit itself. */
static bool limit_to(uint64_t more)
{
	struct rlimit limit = { .rlim_cur = mapped() + more, .rlim_max = RLIM_INFINITY };
	void *all;

	CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = mapped() + more;
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	all = mmap(NULL, more + 16 * MIB, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return true;
	munmap(all, more + 16 * MIB);
	fprintf(stderr, "skipped: RLIMIT_AS has no effect here\n");
	return false;
}

static void in_a_process_with(uint64_t more, void (*run)(const char *path), const char *path)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (limit_to(more))
			run(path);
		child_quit();
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQUAL_INT(status, 0);
}

/* --- the size of the mapping --- */

static void what_is_asked_for_fits(const char *path)
{
	(void)path;
	CHECK_EQUAL_UINT(address_space_fit(64 * MIB, MIB, 0), 64 * MIB);
	CHECK_EQUAL_UINT(address_space_fit(MIB, 64 * MIB, 0), MIB);
}

static void too_much_becomes_a_part_of_what_there_is(const char *path)
{
	uint64_t fit = address_space_fit(64 * GIB, MIB, 0);
	void *rest;

	(void)path;
	CHECK(fit > 60 * MIB && fit <= 128 * MIB);
	CHECK_EQUAL_UINT(fit % 4096, 0);
	rest = mmap(NULL, fit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(rest != MAP_FAILED);
	munmap(rest, fit);
	CHECK_EQUAL_UINT(address_space_fit(64 * GIB, 200 * MIB, 0), 200 * MIB);
	CHECK_EQUAL_UINT(address_space_fit(210 * MIB, 200 * MIB, 0), 200 * MIB);
	CHECK_EQUAL_UINT(address_space_fit(64 * GIB, 300 * MIB, 0), 0);
	CHECK_EQUAL_UINT(address_space_fit(64 * GIB, 300 * MIB, 100 * MIB), 300 * MIB);
	CHECK_EQUAL_UINT(address_space_fit(64 * GIB, 300 * MIB, 400 * MIB), 300 * MIB);
}

/* --- databases --- */

static struct store_options default_options(const char *path)
{
	return (struct store_options){ .path = path, .create = true,
		.durability = DURABILITY_NONE };
}

static struct store_usage usage_of(struct store *store)
{
	struct store_usage usage;

	MUST(store_usage(store, &usage, &failure), failure);
	return usage;
}

/* Adds 1 MiB in one transaction. */
static int add_some(struct store *store, uint64_t number)
{
	static const uint8_t bytes[4000];
	struct txn *txn = begin_write(store);
	int err = writer_check_space(txn, &failure);

	for (uint64_t i = 0; i < 256 && !err; i++) {
		uint8_t key[8] = { (uint8_t)(number >> 8), (uint8_t)number, (uint8_t)i };

		err = txn_put(txn, TREE_LOG, slice_of(key, sizeof key),
			slice_of(bytes, sizeof bytes));
	}
	if (err) {
		cancel_write(txn);
		return err;
	}
	return end_write(txn, &failure);
}

static void the_default_opens_and_says_how_far_it_goes(const char *path)
{
	struct store_options options = default_options(path);
	struct store *store = open_with(&options);
	struct store_usage usage = usage_of(store);
	uint64_t number = 0;
	int err;

	CHECK_EQUAL_UINT(usage.asked_bytes, 64 * GIB);
	CHECK(usage.max_bytes > 40 * MIB && usage.max_bytes < 200 * MIB);
	while ((err = add_some(store, number)) == 0)
		number++;
	CHECK_EQUAL_INT(err, ERR_FULL);
	CHECK(strstr(failure.message, "address space"));
	usage = usage_of(store);
	CHECK(usage.file_bytes > usage.max_bytes * 9 / 10);
	store_close(store);

	options.read_only = true;
	options.create = false;
	store = open_with(&options);
	CHECK(usage_of(store).file_bytes > 40 * MIB);
	store_close(store);
}

/* Grows the file by 20 MiB after each byte from the parent, with an unlimited address space. */
static void grow(struct child *parent, void *context)
{
	struct store_options options = default_options(context);
	struct store *store = open_with(&options);
	uint64_t number = 0;

	child_tell(parent);
	while (child_hear(parent)) {
		for (int i = 0; i < 20; i++)
			CHECK_EQUAL_INT(add_some(store, number++), 0);
		child_tell(parent);
	}
	store_close(store);
}

static struct child grower;

/* The mapping grows with the file, and is kept if a larger one does not fit. */
static void a_map_follows_the_file(const char *path)
{
	struct store_options options = { .path = path, .read_only = true };
	struct store *store = open_with(&options);
	struct txn *reader = open_reader(store);
	int err = 0;

	for (int grown = 0; grown < 30 && !err; grown++) {
		child_tell(&grower);
		CHECK(child_hear(&grower));
		err = reader_renew(reader, &failure);
		CHECK(!err || grown > 4);
		reader_reset(reader);
	}
	CHECK_EQUAL_INT(err, ERR_NO_MEMORY);
	CHECK(strstr(failure.message, "address space"));
	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_NO_MEMORY);
	reader_close(reader);
	store_close(store);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_NO_MEMORY);
	CHECK(strstr(failure.message, "ulimit -v"));
}

int main(void)
{
	char *path = (char *)(uintptr_t)store_path("grown.tide");

	in_a_process_with(256 * MIB, what_is_asked_for_fits, NULL);
	in_a_process_with(256 * MIB, too_much_becomes_a_part_of_what_there_is, NULL);
	in_a_process_with(256 * MIB, the_default_opens_and_says_how_far_it_goes,
		store_path("default.tide"));
	grower = child_start(grow, path);
	CHECK(child_hear(&grower));
	in_a_process_with(256 * MIB, a_map_follows_the_file, path);
	child_end(&grower);
	return 0;
}
