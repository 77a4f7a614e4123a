/* powercut.c - tests the states that a power cut can leave.
 *
 *     make powercut STATES=100000 SEED=n
 *
 * A run lets a program work on a database (workload.h), traces what reaches its files (trace.h),
 * and then, for each cut point of the trace, computes states that a power cut can leave (disk.h),
 * opens each of these states and checks it (judge.h). Some runs begin with a state that a power
 * cut left of the previous run, so that recovery is interrupted too.
 *
 * In a control run one thing is broken deliberately: the disk ignores flushes, the durability
 * level does not flush, or a commit is acknowledged too early. The test fails if a control loses
 * nothing.
 *
 * SEED repeats a run, STATES is the number of states; ONLY=run:moment:state tries
 * one state.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "calls/calls.h"
#include "powercut/judge.h"
#include "powercut/workload.h"
#include "unit/check.h"
#include "unit/child.h"

#define STATES_A_CUT_POINT 12
#define TRIES_A_STATE 3      /* attempts per new state, then the cut point is exhausted */
#define STATES_A_RUN 4000
#define STATES_A_CONTROL 3000
#define WORKERS_MAX 16
#define SECONDS_A_STATE 10
#define SESSIONS_MAX 4
#define CALLS_TO_MAKE 30     /* more than the number of calls that change files during a creation */
#define EVENTS_SHOWN 60

/* A kind of run. */
struct kind {
	const char *name;
	enum durability durability[2];  /* durability levels of the sessions, alternating */
	bool kills;                  /* a session ends before a random system call */
	bool made_twice;             /* the first session is killed while it creates the file */
	bool fails;                  /* true if one flush fails in each session */
	bool recovers;               /* begins with a state of the previous run */
	/* The control runs: what is broken in each, and which verdicts are expected. */
	struct ignored_flushes ignored;
	bool judged_as_full;         /* checked against promises that its level does not make */
	bool too_early;              /* checked against promises that are made only later */
	bool only_lost;              /* no verdict but LOST, and at most one commit */
	bool may_hang;               /* true if LMDB may loop forever on a damaged page */
};

static const struct kind kinds[] = {
	{ .name = "full" },
	{ .name = "full, recovered", .recovers = true },
	{ .name = "one_flush", .durability = { DURABILITY_ONE_FLUSH, DURABILITY_ONE_FLUSH } },
	{ .name = "one_flush, recovered", .durability = { DURABILITY_ONE_FLUSH,
	DURABILITY_ONE_FLUSH },
		.recovers = true },
	{ .name = "full, killed", .kills = true },
	{ .name = "full, killed while created", .made_twice = true },
	{ .name = "one_flush, killed while created", .durability = { DURABILITY_ONE_FLUSH,
	DURABILITY_ONE_FLUSH },
		.made_twice = true },
	{ .name = "full, a flush fails", .fails = true },
	{ .name = "one_flush, a flush fails", .durability = { DURABILITY_ONE_FLUSH,
	DURABILITY_ONE_FLUSH },
		.fails = true },
	{ .name = "mixed, killed", .durability = { DURABILITY_FULL, DURABILITY_ONE_FLUSH },
	.kills = true },
	{ .name = "mixed, killed, recovered", .durability = { DURABILITY_ONE_FLUSH,
	DURABILITY_FULL },
		.kills = true, .recovers = true },
};

static const struct kind controls[] = {
	{ .name = "fdatasync is ignored", .ignored = { .files = true }, .may_hang = true },
	{ .name = "every flush is ignored", .ignored = { true, true, true }, .may_hang = true },
	{ .name = "the directory's flush is ignored", .ignored = { .names = true } },
	{ .name = "none", .durability = { DURABILITY_NONE, DURABILITY_NONE }, .may_hang = true },
	{ .name = "one_flush judged as full", .durability = { DURABILITY_ONE_FLUSH,
	DURABILITY_ONE_FLUSH },
		.judged_as_full = true, .only_lost = true },
	{ .name = "acknowledged too early", .too_early = true, .only_lost = true },
};

#define COUNT(array) (sizeof (array) / sizeof *(array))

