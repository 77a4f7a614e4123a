/* test_catalog_handles.c - table/catalog.h: handles in several processes, which create, change,
 * delete and use tables in random order, agree with a plain list of tables. */
#include "api/database.h"
#include "unit/child.h"
#include "unit/files.h"
#include "unit/tides.h"

#define PROCESSES 3
#define HANDLES 2                /* in each process */
#define TABLES 12
#define STEPS 600
#define ROUNDS 4

/* What one handle is asked to do. */
enum task_kind {
	CREATE, CREATE_EXPIRING, DROP, PUT, GET, ENABLE, DISABLE, SET_TTL, UNSET_TTL, LIST, COUNT,
	FOLLOW, SWEEP, ABORT, REOPEN, TASK_KINDS,
};

struct task {
	enum task_kind kind;
	uint32_t handle, table, value;
};

struct outcome {
	int err;
	uint32_t value;              /* what was read */
};

static struct failure failure;
static struct builder made;

static const char *name_of(uint32_t table)
{
	static char name[24];

	snprintf(name, sizeof name, "table_%02u", table);
	return name;
}

/* --- one handle --- */

struct handle {
	struct tide *tide;
	struct tide_table tables[TABLES];    /* kept while tables come and go */
};

static const char *path;

static void open_handle(struct handle *handle)
{
	handle->tide = open_tide(path);
	for (uint32_t i = 0; i < TABLES; i++)
		handle->tables[i] = table_named(name_of(i));
}

static int create(struct handle *handle, uint32_t table, const char *ttl)
{
	struct tide_table_spec spec = spec_of(name_of(table));

	spec.ttl = slice_of_text(ttl);
	return tide_create_table(handle->tide, &spec, &failure);
}

static int put_value(struct handle *handle, uint32_t table, uint32_t value)
{
	struct tide_change change;
	char text[16];
	int err;

	snprintf(text, sizeof text, "%u", value);
	begin(handle->tide);
	err = tide_put(handle->tide, &handle->tables[table], item_of(&made, "p", "s", text),
		&change, &failure);
	if (err)
		tide_abort(handle->tide);
	else
		commit(handle->tide);
	return err;
}

/* Returns the number in the item's attribute v, 0 if there is no item. */
static int get_value(struct handle *handle, uint32_t table, uint32_t *value)
{
	struct buffer out = { 0 };
	struct value found;
	uint64_t sequence;
	int err = tide_get(handle->tide, &handle->tables[table],
		item_of(&made, "p", "s", NULL), &out, &sequence, &failure);

	*value = 0;
	if (err == 0) {
		CHECK_EQUAL_INT(map_find(buffer_slice(&out), slice_of_text("v"), &found), 0);
		for (size_t i = 0; i < found.bytes.len; i++)
			*value = *value * 10 + (uint32_t)(found.bytes.data[i] - '0');
	}
	buffer_release(&out);
	return err == END ? 0 : err;
}

/* Sets *value to one bit for each table. */
static int list(struct handle *handle, uint32_t *value)
{
	struct buffer names = { 0 };
	struct source source;
	int err = tide_table_names(handle->tide, &names, &failure);

	*value = 0;
	source = source_of(buffer_slice(&names));
	while (!err && source_left(&source)) {
		struct slice name = source_counted(&source);

		*value |= 1u << ((name.data[6] - '0') * 10 + name.data[7] - '0');
	}
	buffer_release(&names);
	return err;
}

static int count(struct handle *handle, uint32_t *value)
{
	struct buffer ids = { 0 };
	int err = tide_stream_ids(handle->tide, &ids, &failure);

	*value = (uint32_t)ids.len / 4;
	buffer_release(&ids);
	return err;
}

/* Puts an item and reads its record from the merge of all streams. */
static int follow(struct handle *handle, uint32_t table, uint32_t value, uint32_t *got)
{
	struct tide_feed *feed;
	struct slice record;
	uint32_t stream;
	int err;

	MUST(tide_feed_start(&feed, handle->tide, 0, TIDE_LATEST, 0, &failure), failure);
	err = put_value(handle, table, value);
	MUST(tide_feed_fill(feed, handle->tide, 10, &failure), failure);
	*got = 0;
	while (tide_feed_next(feed, &stream, &record) == 0)
		++*got;
	tide_feed_finish(feed);
	return err;
}

