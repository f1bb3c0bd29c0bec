package value

import "strconv"

// appendNumeric writes a numeric. It is kept as digits to the base 10000 behind a
// header of one word, or two (src/backend/utils/adt/numeric.c):
//
//	10 sign · display scale (6 bits) · weight (7 bits, signed)
//	0 sign · display scale (14 bits), weight (16 bits, signed)
//	1100…, 1101…, 1111… NaN, infinity, -infinity
func appendNumeric(dst, b []byte) ([]byte, error) {
	if len(b) < 2 || len(b)%2 != 0 {
		return nil, errMalformed
	}
	head := le.Uint16(b)
	var negative bool
	var scale, weight int
	switch head >> 14 {
	case 3:
		switch head & 0xf000 {
		case 0xc000:
			return append(dst, "NaN"...), nil
		case 0xd000:
			return append(dst, "Infinity"...), nil
		case 0xf000:
			return append(dst, "-Infinity"...), nil
		}
		return nil, errMalformed
	case 2:
		negative, scale = head&0x2000 != 0, int(head>>7&0x3f)
		weight = int(int8(head<<1)) >> 1
		b = b[2:]
	default:
		if len(b) < 4 {
			return nil, errMalformed
		}
		negative, scale = head&0x4000 != 0, int(head&0x3fff)
		weight = int(int16(le.Uint16(b[2:])))
		b = b[4:]
	}
	n := len(b) / 2
	digit := func(k int) int { // to the base, 0 being the most significant
		if k < 0 || k >= n {
			return 0
		}
		return int(le.Uint16(b[2*k:]))
	}
	for k := range n {
		if digit(k) > 9999 {
			return nil, errMalformed
		}
	}
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendInt(dst, int64(digit(min(0, weight))), 10)
	for k := 1; k <= weight; k++ {
		dst = append4(dst, digit(k))
	}
	if scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	end := len(dst) + scale
	for k := weight + 1; len(dst) < end; k++ {
		dst = append4(dst, digit(k))
	}
	return dst[:end], nil
}

func append4(dst []byte, d int) []byte {
	return append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}

// parseNumeric checks that a text is a number as Postgres writes it.
func parseNumeric(text string) (Numeric, error) {
	switch text {
	case "NaN", "Infinity", "-Infinity":
		return Numeric(text), nil
	}
	whole, fraction, point := splitNumeric(text)
	if !digits(whole) || point && !digits(fraction) {
		return "", errSyntax
	}
	return Numeric(text), nil
}

// splitNumeric gives the digits before and after the point, without the sign.
func splitNumeric(text string) (whole, fraction string, point bool) {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	for k := range len(text) {
		if text[k] == '.' {
			return text[:k], text[k+1:], true
		}
	}
	return text, "", false
}

// digits tells whether s is one or more decimal digits.
func digits(s string) bool {
	for k := range len(s) {
		if s[k] < '0' || s[k] > '9' {
			return false
		}
	}
	return s != ""
}

// appendNumericBinary writes what numeric_send does: the number of digits to the
// base 10000, the weight of the first, the sign, the display scale, the digits.
func appendNumericBinary(dst []byte, n Numeric) []byte {
	switch n {
	case "NaN":
		return append(dst, 0, 0, 0, 0, 0xc0, 0, 0, 0)
	case "Infinity":
		return append(dst, 0, 0, 0, 0, 0xd0, 0, 0, 0x20)
	case "-Infinity":
		return append(dst, 0, 0, 0, 0, 0xf0, 0, 0, 0x20)
	}
	whole, fraction, _ := splitNumeric(string(n))
	before := (len(whole) + 3) / 4
	after := (len(fraction) + 3) / 4
	at := func(k int) uint16 { // the digit to the base, counted from the first of whole
		var d uint16
		for i := range 4 {
			d *= 10
			switch p := 4*k + i - (4*before - len(whole)); {
			case p < 0:
			case p < len(whole):
				d += uint16(whole[p] - '0')
			case p-len(whole) < len(fraction):
				d += uint16(fraction[p-len(whole)] - '0')
			}
		}
		return d
	}
	from, to := 0, before+after
	for from < to && at(from) == 0 {
		from++
	}
	for from < to && at(to-1) == 0 {
		to--
	}
	weight, sign := before-1-from, uint16(0)
	if from == to {
		weight = 0
	} else if n[0] == '-' {
		sign = 0x4000
	}
	dst = be.AppendUint16(dst, uint16(to-from))
	dst = be.AppendUint16(dst, uint16(weight))
	dst = be.AppendUint16(dst, sign)
	dst = be.AppendUint16(dst, uint16(len(fraction)))
	for k := from; k < to; k++ {
		dst = be.AppendUint16(dst, at(k))
	}
	return dst
}
