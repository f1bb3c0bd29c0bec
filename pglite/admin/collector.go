package admin

import (
	"iter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/howdahdb/howdah/pglite"
)

const prefix = "howdah_"

// collector turns a cluster's figures into metrics when they are asked for.
type collector struct {
	cluster *pglite.Cluster
	more    func() []pglite.Figure // always the same ones; nil: none
	figures []*prometheus.Desc     // in the order of all
	syncs   *prometheus.Desc
}

func newCollector(c *pglite.Cluster, more func() []pglite.Figure) *collector {
	k := &collector{
		cluster: c, more: more,
		syncs: prometheus.NewDesc(prefix+"sync_duration_seconds", "Time that fsyncs of files and directories have taken.", nil, nil),
	}
	for f := range k.all(new(pglite.Stats)) {
		name := prefix + f.Name
		if f.Counted {
			name += "_total"
		}
		k.figures = append(k.figures, prometheus.NewDesc(name, f.Help+".", nil, nil))
	}
	return k
}

// all are the cluster's figures and those beside them.
func (k *collector) all(stats *pglite.Stats) iter.Seq[pglite.Figure] {
	return func(yield func(pglite.Figure) bool) {
		for f := range stats.Figures() {
			if !yield(f) {
				return
			}
		}
		if k.more == nil {
			return
		}
		for _, f := range k.more() {
			if !yield(f) {
				return
			}
		}
	}
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
	for f := range k.all(&stats) {
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