/* Deletes a table, creates one in its place and forgets both. */
static int abort_changes(struct handle *handle, uint32_t table)
{
	struct table_spec spec = { .name = slice_of_text(name_of(table)),
		.schema = { .partition = { TYPE_S, 1, "q" } } };
	struct transaction *transaction = &handle->tide->transaction;
	int err;

	begin(handle->tide);
	err = define_delete(transaction, spec.name, &failure);
	if (!err)
		err = define_table(transaction, &spec, &failure);
	if (!err)
		err = tide_put(handle->tide, &handle->tables[table], item_of(&made, "p", "s", "v"),
			&(struct tide_change){ 0 }, &failure);
	tide_abort(handle->tide);
	return err;
}

static int sweep(struct handle *handle)
{
	struct tide_swept swept = { 0 };
	bool more;

	return tide_sweep(handle->tide, &swept, &more, &failure);
}

static struct outcome do_task(struct handle *handle, const struct task *task)
{
	struct retention retention = { .age_ms = DAY_MS };
	struct slice name = slice_of_text(name_of(task->table));
	struct tide *tide = handle->tide;
	struct outcome outcome = { 0, 0 };

	switch (task->kind) {
	case CREATE: outcome.err = create(handle, task->table, ""); break;
	case CREATE_EXPIRING: outcome.err = create(handle, task->table, "e"); break;
	case DROP: outcome.err = tide_delete_table(tide, name, &failure); break;
	case PUT: outcome.err = put_value(handle, task->table, task->value); break;
	case GET: outcome.err = get_value(handle, task->table, &outcome.value); break;
	case ENABLE:
		outcome.err = tide_enable_stream(tide, name, VIEW_NEW_IMAGE, &retention, &failure);
		break;
	case DISABLE: outcome.err = tide_disable_stream(tide, name, &failure); break;
	case SET_TTL: outcome.err = tide_set_ttl(tide, name, slice_of_text("e"), &failure); break;
	case UNSET_TTL: outcome.err = tide_set_ttl(tide, name, slice_of_text(""), &failure); break;
	case LIST: outcome.err = list(handle, &outcome.value); break;
	case COUNT: outcome.err = count(handle, &outcome.value); break;
	case FOLLOW:
		outcome.err = follow(handle, task->table, task->value, &outcome.value);
		break;
	case SWEEP: outcome.err = sweep(handle); break;
	case ABORT: outcome.err = abort_changes(handle, task->table); break;
	case REOPEN:
		tide_close(handle->tide);
		open_handle(handle);
		break;
	case TASK_KINDS: break;
	}
	return outcome;
}

/* Opens the handles and tells the parent, because opening needs the write lock for a moment. Then
 * does the tasks that the parent sends, until one is TASK_KINDS. */
static void serve(struct child *parent, void *context)
{
	struct handle handles[HANDLES];
	struct task task;

	(void)context;
	for (int i = 0; i < HANDLES; i++)
		open_handle(&handles[i]);
	child_tell(parent);
	while (read(parent->in, &task, sizeof task) == sizeof task && task.kind != TASK_KINDS) {
		struct outcome outcome = do_task(&handles[task.handle], &task);

		CHECK(write(parent->out, &outcome, sizeof outcome) == sizeof outcome);
	}
	for (int i = 0; i < HANDLES; i++)
		tide_close(handles[i].tide);
	builder_release(&made);
}

/* --- the plain list --- */

static struct plain {
	bool exists, streams, expires;
	uint32_t value;              /* of the item; 0: none */
} plain[TABLES];
static uint32_t plain_streams;   /* streams ever created: none ends in a day */

static void start_stream(struct plain *table)
{
	table->streams = true;
	plain_streams++;
}

static struct outcome expect_existing(struct plain *table, const struct task *task)
{
	struct outcome outcome = { 0, 0 };

