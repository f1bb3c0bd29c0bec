package etf_test

import (
	"fmt"

	"github.com/howdahdb/howdah/node/etf"
)

// A server answers a GenServer.call: the tag goes back as it came.
func Example() {
	call := []byte("\x83h\x03w\x09$gen_callh\x02X" + "w\x08app@host\x00\x00\x00\x57\x00\x00\x00\x00\x00\x00\x00\x03" + "a\x07" + "m\x00\x00\x00\x08select 1")
	message, _, err := etf.Decode(call)
	if err != nil {
		fmt.Println(err)
		return
	}
	request, ok := etf.Tagged(message, "$gen_call", 3)
	if !ok {
		fmt.Println("not a call")
		return
	}
	from := request[1].(etf.Tuple)
	query, _ := etf.Text(request[2])
	fmt.Println(from[0].(etf.PID).Node, "asks", query)

	answer, err := etf.Append(nil, etf.Tuple{from[1], etf.Tuple{etf.Atom("ok"), etf.Map{
		etf.Entry(etf.Atom("rows"), etf.List{etf.List{1}}),
		etf.Entry(etf.Atom("num_rows"), 1),
	}}})
	fmt.Printf("%q %v\n", answer, err)
	// Output:
	// app@host asks select 1
	// "\x83h\x02a\ah\x02w\x02okt\x00\x00\x00\x02w\x04rowsl\x00\x00\x00\x01k\x00\x01\x01jw\bnum_rowsa\x01" <nil>
}
