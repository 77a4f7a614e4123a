/* syscalls.c - makes each system call fail, once and permanently, in each way it can.
 *
 *     make syscalls EVERY=1
 *
 * The steps of steps.h run once to count the system calls that they make and to compute the digest
 * of the database after each step. Then each system call is tested at a point, which is a separate
 * run of the steps, in another process, in which this call fails. The call fails in a certain way
 * (with an errno, interrupted, short, or executed but reported as failed), either once or together
 * with all later calls of its kind.
 *
 * A step that fails must have changed nothing, unless it reports an unknown outcome; in that case
 * it must have changed everything or nothing. While the handle is still open, another process must
 * find the database undamaged and the write lock free. The step is repeated on the same handle (on
 * a new one after an unknown outcome) and must succeed, like all later steps. At the end no
 * descriptor, mapping or reader slot may be left.
 *
 * At a compound point the database is opened repeatedly after the first failure, and in each
 * attempt another call fails once.
 *
 * EVERY=n runs every n-th point, starting at one that SEED chooses; ONLY=n runs
 * one point.
 */
#include <glob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "calls/calls.h"
#include "calls/digest.h"
#include "os/clock.h"
#include "syscalls/steps.h"
#include "unit/files.h"
#include "unit/tides.h"

#define STEPS_MAX 32
#define SECONDS_A_POINT 60
#define SECOND_FAULTS_MAX 2000

enum way { ONCE, ON, SHORT, EXECUTED, WAYS };

static const char *const way_names[WAYS] = { "once", "from then on", "short", "executed first" };

/* Ways in which each kind of system call can fail. */
static const struct mode {
	enum call_kind kind;
	int errors[3];
	bool interrupted;            /* true if a signal can interrupt the call */
	bool can_be_short;
	bool executed;               /* true if it can be executed and reported as failed */
} modes[] = {
	{ CALL_OPEN, { EMFILE, EACCES, EIO }, true, false, false },
	{ CALL_CLOSE, { 0 }, false, false, true },
	{ CALL_READ, { EIO }, true, false, false },
	{ CALL_PREAD, { EIO }, true, false, false },
	{ CALL_PWRITE, { EIO, ENOSPC }, true, true, true },
	{ CALL_WRITE, { EIO, ENOSPC }, true, true, true },
	{ CALL_WRITEV, { EIO, ENOSPC }, true, true, true },
	{ CALL_LSEEK, { EIO }, false, false, false },
	{ CALL_FDATASYNC, { EIO, ENOSPC }, true, false, true },
	{ CALL_FSYNC, { EIO, ENOSPC }, true, false, true },
	{ CALL_TRUNCATE, { EIO, ENOSPC }, true, false, true },
	{ CALL_RESERVE, { ENOSPC, EIO }, true, false, true },
	{ CALL_STAT, { EIO }, false, false, false },
	{ CALL_STATFS, { EIO }, false, false, false },
	{ CALL_MAP, { ENOMEM }, false, false, false },
	{ CALL_UNMAP, { EINVAL }, false, false, false },
	{ CALL_CONTROL, { ENOLCK }, true, false, false },
	{ CALL_RENAME, { EIO, ENOSPC }, false, false, true },
	{ CALL_UNLINK, { EIO }, false, false, true },
	{ CALL_LINK, { EIO, ENOSPC }, false, false, true },
	{ CALL_CHMOD, { EIO }, false, false, false },
	{ CALL_FUTEX, { 0 }, true, false, false },
	{ CALL_INOTIFY, { EMFILE }, false, false, false },
	{ CALL_WATCH, { ENOSPC }, false, false, false },
	{ CALL_RANDOM, { ENOSYS }, false, false, false },
	{ CALL_MEMORY, { ENOMEM }, false, false, false },
};

#define MODES (sizeof modes / sizeof *modes)

struct point {
	const struct mode *mode;
	int error;
	enum way way;
	uint64_t at;                 /* number of the call among those of its kind, from 1 */
	bool compound;
};

