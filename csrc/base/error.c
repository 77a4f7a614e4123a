/* error.c - codes and messages of errors, and the functions that fill a struct failure. */
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *error_code(int err)
{
	switch (err) {
#define ERROR_CODE(name, number, code, exception, text) case number: return code;
	ERROR_MAP(ERROR_CODE)
#undef ERROR_CODE
	default: return "STORE";
	}
}

const char *error_exception(int err)
{
	switch (err) {
#define ERROR_EXCEPTION(name, number, code, exception, text) case number: return exception;
	ERROR_MAP(ERROR_EXCEPTION)
#undef ERROR_EXCEPTION
	default: return "InternalServerError";
	}
}

const char *error_text(int err)
{
	switch (err) {
#define ERROR_TEXT(name, number, code, exception, text) case number: return text;
	ERROR_MAP(ERROR_TEXT)
#undef ERROR_TEXT
	default: return "storage error";
	}
}

int error_named(const char *wanted)
{
	static const struct { const char *name; int err; } errors[] = {
#define ERROR_NAME(name, number, code, exception, text) { #name, number },
	ERROR_MAP(ERROR_NAME)
#undef ERROR_NAME
	};

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, wanted) == 0)
			return errors[i].err;
	return 0;
}

/* --- messages --- */

/* Large enough for a path of PATH_MAX bytes and text about it. */
#define WHOLE_MAX 5000

/* Number of bytes kept from the beginning of a message that is too long. */
#define BEGIN_KEPT 100
#define CUT "..."

static bool is_inside_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Copies a message. Replaces the middle of one that is too long, usually part of a path, by "...",
 * because the subject is at the beginning of a message and the defect at its end. */
static void keep_ends(char *message, size_t size, const char *whole)
{
	size_t len = strlen(whole);
	size_t begin = BEGIN_KEPT;
	const char *end;

	if (len < size) {
		memcpy(message, whole, len + 1);
		return;
	}
	end = whole + len - (size - 1 - BEGIN_KEPT - strlen(CUT));
	while (begin > 0 && is_inside_character(whole[begin]))
		begin--;
	while (is_inside_character(*end))
		end++;
	snprintf(message, size, "%.*s" CUT "%s", (int)begin, whole, end);
}

int fail(struct failure *failure, int err)
{
	return fail_as(failure, err, "%s", error_text(err));
}

int fail_about(struct failure *failure, int err, const char *format, ...)
{
	char subject[WHOLE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(subject, sizeof subject, format, args);
	va_end(args);
	return fail_as(failure, err, "%s: %s", subject, error_text(err));
}

int fail_with(struct failure *failure, int err, const char *format, ...)
{
	char detail[WHOLE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	return fail_as(failure, err, "%s: %s", error_text(err), detail);
}

int fail_as(struct failure *failure, int err, const char *format, ...)
{
	char whole[WHOLE_MAX];
	va_list args;

	if (!failure)
		return err;
	va_start(args, format);
	vsnprintf(whole, sizeof whole, format, args);
	va_end(args);
	memset(failure, 0, sizeof *failure);
	failure->err = err;
	keep_ends(failure->message, sizeof failure->message, whole);
	return err;
}
