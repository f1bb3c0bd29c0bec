package wire

import (
	"errors"
	"reflect"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

func TestSplitOptions(t *testing.T) {
	for in, want := range map[string][]string{
		"":                          nil,
		"  \t\n":                    nil,
		"-c a=b":                    {"-c", "a=b"},
		" -c\ta=b\v-c  c=d ":        {"-c", "a=b", "-c", "c=d"},
		`-c search_path=a\ b\\c`:    {"-c", `search_path=a b\c`},
		`a\`:                        {"a"},
		`\ `:                        {" "},
		`-c application_name='x y'`: {"-c", "application_name='x", "y'"},
	} {
		if got := splitOptions(in); !reflect.DeepEqual(got, want) {
			t.Errorf("splitOptions(%q) = %q, want %q", in, got, want)
		}
	}
}

// The errors were recorded from native PostgreSQL 18.4.
func TestParseOptions(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string // name=value
		err  string
	}{
		{in: "", want: nil},
		{in: "-c work_mem=9MB", want: []string{"work_mem=9MB"}},
		{in: "-cgeqo=off", want: []string{"geqo=off"}},
		{in: "--work-mem=9MB -c x.y-z=a=b", want: []string{"work_mem=9MB", "x.y_z=a=b"}},
		{in: `-c search_path=a\ b`, want: []string{"search_path=a b"}},
		{in: "-eS 100 -FO", want: []string{"datestyle=euro", "work_mem=100", "fsync=false", "allow_system_table_mods=true"}},
		{in: "-c a=", want: []string{"a="}},
		{in: "-Z", err: "invalid command-line argument for server process: -Z"},
		{in: "foo", err: "invalid command-line argument for server process: foo"},
		{in: "-c a=1 foo", err: "invalid command-line argument for server process: foo"},
		{in: "-c", err: "invalid command-line argument for server process: -c"},
		{in: "--work-mem", err: "--work-mem requires a value"},
		{in: "-c work_mem", err: "-c work_mem requires a value"},
	} {
		settings, err := parseOptions(test.in)
		var got []string
		for _, s := range settings {
			got = append(got, s.Name+"="+s.Value)
		}
		if test.err == "" {
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("parseOptions(%q) = %q, %v, want %q", test.in, got, err, test.want)
			}
			continue
		}
		var pg *pglite.Error
		if !errors.As(err, &pg) || pg.Code != "42601" || pg.Message != test.err {
			t.Errorf("parseOptions(%q): error %v, want %s", test.in, err, test.err)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	for _, s := range []string{"", "-c a=b", `--a\ b=c`, "-eS 1", `\`, "-", "--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parseOptions(s) })
}
