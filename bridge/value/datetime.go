package value

import (
	"math"
	"strconv"
)

const (
	microsPerSecond = 1_000_000
	secondsPerDay   = 86_400
	microsPerDay    = secondsPerDay * microsPerSecond

	// The days from 1 March of the year 0 to 2000-01-01, and of 400 years.
	epochDays = 730_425
	eraDays   = 146_097
)

// civil gives the date of the Gregorian calendar, extended to all times, for a number
// of days since 2000-01-01. The year before 1 is 0.
func civil(days int64) (year int64, month, day int) {
	days += epochDays
	era := days / eraDays
	if days %= eraDays; days < 0 {
		era, days = era-1, days+eraDays
	}
	y := (days - days/1460 + days/36524 - days/146096) / 365
	d := days - (365*y + y/4 - y/100)
	m := (5*d + 2) / 153 // from March
	day, month = int(d-(153*m+2)/5)+1, int(m)+3
	if month > 12 {
		month, y = month-12, y+1
	}
	return era*400 + y, month, day
}

// fromCivil is the inverse of civil.
func fromCivil(year int64, month, day int) (days int64) {
	if month -= 3; month < 0 {
		month, year = month+12, year-1
	}
	era := year / 400
	if year %= 400; year < 0 {
		era, year = era-1, year+400
	}
	return era*eraDays + year*365 + year/4 - year/100 + int64((153*month+2)/5+day-1) - epochDays
}

// appendDate writes the date that is this many days after 2000-01-01, and tells
// whether it is one BC, which is written at the very end (EncodeDateOnly and
// EncodeDateTime in src/backend/utils/adt/datetime.c).
func appendDate(dst []byte, days int64) (_ []byte, bc bool) {
	year, month, day := civil(days)
	if year <= 0 {
		year, bc = 1-year, true
	}
	for n := int64(1000); n > year && n > 1; n /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, year, 10)
	dst = append2(append(dst, '-'), month)
	return append2(append(dst, '-'), day), bc
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

// appendClock writes microseconds, which are not negative, as hours, minutes, seconds
// and what there is of their fraction.
func appendClock(dst []byte, micros int64) []byte {
	seconds, fraction := micros/microsPerSecond, int(micros%microsPerSecond)
	if hours := seconds / 3600; hours < 100 {
		dst = append2(dst, int(hours))
	} else {
		dst = strconv.AppendInt(dst, hours, 10)
	}
	dst = append2(append(dst, ':'), int(seconds/60%60))
	dst = append2(append(dst, ':'), int(seconds%60))
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for n := 100_000; fraction > 0; n /= 10 {
		dst = append(dst, byte('0'+fraction/n))
		fraction %= n
	}
	return dst
}

// appendZone writes seconds west of UTC as hours and what there is of minutes and
// seconds (EncodeTimezone).
func appendZone(dst []byte, west int32) []byte {
	seconds, sign := int64(west), byte('-')
	if west <= 0 {
		seconds, sign = -seconds, '+'
	}
	dst = append2(append(dst, sign), int(seconds/3600))
	if seconds%3600 != 0 {
		dst = append2(append(dst, ':'), int(seconds/60%60))
	}
	if seconds%60 != 0 {
		dst = append2(append(dst, ':'), int(seconds%60))
	}
	return dst
}

func (d Date) append(dst []byte) []byte {
	switch d {
	case math.MaxInt32:
		return append(dst, "infinity"...)
	case math.MinInt32:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendDate(dst, int64(d))
	return appendBC(dst, bc)
}

func appendBC(dst []byte, bc bool) []byte {
	if bc {
		return append(dst, " BC"...)
	}
	return dst
}

// append writes a time of day. Those of Postgres are not negative.
func (t Time) append(dst []byte) []byte { return appendClock(dst, max(0, int64(t))) }

func (t TimeTZ) append(dst []byte) []byte { return appendZone(t.Time.append(dst), t.West) }

func (t Timestamp) append(dst []byte) []byte { return appendTimestamp(dst, int64(t), "") }

func (t TimestampTZ) append(dst []byte) []byte { return appendTimestamp(dst, int64(t), "+00") }

func appendTimestamp(dst []byte, micros int64, zone string) []byte {
	switch micros {
	case math.MaxInt64:
		return append(dst, "infinity"...)
	case math.MinInt64:
		return append(dst, "-infinity"...)
	}
	days := micros / microsPerDay
	if micros %= microsPerDay; micros < 0 {
		days, micros = days-1, micros+microsPerDay
	}
	dst, bc := appendDate(dst, days)
	dst = appendClock(append(dst, ' '), micros)
	return appendBC(append(dst, zone...), bc)
}

// String is the text of Postgres.
func (d Date) String() string { return string(d.append(nil)) }

// String is the text of Postgres.
func (t Time) String() string { return string(t.append(nil)) }

// String is the text of Postgres.
func (t TimeTZ) String() string { return string(t.append(nil)) }

// String is the text of Postgres.
func (t Timestamp) String() string { return string(t.append(nil)) }

// String is the text of Postgres.
func (t TimestampTZ) String() string { return string(t.append(nil)) }

// String is the text of Postgres.
func (i Interval) String() string { return string(i.append(nil)) }
