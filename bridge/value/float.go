package value

import (
	"math"
	"math/bits"
	"strconv"
)

// appendFloat writes a float of 32 or 64 bits as with extra_float_digits 1: the
// shortest text that is read back as the same number, in scientific notation from
// 1e15 on (1e6 for 32 bits) and below 1e-4 (src/common/d2s.c, f2s.c).
func appendFloat(dst []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	var buf [32]byte
	s := strconv.AppendFloat(buf[:0], f, 'e', -1, size)
	for precision := significant(s); halfway(s, size); precision++ {
		s = strconv.AppendFloat(buf[:0], f, 'e', precision, size)
	}
	exponent := exponentOf(s)
	limit := 15
	if size == 32 {
		limit = 6
	}
	if exponent < -4 || exponent >= limit {
		return append(dst, s...)
	}
	return strconv.AppendFloat(dst, f, 'f', max(0, significant(s)-1-exponent), size)
}

// parseFloat reads what appendFloat writes, and NaN as Postgres has it.
func parseFloat(text string, size int) (float64, error) {
	if text == "NaN" {
		const quiet = 0x7ff8 << 48 // math.NaN has another bit set
		return math.Float64frombits(quiet), nil
	}
	f, err := strconv.ParseFloat(text, size)
	if err != nil {
		return 0, errSyntax
	}
	return f, nil
}

// significant counts the digits of a number in scientific notation.
func significant(s []byte) (n int) {
	for _, c := range s {
		if c == 'e' {
			break
		}
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n
}

func exponentOf(s []byte) int {
	for k := len(s) - 1; k >= 0; k-- {
		if s[k] == 'e' {
			n, _ := strconv.Atoi(string(s[k+1:])) // short enough for the stack
			return n
		}
	}
	return 0
}

// halfway tells whether a number in scientific notation lies exactly between two
// floats. Reading it back gives the even one of them, so it may well be the shortest
// text of that; Postgres does not count on who reads to know that rule and adds a
// digit (acceptBounds in d2s.c). The odd number between two floats has one bit more
// than their mantissa, and as it is a decimal of at most 17 digits times a power of
// ten, few are.
func halfway(s []byte, size int) bool {
	mantissa := 53
	if size == 32 {
		mantissa = 24
	}
	var n uint64
	for _, c := range s {
		if c == 'e' {
			break
		}
		if c >= '0' && c <= '9' {
			n = 10*n + uint64(c-'0')
		}
	}
	if n == 0 {
		return false
	}
	five := exponentOf(s) - (significant(s) - 1) // n times ten to this
	n >>= bits.TrailingZeros64(n)
	for ; five > 0; five-- {
		high, low := bits.Mul64(n, 5)
		if high != 0 || bits.Len64(low) > mantissa+1 {
			return false
		}
		n = low
	}
	for ; five < 0; five++ {
		if n%5 != 0 {
			return false
		}
		n /= 5
	}
	return bits.Len64(n) == mantissa+1
}