/* Position of a worker in a run. Shared by all processes, like struct findings. */
struct place {
	size_t cut_point;
	uint64_t state;
};

struct findings {
	struct place at[WORKERS_MAX];
	_Atomic uint64_t states, verdicts[VERDICTS];
	_Atomic uint64_t lost_most;          /* maximum number of commits lost in one state */
	atomic_flag reported;                    /* set if the first finding is stored below */
	enum verdict verdict;
	struct place place;
	char message[400];
};

struct run {
	const struct kind *kind;
	uint64_t number, seed;
	struct history history;
	struct image base;                   /* the state it began with */
	struct mark mark;                    /* what the writer knew at this cut point */
	uint64_t digest;                     /* digest of this state */
	size_t cut_points;
	uint64_t one_in;                     /* one of one_in cut points is checked */
};

static struct {
	uint64_t seed, states, only[3];
	bool alone;                          /* true if ONLY is set */
	unsigned workers;
} options;

static struct findings *findings;
static struct trace *trace;

/* --- recording --- */

static const char *at(const char *name)
{
	static char paths[4][4300];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", check_directory(), name);
	return path;
}

/* Writes a boot id to a file. The same number means that the machine was not
 * restarted. */
static const char *make_boot(const char *name, uint64_t number)
{
	const char *path = at(name);
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	fprintf(file, "%016llx%016llx\n", (unsigned long long)dice_mix(number + 1),
		(unsigned long long)dice_mix(number + 2));
	fclose(file);
	return path;
}

static void begin_trace(const struct run *run, const char *path)
{
	struct mark mark = run->mark;
	int named[NAMES];

	image_install(&run->base, path);
	disk_names(&run->base, named);
	trace_clear(trace, named, NAMES);
	mark.exists = run->base.there[NAME_DATA];
	mark.commit = mark.promised = image_commit(&run->base);
	mark.digest = run->digest;
	trace_begin(trace, path, 0, 0);
	trace_mark(&mark);
	trace_end();
}

/* Runs the sessions. The last one is not killed, because it reads what the previous session began
 * to commit. */
static struct session session_of(const struct run *run, int number, bool last, struct dice *dice)
{
	const struct kind *kind = run->kind;
	struct session session = { .seed = dice_roll(dice),
		.durability = kind->durability[number % 2],
		.steps = 4 + (int)dice_below(dice, 16), .closes = dice_one_in(dice, 2) };

	if (kind->kills && !last)
		session.kill_at = 1 + dice_below(dice, number ? 120 : CALLS_TO_MAKE);
	if (kind->fails)
		session.fail_at = 2 + dice_below(dice, 16);
	if (kind->made_twice)
		session.steps = 3;
	if (kind->made_twice && !last)
		session.kill_at = 1 + (options.seed + run->number / COUNT(kinds)) % CALLS_TO_MAKE;
	return session;
}

static void record(struct run *run)
{
	const char *path = at("recorded/tide"), *boot = make_boot("boot", run->seed);
	struct dice dice = dice_for(run->seed, 4, 0, 0);
	int sessions = run->kind->made_twice ? 2 : 1 + (int)dice_below(&dice, SESSIONS_MAX);

	begin_trace(run, path);
	for (int i = 0; i < sessions; i++) {
		struct session session = session_of(run, i, i == sessions - 1, &dice);

		session.path = path;
		session.boot = boot;

		if (!workload_run(trace, &session)) {
			fprintf(stderr, "powercut: run %llu, session %d failed%s%s\n",
				(unsigned long long)run->number, i,
				trace->full ? ": the trace is full" : "", trace->unsupported);
			exit(1);
		}
	}
	history_read(&run->history, trace);
	run->cut_points = trace->count;
}

/* --- judging --- */

/* Returns what the writer knew at a cut point. */
static struct mark mark_at(const struct run *run, size_t cut_point)
{
	struct mark mark = { 0 };

