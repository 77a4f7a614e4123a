/* workload.c - the random steps that a traced program makes on a database, each followed by a mark
 * in the trace. */
#include "powercut/workload.h"

#include "calls/calls.h"
#include "calls/dice.h"
#include "calls/digest.h"
#include "os/clock.h"
#include "unit/consuming.h"
#include "unit/expiring.h"
#include "unit/updating.h"

#define TABLES_MAX 4
#define BATCH_MAX 8
#define KEYS 12
#define SMALL_MAX 300
#define BIG_LEAST 2100
#define BIG_MAX 9000

struct world {
	const struct session *session;
	struct dice dice;
	struct tide *tide;
	struct clock *clock;
	struct mark mark;
	bool has_written;            /* since it was opened */
	bool has_failed;             /* the flush that was made to fail has failed */
	char value[BIG_MAX + 1];
};

static struct failure failure;

/* Returns true on success. One failure is expected if a flush is made to fail. */
static bool succeeded(struct world *world, int err)
{
	if (err == ERR_STORE && !world->has_failed && trace_flush_has_failed()) {
		world->has_failed = true;
		return false;
	}
	MUST(err, failure);
	return true;
}

/* --- marks --- */

static void see(struct world *world)
{
	struct tide_info info;

	MUST(digest_of(world->tide, &world->mark.digest, &failure), failure);
	MUST(tide_info(world->tide, &info, &failure), failure);
	world->mark.commit = tide_last_commit(world->tide);
	if (info.sequence > world->mark.sequence)
		world->mark.sequence = info.sequence;
}

static void promise(struct world *world, uint64_t commit)
{
	if (commit > world->mark.promised)
		world->mark.promised = commit;
}

/* Adds a mark to the trace after a call has returned. Weaker levels promise only the commit before
 * the last. */
static void mark(struct world *world)
{
	uint64_t before = world->mark.commit;

	if (tide_last_commit(world->tide) == before)
		return;
	see(world);
	world->has_written = true;
	promise(world, world->session->durability == DURABILITY_FULL ? world->mark.commit : before);
	trace_mark(&world->mark);
}

static void mark_flushed(struct world *world)
{
	promise(world, world->mark.commit);
	trace_mark(&world->mark);
}

static void open_world(struct world *world)
{
	struct tide_options options = { .path = world->session->path, .create = true,
		.durability = world->session->durability, .max_bytes = UINT64_C(64) << 20,
		.clock = world->clock };

	if (!succeeded(world, tide_open(&world->tide, &options, &failure)))
		MUST(tide_open(&world->tide, &options, &failure), failure);
	see(world);
	world->has_written = false;
	world->mark.exists = true;
	promise(world, 1);
	trace_mark(&world->mark);
}

/* Closes the database, which flushes the commits of this process. (Commits of a killed process are
 * flushed by the next commit.) */
static void close_world(struct world *world)
{
	bool failed = trace_flush_has_failed();

	tide_close(world->tide);
	world->tide = NULL;
	if (world->has_written && failed == trace_flush_has_failed())
		mark_flushed(world);
	else
		trace_mark(&world->mark);
}

/* --- steps --- */

/* Sets name to the name of a random table, "" if there is no table. */
static void choose_table(struct world *world, char name[TABLE_NAME_MAX + 1], size_t *count)
{
	struct buffer names = { 0 };
	struct source source;
	size_t chosen = 0;

	MUST(tide_table_names(world->tide, &names, &failure), failure);
	*count = 0;
	name[0] = '\0';
	source = source_of(buffer_slice(&names));
	while (source_left(&source)) {
		struct slice each = source_counted(&source);

		if (dice_one_in(&world->dice, ++*count)) {
			chosen = each.len;
			memcpy(name, each.data, each.len);
		}
	}
	name[chosen] = '\0';
	buffer_release(&names);
}

