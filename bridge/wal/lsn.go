package wal

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the log: how many bytes precede it.
type LSN uint64

// String gives the form of Postgres' type pg_lsn, as "0/15D6B20".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads what String writes (pg_lsn_in_internal in
// src/backend/utils/adt/pg_lsn.c).
func ParseLSN(s string) (LSN, error) {
	hi, lo, ok := strings.Cut(s, "/")
	h, herr := parseHalf(hi)
	l, lerr := parseHalf(lo)
	if !ok || herr != nil || lerr != nil {
		return 0, fmt.Errorf("wal: %q is not an LSN", s)
	}
	return LSN(h<<32 | l), nil
}

func parseHalf(s string) (uint64, error) {
	if len(s) > 8 {
		return 0, strconv.ErrRange
	}
	return strconv.ParseUint(s, 16, 32)
}

func pageOf(l LSN) LSN { return l &^ (PageSize - 1) }
