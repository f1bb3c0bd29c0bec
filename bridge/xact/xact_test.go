package xact

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show gives a value in a line, with times in microseconds since 2000.
func show(v any) string {
	s := strings.ReplaceAll(fmt.Sprintf("%T%+v", v, v), "*xact.", "")
	s = strings.ReplaceAll(s, time.Time{}.String(), "-")
	return strings.ReplaceAll(s, epoch.Add(time.Second).String(), "1s")
}

const second = "40420f0000000000" // a time

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		rm   wal.RM
		info uint8
		data string
		want string
	}{
		"commit": {wal.Transaction, 0x00, second,
			"Commit&{Ending:{XID:700 Time:1s Database:0 Subs:[] Dropped:[] Prepared:false GID: Origin:3 OriginLSN:0/0 OriginTime:-} Invalidations:[]}"},
		"commit with all": {wal.Transaction, 0x80, second + "af010000 05000000 7f060000" + // info, database
			"02000000 bd020000 be020000" + // subtransactions
			"01000000 7f060000 05000000 01400000" + // files
			"01000000 00000000000000000000000000000000" + // statistics
			"02000000 fe000000 05000000 01400000 00000000 2a000000 05000000 efbeadde 00000000" + // invalidations
			"67696400" + // name
			"0200000001000000" + second, // origin
			"Commit&{Ending:{XID:700 Time:1s Database:5 Subs:[701 702] Dropped:[{Tablespace:1663 Database:5 Number:16385}] Prepared:false GID:gid Origin:3 OriginLSN:1/2 OriginTime:1s}" +
				" Invalidations:[{Kind:-2 Database:5 ID:16385} {Kind:42 Database:5 ID:3735928559}]}"},
		"commit prepared": {wal.Transaction, 0xb0, second + "91000000 05000000 7f060000 bf020000 67696400",
			"Commit&{Ending:{XID:703 Time:1s Database:5 Subs:[] Dropped:[] Prepared:true GID:gid Origin:3 OriginLSN:0/0 OriginTime:-} Invalidations:[]}"},
		"abort": {wal.Transaction, 0xa0, second + "02000000 01000000 bd020000",
			"Abort&{Ending:{XID:700 Time:1s Database:0 Subs:[701] Dropped:[] Prepared:false GID: Origin:3 OriginLSN:0/0 OriginTime:-}}"},
		"rollback prepared": {wal.Transaction, 0xc0, second + "10000000 bf020000",
			"Abort&{Ending:{XID:703 Time:1s Database:0 Subs:[] Dropped:[] Prepared:true GID: Origin:3 OriginLSN:0/0 OriginTime:-}}"},
		"prepare": {wal.Transaction, 0x10, "3445f957 00000000 bc020000 05000000" + second + "0a000000 01000000 00000000 00000000 00000000 00000000 00000000 0000 0400" +
			"0200000001000000" + second + "6769640000000000 bd02000000000000 0000",
			"Prepare&{XID:700 Database:5 Time:1s Subs:[701] GID:gid OriginLSN:1/2 OriginTime:1s}"},
		"invalidations": {wal.Transaction, 0x60, "01000000 fd000000 01400000 05000000 7f060000", "Invalidations&{XID:700 List:[{Kind:-3 Database:0 ID:0}]}"},
		"assignment":    {wal.Transaction, 0x50, "bc020000 01000000 bd020000", "<nil><nil>"},
		"running": {wal.Standby, 0x10, "01000000 01000000 00000000 c0020000 bc020000 bf020000 bc020000 bd020000",
			"RunningXacts&{Next:704 Oldest:700 LatestCompleted:703 XIDs:[700] Subs:[701] Overflow:false}"},
		"invalidations outside": {wal.Standby, 0x20, "05000000 7f060000 00000000 01000000 fe000000 05000000 00000000 00000000", "Invalidations&{XID:0 List:[{Kind:-2 Database:5 ID:0}]}"},
		"locks":                 {wal.Standby, 0x00, "01000000", "<nil><nil>"},
		"message":               {wal.LogicalMessage, 0, "05000000 01000000 03000000 02000000 707100 6162", "Message&{XID:700 Database:5 Transactional:true Prefix:pq Content:[97 98]}"},
		"message of 64 bits":    {wal.LogicalMessage, 0, "05000000 00000000 0300000000000000 0200000000000000 707100 6162", "Message&{XID:700 Database:5 Transactional:false Prefix:pq Content:[97 98]}"},
		"empty message":         {wal.LogicalMessage, 0, "05000000 00000000 01000000 00000000 00", "Message&{XID:700 Database:5 Transactional:false Prefix: Content:[]}"},
		"relation map":          {wal.RelMap, 0, "05000000 7f060000 02000000 6162", "RelMap&{Database:5 Tablespace:1663 Content:[97 98]}"},
		"create file":           {wal.Storage, 0x10, "7f060000 05000000 01400000 02000000", "CreateFile&{Relation:{Tablespace:1663 Database:5 Number:16385} Fork:2}"},
		"truncate file":         {wal.Storage, 0x20, "03000000 7f060000 05000000 01400000 07000000", "TruncateFile&{Relation:{Tablespace:1663 Database:5 Number:16385} Blocks:3}"},
		"truncate a map":        {wal.Storage, 0x20, "03000000 7f060000 05000000 01400000 02000000", "<nil><nil>"},
		"copy a database":       {wal.Database, 0x00, "06000000 7f060000 01000000 7f060000", "CreateDatabase&{Database:6 Tablespace:1663 FromDatabase:1 FromTablespace:1663}"},
		"log a database":        {wal.Database, 0x10, "06000000 7f060000", "CreateDatabase&{Database:6 Tablespace:1663 FromDatabase:0 FromTablespace:0}"},
		"drop a database":       {wal.Database, 0x20, "06000000 01000000 7f060000", "DropDatabase&{Database:6 Tablespaces:[1663]}"},
		"checkpoint":            {wal.XLOG, 0x10, "0200000001000000 01000000", "Checkpoint&{Redo:1/2 Shutdown:false EndOfRecovery:false}"},
		"shutdown":              {wal.XLOG, 0x00, "0200000001000000 01000000", "Checkpoint&{Redo:1/2 Shutdown:true EndOfRecovery:false}"},
		"end of recovery":       {wal.XLOG, 0x90, second + "01000000", "Checkpoint&{Redo:0/0 Shutdown:false EndOfRecovery:true}"},
		"other":                 {wal.XLOG, 0x20, "00", "<nil><nil>"},
		"heap":                  {wal.Heap, 0x20, "00", "<nil><nil>"},

		"no time":             {wal.Transaction, 0x00, "00", "!bytes are left"},
		"more":                {wal.Transaction, 0x00, second + "00", "!1 bytes more"},
		"many":                {wal.Transaction, 0x80, second + "02000000 ffffff7f bd020000", "!2147483647 of 4"},
		"less than none":      {wal.Transaction, 0x80, second + "02000000 ffffffff bd020000", "!-1 of 4"},
		"endless name":        {wal.Transaction, 0x80, second + "80000000 676964", "!no end"},
		"abort of a cache":    {wal.Transaction, 0xa0, second + "08000000 00000000", "!invalidations"},
		"no prepare":          {wal.Transaction, 0x10, "3445f900", "!magic"},
		"cut prepare":         {wal.Transaction, 0x10, "3445f957", "!bytes are left"},
		"cut message":         {wal.LogicalMessage, 0, "05000000 01000000 03000000 02000000 707100 61", "!"},
		"message of no size":  {wal.LogicalMessage, 0, "05000000 00000000 0300000000000000 ffffffffffffffff 707100 6162", "!prefix of 3"},
		"message, no prefix":  {wal.LogicalMessage, 0, "05000000 00000000 00000000 02000000 6162", "!prefix of 0"},
		"map without content": {wal.RelMap, 0, "05000000 7f060000 02000000 61", "!bytes are left"},
	} {
		t.Run(name, func(t *testing.T) {
			r := wal.Record{RM: c.rm, Info: c.info, Data: unhex(t, c.data), XID: 700, Origin: 3}
			if c.rm == wal.Standby {
				r.XID = 0
			}
			v, err := Read(&r)
			if want, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) || v != nil {
					t.Errorf("%s, %v; expected an error with %q", show(v), err, want)
				}
				return
			}
			if err != nil || show(v) != c.want {
				t.Errorf("%s, %v;\nexpected %s", show(v), err, c.want)
			}
		})
	}
}

