package wal

import "strconv"

// ParseSegment reads the name of a segment's file, and says where it begins if
// segments have size bytes: eight upper-case hexadecimal digits each of the timeline
// and of the two parts of its number (XLogFromFileName in
// src/include/access/xlog_internal.h). Other files beside segments are not ok.
func ParseSegment(name string, size uint32) (start LSN, timeline uint32, ok bool) {
	if len(name) != 24 || size == 0 {
		return 0, 0, false
	}
	var parts [3]uint64
	for i := range parts {
		part := name[8*i : 8*i+8]
		for _, c := range []byte(part) {
			if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
				return 0, 0, false
			}
		}
		parts[i], _ = strconv.ParseUint(part, 16, 32) // its digits are
	}
	if parts[2] >= 1<<32/uint64(size) {
		return 0, 0, false
	}
	return LSN(parts[1]<<32 + parts[2]*uint64(size)), uint32(parts[0]), true
}
