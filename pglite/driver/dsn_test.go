package driver

import (
	"reflect"
	"testing"
)

func TestParseDSN(t *testing.T) {
	for _, test := range []struct {
		in   string
		want dsn
	}{
		{"", dsn{user: "postgres", database: "postgres"}},
		{" \n", dsn{user: "postgres", database: "postgres"}},
		{"dir=/a/b user=u  dbname=d ", dsn{dir: "/a/b", user: "u", database: "d"}},
		{`dir='/a b/\'c' database=x\ y`, dsn{dir: "/a b/'c", user: "postgres", database: "x y"}},
		{"extensions=vector,,postgis search_path=a,b", dsn{user: "postgres", database: "postgres",
			extensions: []string{"vector", "postgis"}, params: map[string]string{"search_path": "a,b"}}},
		{"dir= user=''", dsn{database: "postgres"}},
		{"file:///a/b%20c", dsn{dir: "/a/b c", user: "postgres", database: "postgres"}},
		{"file:rel/d?user=u&application_name=x", dsn{dir: "rel/d", user: "u", database: "postgres",
			params: map[string]string{"application_name": "x"}}},
		{"file://localhost/a", dsn{dir: "/a", user: "postgres", database: "postgres"}},
	} {
		got, err := parseDSN(test.in)
		if err != nil {
			t.Errorf("parseDSN(%q): %v", test.in, err)
			continue
		}
		if test.want.params == nil {
			test.want.params = map[string]string{}
		}
		if !reflect.DeepEqual(*got, test.want) {
			t.Errorf("parseDSN(%q) = %+v, want %+v", test.in, *got, test.want)
		}
	}
	for _, bad := range []string{
		"/a/b", "=x", "dir", "a b=c", "dir='x", `dir=x\`, "'dir'=x",
		"file:", "file:?user=u", "file://host/a", "file:///a?user=u&user=v", "file:///a?%zz", "file:%zz",
	} {
		if got, err := parseDSN(bad); err == nil {
			t.Errorf("parseDSN(%q) = %+v", bad, *got)
		}
	}
}

func FuzzParseDSN(f *testing.F) {
	for _, s := range []string{"", "dir=/a user='b c'", `a=\`, "file:///a?b=c", "file:%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parseDSN(s) })
}
