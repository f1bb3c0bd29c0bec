package bundle

import "github.com/howdahdb/howdah/pglite"

// Figures are those of the feed, beside the cluster's Stats; none without a feed.
func (d *Database) Figures() []pglite.Figure {
	if d.capture == nil {
		return nil
	}
	s := d.capture.Stats()
	failed := 0.0
	if d.capture.Err() != nil {
		failed = 1
	}
	return []pglite.Figure{
		{Name: "feed_sets", Counted: true, Help: "change sets, or parts of them, that were appended to the feed", Value: float64(s.Sets)},
		{Name: "feed_changes", Counted: true, Help: "changes in the sets that were appended to the feed", Value: float64(s.Changes)},
		{Name: "feed_gaps", Counted: true, Help: "times that subscribers had to begin anew because the feed had lost its place", Value: float64(s.Gaps)},
		{Name: "feed_behind_bytes", Unit: "bytes", Help: "WAL that is written and has not been read for the feed", Value: float64(d.capture.Behind())},
		{Name: "feed_kept_wal_bytes", Unit: "bytes", Help: "WAL that is kept from removal until the feed's next checkpoint", Value: float64(d.capture.Kept())},
		{Name: "feed_failed", Help: "1 when the feed has stopped for good, see the log", Value: failed},
	}
}
