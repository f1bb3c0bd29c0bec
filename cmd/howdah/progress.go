package main

import (
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"

	"github.com/howdahdb/howdah/wasm"
)

// newProgress shows the stages of a first start, one after the other: as a bar
// when standard error is a terminal, else as one event at the start of each.
// report may be called on several goroutines, until end takes the bar away.
func newProgress(log zerolog.Logger) (report wasm.ProgressFunc, end func()) {
	p := &progress{log: log, bars: stderrIsTerminal()}
	return p.report, p.end
}

type progress struct {
	log  zerolog.Logger
	bars bool

	mu struct {
		sync.Mutex
		stage string
		bar   *progressbar.ProgressBar
	}
}

// report has wasm.ProgressFunc's contract: total <= 0 is an unknown one.
func (p *progress) report(stage string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stage != p.mu.stage {
		p.begin(stage, total)
	}
	if p.mu.bar == nil {
		return
	}
	// A bar that cannot be drawn is no reason to fail.
	if total > 0 && done >= total {
		p.clear()
		return
	}
	_ = p.mu.bar.Set64(done)
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// clear is called with mu held.
func (p *progress) clear() {
	if p.mu.bar != nil {
		_ = p.mu.bar.Finish()
		p.mu.bar = nil
	}
}

// begin is called with mu held.
func (p *progress) begin(stage string, total int64) {
	p.mu.stage = stage
	if !p.bars {
		p.log.Info().Msg(stage)
		return
	}
	p.clear()
	if total <= 0 {
		total = -1
	}
	p.mu.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowBytes(total > 0),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	)
}
