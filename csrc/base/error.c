/* error.c - the words for every failure. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
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
	default: return "the store failed";
	}
}

static void failure_set(struct failure *failure, int err)
{
	memset(failure, 0, sizeof *failure);
	failure->err = err;
}

int fail(struct failure *failure, int err)
{
	if (failure) {
		failure_set(failure, err);
		snprintf(failure->message, sizeof failure->message, "%s", error_text(err));
	}
	return err;
}

int fail_with(struct failure *failure, int err, const char *format, ...)
{
	int used;
	va_list args;

	if (!failure)
		return err;
	failure_set(failure, err);
	used = snprintf(failure->message, sizeof failure->message, "%s: ", error_text(err));
	assert(used > 0 && (size_t)used < sizeof failure->message);
	va_start(args, format);
	vsnprintf(failure->message + used, sizeof failure->message - (size_t)used, format, args);
	va_end(args);
	return err;
}

int fail_as(struct failure *failure, int err, const char *format, ...)
{
	va_list args;

	if (!failure)
		return err;
	failure_set(failure, err);
	va_start(args, format);
	vsnprintf(failure->message, sizeof failure->message, format, args);
	va_end(args);
	return err;
}
