package value

import (
	"math"
	"strconv"
	"strings"
)

// takeNumber takes the digits off the front of s.
func takeNumber(s string, least, most int) (n int64, rest string, ok bool) {
	end := 0
	for end < len(s) && end < most && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end < least {
		return 0, "", false
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	return n, s[end:], err == nil
}

// takeParts takes numbers with two digits off the front of s, each after a separator.
func takeParts(s string, separator byte, parts ...*int64) (rest string, ok bool) {
	for _, p := range parts {
		if s == "" || s[0] != separator {
			return "", false
		}
		if *p, s, ok = takeNumber(s[1:], 2, 2); !ok {
			return "", false
		}
	}
	return s, true
}

// takeDate takes a date off the front of s, of which the year is not yet one BC.
func takeDate(s string) (year int64, month, day int, rest string, err error) {
	var m, d int64
	year, rest, ok := takeNumber(s, 4, 9)
	if ok {
		rest, ok = takeParts(rest, '-', &m, &d)
	}
	if !ok || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, 0, 0, "", errSyntax
	}
	return year, int(m), int(d), rest, nil
}

// takeClock takes hours, minutes, seconds and their fraction off the front of s.
func takeClock(s string) (micros uint64, rest string, err error) {
	var m, sec int64
	h, rest, ok := takeNumber(s, 2, 10)
	if ok {
		rest, ok = takeParts(rest, ':', &m, &sec)
	}
	if !ok || m > 59 || sec > 60 {
		return 0, "", errSyntax
	}
	micros = uint64(h*3600+m*60+sec) * microsPerSecond
	if after, found := strings.CutPrefix(rest, "."); found {
		fraction, end, ok := takeNumber(after, 1, 6)
		if !ok {
			return 0, "", errSyntax
		}
		for k := len(after) - len(end); k < 6; k++ {
			fraction *= 10
		}
		micros, rest = micros+uint64(fraction), end
	}
	if micros > 1<<63 {
		return 0, "", errSyntax
	}
	return micros, rest, nil
}

// takeZone takes an offset from UTC off the front of s.
func takeZone(s string) (west int32, rest string, err error) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, "", errSyntax
	}
	h, rest, ok := takeNumber(s[1:], 2, 2)
	var parts [2]int64
	for k := range parts {
		if ok && strings.HasPrefix(rest, ":") {
			rest, ok = takeParts(rest, ':', &parts[k])
		}
	}
	if !ok {
		return 0, "", errSyntax
	}
	west = int32(h*3600 + parts[0]*60 + parts[1])
	if s[0] == '+' {
		west = -west
	}
	return west, rest, nil
}

func parseDate(text string) (Date, error) {
	switch text {
	case "infinity":
		return math.MaxInt32, nil
	case "-infinity":
		return math.MinInt32, nil
	}
	year, month, day, rest, err := takeDate(text)
	if err != nil {
		return 0, err
	}
	year, err = era(year, rest)
	days := fromCivil(year, month, day)
	if err != nil || days != int64(int32(days)) {
		return 0, errSyntax
	}
	return Date(days), nil
}

// era counts years BC on from year 1 downwards. rest is what stands last.
func era(year int64, rest string) (int64, error) {
	switch rest {
	case "":
		return year, nil
	case " BC":
		return 1 - year, nil
	}
	return 0, errSyntax
}

func parseTime(text string) (Time, error) {
	micros, rest, err := takeClock(text)
	if err != nil || rest != "" {
		return 0, errSyntax
	}
	return Time(micros), nil
}

func parseTimeTZ(text string) (TimeTZ, error) {
	micros, rest, err := takeClock(text)
	if err != nil {
		return TimeTZ{}, err
	}
	west, rest, err := takeZone(rest)
	if err != nil || rest != "" {
		return TimeTZ{}, errSyntax
	}
	return TimeTZ{Time(micros), west}, nil
}

// parseTimestamp reads a timestamp, with the offset of any zone if it has one.
func parseTimestamp(text string, zoned bool) (int64, error) {
	switch text {
	case "infinity":
		return math.MaxInt64, nil
	case "-infinity":
		return math.MinInt64, nil
	}
	year, month, day, rest, err := takeDate(text)
	if err != nil || !strings.HasPrefix(rest, " ") {
		return 0, errSyntax
	}
	clock, rest, err := takeClock(rest[1:])
	if err != nil || clock > microsPerDay+microsPerSecond {
		return 0, errSyntax
	}
	var west int32
	if zoned {
		if west, rest, err = takeZone(rest); err != nil {
			return 0, err
		}
	}
	year, err = era(year, rest)
	days := fromCivil(year, month, day)
	if err != nil || days > math.MaxInt64/microsPerDay-2 || days < math.MinInt64/microsPerDay+2 {
		return 0, errSyntax
	}
	return days*microsPerDay + int64(clock) + int64(west)*microsPerSecond, nil
}