func TestDropsFiles(t *testing.T) {
	for name, c := range map[string]struct {
		info uint8
		data string
		want bool
	}{
		"commit":           {0x80, second + "04000000 01000000 7f060000 05000000 01400000", true},
		"abort":            {0xa0, second + "04000000 01000000 7f060000 05000000 01400000", true},
		"only a database":  {0x80, second + "01000000 05000000 7f060000", false},
		"says nothing":     {0x00, second + "04000000", false},
		"cut":              {0x80, second, false},
		"no end of it all": {0xe0, second + "04000000", false},
	} {
		if got := DropsFiles(&wal.Record{RM: wal.Transaction, Info: c.info, Data: unhex(t, c.data)}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// FuzzRead takes any bytes for any record: there are no more things in what is read
// than bytes in the record.
func FuzzRead(f *testing.F) {
	f.Add(uint8(wal.Transaction), uint8(0x80), unhex(f, second+"af010000 05000000 7f060000 01000000 bd020000 00000000 00000000 01000000 fe000000 05000000 01400000 00000000 67696400 0200000001000000"+second))
	f.Add(uint8(wal.Transaction), uint8(0x10), unhex(f, "3445f957 00000000 bc020000 05000000"+second+"0a000000 01000000 00000000 00000000 00000000 00000000 00000000 0000 0400 0200000001000000"+second+"6769640000000000 bd02000000000000"))
	f.Add(uint8(wal.LogicalMessage), uint8(0), unhex(f, "05000000 01000000 03000000 02000000 707100 6162"))
	f.Add(uint8(wal.Standby), uint8(0x10), unhex(f, "01000000 01000000 00000000 c0020000 bc020000 bf020000 bc020000 bd020000"))
	f.Add(uint8(wal.Database), uint8(0x20), unhex(f, "06000000 01000000 7f060000"))
	f.Fuzz(func(t *testing.T, rm, info uint8, data []byte) {
		r := wal.Record{RM: wal.RM(rm), Info: info, Data: data}
		v, err := Read(&r)
		DropsFiles(&r)
		if err != nil && v != nil {
			t.Errorf("%v with %v", v, err)
		}
		size := 0
		switch v := v.(type) {
		case *Commit:
			size = 4*len(v.Subs) + 12*len(v.Dropped) + 16*len(v.Invalidations) + len(v.GID)
		case *Abort:
			size = 4*len(v.Subs) + 12*len(v.Dropped) + len(v.GID)
		case *Prepare:
			size = 4*len(v.Subs) + len(v.GID)
		case *RunningXacts:
			size = 4 * (len(v.XIDs) + len(v.Subs))
		case *Message:
			size = len(v.Prefix) + len(v.Content)
		case *DropDatabase:
			size = 4 * len(v.Tablespaces)
		}
		if size > len(data) {
			t.Errorf("%d bytes of %d: %+v", size, len(data), v)
		}
	})
}
