package etf_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// expressions are terms in Erlang, besides those that numbers makes.
var expressions = []string{
	`ok`, `true`, `false`, `nil`, `undefined`, `''`, `'hello world'`, `'a\'b'`, `'Ünïcödé'`, `'日本語'`, `'\x{1F600}'`,
	`list_to_atom(lists:duplicate(255, $a))`, `list_to_atom(lists:duplicate(255, 16#e9))`,
	`list_to_atom(lists:duplicate(255, 16#1F600))`, `list_to_atom(lists:duplicate(64, 16#1F600))`,
	`'nonode@nohost'`, `'$gen_call'`, `'Elixir.Phoenix.PubSub'`,

	`0.0`, `-0.0`, `1.0`, `-1.5`, `1.0e300`, `1.0e-300`, `5.0e-324`, `2.2250738585072014e-308`, `1.7976931348623157e308`,
	`0.1`, `1/3`, `-1/3`, `123456789.123456789`, `math:pi()`, `4503599627370497.5`, `1.0e22`, `1.0e23`,

	`[]`, `""`, `"abc"`, `"\0\xff"`, `[0]`, `[255]`, `[256]`, `[-1]`, `[1, 2, 3]`, `[1, 2, 300]`, `[a, b]`, `[[]]`, `[[], []]`,
	`[[1], [2, [3, [4]]]]`, `"日本語"`, `[1.0]`, `[1, a]`, `[a, 1]`, `lists:duplicate(65535, 7)`, `lists:duplicate(65536, 7)`,
	`lists:seq(1, 1000)`, `lists:seq(-500, 500)`, `lists:duplicate(255, $x)`, `lists:duplicate(256, $x)`,
	`[1 | 2]`, `[1, 2 | 3]`, `[a | b]`, `[[a | b] | [c | d]]`, `[1 | <<"tail">>]`, `[1, 2 | {}]`, `[1 | #{}]`, `["ab" | c]`,

	`<<>>`, `<<0>>`, `<<"abc">>`, `<<"日本語"/utf8>>`, `<<255, 254>>`, `binary:copy(<<1, 2, 3>>, 10000)`,
	`binary:part(<<"abcdef">>, 2, 3)`, `<<1:1>>`, `<<0:1>>`, `<<5:3>>`, `<<127:7>>`, `<<1, 1:1>>`, `<<255, 0:7>>`,
	`<<"abc", 3:2>>`, `begin <<_:3, R/bits>> = <<"hello">>, R end`, `begin <<_:1, R:9/bits, _/bits>> = <<"hello">>, R end`,

	`{}`, `{a}`, `{1, 2}`, `{{}, {{}}}`, `{ok, <<"x">>}`, `{error, {badarg, [{m, f, 2, []}]}}`, `list_to_tuple(lists:seq(1, 255))`,
	`list_to_tuple(lists:seq(1, 256))`, `list_to_tuple(lists:duplicate(3000, a))`, `{"", [], <<>>, #{}}`,

	`#{}`, `#{a => 1}`, `#{a => 1, b => 2, c => 3}`, `#{1 => a, 1.0 => b}`, `#{<<"k">> => v, "k" => w, k => x, {k} => y}`,
	`#{#{} => #{}}`, `#{#{a => 1} => 1, #{a => 2} => 2}`, `#{[1 | 2] => {}, <<1:3>> => []}`, `#{[] => nil}`, `#{{} => 0, 0 => {}}`,
	`maps:from_list([{I, I * I} || I <- lists:seq(1, 32)])`, `maps:from_list([{I, I * I} || I <- lists:seq(1, 33)])`,
	`maps:from_list([{integer_to_binary(I), [I]} || I <- lists:seq(1, 1000)])`,
	`maps:from_list([{{I, #{I => I}}, I} || I <- lists:seq(1, 100)])`, `#{a => #{b => #{c => #{d => []}}}}`,
	`#{self() => 1, make_ref() => 2}`, `lists:foldl(fun(I, A) -> #{A => I} end, x, lists:seq(1, 7))`,
	`lists:foldl(fun(I, A) -> {I, A} end, [], lists:seq(1, 900))`, `lists:foldl(fun(_, A) -> [A] end, [], lists:seq(1, 900))`,

	`self()`, `list_to_pid("<0.1.0>")`, `list_to_pid("<0.1000.3>")`, `group_leader()`, `processes()`, `erlang:ports()`,
	`hd(erlang:ports())`, `make_ref()`, `[make_ref(), make_ref()]`, `alias()`, `erlang:monitor(process, self())`,
	`begin {_, R} = spawn_monitor(fun() -> ok end), R end`, `spawn_request(fun() -> ok end)`,
	`begin ets:new(t, []) end`, `{self(), [alias | make_ref()]}`, `{'$gen_call', {self(), [alias | alias()]}, {query, <<"select 1">>, []}}`,

	`fun lists:map/2`, `fun erlang:'+'/2`, `fun m:f/0`, `fun m:f/255`, `fun 'ünï':'日本'/1`, `fun(X) -> X + 1 end`,
	`begin Y = {a, <<"b">>, [c | d]}, fun() -> Y end end`, `begin F = fun(X) -> X end, fun() -> F end end`, `[fun() -> I end || I <- [1, 2]]`,

	`{{2026, 1, 31}, {23, 59, 59}}`, `calendar:universal_time()`, `erlang:timestamp()`, `erlang:system_info(system_version)`,
	`[{timeout, 5000}, {decode, true}, chunked]`, `{'$gen_cast', {sync, [#{<<"op">> => <<"insert">>, <<"row">> => #{<<"id">> => 1}}]}}`,
	`{'DOWN', make_ref(), process, self(), noproc}`, `{'EXIT', self(), {shutdown, [{reason, "none"}]}}`,
	`application:get_all_env(kernel)`, `code:get_path()`, `erlang:memory()`, `process_info(self())`, `lists:module_info()`,
	`{ok, erl_parse:abstract({a, [1, 2], <<"x">>, 1.5})}`, `begin {ok, T, _} = erl_scan:string("f(X) -> X + 1."), T end`,
}