/* Chooses one of a few keys, so that they are overwritten; some are long. */
static void choose_key(struct world *world, char p[1200], char s[900])
{
	uint64_t number = dice_below(&world->dice, KEYS);

	snprintf(p, 1200, "customer-%u", (unsigned)(number % 3));
	snprintf(s, 900, "order-%u", (unsigned)number);
	if (number == 7) {
		memset(s, 's', 800);
		s[800] = '\0';
	}
	if (number == 8) {
		memset(p, 'p', 1000);
		p[1000] = '\0';
	}
}

static const char *choose_value(struct world *world, uint64_t least, uint64_t most)
{
	size_t len = (size_t)(least + dice_below(&world->dice, most - least));

	for (size_t i = 0; i < len; i++)
		world->value[i] = (char)('a' + dice_below(&world->dice, 26));
	world->value[len] = '\0';
	return world->value;
}

/* Returns the time at which an item expires; 0: never. */
static uint64_t choose_expiry(struct world *world, struct tide_table *table)
{
	const struct table_row *row;

	MUST(tide_describe_table(world->tide, table, &row, &failure), failure);
	if (row->ttl.name[0] != 'e' || dice_one_in(&world->dice, 2))
		return 0;
	return dice_one_in(&world->dice, 2) ? WORKLOAD_NOW + DAY_MS : WORKLOAD_NOW - 1000;
}

/* The condition fails if the item does not exist or is expired. */
static void update_one(struct world *world, struct tide_table *table, struct slice key)
{
	int err = update_item(world->tide, table, key, dice_one_in(&world->dice, 8) ?
		"SET v = :v, e = :n" : "SET v = :v ADD n :n", "attribute_exists(v) AND v <> :v",
		choose_value(world, 1, SMALL_MAX), 1, &failure);

	if (err != ERR_CONDITION_FAILED)
		MUST(err, failure);
}

static void change_one(struct world *world, struct tide_table *table, bool big, bool expires)
{
	struct builder builder = { 0 };
	struct tide_change change;
	char p[1200], s[900];

	choose_key(world, p, s);
	if (!big && dice_one_in(&world->dice, 4))
		MUST(tide_delete(world->tide, table, item_of(&builder, p, s, NULL), &change,
			&failure), failure);
	else if (!big && expires && dice_one_in(&world->dice, 3))
		update_one(world, table, item_of(&builder, p, s, NULL));
	else
		put_expiring(world->tide, table, p, s, big
			? choose_value(world, BIG_LEAST, BIG_MAX)
			: choose_value(world, 1, SMALL_MAX),
			expires ? choose_expiry(world, table) : 0);
	builder_release(&builder);
}

static void create_one(struct world *world, size_t count)
{
	static const uint8_t views[] = { 0, VIEW_KEYS_ONLY, VIEW_NEW_IMAGE, VIEW_OLD_IMAGE,
		VIEW_NEW_AND_OLD_IMAGES, VIEW_NEW_AND_OLD_IMAGES };
	struct tide_table_spec spec;
	char name[64];

	if (count == TABLES_MAX)
		return;
	snprintf(name, sizeof name, "table-%u", (unsigned)dice_below(&world->dice, 100000));
	spec = spec_of(name);
	spec.view = views[dice_below(&world->dice, 6)];
	spec.retention.max_count = dice_one_in(&world->dice, 2)
		? 5 + dice_below(&world->dice, 20) : 0;
	if (dice_one_in(&world->dice, 2))
		spec.ttl = slice_of_text("e");
	succeeded(world, tide_create_table(world->tide, &spec, &failure));
}

/* Items expire in one of the tables. So the commit removes all that have expired, and opening the
 * file, which may commit too, has nothing left to remove: the judge then finds the same records. */
static void change_some(struct world *world, int changes, bool big)
{
	char name[TABLE_NAME_MAX + 1], expiring[TABLE_NAME_MAX + 1];
	struct tide_table table;
	size_t count;

	choose_table(world, name, &count);
	if (!count) {
		create_one(world, 0);
		return;
	}
	memcpy(expiring, name, sizeof expiring);
	begin(world->tide);
	for (int i = 0; i < changes; i++) {
		if (i)
			choose_table(world, name, &count);
		table = table_named(name);
		change_one(world, &table, big, strcmp(name, expiring) == 0);
	}
	succeeded(world, tide_commit(world->tide, &failure));
}

