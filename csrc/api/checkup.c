/* checkup.c - tide_checkup: checks in the background, on a thread or in a child process.
 *
 * The caller can wait in its own event loop and stop a check that takes too long. A
 * child process also survives defects of the checker: a crash or an endless loop
 * becomes a problem in the report.
 */
#include "check/check.h"

#include <stdio.h>
#include <unistd.h>

#include "api/database.h"
#include "base/memory.h"
#include "os/child_process.h"

struct tide_checkup {
	pid_t pid;                   /* id of the process that started the check */
	struct thread *thread;       /* NULL if it runs in a child process */
	struct child_process *child; /* NULL if it runs on a thread */
	struct store *store;         /* store to check; NULL: the file at the path is checked */
	struct report report;
	uint32_t stale_readers;      /* reader slots cleared before the start */
	char path[];
};

static int new_checkup(struct tide_checkup **out, const char *path, struct failure *failure)
{
	size_t len = strlen(path);
	struct tide_checkup *checkup = memory_alloc_zeroed(sizeof *checkup + len + 1);

	*out = checkup;
	if (!checkup)
		return fail(failure, ERR_NO_MEMORY);
	checkup->pid = getpid();
	memcpy(checkup->path, path, len);
	return 0;
}

/* --- on a thread --- */

static int run_thread(struct progress *progress, void *context, struct failure *failure)
{
	struct tide_checkup *checkup = context;
	struct report *report = &checkup->report;
	int err;

	if (!checkup->store)
		return check_file(checkup->path, report, progress, failure);
	err = check_store(checkup->store, report, progress, failure);
	report->stale_readers = checkup->stale_readers;
	return err;
}

static int start_thread(struct tide_checkup **out, struct tide_checkup *checkup,
	struct failure *failure)
{
	int err = thread_start(&checkup->thread, run_thread, checkup, failure);

	*out = err ? NULL : checkup;
	if (err)
		tide_checkup_finish(checkup);
	return err;
}

int tide_checkup_start(struct tide_checkup **out, struct tide *tide, struct failure *failure)
{
	struct tide_checkup *checkup;
	uint32_t stale;
	int err = check_prepare(tide, &stale, failure);

	*out = NULL;
	if (!err)
		err = new_checkup(&checkup, "", failure);
	if (err)
		return err;
	checkup->store = tide->store;
	checkup->stale_readers = stale;
	return start_thread(out, checkup, failure);
}

int tide_checkup_file(struct tide_checkup **out, const char *path, struct failure *failure)
{
	struct tide_checkup *checkup;
	int err = new_checkup(&checkup, path, failure);

	*out = NULL;
	return err ? err : start_thread(out, checkup, failure);
}

/* --- in a child process --- */

/* Answer of the child process, which is followed by the text of the report. */
struct outcome {
	int err;
	struct failure failure;
	struct report report;
};

static void run_child(void *context, struct progress *progress, struct buffer *answer)
{
	struct outcome outcome = { 0 };
	struct report *report = &outcome.report;
	struct buffer text;

	outcome.err = check_file(context, report, progress, &outcome.failure);
	text = report->text;
	report->text = (struct buffer){ 0 };
	buffer_put(answer, &outcome, sizeof outcome);
	buffer_put_slice(answer, buffer_slice(&text));
	buffer_release(&text);
}

int tide_checkup_isolated(struct tide_checkup **out, const char *path, uint32_t stall_timeout_ms,
	struct failure *failure)
{
	struct tide_checkup *checkup;
	struct child_process_work work = { .run = run_child, .stall_timeout_ms = stall_timeout_ms };
	int err = new_checkup(&checkup, path, failure);

	*out = NULL;
	if (err)
		return err;
	work.context = checkup->path;
	err = child_process_start(&checkup->child, &work, failure);
	if (err)
		tide_checkup_finish(checkup);
	else
		*out = checkup;
	return err;
}

static void report_child_end(struct report *report, const struct child_process_end *end)
{
	static const char format[] = "%d\t\t\t\t0\tthe file could not be checked completely: the"
		" child process %s%d\n";
	char line[160];

	if (end->hung)
		snprintf(line, sizeof line, format, INVARIANT_PAGES,
			"made no progress and was killed by signal ", end->signal);
	else
		snprintf(line, sizeof line, format, INVARIANT_PAGES,
			end->signal ? "was killed by signal " : "exited with status ",
			end->signal ? end->signal : end->status);
	report->problems = 1;
	buffer_put(&report->text, line, strlen(line));
}

static int read_outcome(struct report *report, struct slice answer, struct failure *failure)
{
	struct buffer text = report->text;
	struct outcome outcome;

	memcpy(&outcome, answer.data, sizeof outcome);
	*report = outcome.report;
	report->text = text;
	buffer_put(&report->text, answer.data + sizeof outcome, answer.len - sizeof outcome);
	if (outcome.err && failure)
		*failure = outcome.failure;
	return outcome.err;
}

static int child_process_outcome(struct tide_checkup *checkup, struct failure *failure)
{
	struct report *report = &checkup->report;
	struct child_process_end end;
	struct slice answer;
	int err = child_process_result(checkup->child, &answer, &end, failure);

	if (err)
		return err;
	report_start(report);
	if (end.signal || end.status || answer.len < sizeof(struct outcome))
		report_child_end(report, &end);
	else
		err = read_outcome(report, answer, failure);
	if (!err && buffer_error(&report->text))
		err = fail(failure, buffer_error(&report->text));
	return err;
}

/* --- result --- */

int tide_checkup_result(struct tide_checkup *checkup, const struct report **report,
	struct failure *failure)
{
	*report = &checkup->report;
	if (checkup->pid != getpid())
		return fail(failure, ERR_FORKED);
	return checkup->thread ? thread_result(checkup->thread, failure)
		: child_process_outcome(checkup, failure);
}

void tide_checkup_wait(const struct tide_checkup *checkup, uint32_t ms)
{
	if (checkup->thread)
		thread_wait(checkup->thread, ms);
	else
		child_process_wait(checkup->child, ms);
}

int tide_checkup_descriptor(const struct tide_checkup *checkup)
{
	return checkup->thread ? thread_descriptor(checkup->thread)
		: child_process_descriptor(checkup->child);
}

void tide_checkup_finish(struct tide_checkup *checkup)
{
	if (!checkup)
		return;
	thread_finish(checkup->thread);
	child_process_finish(checkup->child);
	buffer_release(&checkup->report.text);
	memory_free(checkup);
}
