package template

import (
	"fmt"
	"strings"
	"testing"
)

// TestSplit: statements are separated by /, each as line:text, and rows of a
// COPY in brackets.
func TestSplit(t *testing.T) {
	for _, c := range []struct{ name, sql, want string }{
		{"empty", " -- nothing; at all\n/* ; /* ; */ ; */ ;;\n", ""},
		{"two on a line", "select 1; select 2", "1:select 1/1:select 2"},
		{"lines", "\n-- first\nselect\n 1;\n\n/* second\n */ select 2;\n", "3:select\n 1/7:select 2"},
		{"quotes", `select ';''', E'\';', "a;""b", 'it''s \'; select 2`, `1:select ';''', E'\';', "a;""b", 'it''s \'/1:select 2`},
		{"E after a doubled quote", `select E'it''s \' ;'; select 2`, `1:select E'it''s \' ;'/1:select 2`},
		{"dollars", "select $$;$$, $a$;$$;$a$, a$b$c, $1; select 2", "1:select $$;$$, $a$;$$;$a$, a$b$c, $1/1:select 2"},
		{"a tag in another alphabet", "select $ü$;$ü$; select 2", "1:select $ü$;$ü$/1:select 2"},
		{"comments inside", "select 1 -- ; '\n, /* ; ' */ 2; select 3", "1:select 1 -- ; '\n, /* ; ' */ 2/2:select 3"},
		{"parentheses", "create rule r as on insert to t do (select 1; select 2); select 3", "1:create rule r as on insert to t do (select 1; select 2)/1:select 3"},
		{"atomic", "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3",
			"1:create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end/1:select 3"},
		{"transactions", "begin; select 1; end; select 2", "1:begin/1:select 1/1:end/1:select 2"},
		{"copy", "copy t (a, b) from stdin;\n1\t;\n\\\\.\n\\.\nselect 1;", "1:copy t (a, b) from stdin[1\t;\n\\\\.\n]/5:select 1"},
		{"copy with options", "COPY public.t FROM STDIN WITH (FORMAT csv);\r\n1,2\r\n\\.\r\nselect 1;", "1:COPY public.t FROM STDIN WITH (FORMAT csv)[1,2\r\n]/4:select 1"},
		{"copy of nothing", "copy t from stdin;\n\\.\n", "1:copy t from stdin[]"},
		{"copy to its end", "copy t from stdin;\n1\n", "1:copy t from stdin[1\n]"},
		{"no copy", "copy (select 1 from stdin) to stdout; insert into copy select 1 from stdin", "1:copy (select 1 from stdin) to stdout/1:insert into copy select 1 from stdin"},
		{"restrict", "\\restrict abc\nselect 1;\n\\unrestrict abc\n", "2:select 1"},
		{"never ends", "select 'a; select 2", "1:select 'a; select 2"},
		{"a lonely dollar", "select $", "1:select $"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := split("f.sql", c.sql, 1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				text := fmt.Sprintf("%d:%s", s.line, s.sql)
				if s.copy {
					text += "[" + s.rows + "]"
				}
				got = append(got, text)
			}
			if got := strings.Join(got, "/"); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1;\n\\connect other\n": `f.sql:2: \connect is a command of psql, which only psql can run`,
		"select 1\n\\gexec\n":          `f.sql:2: \gexec is a command of psql, which only psql can run`,
	} {
		if _, err := split("f.sql", sql, 1); err == nil || err.Error() != want {
			t.Errorf("%q gives %v, want %s", sql, err, want)
		}
	}
}

// FuzzSplit: nothing is lost but what separates, and lines are those that the
// statements begin on.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"select 1; select 2", "copy t from stdin;\n1\n\\.\n", "$a$;$a$", "E'\\'", "/* /* */", "create function begin atomic ; end;", "\\restrict x", "\"", "a$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := split("f.sql", text, 1)
		if err != nil {
			return
		}
		at := 0
		for _, s := range all {
			n := strings.Index(text[at:], s.sql)
			if s.sql == "" || n < 0 {
				t.Fatalf("%q is not in what is left: %q", s.sql, text[at:])
			}
			for strings.Count(text[:at+n], "\n")+1 != s.line { // an earlier one may be within a comment
				more := strings.Index(text[at+n+1:], s.sql)
				if more < 0 {
					t.Fatalf("%q is not on line %d", s.sql, s.line)
				}
				n += 1 + more
			}
			at += n + len(s.sql)
		}
	})
}