	for (size_t i = 0; i < cut_point; i++)
		if (trace->events[i].kind == TRACE_MARK)
			mark = trace->events[i].mark;
	if (run->kind->judged_as_full)
		mark.promised = mark.commit;
	for (size_t i = cut_point; run->kind->too_early && i < trace->count; i++)
		if (trace->events[i].kind == TRACE_MARK) {
			mark.promised = trace->events[i].mark.promised;
			break;
		}
	return mark;
}

static void note(const struct trial *trial, enum verdict verdict, const struct place *place)
{
	findings->states++;
	findings->verdicts[verdict]++;
	if (verdict == VERDICT_FINE)
		return;
	if (verdict == VERDICT_LOST && trial->mark.promised > trial->commit &&
			trial->mark.promised - trial->commit > findings->lost_most)
		findings->lost_most = trial->mark.promised - trial->commit;
	if (atomic_flag_test_and_set(&findings->reported))
		return;
	findings->verdict = verdict;
	findings->place = *place;
	memcpy(findings->message, trial->message, sizeof findings->message);
}

static void try_one(const struct run *run, const char *path, const struct mark *mark,
	const struct image *image, struct place *place)
{
	struct dice dice = dice_for(run->seed, place->cut_point, place->state, 5);
	enum durability level = run->kind->durability[dice_below(&dice, 2)];
	struct trial trial = { .path = path, .image = image, .history = &run->history,
		.mark = *mark, .durability = level, .dice = dice };

	alarm(run->kind->may_hang ? 2 : SECONDS_A_STATE);
	note(&trial, judge(&trial), place);
	alarm(0);
}

static bool is_new(uint64_t digest, uint64_t seen[STATES_A_CUT_POINT], unsigned *count)
{
	for (unsigned i = 0; i < *count; i++)
		if (seen[i] == digest)
			return false;
	seen[(*count)++] = digest;
	return true;
}

/* Tries the distinct states of a cut point, starting at `from`. */
static void try_cut_point(const struct run *run, const struct disk *disk, const char *path,
	struct place *place, uint64_t from)
{
	static struct image image;
	uint64_t seen[STATES_A_CUT_POINT];
	struct mark mark = mark_at(run, place->cut_point);
	unsigned count = 0;

	if (!image.bytes[0])
		image_init(&image);
	for (uint64_t state = 0; state < STATES_A_CUT_POINT * TRIES_A_STATE; state++) {
		if (count == STATES_A_CUT_POINT)
			break;
		disk_cut(disk, run->seed, place->cut_point, state, &image);
		place->state = state;
		if (options.alone && state != options.only[2])
			continue;
		if (is_new(image_digest(&image), seen, &count) && state >= from)
			try_one(run, path, &mark, &image, place);
	}
}

static bool is_judged(const struct run *run, size_t cut_point)
{
	struct dice dice = dice_for(run->seed, cut_point, 6, 0);

	if (options.alone)
		return cut_point == options.only[1];
	return dice_one_in(&dice, run->one_in);
}

static void work(const struct run *run, unsigned worker, struct place from)
{
	struct disk *disk = disk_new(&run->base, run->kind->ignored);
	struct place *place = &findings->at[worker];
	char name[32], path[4300];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof name, "worker-%u", worker);
	snprintf(path, sizeof path, "%s/tide", at(name));
	mkdir(at(name), 0700);
	calls_set_boot(at("boot-afterwards"));
	calls_set_random(run->seed);
	for (size_t cut_point = 0; cut_point <= run->cut_points; cut_point++) {
		place->cut_point = cut_point;
		if (cut_point % options.workers == worker && cut_point >= from.cut_point &&
				is_judged(run, cut_point))
			try_cut_point(run, disk, path, place,
				cut_point == from.cut_point ? from.state : 0);
		if (cut_point < run->cut_points)
			disk_apply(disk, &trace->events[cut_point]);
	}
	disk_free(disk);
	child_quit();
}

static pid_t start_worker(const struct run *run, unsigned worker, struct place from, bool quiet)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid)
		return pid;
	/* Hides LMDB's assertions, which are expected in a control. */
	if (quiet && !freopen("/dev/null", "w", stderr))
		exit(1);
	work(run, worker, from);
	_exit(1);
}

/* Records the state that killed a worker as a finding. A new worker continues with the next
 * state. */
