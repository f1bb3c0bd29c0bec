package isolation

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseScript(t *testing.T) {
	s, err := parseScript(`-- comment
setup
  create function f() returns void language plpgsql as $$
  begin
  end $$;
  create table t (a int);

session s1 user=bob work_mem=1MB
setup begin;
step a1 select 1;

step b1
  select
    {s1};
session s2
step a2 select 2;
teardown drop role bob;
permutation a1 await a1 b1
permutation b1 a2 await b1 hear s2
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &script{
		setup:    []string{"create function f() returns void language plpgsql as $$\nbegin\nend $$;", "create table t (a int);"},
		teardown: []string{"drop role bob;"},
		sessions: []sessionSpec{
			{name: "s1", startup: map[string]string{"user": "bob", "work_mem": "1MB"}, setup: []string{"begin;"}},
			{name: "s2", startup: map[string]string{}},
		},
		steps: map[string]step{
			"a1": {"a1", "s1", "select 1;"},
			"b1": {"b1", "s1", "select\n    {s1};"},
			"a2": {"a2", "s2", "select 2;"},
		},
		permutations: []permutation{
			{"a1 await a1 b1", []act{{name: "a1", alone: true}, {verb: "await", name: "a1"}, {name: "b1"}}},
			{"b1 a2 await b1 hear s2", []act{{name: "b1"}, {name: "a2"}, {verb: "await", name: "b1"}, {verb: "hear", name: "s2"}}},
		},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestParseScriptErrors(t *testing.T) {
	const steps = "session s\nstep a select 1;\nstep b select 2;\n"
	for text, want := range map[string]string{
		"":                                      "no permutation",
		"sesion s\n":                            `line 1: unknown directive "sesion"`,
		"\nstep a select 1;\n":                  "line 2: a step belongs to a session",
		"session\n":                             "line 1: a session needs a name",
		"session s user\n":                      `line 1: "user" is not key=value`,
		"setup\n  select 1;\n  select 2\n":      "line 1: statement without end: select 2",
		"session s\nstep a\n":                   `line 2: step "a" has no name of its own, or no SQL`,
		steps + "step a select 3;\n":            `line 4: step "a" has no name of its own, or no SQL`,
		steps + "permutation a\n":               `no permutation plays step "b"`,
		steps + "permutation a b c\n":           `permutation a b c: no step "c"`,
		steps + "permutation a b hear a\n":      `permutation a b hear a: no session "a"`,
		steps + "permutation a b\n  await\n":    "line 4: await what?",
		steps + "permutation await await a b\n": `permutation await await a b: no step "await"`,
	} {
		if _, err := parseScript(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
