package pglite

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// shellWords asks a shell how it splits a command.
func shellWords(t *testing.T, cmd string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `for w in `+cmd+`; do printf '%s\0' "$w"; done`).Output()
	if err != nil {
		t.Fatalf("sh on %q: %v", cmd, err)
	}
	got := strings.Split(string(out), "\x00")
	return got[:len(got)-1]
}

// TestWordsAsShell splits what needs no more than words and quotes, and
// compares with sh.
func TestWordsAsShell(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	for _, cmd := range []string{
		``, ` `, `one`, `one two`, "  one \t two  ", `-c key=value`,
		`"one two"`, `'one two'`, `"" x ''`, `""`, `o"n"e't'wo`, `"a"'b'`, `'a'b"c"`,
		`"it's"`, `'say "hi"'`, `"say \"hi\""`, `it\'s`, `a\ b`, `\"a\"`, `a\\b`,
		`"a\\b"`, `"a\b"`, `'a\b'`, `'a\'`, `"a\$b"`, "\"a\\`b\"", `"tab	in"`,
		`"a;b" 'c|d' "e>f" 'g&h' "(i)" '<j'`, `a\;b a\>b a\|b`, `a=1 b="2 3"`, `-D "/pglite/data" -F`,
		`"/pglite/bin/postgres" --boot -X 1048576 -c log_checkpoints=false`,
	} {
		if got, want := words(cmd), shellWords(t, cmd); !slices.Equal(got, want) {
			t.Errorf("words(%q) = %q, sh says %q", cmd, got, want)
		}
	}
}

// TestWordsOperators: the first operator outside of quotes ends the command.
func TestWordsOperators(t *testing.T) {
	for cmd, want := range map[string][]string{
		`a b < in`:                       {"a", "b"},
		`a b >out c`:                     {"a", "b"},
		`a b>out`:                        {"a", "b"},
		`a 2>&1`:                         {"a"},
		`a 1>out`:                        {"a"},
		`a12>out`:                        {"a12"},
		`a | b`:                          {"a"},
		`a; b`:                           {"a"},
		`a && b`:                         {"a"},
		`a & b`:                          {"a"},
		`a '1'>out`:                      {"a", "1"},
		`a \2>out`:                       {"a", "2"},
		`a ''1>out`:                      {"a", "1"},
		`1>out`:                          nil,
		`> out`:                          nil,
		`|`:                              nil,
		`"a > b" c > d`:                  {"a > b", "c"},
		`"/bin/postgres" -V 2>/dev/null`: {"/bin/postgres", "-V"},
		`"never closed`:                  {"never closed"},
		`'never closed > a`:              {"never closed > a"},
		`at the end\`:                    {"at", "the", `end\`},
		`"at the end\`:                   {`at the end\`},
	} {
		if got := words(cmd); !slices.Equal(got, want) {
			t.Errorf("words(%q) = %q, expected %q", cmd, got, want)
		}
	}
}

// FuzzWords: whatever the words are, they come back out of both kinds of
// quotes; and no command makes more words than it has room for.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "a", "a b", `it's`, `say "hi"`, `back\slash`, "$HOME `x`", "a\x00>\x00b;c", "new\nline", "é\xff"} {
		f.Add(s)
	}
	single := func(w string) string { return `'` + strings.ReplaceAll(w, `'`, `'\''`) + `'` }
	double := strings.NewReplacer(`"`, `\"`, `\`, `\\`, `$`, `\$`, "`", "\\`")
	f.Fuzz(func(t *testing.T, s string) {
		if got := words(s); len(got) > (len(s)+1)/2 || len(strings.Join(got, "")) > len(s) {
			t.Errorf("words(%q) = %q", s, got)
		}
		args := strings.Split(s, "\x00")
		var a, b []string
		for _, w := range args {
			a = append(a, single(w))
			b = append(b, `"`+double.Replace(w)+`"`)
		}
		for _, cmd := range []string{strings.Join(a, " "), strings.Join(b, "\t"), strings.Join(a, "\n ") + ">" + s} {
			if got := words(cmd); !slices.Equal(got, args) {
				t.Errorf("words(%q) = %q, expected %q", cmd, got, args)
			}
		}
	})
}