static void record_death(const struct run *run, unsigned worker, int status)
{
	struct trial trial = { .mark = mark_at(run, findings->at[worker].cut_point) };
	bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;

	snprintf(trial.message, sizeof trial.message, "wait status %d", status);
	note(&trial, hung ? VERDICT_HUNG : VERDICT_KILLED, &findings->at[worker]);
}

static void judge_run(const struct run *run, bool quiet)
{
	pid_t pids[WORKERS_MAX];
	unsigned left = options.workers;

	make_boot("boot-afterwards", run->seed + 100);
	for (unsigned i = 0; i < options.workers; i++)
		pids[i] = start_worker(run, i, (struct place){ 0, 0 }, quiet);
	while (left > 0) {
		unsigned worker = 0;
		struct place next;
		int status;
		pid_t pid = wait(&status);

		CHECK(pid > 0);
		while (worker < options.workers && pids[worker] != pid)
			worker++;
		CHECK(worker < options.workers);
		if (status == 0) {
			left--;
			continue;
		}
		record_death(run, worker, status);
		next = findings->at[worker];
		next.state++;
		pids[worker] = start_worker(run, worker, next, quiet);
	}
}

/* --- runs --- */

/* Computes a state that a power cut can leave of this run, as the start of the
 * next one. */
static void choose_next_base(struct run *run)
{
	struct dice dice = dice_for(run->seed, 7, 0, 0);
	size_t cut_point = 1 + dice_below(&dice, run->cut_points);
	struct disk *disk = disk_new(&run->base, (struct ignored_flushes){ 0 });

	for (size_t i = 0; i < cut_point; i++)
		disk_apply(disk, &trace->events[i]);
	run->mark = mark_at(run, cut_point);
	disk_cut(disk, run->seed, cut_point, 6 + dice_below(&dice, 1000), &run->base);
	run->digest = history_digest(&run->history, image_commit(&run->base));
	disk_free(disk);
}

static void begin_empty(struct run *run)
{
	run->mark = (struct mark){ 0 };
	run->digest = 0;
	memset(run->base.there, 0, sizeof run->base.there);
}

static void start_run(struct run *run, const struct kind *kind, uint64_t number,
	uint64_t states)
{
	run->kind = kind;
	run->number = number;
	run->seed = dice_mix(options.seed * 1000 + number);
	if (!kind->recovers)
		begin_empty(run);
	history_release(&run->history);
	record(run);
	run->one_in = run->cut_points * STATES_A_CUT_POINT * 2 / 3 / states + 1;
}

static uint64_t bad_states(void)
{
	return findings->states - findings->verdicts[VERDICT_FINE];
}

static void print_findings(const char *what, uint64_t runs)
{
	printf("%-34s %4llu runs %7llu states", what, (unsigned long long)runs,
		(unsigned long long)findings->states);
	for (int i = 1; i < VERDICTS; i++)
		if (findings->verdicts[i])
			printf(", %llu %s", (unsigned long long)findings->verdicts[i],
				verdict_text((enum verdict)i));
	if (findings->lost_most)
		printf(" (at most %llu commits each)", (unsigned long long)findings->lost_most);
	puts(bad_states() ? "" : ": all correct");
}

static void print_first(const struct run *run)
{
	printf("powercut: SEED=%llu STATES=%llu ONLY=%llu:%zu:%llu: %s: %s\n",
		(unsigned long long)options.seed, (unsigned long long)options.states,
		(unsigned long long)run->number, findings->place.cut_point,
		(unsigned long long)findings->place.state, verdict_text(findings->verdict),
		findings->message);
}

/* Prints the last events before the cut point. */
static void print_events(size_t cut_point)
{
	static const char *const names[] = { "make", "rename", "unlink", "write", "size", "grow",
		"flush", "failed", "flush part", "flush names", "mark" };
	size_t first = cut_point > EVENTS_SHOWN ? cut_point - EVENTS_SHOWN : 0;

	for (size_t i = first; i < cut_point; i++) {
		const struct trace_event *event = &trace->events[i];
		const struct mark *mark = &event->mark;

		printf("%6zu %-11s", i, names[event->kind]);
		if (event->kind == TRACE_MARK)
			printf(" commit %llu, promised %llu, sequence %llu\n",
				(unsigned long long)mark->commit,
				(unsigned long long)mark->promised,
				(unsigned long long)mark->sequence);
		else
			printf(" file %d (tide%s), %llu bytes at %llu\n", event->file,
				name_suffix[event->name], (unsigned long long)event->len,
				(unsigned long long)event->at);
	}
}

