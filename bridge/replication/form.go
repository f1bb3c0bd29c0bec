package replication

import (
	"bytes"
	"context"
	"fmt"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

// form is the encoder of the plugin "howdah": sets as package change writes them. In
// CBOR each set, or part of one, is a message; in JSON each line.
type form struct {
	json bool
	cbor change.Encoder
	buf  []byte
}

// start is the value of the option from that has a stream begin with the rows that
// there are.
const start = "start"

// parseForm reads the plugin's options: format, cbor or json; tables, patterns with
// commas between them; and from, a position to go back to that is before the slot's,
// or start.
func (s *Server) parseForm(options []option) (*form, feed.SubscribeOptions, error) {
	f, want := &form{}, feed.SubscribeOptions{}
	seen := map[string]bool{}
	for _, o := range options {
		if seen[o.name] {
			return nil, want, errorf("42601", "conflicting or redundant options")
		}
		seen[o.name] = true
		switch o.name {
		case "format":
			if o.value != "json" && o.value != "cbor" {
				return nil, want, errorf(invalidParameter, "unrecognized format: \"%s\"", o.value)
			}
			f.json = o.value == "json"
		case "tables":
			want.Tables = splitPatterns(o.value)
		case "from":
			if o.value == start {
				want.Snapshot = s.o.Snapshot
				continue
			}
			lsn, err := wal.ParseLSN(o.value)
			if err != nil {
				return nil, want, errorf(invalidParameter, "unrecognized from value: \"%s\"", o.value)
			}
			want.From = feed.After(lsn)
		default:
			return nil, want, errorf("XX000", "unrecognized howdah option: %s", o.name)
		}
	}
	return f, want, nil
}

// splitPatterns cuts at commas, but for those in double quotes.
func splitPatterns(list string) (patterns []string) {
	from, quoted := 0, false
	for k, r := range list {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			patterns, from = append(patterns, list[from:k]), k+1
		}
	}
	return append(patterns, list[from:])
}

func (f *form) encode(_ context.Context, s *change.Set, send func(wal.LSN, []byte) error) error {
	if len(s.Changes) == 0 && s.Part == 0 && !s.More {
		return nil // says only how far the stream is
	}
	if !f.json {
		b, err := f.cbor.Append(f.buf[:0], s)
		if err != nil {
			return fmt.Errorf("encode the set at %v: %w", s.LSN, err)
		}
		f.buf = b
		return send(s.LSN, b)
	}
	f.buf = change.AppendJSON(f.buf[:0], s)
	for line := range bytes.Lines(f.buf) {
		if err := send(s.LSN, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
	}
	return nil
}
