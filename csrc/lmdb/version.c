/* version.c - the version of LMDB that the process has loaded.
 *
 * It need not be that of lmdb.h: the system may have got another one since, and
 * LD_LIBRARY_PATH or the program may bring its own. Versions 0.9.24 to 0.9.69
 * are interchangeable. LMDB 1.0 keeps the functions' names and changes the file
 * (lmdb_file/layout.h), so it would write files that nothing here can read.
 */
#include "lmdb/internal.h"

int lmdb_version_check(struct failure *failure)
{
	int major = 0, minor = 0, patch = 0;

	mdb_version(&major, &minor, &patch);
	if (major == 0 && minor == 9 && patch >= LMDB_OLDEST_PATCH &&
			patch < LMDB_NEXT_FORMAT_PATCH)
		return 0;
	if (major == 0 && (minor < 9 || (minor == 9 && patch < LMDB_OLDEST_PATCH)))
		return fail_as(failure, ERR_STORE, "the LMDB library that was loaded is version"
			" %d.%d.%d: 0.9.%d or later is needed", major, minor, patch,
			LMDB_OLDEST_PATCH);
	return fail_as(failure, ERR_STORE, "the LMDB library that was loaded is version %d.%d.%d:"
		" its file format is that of LMDB 1.0, and tidetable was built for LMDB"
		" %d.%d.%d; install liblmdb 0.9 or set LD_LIBRARY_PATH to it", major, minor,
		patch, MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}
