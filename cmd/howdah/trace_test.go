package main

import (
	"strings"
	"testing"
	"time"
)

// TestTraceTable: the lines stand in the order of time, a bar lies where its step
// does, nothing is wider than 80 columns, and only the first table is printed.
func TestTraceTable(t *testing.T) {
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	var out strings.Builder
	trace := &startTrace{out: &out, began: began}
	trace.mu.steps = []startStep{
		{"machine code", at(10), at(50)},
		{"load the program", began, at(10)},
		{"short", at(50), at(50)},
		{"at once with it", at(12), at(100_000)},
	}
	trace.print()
	trace.print()
	want := []string{
		"start                       at ms    took  0                        100000.0 ms",
		"load the program              0.0    10.0  #",
		"machine code                 10.0    40.0  #",
		"at once with it              12.0 99988.0  ####################################",
		"short                        50.0     0.0  #",
		"",
	}
	if got := out.String(); got != strings.Join(want, "\n") {
		t.Errorf("printed\n%s", got)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestProcessBegan(t *testing.T) {
	began, ok := processBegan()
	if !ok {
		t.Skip("the system does not tell when this process began")
	}
	if age := mainBegan.Sub(began); age < 0 || age > time.Minute {
		t.Errorf("%v before the program", age)
	}
}