/* Results of a run, in memory shared by the processes. */
struct shared {
	uint64_t calls[CALL_KINDS];
	uint64_t digests[STEPS_MAX];  /* of the database after each step */
	uint64_t second_faults;
	unsigned step;                /* index of the last step that was run */
	bool fired;
};

static struct shared *shared;
static uint64_t reference[STEPS_MAX];        /* shared->digests of the first run */
static const struct point *point;            /* NULL: no call fails */
static bool armed;
static uint64_t second_at, seconds_seen;     /* 0: no second fault */
static bool second_fired;
static enum durability durability;

/* --- faults --- */

static struct fate fate_of(const struct mode *mode, int error, enum way way,
	const struct call *call)
{
	(void)mode;
	if (way == SHORT)
		return (struct fate){ .short_of = call->len / 2 };
	return (struct fate){ .error = error, .made_first = way == EXECUTED };
}

static const struct mode *mode_of(enum call_kind kind)
{
	for (size_t i = 0; i < MODES; i++)
		if (modes[i].kind == kind)
			return &modes[i];
	return NULL;
}

static struct fate second_fate(const struct call *call)
{
	const struct mode *mode = mode_of(call->kind);

	if (!mode || !mode->errors[0] || ++seconds_seen != second_at)
		return (struct fate){ 0 };
	second_fired = true;
	return (struct fate){ .error = mode->errors[0] };
}

static struct fate before(const struct call *call)
{
	uint64_t count;

	if (!armed)
		return (struct fate){ 0 };
	if (second_at)
		return second_fate(call);
	count = ++shared->calls[call->kind];
	if (!point || point->mode->kind != call->kind || count < point->at ||
			(count > point->at && point->way != ON))
		return (struct fate){ 0 };
	shared->fired = true;
	return fate_of(point->mode, point->error, point->way, call);
}

static const struct call_hooks hooks = { before, NULL };

/* --- what is left afterwards --- */

static int count_maps(const char *path)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[5000];
	int count = 0;

	CHECK(maps != NULL);
	while (fgets(line, sizeof line, maps))
		count += strstr(line, path) != NULL;
	fclose(maps);
	return count;
}

static bool may_show(uint64_t digest, unsigned step, bool unknown)
{
	return digest == reference[step ? step - 1 : 0] || (unknown && digest == reference[step]);
}

/* What check_state expects of the database. */
struct expected_state {
	const struct session *session;
	unsigned step;
	bool unknown;
	bool at_the_end;
};

/* Runs in another process. Opens, reads and checks the database and acquires the write lock. */
static void check_state(struct child *parent, void *context)
{
	const struct expected_state *expected = context;
	struct tide_options options = expected->session->options;
	struct failure failure = { 0 };
	struct tide_info info;
	struct tide *tide;
	uint64_t digest;
	int err;

	(void)parent;
	calls_watch(NULL);
	options.create = false;
	err = tide_open(&tide, &options, &failure);
	if (err == ERR_NO_FILE && expected->step == 0)
		return;                  /* the first step was not executed */
	MUST(err, failure);
	MUST(tide_begin(tide, &failure), failure);
	tide_abort(tide);
	MUST(digest_of(tide, &digest, &failure), failure);
	CHECK(!point || may_show(digest, expected->step, expected->unknown));
	check_clean(tide);
	MUST(tide_info(tide, &info, &failure), failure);
	if (expected->at_the_end)
		CHECK_EQUAL_UINT(info.readers, 1);
	tide_close(tide);
}

static void check_in_child(const struct session *session, unsigned step, bool unknown,
	bool at_the_end)
{
	struct expected_state expected = { session, step, unknown, at_the_end };
	struct child child = child_start(check_state, &expected);

	child_end(&child);
}

/* --- a run --- */

static int run_armed(struct session *session, unsigned step)
{
	int err;

	armed = true;
	err = steps[step].run(session);
	armed = false;
	return err;
}

static void open_again(struct session *session)
{
	session_close(session);
	MUST(session_open(session), session->failure);
}

