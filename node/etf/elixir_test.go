package etf_test

import (
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

func TestElixir(t *testing.T) {
	p := startElixir(t)
	for _, e := range []string{
		`nil`, `true`, `:ok`, `"häh"`, `'charlist'`, `~w(a b)a`, `[a: 1, b: nil]`, `[{"a", 1} | :tail]`, `%{}`, `%{"a" => 1, a: 2}`,
		`~D[2026-01-31]`, `~T[23:59:59.123456]`, `~N[2026-01-31 23:59:59]`, `~U[2026-01-31 23:59:59.000Z]`, `1..10`, `1..10//2`,
		`MapSet.new([1, 2, "c"])`, `%{MapSet.new([1]) => 1..2}`, `~r/a+/i`, `Phoenix.PubSub`, `Elixir`, `&String.length/1`, `fn x -> x end`,
		`self()`, `make_ref()`, `{:ok, %{command: "SELECT", columns: ["id"], rows: [[1]], num_rows: 1}}`, `<<1, 2::size(3)>>`,
		`1_000_000_000_000_000_000_000`, `1.0e-10`, `Date.range(~D[2026-01-01], ~D[2026-02-01])`, `%ArgumentError{message: "x"}`,
		`{:"$gen_producer", {self(), make_ref()}, {:subscribe, nil, [max_demand: 1000]}}`, `Version.parse!("1.2.3-rc")`, `URI.parse("http://a/b?c")`,
		`{:numeric, 1, 12345, 2}`, `%{__struct__: Decimal, sign: 1, coef: 12345, exp: -2}`, `for i <- 1..1000, into: %{}, do: {"k#{i}", [i, to_string(i)]}`,
	} {
		p.check(t, e)
	}

	// What a caller reads out of a result, as keys of Elixir's are.
	got := p.check(t, `{:ok, %{columns: ["id"], rows: [[1, nil]], opts: [timeout: 5]}}`)
	ok, tagged := etf.Tagged(got, "ok", 2)
	if !tagged {
		t.Fatalf("%#v", got)
	}
	rows, _ := ok[1].(etf.Map).Get(etf.Atom("rows"))
	if !etf.Equal(rows, etf.List{etf.List{1, nil}}) {
		t.Errorf("rows: %#v", rows)
	}
	opts, _ := ok[1].(etf.Map).Get(etf.Atom("opts"))
	if v, _ := opts.(etf.List).Get("timeout"); v != int64(5) {
		t.Errorf("timeout: %#v", v)
	}
}
