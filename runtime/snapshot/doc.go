// Package snapshot has the two forms in which a program stands still. One is a
// stream of its files, compressed, to be kept and passed on. The other has its
// memory too, as it is, and is mapped by who goes on from it; it is for caches.
// Both are read back whole or not at all.
//
// # The stream
//
// All integers are little-endian; a count is an unsigned LEB128 (encoding/binary
// Uvarint).
//
//	8    "howdahim"
//	u32  version, 1
//	32   SHA-256 of the program that the files belong to
//	     sections
//	u32  0
//	32   SHA-256 of all that stands before it
//
// A section is
//
//	u32  kind: 1, a tree of files
//	     chunks: u32 length, and so many bytes
//	u32  0
//
// whose chunks together are one zstd frame (RFC 8878). A tree is entries, each
// folder before what is in it, and an entry of type 0 at the end:
//
//	u8     type: 1 folder, 2 file, 3 symbolic link, 0 the end
//	count  length of the path, and the path: relative, slashes between names
//	count  permission bits
//	       file: count size, then runs of bytes that are not all zero, in order:
//	             count distance from the end of the run before, count length,
//	             the bytes; a run of length 0 ends them
//	       link: count length of its target, and the target
//
// Times and inode numbers are not kept.
//
// # The mapped form
//
//	8    "howdahmm"
//	u32  version, 1
//	u32  CRC-32C (Castagnoli) of all that stands behind it
//	u64  length of all
//	32   SHA-256 of the program
//	32   SHA-256 of whatever else the process depends on
//	u64  length of the state
//	u64  length of the tree
//	u64  length of the contents
//	     zeros up to 64 KiB
//	     memory: what the state says, at multiples of 64 KiB
//	     state
//	     tree
//	     contents
//
// The state is the process's own. The tree is entries as above, their paths
// absolute, but for a file's size, which is followed by
//
//	count  where in the contents its bytes begin
//	count  how many there are; all others up to the size are zeros
//
// Equal files have the same bytes. A cyclic checksum is enough where a cache is
// nobody else's: it is there for what a disk or a crash has left, and every start
// computes it. Who could write to the cache could as well change the machine code
// there.
package snapshot