/* Runs the step again and opens the database again while the system calls still fail. */
static int run_with_fault(struct session *session, unsigned step)
{
	int err;

	if (!session->tide)
		return run_armed(session, 0);
	err = run_armed(session, step);
	if (!err)
		return 0;
	armed = true;
	session_close(session);
	session_open(session);
	armed = false;
	return err;
}

/* Opens the database repeatedly. In each attempt another system call fails. */
static void open_with_second_faults(struct session *session)
{
	second_at = 0;
	do {
		CHECK(second_at < SECOND_FAULTS_MAX);
		seconds_seen = 0;
		second_fired = false;
		session_close(session);
		second_at++;
		armed = true;
		if (session_open(session) == 0)
			session_close(session);
		armed = false;
		shared->second_faults += second_fired;
	} while (second_fired);
	second_at = 0;
	MUST(session_open(session), session->failure);
}

/* Checks the database after a failed step, then repeats the step. */
static void recover(struct session *session, unsigned step, int err)
{
	bool unknown = err == ERR_UNKNOWN_OUTCOME, opens = steps[step].run == session_open;

	CHECK(shared->fired);
	CHECK_EQUAL_INT(session->failure.err, err);
	check_in_child(session, step, unknown, false);
	if (point->way == ON) {
		int again = run_with_fault(session, step);

		/* It may succeed: the pages of the second commit can be such that it makes no
		 * call of the kind that fails. */
		unknown = unknown || again == ERR_UNKNOWN_OUTCOME;
		check_in_child(session, !again && !unknown ? step + 1 : step, unknown, false);
		if (!again)
			return;
	}
	point = NULL;
	if (shared->fired && session->tide && unknown)
		open_again(session);
	if (opens) {
		if (!session->tide)
			MUST(session_open(session), session->failure);
		return;
	}
	if (!session->tide)
		open_again(session);
	err = steps[step].run(session);
	if (err != steps[step].again || !unknown)
		MUST(err, session->failure);
}

/* Checks that the contents of the database after this step equal those in the run without
 * faults. */
static void check_digest(struct session *session, unsigned step)
{
	if (session->tide)
		MUST(digest_of(session->tide, &shared->digests[step], &session->failure),
			session->failure);
	else
		shared->digests[step] = shared->digests[step - 1];
	CHECK(!reference[step] || shared->digests[step] == reference[step]);
}

static void run_steps(struct session *session, bool compound)
{
	bool begun = false;

	for (unsigned step = 0; step < step_count; step++) {
		int err = run_armed(session, step);

		shared->step = step;
		if (err)
			recover(session, step, err);
		if (shared->fired && compound && !begun) {
			begun = true;
			point = NULL;
			open_with_second_faults(session);
			if (!steps[step].run || steps[step].run == session_close)
				session_close(session);
		}
		check_digest(session, step);
	}
}

/* Runs one point in a separate process. */
static void run_point(struct child *parent, void *context)
{
	const struct point *chosen = context;
	char path[4300], *end = path;
	struct session session = { .options = { .path = path, .create = true,
		.durability = durability, .max_bytes = UINT64_C(64) << 20 } };
	int descriptors;

	(void)parent;
	alarm(SECONDS_A_POINT);
	end += snprintf(path, sizeof path, "%s/tide", check_directory());
	CHECK(end < path + sizeof path);
	session.options.clock = clock_manual(UINT64_C(1700000000000));
	item_of(&session.builder, "warm", "warm", "warm");
	descriptors = count_descriptors();
	point = chosen;
	calls_watch(&hooks);
	run_steps(&session, chosen && chosen->compound);
	calls_watch(NULL);
	CHECK_EQUAL_INT(count_descriptors(), descriptors);
	CHECK(count_maps(path) == 0 || (chosen && chosen->mode->kind == CALL_UNMAP) ||
		(chosen && chosen->compound));
	check_in_child(&session, step_count - 1, false, true);
	builder_release(&session.builder);
	clock_drop(session.options.clock);
}

