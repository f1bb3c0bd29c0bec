// Package heap reads what the log says of rows: the records of the resource
// managers Heap and Heap2, and the tuples in them.
//
// A tuple is logged as its header's flags and what stands behind the header
// (SizeOfHeapHeader in src/include/access/heapam_xlog.h):
//
//	0 infomask2 u16 · 2 infomask u16 · 4 hoff u8
//	5 the tuple from its byte 23 on: null bitmap, padding; at hoff−23 the columns
//
// Which columns it has is for the catalogs to say, so Deform cuts it into Datums
// and does not know what they mean. A column that is kept out of line (TOAST) is a
// Pointer; the chunks that it points to have been inserted into the table's toast
// table before, by the same transaction, if the value is new. Toast puts them
// together.
//
// With wal_level logical all rows of ordinary tables are logged whole, beside page
// images if there are any. Rows of catalogs are not (src/backend/access/heap/
// heapam.c, log_heap_update), and Rows leaves those out that lack something.
//
// Everything is read from bytes that may be anything: errors, never panics.
package heap