static void switch_stream(struct world *world, const char *name)
{
	struct retention retention = { .age_ms = DAY_MS, .max_count = 10 };
	struct tide_table table = table_named(name);
	const struct table_row *row;

	MUST(tide_describe_table(world->tide, &table, &row, &failure), failure);
	if (!row->stream)
		succeeded(world, tide_enable_stream(world->tide, slice_of_text(name),
			VIEW_NEW_AND_OLD_IMAGES, &retention, &failure));
	else if (dice_one_in(&world->dice, 2))
		succeeded(world, tide_disable_stream(world->tide, slice_of_text(name), &failure));
	else
		succeeded(world, tide_set_retention(world->tide, row->stream, &retention,
			&failure));
}

static void switch_ttl(struct world *world, const char *name)
{
	struct tide_table table = table_named(name);
	const struct table_row *row;
	bool on;

	MUST(tide_describe_table(world->tide, &table, &row, &failure), failure);
	on = row->ttl.index && dice_one_in(&world->dice, 2);
	succeeded(world, tide_set_ttl(world->tide, slice_of_text(name),
		slice_of_text(on ? "" : row->ttl.index ? "n" : "e"), &failure));
}

static void trim(struct world *world)
{
	struct tide_swept swept = { 0 };
	bool more = true;

	while (more) {
		succeeded(world, tide_sweep(world->tide, &swept, &more, &failure));
		mark(world);
	}
}

static void step(struct world *world)
{
	uint64_t what = dice_below(&world->dice, 30);
	char name[TABLE_NAME_MAX + 1];
	size_t count;

	if (what < 9) {
		change_some(world, 1 + (int)dice_below(&world->dice, BATCH_MAX), false);
	} else if (what < 11) {
		change_some(world, 1, true);
	} else if (what == 11) {
		trim(world);
	} else if (what == 12) {
		close_world(world);
		open_world(world);
	} else if (what == 13 && dice_one_in(&world->dice, 2)) {
		if (succeeded(world, tide_sync(world->tide, &failure)))
			mark_flushed(world);
	} else if (what >= 20) {
		succeeded(world, consume_step(world->tide, &world->dice, &failure));
	} else {
		choose_table(world, name, &count);
		if (what < 16 || !count)
			create_one(world, count);
		else if (what == 16)
			switch_ttl(world, name);
		else if (what == 17)
			switch_stream(world, name);
		else if (count > 1)
			succeeded(world, tide_delete_table(world->tide, slice_of_text(name),
				&failure));
	}
	mark(world);
}

/* --- a session --- */

static const struct mark *last_mark(const struct trace *trace)
{
	static const struct mark none;
	size_t i = trace->count;

	while (i > 0 && trace->events[i - 1].kind != TRACE_MARK)
		i--;
	return i > 0 ? &trace->events[i - 1].mark : &none;
}

static void run_session(struct trace *trace, const struct session *session)
{
	struct world *world = calloc(1, sizeof *world);

	CHECK(world != NULL);
	world->session = session;
	world->dice = dice_for(session->seed, 3, 0, 0);
	world->mark = *last_mark(trace);
	world->clock = clock_manual(WORKLOAD_NOW);
	calls_set_random(session->seed);
	calls_set_boot(session->boot);
	trace_begin(trace, session->path, session->kill_at, session->fail_at);
	open_world(world);
	for (int i = 0; i < session->steps; i++)
		step(world);
	if (session->closes)
		close_world(world);
	trace_end();
	if (!session->closes)
		_exit(0);
	clock_drop(world->clock);
	free(world);
	child_quit();
}

bool workload_run(struct trace *trace, const struct session *session)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		run_session(trace, session);
	CHECK(waitpid(pid, &status, 0) == pid);
	return status == 0 && !trace->full && !trace->unsupported[0];
}
