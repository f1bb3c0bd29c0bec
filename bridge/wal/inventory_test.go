package wal_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/howdahdb/howdah/bridge/wal"
)

// inventory is a line for each record, and one for each block.
type inventory struct {
	records, blocks                     []string
	images, compressed, subtransactions int
	largest                             uint32
	segments                            map[wal.LSN]bool
	operations                          map[wal.RM]map[uint8]int
}

func (v *inventory) add(r *wal.Record) {
	images := 0
	for _, k := range r.Blocks {
		data, page, length := "-", "-", 0
		var info []string
		if k.Data != nil {
			data = sum(k.Data)
		}
		if i := k.Image; i != nil {
			var p [wal.PageSize]byte
			if err := i.Restore(&p); err != nil {
				page = err.Error()
			} else {
				page = sum(p[:])
			}
			length = len(i.Bytes)
			if i.HoleLength != 0 {
				info = append(info, "HAS_HOLE")
			}
			if i.Apply() {
				info = append(info, "APPLY")
			}
			if m := i.Method(); m != wal.Plain {
				info = append(info, "COMPRESS_"+strings.ToUpper(m.String()))
				v.compressed++
			}
			v.images++
		}
		images += length
		line := fmt.Sprintf("%v %d %d %d %d %d %d %s %d %s", r.LSN, k.ID, k.Relation.Tablespace, k.Relation.Database, k.Relation.Number, k.Fork, k.Number, data, length, page)
		if k.Image != nil {
			line += " " + strings.Join(info, ",")
		}
		v.blocks = append(v.blocks, line)
	}
	if r.TopXID != 0 {
		v.subtransactions++
	}
	v.largest = max(v.largest, r.Length)
	v.segments[r.LSN>>24] = true
	if v.operations[r.RM] == nil {
		v.operations[r.RM] = map[uint8]int{}
	}
	v.operations[r.RM][r.Op()]++
	v.records = append(v.records, fmt.Sprintf("%v %v %v %d %v %d %d %d", r.LSN, r.End, r.Prev, r.XID, r.RM, r.Length, len(r.Data), images))
}

func sum(b []byte) string {
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}