// numbers are integers about the powers of two, where their forms change.
func numbers() []string {
	var all []string
	for _, k := range []int{0, 1, 7, 8, 15, 16, 27, 28, 31, 32, 39, 40, 47, 55, 56, 58, 59, 60, 62, 63, 64, 65, 127, 128, 255, 2031, 2032, 2039, 2040, 2047, 2048, 5000} {
		for _, plus := range []int{-1, 0, 1} {
			all = append(all, fmt.Sprintf("(1 bsl %d) + (%d)", k, plus), fmt.Sprintf("-(1 bsl %d) + (%d)", k, plus))
		}
	}
	return append(all, "1 bsl 2000000", "-(1 bsl 2000000)", "(1 bsl 33554367) + 1")
}

func TestErlang(t *testing.T) {
	p := startErlang(t)
	all := append(numbers(), expressions...)
	if len(all) < 200 {
		t.Fatalf("%d expressions", len(all))
	}
	for _, e := range all {
		p.check(t, e)
	}
}

// TestErlangForms has Erlang read every form, the old ones too, and what is written
// for it: both are the same to it.
func TestErlangForms(t *testing.T) {
	p := startErlang(t)
	for _, c := range forms {
		in := append([]byte{131}, unhex(t, c.in)...)
		text := "binary_to_term(<<"
		for k, b := range in {
			if k > 0 {
				text += ","
			}
			text += fmt.Sprint(b)
		}
		text += ">>)"
		out, err := etf.Append(nil, c.term)
		if err != nil {
			t.Fatal(err)
		}
		p.eval(t, text)
		p.same(t, c.in, out)
	}
}

// TestErlangTwoBytes compares what is a term with what Erlang thinks is one: for every
// tag, and some of the bytes after it. A soak run has them all.
func TestErlangTwoBytes(t *testing.T) {
	p := startErlang(t)
	bodies := need.Choose(16, 256) * 256
	for body, used := range p.ask(t, 'x', binary.BigEndian.AppendUint32(nil, uint32(bodies))) {
		// The lower byte is the tag, so that all of them come first.
		in := []byte{131, byte(body), byte(body >> 8)}
		_, rest, err := etf.Decode(in)
		ours := 0
		if err == nil {
			ours = len(in) - len(rest)
		}
		if ours != int(used) {
			t.Errorf("%x: %d bytes in use, in Erlang %d", in, ours, used)
		}
	}
}

// TestErlangGenerated makes terms and their texts. Erlang has to read the same from
// our bytes as from the text, and we from its bytes as we have made.
func TestErlangGenerated(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	p := startErlang(t)
	for range need.Size(5000) {
		want := g.term(4)
		text := string(appendErlang(nil, want))
		if got := p.check(t, text); !etf.Equal(got, want) {
			t.Errorf("%s: got %#v, want %#v", text, got, want)
		}
		out, err := etf.Append(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		p.same(t, text, out)
		if t.Failed() {
			break
		}
	}
}
