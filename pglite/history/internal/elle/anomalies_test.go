package elle

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// txn makes a transaction of a client that was there all the time.
func txn(ops ...Op) Txn { return Txn{Ops: ops, End: time.Hour} }

// history is one with times.
type history []Txn

func (h *history) at(start, end time.Duration, ops ...Op) *history {
	*h = append(*h, Txn{Ops: ops, Start: start, End: end})
	return h
}

// last reads what is there when all others have ended.
func last(ops ...Op) Txn { return Txn{Ops: ops, Start: 2 * time.Hour, End: 3 * time.Hour} }

func ended(t Txn, o Outcome) Txn { t.Outcome = o; return t }

// TestAnomalies has a history of each name, as small as it gets, with all that
// is to be found in it.
func TestAnomalies(t *testing.T) {
	const x, y, z = 1, 2, 3
	for name, c := range map[string]struct {
		h    []Txn
		want []Anomaly
	}{
		"empty": {},
		"serial": {h: []Txn{
			txn(Append(x, 1), Read(x, 1)), txn(Read(x, 1), Append(x, 2), Read(x, 1, 2)), last(Read(x, 1, 2)),
		}},
		"concurrent reader": {h: []Txn{
			txn(Append(x, 1), Append(y, 1)), txn(Read(x), Read(y)), last(Read(x, 1), Read(y, 1)),
		}},
		"read-only transaction between two writers": {h: []Txn{
			txn(Append(x, 1)), txn(Read(x, 1), Read(y)), txn(Append(y, 1), Read(x, 1)), last(Read(x, 1), Read(y, 1)),
		}},
		"unknown that has committed": {h: []Txn{
			ended(txn(Append(x, 1)), Unknown), txn(Read(x, 1)), last(Read(x, 1)),
		}},
		"unknown that has not": {h: []Txn{
			ended(txn(Append(x, 1), Read(x, 1)), Unknown), last(Read(x)),
		}},
		"aborted, and unseen but by itself": {h: []Txn{
			ended(txn(Append(x, 1), Read(x, 1)), Aborted), txn(Append(x, 2)), last(Read(x, 2)),
		}},
		"several appends of one": {h: []Txn{
			txn(Append(x, 1), Append(x, 2), Append(x, 3)), txn(Read(x, 1, 2, 3)), last(Read(x, 1, 2, 3)),
		}},
		"G0": {
			h:    []Txn{txn(Append(x, 1), Append(y, 1)), txn(Append(x, 2), Append(y, 2)), last(Read(x, 1, 2), Read(y, 2, 1))},
			want: []Anomaly{G0},
		},
		"G1a": {
			h:    []Txn{ended(txn(Append(x, 1)), Aborted), txn(Read(x, 1)), last(Read(x, 1))},
			want: []Anomaly{G1a},
		},
		"G1b": { // it is within a cycle as well: the reader saw half of the writer
			h:    []Txn{txn(Append(x, 1), Append(x, 2)), txn(Read(x, 1)), last(Read(x, 1, 2))},
			want: []Anomaly{G1b, GSingle},
		},
		"G1c": {
			h:    []Txn{txn(Append(x, 1), Read(y, 1)), txn(Append(y, 1), Read(x, 1)), last(Read(x, 1), Read(y, 1))},
			want: []Anomaly{G1c},
		},
		"G1c by a write": {
			h:    []Txn{txn(Append(x, 1), Append(y, 2)), txn(Append(y, 3), Read(x, 1)), last(Read(x, 1), Read(y, 3, 2))},
			want: []Anomaly{G1c},
		},
		"lost update": {
			h:    []Txn{txn(Read(x), Append(x, 1)), txn(Read(x), Append(x, 2)), last(Read(x, 1, 2))},
			want: []Anomaly{GSingle},
		},
		"read skew": {
			h:    []Txn{txn(Read(x), Read(y, 1)), txn(Append(x, 1), Append(y, 1)), last(Read(x, 1), Read(y, 1))},
			want: []Anomaly{GSingle},
		},
		"long fork": { // two writers, seen in different orders
			h: []Txn{
				txn(Append(x, 1)), txn(Append(y, 1)), txn(Read(x, 1), Read(y)), txn(Read(y, 1), Read(x)),
				last(Read(x, 1), Read(y, 1)),
			},
			want: []Anomaly{GNonadjacent},
		},
		"write skew": {
			h:    []Txn{txn(Read(x), Append(y, 1)), txn(Read(y), Append(x, 1)), last(Read(x, 1), Read(y, 1))},
			want: []Anomaly{G2Item},
		},
		"read-only anomaly": { // Fekete, O'Neil, O'Neil 2004
			h: []Txn{
				txn(Read(x), Read(y), Append(x, 1)), txn(Append(y, 1)), txn(Read(x), Read(y, 1)),
				last(Read(x, 1), Read(y, 1)),
			},
			want: []Anomaly{G2Item},
		},
		"write skew of three": {
			h: []Txn{
				txn(Read(x), Append(y, 1)), txn(Read(y), Append(z, 1)), txn(Read(z), Append(x, 1)),
				last(Read(x, 1), Read(y, 1), Read(z, 1)),
			},
			want: []Anomaly{G2Item},
		},
		"unrepeatable read": {
			h:    []Txn{txn(Read(x), Read(x, 1)), txn(Append(x, 1)), last(Read(x, 1))},
			want: []Anomaly{Unrepeatable, GSingle},
		},
		"garbage":           {h: []Txn{txn(Read(x, 7))}, want: []Anomaly{Garbage}},
		"duplicate element": {h: []Txn{txn(Append(x, 1)), last(Read(x, 1, 1))}, want: []Anomaly{Duplicate, Reordered}},
		"incompatible order": {
			h:    []Txn{txn(Append(x, 1)), txn(Append(x, 2)), txn(Read(x, 2)), last(Read(x, 1, 2))},
			want: []Anomaly{Incompatible},
		},
		"own writes": {
			h:    []Txn{txn(Append(x, 1), Read(x)), last(Read(x, 1))},
			want: []Anomaly{OwnWrites},
		},
		"own future": {
			h:    []Txn{txn(Read(x, 1), Append(x, 1)), last(Read(x, 1))},
			want: []Anomaly{OwnWrites},
		},
		"reordered appends": {
			h:    []Txn{txn(Append(x, 1), Append(x, 2)), last(Read(x, 2, 1))},
			want: []Anomaly{Reordered, G1b},
		},
		"lost append": {
			h:    []Txn{txn(Append(x, 1)), txn(Append(x, 2)), last(Read(x, 2))},
			want: []Anomaly{LostAppend},
		},
		"stale read": {
			h:    *new(history).at(0, 1, Append(x, 1)).at(2, 3, Read(x)).at(4, 5, Read(x, 1)),
			want: []Anomaly{StaleRead},
		},
		"not stale: it began before": {
			h: *new(history).at(0, 3, Append(x, 1)).at(2, 4, Read(x)).at(5, 6, Read(x, 1)),
		},
		"writes against time": {
			h:    *new(history).at(0, 1, Append(x, 1)).at(2, 3, Append(x, 2)).at(4, 5, Read(x, 2, 1)),
			want: []Anomaly{G0Realtime},
		},
		"read of the future": {
			h:    *new(history).at(0, 1, Read(x, 1)).at(2, 3, Append(x, 1)).at(4, 5, Read(x, 1)),
			want: []Anomaly{G1cRealtime},
		},
		"snapshot older than its transaction": { // of the second, by way of the third
			h: *new(history).at(0, 1, Append(x, 1)).at(0, 9, Read(x), Read(y, 1)).at(2, 3, Append(y, 1)).
				at(10, 11, Read(x, 1), Read(y, 1)),
			want: []Anomaly{GSingleRealtime},
		},
		"serial order against time": { // the first reader runs before both writers
			h: *new(history).at(0, 9, Read(x), Append(y, 1)).at(1, 2, Append(x, 1)).at(3, 8, Read(y), Append(z, 1)).
				at(10, 11, Read(x, 1), Read(y, 1), Read(z, 1)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Check(c.h)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(found); !slices.Equal(got, names(findings(c.want))) {
				t.Errorf("found %v, want %v\n%v", got, c.want, found)
			}
		})
	}
}

