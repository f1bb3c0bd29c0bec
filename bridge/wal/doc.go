// Package wal reads PostgreSQL 18's write-ahead log: bytes in, records out.
//
// A Reader is given bytes and where in the log they stand, in any pieces and any
// order, and gives back the records one after the other. It does no input or
// output, so it serves what is read from files as well as what is overheard while
// Postgres writes them. There the last page is written again and again, each time
// with more in it, and what is behind the last record may be anything: zeros,
// the beginning of a record, or pages of the segment that the file was before it
// was recycled. None of that is a defect of the log, so a Reader that finds it
// says ErrMore and goes on where it was when the bytes have changed. A record is
// given out when all of its bytes are there and their checksum is right, and only
// if it names the one before it as its predecessor.
//
// # Format
//
// The log is a sequence of bytes, a position in it an LSN. It is cut into segments,
// files of 16 MiB unless initdb was told otherwise, and these into pages of 8 KiB.
// All integers are little-endian (src/include/access/xlog_internal.h,
// xlogrecord.h, xlogreader.c).
//
//	page      0 magic u16 · 2 flags u16 · 4 timeline u32 · 8 LSN of the page u64
//	          16 bytes of the record begun before that are still to come u32
//	          20 padding
//	          24 system identifier u64 · 32 segment size u32 · 36 page size u32
//	             (first page of a segment only)
//	record    0 length u32 · 4 xid u32 · 8 LSN of the record before u64
//	          16 info u8 · 17 resource manager u8 · 18 padding
//	          20 CRC-32C of bytes 24… and then 0…19 u32
//	fragments block references, origin, top-level xid, length of the main data
//	data      of each block its page image, then its data; then the main data
//
// Records begin at multiples of 8 and run on over as many pages as they need, each
// with its own header. A record of length 0 is the end of what has been written.
// After a switch record the next one is in the next segment. A record that a crash
// cut off is left as it is; recovery goes on at the first page that it could not
// finish, and marks it.
package wal