static void remove_all(void)
{
	static const char *const suffixes[] = { "", "-lock", "-wake", "-part????????????????" };
	char pattern[4300];
	glob_t found;

	for (int i = 0; i < 4; i++) {
		snprintf(pattern, sizeof pattern, "%s/tide%s", check_directory(), suffixes[i]);
		if (glob(pattern, 0, NULL, &found) == 0)
			for (size_t n = 0; n < found.gl_pathc; n++)
				unlink(found.gl_pathv[n]);
		globfree(&found);
	}
}

static bool run_in_child(const struct point *chosen)
{
	struct child child;

	remove_all();
	memset(shared->calls, 0, sizeof shared->calls);
	shared->fired = false;
	child = child_start(run_point, (void *)(uintptr_t)chosen);
	return child_reap(&child) == 0;
}

/* --- points --- */

static struct {
	uint64_t every, from, only;
	uint64_t number;             /* number of points so far */
	uint64_t done, unreached, failed;
} totals;

static void try_fault(const struct point *chosen)
{
	uint64_t number = totals.number++;

	if (totals.only ? number != totals.only : number % totals.every != totals.from)
		return;
	totals.done++;
	if (run_in_child(chosen)) {
		totals.unreached += !shared->fired;
		return;
	}
	totals.failed++;
	printf("syscalls: ONLY=%llu: %s %llu of %s fails (%s, %s%s), in or after \"%s\"\n",
		(unsigned long long)number,
		durability == DURABILITY_FULL ? "full:" : "one_flush:",
		(unsigned long long)chosen->at, call_name(chosen->mode->kind),
		way_names[chosen->way], chosen->error ? strerror(chosen->error) : "-",
		chosen->compound ? ", then others" : "", steps[shared->step].name);
}

static void try_each_call(const struct mode *mode, int error, enum way way,
	uint64_t calls, bool compound)
{
	for (uint64_t at = 1; at <= calls; at++) {
		struct point each = { mode, error, way, at, compound };

		try_fault(&each);
	}
}

static void try_kind(const struct mode *mode, uint64_t calls)
{
	for (int i = 0; i < 3 && mode->errors[i]; i++) {
		try_each_call(mode, mode->errors[i], ONCE, calls, false);
		try_each_call(mode, mode->errors[i], ON, calls, false);
	}
	if (mode->interrupted)
		try_each_call(mode, EINTR, ONCE, calls, false);
	if (mode->can_be_short)
		try_each_call(mode, 0, SHORT, calls, false);
	if (mode->executed)
		try_each_call(mode, EIO, EXECUTED, calls, false);
	if (mode->errors[0])
		try_each_call(mode, mode->errors[0], ONCE, calls, true);
}

static void try_all(enum durability level)
{
	uint64_t calls[CALL_KINDS];

	durability = level;
	memset(reference, 0, sizeof reference);
	CHECK(run_in_child(NULL));
	memcpy(reference, shared->digests, sizeof reference);
	memcpy(calls, shared->calls, sizeof calls);
	for (size_t i = 0; i < MODES; i++)
		try_kind(&modes[i], calls[modes[i].kind]);
}

int main(void)
{
	const char *every = getenv("EVERY"), *only = getenv("ONLY");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	totals.every = every && *every ? strtoull(every, NULL, 10) : 50;
	totals.only = only && *only ? strtoull(only, NULL, 10) : 0;
	totals.from = check_random_below(totals.every);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	CHECK(shared != MAP_FAILED && step_count <= STEPS_MAX);
	try_all(DURABILITY_FULL);
	try_all(DURABILITY_ONE_FLUSH);
	printf("syscalls: %llu of %llu points run, %llu second faults: %llu failed"
		" (%llu were not reached)\n", (unsigned long long)totals.done,
		(unsigned long long)totals.number, (unsigned long long)shared->second_faults,
		(unsigned long long)totals.failed, (unsigned long long)totals.unreached);
	return totals.failed ? 1 : 0;
}
