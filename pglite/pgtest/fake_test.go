package pgtest_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeT is a test within a test, which may fail.
type fakeT struct {
	testing.TB // nil: what is not here is not used
	name       string
	ctx        context.Context

	mu       sync.Mutex
	failed   bool
	said     []string
	cleanups []func()
}

func (t *fakeT) Helper()                  {}
func (t *fakeT) Name() string             { return t.name }
func (t *fakeT) Context() context.Context { return t.ctx }

func (t *fakeT) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (t *fakeT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *fakeT) say(failed bool, s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = t.failed || failed
	t.said = append(t.said, s)
}

func (t *fakeT) Logf(format string, args ...any)   { t.say(false, fmt.Sprintf(format, args...)) }
func (t *fakeT) Errorf(format string, args ...any) { t.say(true, fmt.Sprintf(format, args...)) }
func (t *fakeT) Error(args ...any)                 { t.say(true, fmt.Sprintln(args...)) }

func (t *fakeT) Fatalf(format string, args ...any) {
	t.say(true, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (t *fakeT) Fatal(args ...any) {
	t.say(true, fmt.Sprintln(args...))
	runtime.Goexit()
}

// runFake runs f as testing runs a test, and returns what it said, and whether it
// failed.
func runFake(name string, f func(t testing.TB)) (said string, failed bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t := &fakeT{name: name, ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			cancel()
			for _, c := range slices.Backward(t.cleanups) {
				c()
			}
		}()
		f(t)
	}()
	<-ended
	return strings.Join(t.said, "\n"), t.failed
}

// test runs an example's test and prints what goes wrong.
func test(name string, f func(t testing.TB)) {
	if said, failed := runFake(name, f); failed {
		fmt.Fprintln(os.Stderr, said)
		fmt.Println("FAIL")
	}
}
