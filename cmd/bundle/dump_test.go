package bundle_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/cmd/bundle"
)

// dump gives the rows of all tables as replica.lines does, by the shapes and texts of
// a snapshot alone: nothing of the stream, and no values.
func dump(ctx context.Context, db *bundle.Database) ([]string, error) {
	snap, err := db.Tables().Snapshot(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	tables, err := snap.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, t := range tables {
		err := snap.Rows(ctx, t, func(texts []*string) bool {
			lines = append(lines, line(t, texts))
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func line(t *change.Table, texts []*string) string {
	s := fmt.Sprintf("%s.%s:", t.Schema, t.Name)
	for k, c := range t.Columns {
		v := "\x00"
		if texts[k] != nil {
			v = *texts[k]
		}
		s += fmt.Sprintf(" %s=%q", c.Name, v)
	}
	return s
}
