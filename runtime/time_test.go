package runtime

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

func TestClocks(t *testing.T) {
	g := newGuest(t, Process{})
	p := g.alloc(8)
	clock := func(id int) int64 {
		g.want(0, "clock_time_get", id, int64(0), p)
		return int64(binary.LittleEndian.Uint64(g.Bytes(p, 8)))
	}
	float := func(name string) float64 {
		r, err := g.Call(name)
		if err != nil {
			t.Fatal(err)
		}
		return math.Float64frombits(r)
	}
	before := time.Now()
	real, date := clock(0), float("emscripten_date_now")
	after := time.Now()
	if real < before.UnixNano() || real > after.UnixNano() {
		t.Errorf("real time %d is not between %d and %d", real, before.UnixNano(), after.UnixNano())
	}
	if date < float64(before.UnixMilli()) || date > float64(after.UnixMilli()+1) {
		t.Errorf("date %f is not between %d and %d", date, before.UnixMilli(), after.UnixMilli())
	}
	a, b, c := clock(1), float("emscripten_get_now"), clock(1)
	if a <= 0 || float64(a)/1e6 > b+1e-3 || b > float64(c)/1e6 {
		t.Errorf("monotonic clocks go %d ns, %f ms, %d ns", a, b, c)
	}
}

// tm is struct tm but for its last members.
type tm [9]int32

func (g *guest) readTM(p uint32) (v tm) {
	for k := range v {
		v[k] = int32(g.Uint32(p + uint32(4*k)))
	}
	return v
}

func TestCalendar(t *testing.T) {
	g := newGuest(t, Process{})
	p := g.alloc(44)
	for _, c := range []struct {
		unix int64
		tm   tm // sec min hour mday mon year wday yday isdst
	}{
		{0, tm{0, 0, 0, 1, 0, 70, 4, 0, 0}},
		{-1, tm{59, 59, 23, 31, 11, 69, 3, 364, 0}},
		{951782400, tm{0, 0, 0, 29, 1, 100, 2, 59, 0}},             // a leap day
		{1<<31 - 1, tm{7, 14, 3, 19, 0, 138, 2, 18, 0}},            // the last i32
		{4107542399, tm{59, 59, 23, 28, 1, 200, 0, 58, 0}},         // 2100 has no leap day
		{-62135596800, tm{0, 0, 0, 1, 0, -1899, 1, 0, 0}},          // year 1
		{253402300800, tm{0, 0, 0, 1, 0, 8100, 6, 0, 0}},           // year 10000
		{-210866803200, tm{0, 0, 0, 24, 10, -6613, 1, 327, 0}},     // Postgres' first day
		{9224318015999, tm{59, 59, 23, 31, 11, 292376, 0, 365, 0}}, // and the last day of year 294276
	} {
		for _, name := range []string{"_gmtime_js", "_localtime_js"} {
			copy(g.Bytes(p, 44), "????????????????????????????????????????????")
			g.sys(name, c.unix, p)
			if got := g.readTM(p); got != c.tm {
				t.Errorf("%s(%d) = %v, expected %v", name, c.unix, got, c.tm)
			}
			if off := g.Uint32(p + 36); off != 0 {
				t.Errorf("tm_gmtoff %d", off)
			}
		}
		g.PutUint32(p+24, 99) // mktime ignores wday and yday
		g.PutUint32(p+28, 99)
		r, err := g.Call("_mktime_js", uint64(p))
		if err != nil || int64(r) != c.unix || g.readTM(p) != c.tm {
			t.Errorf("mktime = %d %v, expected %d %v", int64(r), g.readTM(p), c.unix, c.tm)
		}
	}
	// The 31st of month 13 at 25:61:61 is the 1st of March, and so on.
	for k, v := range []uint32{61, 61, 25, 31, 13, 100} {
		g.PutUint32(p+uint32(4*k), v)
	}
	r, err := g.Call("_mktime_js", uint64(p))
	if want := (tm{1, 2, 2, 4, 2, 101, 0, 62, 0}); err != nil || r != 983671321 || g.readTM(p) != want {
		t.Errorf("mktime normalised to %d %v", r, g.readTM(p))
	}
}

func TestTzset(t *testing.T) {
	g := newGuest(t, Process{})
	zone, light, std, dst := g.put([]byte("????")), g.put([]byte("????")), g.alloc(16), g.alloc(16)
	g.sys("_tzset_js", zone, light, std, dst)
	if g.Uint32(zone) != 0 || g.Uint32(light) != 0 || g.String(std) != "UTC" || g.String(dst) != "UTC" {
		t.Errorf("timezone %d daylight %d names %q %q", g.Uint32(zone), g.Uint32(light), g.String(std), g.String(dst))
	}
}

// TestTimer: the alarm rings on its own goroutine, the guest gets its signal
// when the owner says so; zero and another interval take the old one back.
func TestTimer(t *testing.T) {
	alarm := make(chan struct{}, 8)
	g := newGuest(t, Process{Alarm: func() { alarm <- struct{}{} }})
	g.want(0, "_setitimer_js", 0, 3.6e6)
	g.want(0, "_setitimer_js", 0, 0.0)
	if g.timer != nil {
		t.Error("a stopped timer is still there")
	}
	g.want(0, "_setitimer_js", 0, 3.6e6)
	old := g.timer
	g.want(0, "_setitimer_js", 0, 1.5)
	<-alarm
	if old.Stop() {
		t.Error("the first interval was still running")
	}
	g.want(0, "counter")
	if err := g.FireTimer(); err != nil {
		t.Fatal(err)
	}
	g.want(1, "counter")

	for _, ms := range []float64{math.NaN(), -1, math.Inf(-1)} {
		g.want(0, "_setitimer_js", 0, ms)
		if g.timer != nil {
			t.Errorf("%f ms is a timer", ms)
		}
	}
	for _, ms := range []float64{1e300, math.Inf(1), math.MaxInt32} {
		g.want(0, "_setitimer_js", 0, ms)
		if g.timer == nil || !g.timer.Stop() {
			t.Errorf("%g ms are over at once", ms)
		}
	}
	g.want(0, "_setitimer_js", 0, 3.6e6)
	last := g.timer
	g.Close()
	if last.Stop() {
		t.Error("the timer outlives the instance")
	}

	deaf := newGuest(t, Process{})
	deaf.want(0, "_setitimer_js", 0, 1.0)
	if deaf.timer != nil {
		t.Error("a timer that nobody hears")
	}
}