	switch (task->kind) {
	case CREATE: case CREATE_EXPIRING: outcome.err = ERR_IN_USE; break;
	case DROP: *table = (struct plain){ 0 }; break;
	case FOLLOW:
		outcome.value = table->streams && table->value != task->value;
		table->value = task->value;
		break;
	case PUT: table->value = task->value; break;
	case GET: outcome.value = table->value; break;
	case ENABLE:
		outcome.err = table->streams ? ERR_VALIDATION : 0;
		if (!outcome.err)
			start_stream(table);
		break;
	case DISABLE:
		outcome.err = table->streams ? 0 : ERR_VALIDATION;
		table->streams = false;
		break;
	case SET_TTL: table->expires = true; break;
	case UNSET_TTL: table->expires = false; break;
	case ABORT: outcome.err = ERR_KEY_MISSING; break; /* its key is q */
	default: break;
	}
	return outcome;
}

static struct outcome expect(const struct task *task)
{
	struct plain *table = &plain[task->table];
	struct outcome outcome = { 0, 0 };

	if (task->kind == LIST) {
		for (uint32_t i = 0; i < TABLES; i++)
			outcome.value |= (uint32_t)plain[i].exists << i;
	} else if (task->kind == COUNT) {
		outcome.value = plain_streams;
	} else if (task->kind == SWEEP || task->kind == REOPEN) {
		return outcome;
	} else if (table->exists) {
		return expect_existing(table, task);
	} else if (task->kind == CREATE || task->kind == CREATE_EXPIRING) {
		*table = (struct plain){ .exists = true, .expires = task->kind == CREATE_EXPIRING };
		start_stream(table);
	} else {
		outcome.err = ERR_NOT_FOUND;
	}
	return outcome;
}

/* --- rounds --- */

static void random_task(struct child processes[PROCESSES])
{
	struct task task = { (enum task_kind)check_random_below(TASK_KINDS),
		(uint32_t)check_random_below(HANDLES), (uint32_t)check_random_below(TABLES),
		1 + (uint32_t)check_random_below(1000) };
	struct child *process = &processes[check_random_below(PROCESSES)];
	struct outcome expected, outcome;

	if (task.kind == SWEEP && check_random_below(4))
		task.kind = GET;
	expected = expect(&task);
	CHECK(write(process->out, &task, sizeof task) == sizeof task);
	CHECK(read(process->in, &outcome, sizeof outcome) == sizeof outcome);
	if (outcome.err != expected.err || outcome.value != expected.value)
		fprintf(stderr, "task %d, table %u: %d, %u; expected %d, %u\n", (int)task.kind,
			task.table, outcome.err, outcome.value, expected.err, expected.value);
	CHECK_EQUAL_INT(outcome.err, expected.err);
	CHECK_EQUAL_UINT(outcome.value, expected.value);
}

/* Checks the tables' definitions with a new handle. */
static void compare_definitions(void)
{
	struct handle handle;

	open_handle(&handle);
	for (uint32_t i = 0; i < TABLES; i++) {
		const struct table_row *row;
		int err = tide_describe_table(handle.tide, &handle.tables[i], &row, &failure);

		CHECK_EQUAL_INT(err, plain[i].exists ? 0 : ERR_NOT_FOUND);
		CHECK(err || (row->stream != 0) == plain[i].streams);
		CHECK(err || (row->ttl.index != 0) == plain[i].expires);
	}
	check_clean(handle.tide);
	tide_close(handle.tide);
}

static void handles_agree(void)
{
	const struct task end = { TASK_KINDS, 0, 0, 0 };
	struct child processes[PROCESSES];

	memset(plain, 0, sizeof plain);
	plain_streams = 0;
	path = tide_path("handles.tide");
	for (int i = 0; i < PROCESSES; i++)
		processes[i] = child_start(serve, NULL);
	for (int i = 0; i < PROCESSES; i++)
		CHECK(child_hear(&processes[i]));
	for (int i = 0; i < STEPS; i++)
		random_task(processes);
	for (int i = 0; i < PROCESSES; i++) {
		CHECK(write(processes[i].out, &end, sizeof end) == sizeof end);
		child_end(&processes[i]);
	}
	compare_definitions();
	remove_files(path);
}

int main(void)
{
	for (int i = 0; i < ROUNDS; i++)
		handles_agree();
	builder_release(&made);
	return 0;
}
