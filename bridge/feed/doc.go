// Package feed is a durable, ordered log of change sets, and what reads from it.
//
// # What is guaranteed
//
// A subscriber gets the sets of a database in the order of their commits, each once,
// and none is missing between two of them. It says where it wants to begin: with
// what is committed from now on, with the oldest set that there is, after a position,
// or with a snapshot of the tables that joins the stream without a gap and without a
// duplicate. What it has acknowledged it names when it comes again; sets above that
// it may get a second time. Nothing is taken out of the middle: a subscriber whose
// position the log no longer reaches is told so (ErrRefetch) and never just goes on
// at a later one.
//
// The log does not hold commits up. Append waits for no subscriber, and one that is
// slow reads from the log's files what others have had from memory, until retention
// has taken it away.
//
// A set that Append has taken is with the subscribers at once and in the files at
// the next Sync. A crash loses what was appended since; whoever appends has it from
// the database's own log and appends it again, so it keeps that log from Last, as it
// was at the last Sync, on. Sets at or below Last are not taken a second time.
//
// # Positions
//
// A position is an LSN: that of a set is where its commit record ends. Subscribers
// resume after one. Positions of different clusters, or of one that has gone back in
// time, do not compare: the log keeps an ID, and refuses to be opened with another.
//
// # Format
//
// The log is a folder of segments, files that are named by the position behind which
// their sets begin ("00000000015D6B20.feed"). Sets in their CBOR form are gathered in
// blocks of about 64 KiB, and a block is a frame, compressed with zstd if that makes
// it smaller. All integers are little-endian.
//
//	segment   0 magic "HWDHFEED" · 8 version u32 · 12 CRC-32C of the rest u32
//	          16 system identifier u64 · 24 incarnation u64 · 32 position u64
//	          40 created, microseconds since 1970 i64 · 48 zeros
//	          64 frames
//	frame     0 length of the payload u32 · 4 CRC-32C of what follows, payload too u32
//	          8 CRC of the frame before, or of the segment's header u32
//	          12 length of the payload when it is not compressed u32
//	          16 position of the first set u64 · 24 of the last one u64
//	          32 newest commit, microseconds since 1970 i64 · 40 number of sets u32
//	          44 flags u16: 1 zstd, 2 ends within a transaction, 4 index · 46 zeros
//	          48 payload
//	index     payload: position u64, offset u64, for every 64 KiB: no frame before
//	          the offset has a set beyond the position
//	seal      offset of the index u64 · magic "HWDHSEAL", the last bytes of the file
//
// A frame without sets is a mark: the log is complete up to its position. A
// transaction that comes in several sets begins with a frame of its own. A segment
// that is full gets an index and a seal and is synced before the next one is begun,
// which begins where it ends.
//
// What can happen to it, and what becomes of it:
//
//   - The end of the last segment is torn, by a crash or a disk that was full: Open
//     cuts it after the last frame that is whole and ends a transaction. That a frame
//     names the one before it keeps leftovers of a longer end from being taken for
//     what follows.
//   - A crash comes between the end of a segment and the beginning of the next: a
//     last segment without a header is removed, one with a seal is followed by a new
//     one.
//   - A segment, its header or its end is missing or damaged: what is older is removed,
//     and who was there must refetch.
//   - A byte in the midst is damaged: who reads it must refetch; nothing is given out
//     of a frame whose checksum is wrong.
//   - The last segment is damaged in what was synced: Open finds the log complete up to
//     an earlier position than the Start that it is given, and takes that for a gap.
//   - The disk is full: Append fails and has done nothing, and so on until there is
//     room. fsync fails: everything fails from there on, until the log is opened again.
package feed
