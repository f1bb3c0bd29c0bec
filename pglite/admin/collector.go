package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/howdahdb/howdah/pglite"
)

const prefix = "howdah_"

// collector turns a cluster's figures into metrics when they are asked for.
type collector struct {
	cluster *pglite.Cluster
	figures []*prometheus.Desc // in the order of Stats.Figures
	syncs   *prometheus.Desc
}

func newCollector(c *pglite.Cluster) *collector {
	k := &collector{
		cluster: c,
		syncs:   prometheus.NewDesc(prefix+"sync_duration_seconds", "Time that fsyncs of files and directories have taken.", nil, nil),
	}
	for f := range new(pglite.Stats).Figures() {
		name := prefix + f.Name
		if f.Counted {
			name += "_total"
		}
		k.figures = append(k.figures, prometheus.NewDesc(name, f.Help+".", nil, nil))
	}
	return k
}

// Describe implements [prometheus.Collector].
func (k *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range k.figures {
		to <- d
	}
	to <- k.syncs
}

// Collect implements [prometheus.Collector].
func (k *collector) Collect(to chan<- prometheus.Metric) {
	stats := k.cluster.Stats()
	n := 0
	for f := range stats.Figures() {
		kind := prometheus.GaugeValue
		if f.Counted {
			kind = prometheus.CounterValue
		}
		to <- prometheus.MustNewConstMetric(k.figures[n], kind, f.Value)
		n++
	}
	buckets := map[float64]uint64{}
	var below uint64
	for i, bound := range pglite.SyncBounds {
		below += stats.Syncs.Counts[i]
		buckets[bound.Seconds()] = below
	}
	to <- prometheus.MustNewConstHistogram(k.syncs, stats.Syncs.Count(), stats.Syncs.Sum.Seconds(), buckets)
}
