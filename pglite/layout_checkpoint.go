package pglite

import "github.com/howdahdb/howdah/runtime/wasmfile"

// What layout.go is for checkpoints.

const (
	// RequestCheckpoint, by its place among the defined functions.
	funcRequestCheckpoint = 4429

	// Table entries of CreateCheckPoint (src/backend/access/transam/xlog.c) and
	// smgrdestroyall (src/backend/storage/smgr/smgr.c).
	createCheckPoint = 1426
	smgrDestroyAll   = 1414
)

// syncPatches let a checkpoint go on when a file that it is to fsync has gone
// (ProcessSyncRequests, src/backend/storage/sync/sync.c). Requests are private to a
// backend here, and so is word that they are void: one writes to a file, another
// drops the table, and a third may have removed it. Postgres tries twice, in case
// that word comes in between, and then panics; here the second ENOENT is the word.
// Files that were written and are still there the host syncs (see durability).
var syncPatches = []wasmfile.Patch{
	{Name: "a file that has gone twice", Count: 1, // errno == ENOENT && failures <= 0
		Old: []byte{0x41, 0x2c, 0x46, 0x20, 0x08, 0x41, 0x00, 0x4c, 0x71, 0x45, 0x04, 0x40},
		New: []byte{0x41, 0x2c, 0x46, 0x41, 0x00, 0x1a, 0x01, 0x01, 0x01, 0x45, 0x04, 0x40}},
	{Name: "the end of the second try", Count: 1, // br_if of while (!canceled)
		Old: []byte{0x41, 0x01, 0x6a, 0x21, 0x08, 0x10, 0xd1, 0x23, 0x20, 0x03, 0x2d, 0x00, 0x1a, 0x41, 0x01, 0x47, 0x0d, 0x00, 0x0b, 0x0b},
		New: []byte{0x41, 0x01, 0x6a, 0x21, 0x08, 0x10, 0xd1, 0x23, 0x20, 0x03, 0x2d, 0x00, 0x1a, 0x41, 0x01, 0x47, 0x1a, 0x01, 0x0b, 0x0b}},
}
