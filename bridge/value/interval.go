package value

import (
	"math"
	"strconv"
	"strings"
)

var (
	endless    = Interval{math.MaxInt64, math.MaxInt32, math.MaxInt32}
	beginsless = Interval{math.MinInt64, math.MinInt32, math.MinInt32}
)

// append writes an interval with IntervalStyle postgres (EncodeInterval in
// src/backend/utils/adt/datetime.c): a part after a negative one has its sign.
func (i Interval) append(dst []byte) []byte {
	switch i {
	case endless:
		return append(dst, "infinity"...)
	case beginsless:
		return append(dst, "-infinity"...)
	}
	start, negative := len(dst), false
	for _, part := range [...]struct {
		n    int64
		unit string
	}{{int64(i.Months / 12), "year"}, {int64(i.Months % 12), "mon"}, {int64(i.Days), "day"}} {
		if part.n == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if negative && part.n > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, part.n, 10), ' ')
		dst = append(dst, part.unit...)
		if part.n != 1 {
			dst = append(dst, 's')
		}
		negative = part.n < 0
	}
	if i.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	switch {
	case i.Micros < 0:
		dst = append(dst, '-')
	case negative:
		dst = append(dst, '+')
	}
	if i.Micros == math.MinInt64 { // has no absolute value
		return append(dst, "2562047788:00:54.775808"...)
	}
	return appendClock(dst, max(i.Micros, -i.Micros))
}

// parseInterval reads what append writes.
func parseInterval(text string) (i Interval, err error) {
	switch text {
	case "infinity":
		return endless, nil
	case "-infinity":
		return beginsless, nil
	case "":
		return i, errSyntax
	}
	for text != "" {
		var first, unit string
		first, text, _ = strings.Cut(text, " ")
		if strings.Contains(first, ":") {
			if text != "" {
				return i, errSyntax
			}
			i.Micros, err = parseSignedClock(first)
			return i, err
		}
		unit, text, _ = strings.Cut(text, " ")
		n, err := strconv.ParseInt(first, 10, 32)
		if err != nil {
			return i, errSyntax
		}
		switch strings.TrimSuffix(unit, "s") {
		case "year":
			n *= 12
			fallthrough
		case "mon":
			n += int64(i.Months)
			i.Months = int32(n)
			if n != int64(i.Months) {
				return i, errSyntax
			}
		case "day":
			i.Days = int32(n)
		default:
			return i, errSyntax
		}
	}
	return i, nil
}

func parseSignedClock(s string) (micros int64, err error) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	n, rest, err := takeClock(s)
	if err != nil || rest != "" || n > math.MaxInt64 && !negative {
		return 0, errSyntax
	}
	if negative {
		n = -n
	}
	return int64(n), nil
}
