package value

// Points are two double precisions each; what is made of them is their sequence
// (src/include/utils/geo_decls.h).

func appendPoint(dst, b []byte) ([]byte, error) {
	dst = appendFloat(append(dst, '('), float8(b, 0), 64)
	dst = appendFloat(append(dst, ','), float8(b, 1), 64)
	return append(dst, ')'), nil
}

// appendPoints writes points with commas between.
func appendPoints(dst, b []byte) []byte {
	for k := 0; k < len(b); k += 16 {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst, _ = appendPoint(dst, b[k:])
	}
	return dst
}

func appendLseg(dst, b []byte) ([]byte, error) {
	return append(appendPoints(append(dst, '['), b), ']'), nil
}

func appendBox(dst, b []byte) ([]byte, error) { return appendPoints(dst, b), nil }

func appendLine(dst, b []byte) ([]byte, error) {
	dst = append(dst, '{')
	for k := range 3 {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat(dst, float8(b, k), 64)
	}
	return append(dst, '}'), nil
}

func appendCircle(dst, b []byte) ([]byte, error) {
	dst = append(appendPoints(append(dst, '<'), b[:16]), ',')
	return append(appendFloat(dst, float8(b, 2), 64), '>'), nil
}

// appendPath writes a path: number of points, whether it is closed, 4 bytes of
// padding, points.
func appendPath(dst, b []byte) ([]byte, error) {
	if len(b) < 12 || !points(b, b[12:]) {
		return nil, errMalformed
	}
	open, closing := byte('['), byte(']')
	if le.Uint32(b[4:]) != 0 {
		open, closing = '(', ')'
	}
	return append(appendPoints(append(dst, open), b[12:]), closing), nil
}

// appendPolygon writes a polygon: number of points, the box around it, points.
func appendPolygon(dst, b []byte) ([]byte, error) {
	if len(b) < 36 || !points(b, b[36:]) {
		return nil, errMalformed
	}
	return append(appendPoints(append(dst, '('), b[36:]), ')'), nil
}

// points tells whether there are as many as the first word says.
func points(b, p []byte) bool { return len(p)%16 == 0 && int(le.Uint32(b)) == len(p)/16 }
