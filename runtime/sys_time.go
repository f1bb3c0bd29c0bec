package runtime

import (
	"time"

	"github.com/tetratelabs/wazero/api"
)

// timeCalls are clocks, the calendar (UTC; Postgres has time zones of its
// own) and the interval timer.
var timeCalls = map[string]hostFunc{
	"emscripten_date_now": func(_ *Instance, s []uint64) {
		s[0] = api.EncodeF64(float64(time.Now().UnixMicro()) / 1000)
	},
	"emscripten_get_now": func(i *Instance, s []uint64) { s[0] = api.EncodeF64(i.now()) },
	"_tzset_js":          tzset,
	"_localtime_js":      breakDown,
	"_gmtime_js":         breakDown,
	"_mktime_js":         mktime,
	"_setitimer_js":      setitimer,
}

// now is milliseconds since the instance was made.
func (i *Instance) now() float64 { return float64(time.Since(i.start).Microseconds()) / 1000 }

// tzset: _tzset_js(timezone i32*, daylight i32*, standard name*, dst name*).
func tzset(i *Instance, s []uint64) {
	a := args(s)
	i.PutUint32(a.u32(0), 0)
	i.PutUint32(a.u32(1), 0)
	for _, p := range [...]uint32{a.u32(2), a.u32(3)} {
		copy(i.Bytes(p, 4), "UTC\x00")
	}
}

// breakDown: _gmtime_js(time i64, tm*), _localtime_js the same.
func breakDown(i *Instance, s []uint64) {
	i.putTM(uint32(s[1]), time.Unix(int64(s[0]), 0).UTC())
}

// mktime: _mktime_js(tm*) → i64; normalises the struct.
func mktime(i *Instance, s []uint64) {
	p := uint32(s[0])
	f := func(k uint32) int { return int(int32(i.Uint32(p + 4*k))) }
	t := time.Date(f(5)+1900, time.Month(f(4)+1), f(3), f(2), f(1), f(0), 0, time.UTC)
	i.putTM(p, t)
	s[0] = uint64(t.Unix())
}

// putTM writes struct tm: eleven i32 from tm_sec, tm_gmtoff at 36.
func (i *Instance) putTM(p uint32, t time.Time) {
	for k, v := range [...]int{
		t.Second(), t.Minute(), t.Hour(), t.Day(), int(t.Month()) - 1, t.Year() - 1900,
		int(t.Weekday()), t.YearDay() - 1, 0, 0,
	} {
		i.PutUint32(p+uint32(4*k), uint32(v))
	}
}

// timerSlack is added to the interval, so that the guest's own clock, which
// counts whole microseconds, has passed it when the timer fires.
const timerSlack = 50 * time.Microsecond

// maxTimer is an interval that nobody outlives and a Duration can hold.
const maxTimer = 100 * 365 * 24 * time.Hour

// setitimer: _setitimer_js(which, milliseconds f64); zero stops the timer.
func setitimer(i *Instance, s []uint64) {
	ms := api.DecodeF64(s[1])
	s[0] = 0
	i.stopTimer()
	if ms > 0 && i.Alarm != nil {
		i.startTimer(time.Duration(min(ms*float64(time.Millisecond), float64(maxTimer))) + timerSlack)
	}
}

func (i *Instance) startTimer(after time.Duration) {
	i.timerAt = time.Now().Add(after)
	i.timer = time.AfterFunc(after, i.Alarm)
}

func (i *Instance) stopTimer() {
	if i.timer != nil {
		i.timer.Stop()
		i.timer = nil
	}
}

// FireTimer delivers the interval timer's signal. The owner calls it at a
// safe point after Process.Alarm was called; a timer that the guest has moved
// on meanwhile fires again later.
func (i *Instance) FireTimer() error {
	const itimerReal = 0
	_, err := i.Call("_emscripten_timeout", itimerReal, api.EncodeF64(i.now()))
	return err
}
