// Package snapshot is the form in which the files of a program stand still: one
// stream that is read back whole or not at all.
//
// # Format
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
package snapshot