func findings(names []Anomaly) []Finding {
	var out []Finding
	for _, a := range names {
		out = append(out, Finding{Anomaly: a})
	}
	return out
}

// names are those of findings, each once.
func names(found []Finding) []Anomaly {
	var out []Anomaly
	for _, f := range found {
		out = append(out, f.Anomaly)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestLevels holds what each level excludes against the SQL standard and the
// documentation of Postgres ("Transaction Isolation").
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		a                         Anomaly
		committed, repeat, serial bool // forbidden
	}{
		{G0, true, true, true}, {G1a, true, true, true}, {G1b, true, true, true}, {G1c, true, true, true},
		{Unrepeatable, false, true, true}, {GSingle, false, true, true}, {GNonadjacent, false, true, true},
		{G2Item, false, false, true}, {StaleRead, true, true, true}, {GSingleRealtime, false, true, true},
		{LostAppend, true, true, true},
	} {
		if ReadCommitted.Forbids(c.a) != c.committed || RepeatableRead.Forbids(c.a) != c.repeat || Serializable.Forbids(c.a) != c.serial {
			t.Errorf("%s: %v %v %v", c.a, ReadCommitted.Forbids(c.a), RepeatableRead.Forbids(c.a), Serializable.Forbids(c.a))
		}
	}
}

func TestAppendsAreUnique(t *testing.T) {
	if _, err := Check([]Txn{txn(Append(1, 1)), txn(Append(1, 1))}); err == nil || !strings.Contains(err.Error(), "unique") {
		t.Errorf("appending one element twice: %v", err)
	}
}

// TestExplanation reads like the way around the cycle.
func TestExplanation(t *testing.T) {
	found, err := Check([]Txn{
		{Client: 4, Ops: []Op{Read(1), Append(2, 20)}, End: 5}, {Client: 5, Ops: []Op{Read(2), Append(1, 10)}, End: 5},
		{Ops: []Op{Read(1, 10), Read(2, 20)}, Start: 6, End: 7},
	})
	const want = `G2-item: a cycle of 2
	T0 client 4 0s..5ns committed read(1)=[] append(2,20)
	  rw → T1 by 10 of key 1
	T1 client 5 0s..5ns committed read(2)=[] append(1,10)
	  rw → T0 by 20 of key 2`
	if err != nil || len(found) != 1 || found[0].String() != want {
		t.Errorf("found %v, %v; want\n%s", found, err, want)
	}
}
