/* test_wait.c - tide_wakeup and tide_check_name. */
#include "os/clock.h"
#include "unit/files.h"
#include "unit/tides.h"

static struct failure failure;

static void commits_ring(void)
{
	struct tide *tide = open_tide(tide_path("wakeup.tide"));
	struct tide_table table = create_table(tide, "orders");
	struct tide_wakeup *wakeup;
	struct tide_feed *feed;

	MUST(tide_feed_start(&feed, tide, 0, TIDE_LATEST, 0, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 10, &failure), failure);
	MUST(tide_wakeup_open(&wakeup, tide, WAKEUP_COMMITS, &failure), failure);
	CHECK(tide_wakeup_descriptor(wakeup) >= 0);
	tide_wakeup_clear(wakeup);
	CHECK(!tide_feed_is_touched(feed, tide));
	put_alone(tide, &table, "a", "1", "x");
	CHECK_EQUAL_INT(tide_feed_wait(feed, tide, 60000), 0);
	CHECK(tide_feed_is_touched(feed, tide));
	CHECK_EQUAL_INT(tide_wakeup_wait(wakeup, 0), 0);
	tide_feed_finish(feed);
	tide_wakeup_close(wakeup);
	tide_wakeup_close(NULL);
	tide_close(tide);
}

/* --- the file's name --- */

/* Calls tide_check_name until it returns an error. Returns this error. */
static int first_answer(struct tide *tide)
{
	int err;

	while ((err = tide_check_name(tide, &failure)) == 0)
		clock_sleep_us(10000);
	return err;
}

static void the_name_is_looked_at_once_a_second(void)
{
	const char *path = tide_path("named.tide"), *aside = tide_path("aside.tide");
	uint64_t opened = clock_elapsed_ms(clock_system()), again;
	struct tide *tide = open_tide(path);

	CHECK(rename(path, aside) == 0);
	CHECK_EQUAL_INT(first_answer(tide), ERR_FILE_GONE);
	CHECK(clock_elapsed_ms(clock_system()) - opened >= 1000);
	CHECK(strstr(failure.message, "named.tide was removed or renamed"));
	CHECK_EQUAL_INT(tide_check_name(tide, &failure), ERR_FILE_GONE);
	CHECK(rename(aside, path) == 0);
	again = clock_elapsed_ms(clock_system());
	CHECK_EQUAL_INT(tide_check_name(tide, &failure), 0);
	write_file(aside, "no database\n");
	CHECK(rename(aside, path) == 0);
	CHECK_EQUAL_INT(first_answer(tide), ERR_FILE_REPLACED);
	CHECK(clock_elapsed_ms(clock_system()) - again >= 1000);
	tide_close(tide);
}

/* A symbolic link on the path is changed to another directory, as when a new version is
 * installed. */
static void the_path_that_was_given_counts_too(void)
{
	const char *link = tide_path("current"), *one = tide_path("one"), *two = tide_path("two");
	struct tide *tide;

	CHECK(mkdir(one, 0700) == 0 && mkdir(two, 0700) == 0 && symlink(one, link) == 0);
	CHECK(chdir(check_directory()) == 0);
	tide_close(open_tide(tide_path("two/x.tide")));
	tide = open_tide("current/x.tide");
	CHECK(chdir("/") == 0);
	CHECK_EQUAL_INT(tide_check_name(tide, &failure), 0);
	CHECK(unlink(link) == 0 && symlink(two, link) == 0);
	CHECK_EQUAL_INT(first_answer(tide), ERR_FILE_REPLACED);
	CHECK(strstr(failure.message, "current/x.tide was replaced"));
	CHECK(unlink(link) == 0);
	CHECK_EQUAL_INT(tide_check_name(tide, &failure), 0);
	CHECK(unlink(tide_path("one/x.tide")) == 0);
	CHECK_EQUAL_INT(first_answer(tide), ERR_FILE_GONE);
	tide_close(tide);
}

int main(void)
{
	commits_ring();
	the_name_is_looked_at_once_a_second();
	the_path_that_was_given_counts_too();
	return 0;
}