static uint64_t try_all(struct run *run)
{
	static struct findings sums[COUNT(kinds)];
	uint64_t runs[COUNT(kinds)] = { 0 }, states = 0, bad = 0;
	uint64_t of_a_run = options.states / COUNT(kinds);

	if (of_a_run > STATES_A_RUN)
		of_a_run = STATES_A_RUN;
	for (uint64_t number = 0; (number < COUNT(kinds) || states < options.states) && !bad;
			number++) {
		size_t kind = number % COUNT(kinds);

		start_run(run, &kinds[kind], number, of_a_run);
		*findings = sums[kind];
		states -= findings->states;
		if (!options.alone || number == options.only[0])
			judge_run(run, false);
		states += findings->states;
		sums[kind] = *findings;
		runs[kind]++;
		bad += bad_states();
		if (bad)
			print_first(run);
		if (bad && options.alone)
			print_events(options.only[1]);
		if (options.alone && number == options.only[0])
			break;
		choose_next_base(run);
	}
	for (size_t kind = 0; kind < COUNT(kinds); kind++) {
		*findings = sums[kind];
		print_findings(kinds[kind].name, runs[kind]);
	}
	printf("%llu states, %llu bad\n", (unsigned long long)states, (unsigned long long)bad);
	return bad;
}

static bool fails_as_expected(const struct kind *kind)
{
	uint64_t lost = findings->verdicts[VERDICT_LOST];

	if (kind->only_lost)
		return lost > 0 && bad_states() == lost && findings->lost_most == 1;
	return bad_states() > 0;
}

/* Returns the number of controls that did not fail as expected. */
static unsigned try_controls(struct run *run)
{
	uint64_t states = options.states / 50 + 100;
	unsigned failed = 0;

	if (states > STATES_A_CONTROL)
		states = STATES_A_CONTROL;
	for (size_t i = 0; i < COUNT(controls); i++) {
		uint64_t runs = 0;

		memset(findings, 0, sizeof *findings);
		while (findings->states < states) {
			start_run(run, &controls[i], 1000000 + 1000 * i + runs++, states);
			judge_run(run, true);
		}
		print_findings(controls[i].name, runs);
		if (!fails_as_expected(&controls[i])) {
			printf("powercut: SEED=%llu: this control did not fail as expected\n",
				(unsigned long long)options.seed);
			failed++;
		}
	}
	return failed;
}

/* --- main --- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void read_options(void)
{
	const char *only = getenv("ONLY");
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	options.seed = number_from("SEED", (uint64_t)time(NULL));
	options.states = number_from("STATES", 5000);
	options.workers = (unsigned)number_from("WORKERS", (uint64_t)processors);
	if (options.workers > WORKERS_MAX)
		options.workers = WORKERS_MAX;
	if (only && sscanf(only, "%" SCNu64 ":%" SCNu64 ":%" SCNu64, &options.only[0],
			&options.only[1], &options.only[2]) == 3)
		options.alone = true;
}

int main(void)
{
	static struct run run;
	uint64_t bad;
	unsigned failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	read_options();
	printf("powercut: SEED=%llu STATES=%llu\n", (unsigned long long)options.seed,
		(unsigned long long)options.states);
	CHECK(mkdir(at("recorded"), 0700) == 0);
	findings = mmap(NULL, sizeof *findings, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(findings != MAP_FAILED);
	trace = trace_new();
	image_init(&run.base);
	bad = try_all(&run);
	if (!options.alone)
		failed = try_controls(&run);
	history_release(&run.history);
	image_release(&run.base);
	trace_free(trace);
	return bad || failed ? 1 : 0;
}
