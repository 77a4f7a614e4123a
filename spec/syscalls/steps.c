/* steps.c - the steps that use a database while its system calls fail. Each step is at most one
 * transaction, so it was executed completely or not at all. */
#include "syscalls/steps.h"

#include "calls/calls.h"
#include "unit/expiring.h"
#include "unit/updating.h"

#define BIG 20000            /* size of an item that is stored in many parts */
#define EXPIRED 1699999999   /* 1 s before the time of the clock */

static char big[BIG + 1];

/* Opens the database with the same hash secret each time, because records contain hashes. */
int session_open(struct session *session)
{
	calls_set_random(1);
	return tide_open(&session->tide, &session->options, &session->failure);
}

int session_close(struct session *session)
{
	tide_close(session->tide);
	session->tide = NULL;
	return 0;
}

/* Items with the attribute e expire. */
static int create(struct session *session, const char *name)
{
	struct tide_table_spec spec = spec_of(name);

	spec.ttl = slice_of_text("e");
	return tide_create_table(session->tide, &spec, &session->failure);
}

static int create_orders(struct session *session)
{
	return create(session, "orders");
}

static int create_doomed(struct session *session)
{
	return create(session, "doomed");
}

static int put_one(struct session *session, const char *name, const char *s, const char *v)
{
	struct tide_table table = table_named(name);
	struct tide_change change;

	return tide_put(session->tide, &table, item_of(&session->builder, "ann", s, v), &change,
		&session->failure);
}

/* Lets an item expire, which the commit then removes; does nothing if that was done before. */
static int expire_one(struct session *session, const char *name, const char *s)
{
	struct tide_table table = table_named(name);
	int err = update_item(session->tide, &table, item_of(&session->builder, "ann", s, NULL),
		"SET v = :v, e = :n", "attribute_exists(v)", "old", EXPIRED, &session->failure);

	return err == ERR_CONDITION_FAILED ? 0 : err;
}

static int delete_one(struct session *session, const char *name, const char *s)
{
	struct tide_table table = table_named(name);
	struct tide_change change;

	return tide_delete(session->tide, &table, item_of(&session->builder, "ann", s, NULL),
		&change, &session->failure);
}

static int end(struct session *session, int err)
{
	if (!err)
		return tide_commit(session->tide, &session->failure);
	tide_abort(session->tide);
	return err;
}

static int put_small(struct session *session)
{
	int err = tide_begin(session->tide, &session->failure);

	if (err)
		return err;
	err = put_one(session, "orders", "0", "first");
	return end(session, err ? err : put_one(session, "orders", "1", "first"));
}

static int put_batch(struct session *session)
{
	static const char *const names[] = { "2", "3", "4", "5", "6" };
	int err = tide_begin(session->tide, &session->failure);

	if (err)
		return err;
	memset(big, 'b', BIG);
	for (size_t i = 0; i < sizeof names / sizeof *names && !err; i++)
		err = put_one(session, "orders", names[i], "batch");
	if (!err)
		err = put_one(session, "orders", "big", big);
	if (!err)
		err = delete_one(session, "orders", "0");
	if (!err)
		err = expire_one(session, "orders", "1");
	return end(session, err);
}

/* Puts enough items that deleting the table takes several sweeps. */
static int put_doomed(struct session *session)
{
	int err = tide_begin(session->tide, &session->failure);
	char s[16];

	if (err)
		return err;
	memset(big, 'd', BIG);
	for (int i = 0; i < 100 && !err; i++) {
		snprintf(s, sizeof s, "%d", i);
		err = put_one(session, "doomed", s, i % 10 ? "doomed" : big);
	}
	return end(session, err);
}

static int delete_doomed(struct session *session)
{
	return tide_delete_table(session->tide, slice_of_text("doomed"), &session->failure);
}

static int trim(struct session *session)
{
	struct tide_swept swept = { 0 };
	bool more = true;
	int err = 0;

	while (!err && more)
		err = tide_sweep(session->tide, &swept, &more, &session->failure);
	return err;
}

static int read_feed(struct session *session, struct tide_feed *feed)
{
	struct slice record;
	uint32_t stream;
	int err = 0;

	for (int i = 0; i < 3 && !err; i++) {
		err = tide_feed_fill(feed, session->tide, 4, &session->failure);
		while (!err && tide_feed_next(feed, &stream, &record) == 0)
			CHECK_EQUAL_INT(record_check(record), 0);
	}
	if (!err)
		tide_feed_wait(feed, session->tide, 1);
	return err;
}

/* Reads the stream through a feed and a wakeup's descriptor while another
 * handle writes. */
static int follow(struct session *session)
{
	struct tide_feed *feed;
	struct tide_wakeup *wakeup;
	int err = tide_wakeup_open(&wakeup, session->tide, WAKEUP_COMMITS, &session->failure);

	if (err)
		return err;
	err = tide_feed_start(&feed, session->tide, 0, TIDE_TRIM_HORIZON, 0, &session->failure);
	if (!err)
		err = read_feed(session, feed);
	tide_feed_finish(feed);
	if (!err)
		err = tide_begin(session->tide, &session->failure);
	if (!err)
		err = end(session, put_one(session, "orders", "7", "rings"));
	tide_wakeup_clear(wakeup);
	tide_wakeup_close(wakeup);
	return err;
}

static int set_retention(struct session *session)
{
	struct retention two = { .age_ms = DAY_MS, .max_count = 2 };

	return tide_set_retention(session->tide, STREAM_ONE, &two, &session->failure);
}

/* Returns true if the report says that a page could not be read from the disk. */
static bool reports_disk_error(const struct buffer *text)
{
	static const char sentence[] = "can't be read from the disk";

	return text->len && memmem(text->data, text->len, sentence, sizeof sentence - 1);
}

static int check(struct session *session)
{
	struct report report = { 0 };
	int err = tide_check(session->tide, &report, &session->failure);

	CHECK(err || report.problems == 0 || reports_disk_error(&report.text));
	buffer_release(&report.text);
	return err;
}

static int flush(struct session *session)
{
	return tide_sync(session->tide, &session->failure);
}

static int read_all(struct session *session)
{
	struct tide_info info;

	return tide_info(session->tide, &info, &session->failure);
}

/* Replaces the value of the big item. */
static int update_last(struct session *session)
{
	struct tide_table table = table_named("orders");
	int err = tide_begin(session->tide, &session->failure);

	if (err)
		return err;
	err = update_item(session->tide, &table, item_of(&session->builder, "ann", "big", NULL),
		"SET v = :v ADD n :n", "attribute_exists(v) AND v <> :v", "small", 1,
		&session->failure);
	return end(session, err);
}

const struct step steps[] = {
	{ "open and create", session_open, 0 },
	{ "create a table", create_orders, ERR_IN_USE },
	{ "put", put_small, 0 },
	{ "put many", put_batch, 0 },
	{ "create another table", create_doomed, ERR_IN_USE },
	{ "fill the table", put_doomed, 0 },
	{ "follow", follow, 0 },
	{ "delete the table", delete_doomed, ERR_NOT_FOUND },
	{ "sweep", trim, 0 },
	{ "set the retention", set_retention, 0 },
	{ "trim", trim, 0 },
	{ "check", check, 0 },
	{ "flush", flush, 0 },
	{ "close", session_close, 0 },
	{ "open", session_open, 0 },
	{ "read all", read_all, 0 },
	{ "update", update_last, ERR_CONDITION_FAILED },
	{ "close again", session_close, 0 },
};

const unsigned step_count = sizeof steps / sizeof *steps;
