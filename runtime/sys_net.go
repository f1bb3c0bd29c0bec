package runtime

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// networkCalls resolve numeric addresses. Sockets there are none: what the
// programs import of them (socket, bind, listen, accept4, connect, sendto,
// recvfrom, poll) answers ENOSYS.
var networkCalls = map[string]hostFunc{
	"getaddrinfo": func(i *Instance, s []uint64) { s[0] = uint64(uint32(getaddrinfo(i, s))) },
	"getnameinfo": func(_ *Instance, s []uint64) { s[0] = uint64(uint32(0xffffffff & int64(eaiFail))) },
}

// Results of getaddrinfo, netdb.h of musl.
const (
	eaiNoName int32 = -2
	eaiFail   int32 = -4
	eaiMemory int32 = -10
)

// getaddrinfo(node, service, hints*, result**): numeric addresses and the
// loopback. The result is struct addrinfo, 32 bytes: flags, family, socktype,
// protocol, addrlen@16, addr@20, canonname, next; and a sockaddr of 16 (IPv4)
// or 28 bytes, both from the guest's malloc, freed by its freeaddrinfo.
func getaddrinfo(i *Instance, a args) int32 {
	const (
		afINET, afINET6       = 2, 10
		sockStream, sockDgram = 1, 2
		protoTCP, protoUDP    = 6, 17
		addrinfoSize          = 32
	)
	node, service, hints, result := a.u32(0), a.u32(1), a.u32(2), a.u32(3)
	var family, typ, proto uint32
	if hints != 0 {
		h, le := i.Bytes(hints, addrinfoSize), binary.LittleEndian
		family, typ, proto = le.Uint32(h[4:]), le.Uint32(h[8:]), le.Uint32(h[12:])
	}
	if typ == 0 {
		typ = sockStream
	}
	if proto == 0 {
		proto = protoTCP
		if typ == sockDgram {
			proto = protoUDP
		}
	}
	var port uint64
	if service != 0 {
		var err error
		if port, err = strconv.ParseUint(i.String(service), 10, 16); err != nil {
			return eaiNoName
		}
	}
	name := "127.0.0.1"
	if node != 0 {
		name = i.String(node)
	} else if family == afINET6 {
		name = "::1"
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return eaiNoName
	}
	af, size := uint32(afINET), uint32(16)
	if addr.Is6() {
		af, size = afINET6, 28
	}
	if family != 0 && family != af {
		return eaiNoName
	}
	sa, ai := i.malloc(size), i.malloc(addrinfoSize)
	if sa == 0 || ai == 0 {
		return eaiMemory
	}
	b := i.Bytes(sa, size)
	clear(b)
	binary.LittleEndian.PutUint16(b, uint16(af))
	binary.BigEndian.PutUint16(b[2:], uint16(port))
	if af == afINET {
		copy(b[4:], addr.AsSlice())
	} else {
		copy(b[8:], addr.AsSlice())
	}
	for k, v := range [...]uint32{0, af, typ, proto, size, sa, 0, 0} {
		i.PutUint32(ai+uint32(4*k), v)
	}
	i.PutUint32(result, ai)
	return 0
}

// malloc is the guest's; 0 when it has no memory.
func (i *Instance) malloc(n uint32) uint32 {
	p, err := i.Call("malloc", uint64(n))
	if err != nil {
		panic(err)
	}
	return uint32(p)
}
