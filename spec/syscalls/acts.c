/* acts.c - the steps. Each is at most one transaction, so it happened or it did
 * not. */
#include "syscalls/acts.h"

#include "calls/calls.h"
#include "unit/expiring.h"
#include "unit/updating.h"

#define BIG 20000            /* size of an item that is stored in many parts */
#define EXPIRED 1699999999   /* 1 s before the time of the clock */

static char big[BIG + 1];

/* Uses the same secret each time, because records depend on it. */
int actor_open(struct actor *actor)
{
	calls_set_random(1);
	return tide_open(&actor->tide, &actor->options, &actor->failure);
}

int actor_close(struct actor *actor)
{
	tide_close(actor->tide);
	actor->tide = NULL;
	return 0;
}

/* Items with the attribute e expire. */
static int create(struct actor *actor, const char *name)
{
	struct tide_table_spec spec = spec_of(name);

	spec.ttl = slice_of_text("e");
	return tide_create_table(actor->tide, &spec, &actor->failure);
}

static int create_orders(struct actor *actor)
{
	return create(actor, "orders");
}

static int create_doomed(struct actor *actor)
{
	return create(actor, "doomed");
}

static int put_one(struct actor *actor, const char *name, const char *s, const char *v)
{
	struct tide_table table = table_named(name);
	struct tide_change change;

	return tide_put(actor->tide, &table, item_of(&actor->builder, "ann", s, v), &change,
		&actor->failure);
}

/* Lets an item expire, which the commit then removes; does nothing if that was done before. */
static int expire_one(struct actor *actor, const char *name, const char *s)
{
	struct tide_table table = table_named(name);
	int err = update_item(actor->tide, &table, item_of(&actor->builder, "ann", s, NULL),
		"SET v = :v, e = :n", "attribute_exists(v)", "old", EXPIRED, &actor->failure);

	return err == ERR_CONDITION_FAILED ? 0 : err;
}

static int delete_one(struct actor *actor, const char *name, const char *s)
{
	struct tide_table table = table_named(name);
	struct tide_change change;

	return tide_delete(actor->tide, &table, item_of(&actor->builder, "ann", s, NULL),
		&change, &actor->failure);
}

static int end(struct actor *actor, int err)
{
	if (!err)
		return tide_commit(actor->tide, &actor->failure);
	tide_abort(actor->tide);
	return err;
}

static int put_small(struct actor *actor)
{
	int err = tide_begin(actor->tide, &actor->failure);

	if (err)
		return err;
	err = put_one(actor, "orders", "0", "first");
	return end(actor, err ? err : put_one(actor, "orders", "1", "first"));
}

static int put_batch(struct actor *actor)
{
	static const char *const names[] = { "2", "3", "4", "5", "6" };
	int err = tide_begin(actor->tide, &actor->failure);

	if (err)
		return err;
	memset(big, 'b', BIG);
	for (size_t i = 0; i < sizeof names / sizeof *names && !err; i++)
		err = put_one(actor, "orders", names[i], "batch");
	if (!err)
		err = put_one(actor, "orders", "big", big);
	if (!err)
		err = delete_one(actor, "orders", "0");
	if (!err)
		err = expire_one(actor, "orders", "1");
	return end(actor, err);
}

/* Puts enough items that deleting the table takes several sweeps. */
static int put_doomed(struct actor *actor)
{
	int err = tide_begin(actor->tide, &actor->failure);
	char s[16];

	if (err)
		return err;
	memset(big, 'd', BIG);
	for (int i = 0; i < 100 && !err; i++) {
		snprintf(s, sizeof s, "%d", i);
		err = put_one(actor, "doomed", s, i % 10 ? "doomed" : big);
	}
	return end(actor, err);
}

static int delete_doomed(struct actor *actor)
{
	return tide_delete_table(actor->tide, slice_of_text("doomed"), &actor->failure);
}

static int trim(struct actor *actor)
{
	struct tide_swept swept = { 0 };
	bool more = true;
	int err = 0;

	while (!err && more)
		err = tide_sweep(actor->tide, &swept, &more, &actor->failure);
	return err;
}

static int read_feed(struct actor *actor, struct tide_feed *feed)
{
	struct slice record;
	uint32_t stream;
	int err = 0;

	for (int i = 0; i < 3 && !err; i++) {
		err = tide_feed_fill(feed, actor->tide, 4, &actor->failure);
		while (!err && tide_feed_next(feed, &stream, &record) == 0)
			CHECK_EQUAL_INT(record_check(record), 0);
	}
	if (!err)
		tide_feed_wait(feed, actor->tide, 1);
	return err;
}

/* Reads the stream through a feed and a wakeup's descriptor while another
 * handle writes. */
static int follow(struct actor *actor)
{
	struct tide_feed *feed;
	struct tide_wakeup *wakeup;
	int err = tide_wakeup_open(&wakeup, actor->tide, WAKEUP_COMMITS, &actor->failure);

	if (err)
		return err;
	err = tide_feed_start(&feed, actor->tide, 0, TIDE_TRIM_HORIZON, 0, &actor->failure);
	if (!err)
		err = read_feed(actor, feed);
	tide_feed_finish(feed);
	if (!err)
		err = tide_begin(actor->tide, &actor->failure);
	if (!err)
		err = end(actor, put_one(actor, "orders", "7", "rings"));
	tide_wakeup_clear(wakeup);
	tide_wakeup_close(wakeup);
	return err;
}

static int set_retention(struct actor *actor)
{
	struct retention two = { .age_ms = DAY_MS, .max_count = 2 };

	return tide_set_retention(actor->tide, 1, &two, &actor->failure);
}

/* Returns true if the report says that a page could not be read from the disk. */
static bool reports_disk_error(const struct buffer *text)
{
	static const char sentence[] = "can't be read from the disk";

	return text->len && memmem(text->data, text->len, sentence, sizeof sentence - 1);
}

static int check(struct actor *actor)
{
	struct report report = { 0 };
	int err = tide_check(actor->tide, &report, &actor->failure);

	CHECK(err || report.problems == 0 || reports_disk_error(&report.text));
	buffer_release(&report.text);
	return err;
}

static int flush(struct actor *actor)
{
	return tide_sync(actor->tide, &actor->failure);
}

static int read_all(struct actor *actor)
{
	struct tide_info info;

	return tide_info(actor->tide, &info, &actor->failure);
}

/* Replaces the value of the big item. */
static int update_last(struct actor *actor)
{
	struct tide_table table = table_named("orders");
	int err = tide_begin(actor->tide, &actor->failure);

	if (err)
		return err;
	err = update_item(actor->tide, &table, item_of(&actor->builder, "ann", "big", NULL),
		"SET v = :v ADD n :n", "attribute_exists(v) AND v <> :v", "small", 1,
		&actor->failure);
	return end(actor, err);
}

const struct act acts[] = {
	{ "open and create", actor_open, 0 },
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
	{ "close", actor_close, 0 },
	{ "open", actor_open, 0 },
	{ "read all", read_all, 0 },
	{ "update", update_last, ERR_CONDITION_FAILED },
	{ "close again", actor_close, 0 },
};

const unsigned act_count = sizeof acts / sizeof *acts;
