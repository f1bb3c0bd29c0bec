package change_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
)

// TestJSON compares with the files in testdata, of which every line is an object.
func TestJSON(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			out := change.AppendJSON(nil, s)
			golden(t, name+".json", out)
			for line := range bytes.Lines(out) {
				var object map[string]any
				if err := json.Unmarshal(line, &object); err != nil {
					t.Errorf("%v: %s", err, line)
				}
			}
		})
	}
}

// TestJSONEnds has transactions whose last part has nothing, or which go on.
func TestJSONEnds(t *testing.T) {
	for _, c := range []struct {
		set  change.Set
		want string
	}{
		{change.Set{LSN: 16}, ""},
		{change.Set{LSN: 16, XID: 7, Part: 2}, `{"origin":"","lsn":"0/10","xid":7,"commit":true}` + "\n"},
		{change.Set{LSN: 16, XID: 7, Part: 2, More: true}, ""},
	} {
		if got := string(change.AppendJSON(nil, &c.set)); got != c.want {
			t.Errorf("%+v: %s", c.set, got)
		}
	}
}
