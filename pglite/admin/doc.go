// Package admin shows a cluster from outside, over HTTP:
//
//	/healthz  200 as long as the process lives and the cluster has not failed
//	          for good
//	/readyz   200 after a statement has run on a backend of the host's own;
//	          otherwise 503 and why
//	/metrics  the figures of [pglite.Stats], and those of the Go runtime and of
//	          the process, for Prometheus
//
// Whoever reaches the address may read all of that. There is nothing in it of
// what the database holds, and nothing can be changed.
package admin
