package replication

import (
	"bytes"
	"context"
	"fmt"
	"strings"

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

// parseForm reads the plugin's options: format, cbor or json, and tables, patterns
// with commas between them.
func parseForm(options []option) (*form, feed.Filter, error) {
	f, filter := &form{}, feed.Filter{}
	seen := map[string]bool{}
	for _, o := range options {
		if seen[o.name] {
			return nil, filter, errorf("42601", "conflicting or redundant options")
		}
		seen[o.name] = true
		switch o.name {
		case "format":
			if o.value != "json" && o.value != "cbor" {
				return nil, filter, errorf(invalidParameter, "unrecognized format: \"%s\"", o.value)
			}
			f.json = o.value == "json"
		case "tables":
			filter.Tables = strings.Split(o.value, ",")
		default:
			return nil, filter, errorf("XX000", "unrecognized howdah option: %s", o.name)
		}
	}
	return f, filter, nil
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
