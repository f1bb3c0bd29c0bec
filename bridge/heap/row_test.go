package heap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
)

// show says what a row is in a line.
func show(r *Row) string {
	s := r.Kind.String()
	if r.Kind == Insert || r.Kind == Speculative || r.Kind == Update {
		s += fmt.Sprintf(" new %x", r.New.Body)
	}
	if r.HasOld {
		s += fmt.Sprintf(" old %x", r.Old.Body)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{r.OldIsKey, "key"}, {r.Toast, "toast"}, {r.ClearToast, "clear"}, {r.PartitionMove, "move"},
		{r.Cascade, "cascade"}, {r.Restart, "restart"},
	} {
		if flag.set {
			s += " " + flag.name
		}
	}
	if r.Relids != nil {
		s += fmt.Sprint(" ", r.Relation.Database, r.Relids)
	}
	return s
}

func TestRows(t *testing.T) {
	const a, b = "0100 0000 18 0001", "0100 0000 18 0002"
	for name, c := range map[string]struct {
		rm          wal.RM
		op          uint8
		data, block string
		want        string
	}{
		"insert":            {wal.Heap, opInsert, "0100 08", a, "insert new 0001 clear"},
		"on a new page":     {wal.Heap, opInsert | 0x80, "0100 08", a, "insert new 0001 clear"},
		"of a catalog":      {wal.Heap, opInsert, "0100 00", a, ""},
		"of a chunk":        {wal.Heap, opInsert, "0100 18", a, "insert new 0001 toast"},
		"speculative":       {wal.Heap, opInsert, "0100 0c", a, "speculative insert new 0001 clear"},
		"confirm":           {wal.Heap, opConfirm, "0100", "", "confirm"},
		"abort":             {wal.Heap, opDelete, "00000000 0100 00 08", "", "speculative abort clear"},
		"delete":            {wal.Heap, opDelete, "01000000 0100 00 00", "", "delete clear"},
		"delete, old":       {wal.Heap, opDelete, "01000000 0100 00 02" + a, "", "delete old 0001 clear"},
		"delete, key":       {wal.Heap, opDelete, "01000000 0100 00 04" + a, "", "delete old 0001 key clear"},
		"move":              {wal.Heap, opDelete, "01000000 0100 00 12" + a, "", "delete old 0001 clear move"},
		"update":            {wal.Heap, opUpdate, "01000000 0100 00 10 00000000 0200", b, "update new 0002 clear"},
		"HOT update, old":   {wal.Heap, opHotUpdate, "01000000 0100 00 14 00000000 0200" + a, b, "update new 0002 old 0001 clear"},
		"update, key":       {wal.Heap, opUpdate, "01000000 0100 00 18 00000000 0200" + a, b, "update new 0002 old 0001 key clear"},
		"update, catalog's": {wal.Heap, opUpdate, "01000000 0100 00 60 00000000 0200", b, ""},
		"truncate":          {wal.Heap, opTruncate, "05000000 02000000 03000000 01400000 02400000", "", "truncate cascade restart 5 [16385 16386]"},
		"lock":              {wal.Heap, 0x60, "01000000 0100 00 00", "", ""},
		"in place":          {wal.Heap, 0x70, "0100", "00", ""},
		"multi": {wal.Heap2, opMultiInsert, "0a00 0200 0100 0200", "0200 0100 0000 18 0001 00 0200 0100 0000 18 0002",
			"insert new 0001, insert new 0002 clear"},
		"multi, not the last": {wal.Heap2, opMultiInsert, "0800 0100 0100", "0200 0100 0000 18 0001", "insert new 0001"},
		"multi, catalog's":    {wal.Heap2, opMultiInsert, "0200 0100 0100", "", ""},
		"prune":               {wal.Heap2, 0x10, "0000", "", ""},
		"other":               {wal.Btree, opInsert, "0100 08", a, ""},

		"cut":              {wal.Heap, opInsert, "0100", a, "!2 bytes"},
		"no tuple":         {wal.Heap, opInsert, "0100 08", "", "!a tuple of 0"},
		"no old tuple":     {wal.Heap, opDelete, "01000000 0100 00 02", "", "!a tuple of 0"},
		"prefix":           {wal.Heap, opUpdate, "01000000 0100 00 30 00000000 0200", b, "!takes a part"},
		"truncate, cut":    {wal.Heap, opTruncate, "05000000 02000000 03000000 01400000", "", "!TRUNCATE of 2"},
		"multi, cut":       {wal.Heap2, opMultiInsert, "0800 0200 0100", "0200 0100 0000 18 0001", "!tuple 2 of 2"},
		"multi, more":      {wal.Heap2, opMultiInsert, "0800 0100 0100", "0200 0100 0000 18 0001 0000", "!behind 1"},
		"multi, no number": {wal.Heap2, opMultiInsert, "0800", "", "!2 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := wal.Record{RM: c.rm, Info: c.op, Data: unhex(t, c.data), Blocks: []wal.Block{{Data: unhex(t, c.block)}}}
			rows, err := Rows(&r, []Row{{Kind: Confirm}})
			var list []string
			for i := range rows[1:] {
				list = append(list, show(&rows[1+i]))
			}
			got := strings.Join(list, ", ")
			if want, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) || got != "" {
					t.Errorf("%s, %v; expected an error with %q", got, err, want)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%s, %v; expected %s", got, err, c.want)
			}
		})
	}
	if _, err := Rows(&wal.Record{RM: wal.Heap, Data: unhex(t, "0100 08")}, nil); err == nil {
		t.Error("an insert without a block")
	}
}
