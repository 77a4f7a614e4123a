/* test_version.c - lmdb_version_check: the versions of LMDB that are refused. */
#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;
static int loaded[3] = { 0, 9, 24 };

/* Overrides LMDB's function. */
char *mdb_version(int *major, int *minor, int *patch)
{
	static char text[] = "LMDB of the test";

	if (major)
		*major = loaded[0];
	if (minor)
		*minor = loaded[1];
	if (patch)
		*patch = loaded[2];
	return text;
}

static void load(int major, int minor, int patch)
{
	loaded[0] = major;
	loaded[1] = minor;
	loaded[2] = patch;
}

static void expect_known(int patch)
{
	load(0, 9, patch);
	CHECK_EQUAL_INT(lmdb_version_check(&failure), 0);
}

static void expect_refused(int major, int minor, int patch, const char *why)
{
	char version[40];

	load(major, minor, patch);
	snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
	failure = (struct failure){ 0 };
	CHECK_EQUAL_INT(lmdb_version_check(&failure), ERR_STORE);
	CHECK(strstr(failure.message, version) != NULL);
	CHECK(strstr(failure.message, why) != NULL);
}

static void versions_of_one_format_are_interchangeable(void)
{
	for (int patch = 24; patch < 70; patch++)
		expect_known(patch);
	expect_refused(0, 9, 23, "0.9.24 or later is needed");
	expect_refused(0, 8, 99, "0.9.24 or later is needed");
	expect_refused(0, 9, 70, "LMDB 1.0");
	expect_refused(0, 9, 90, "LMDB 1.0");
	expect_refused(0, 10, 0, "LMDB 1.0");
	expect_refused(1, 0, 0, "LMDB 1.0");
	expect_refused(2, 3, 4, "LMDB 1.0");
}

/* No other LMDB function is called, and no file is created. */
static void a_refused_library_touches_no_file(void)
{
	static const char *const suffixes[] = { "", "-lock", "-wake" };
	struct store_options options = small_options(store_path("refused.tide"));
	char path[4300];

	load(1, 0, 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "1.0.0") != NULL);
	options.in_memory = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_STORE);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		snprintf(path, sizeof path, "%s%s", options.path, suffixes[i]);
		CHECK(access(path, F_OK) != 0);
	}
	load(0, 9, 31);
	options.in_memory = false;
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

int main(void)
{
	versions_of_one_format_are_interchangeable();
	a_refused_library_touches_no_file();
	return 0;
}
