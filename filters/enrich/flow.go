package enrich

import (
	"crypto/sha1" //nolint:gosec // what the specification asks for, not a secret
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// Flow is what a community id is made of.
type Flow struct {
	// Protocol is IANA's number.
	Protocol             uint8
	Source, Destination  netip.Addr
	SourcePort, DestPort uint16 // of TCP, UDP and SCTP
	Type, Code           uint8  // of ICMP and ICMPv6
}

const (
	icmp  = 1
	tcp   = 6
	udp   = 17
	icmp6 = 58
	sctp  = 132
)

// answers are the types of ICMP messages and of their answers: both directions
// are one flow. Others go one way.
var answers = map[uint8]map[uint8]uint8{
	icmp:  both(8, 0, 13, 14, 15, 16, 10, 9, 17, 18),
	icmp6: both(128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145),
}

func both(pairs ...uint8) map[uint8]uint8 {
	m := map[uint8]uint8{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]], m[pairs[i+1]] = pairs[i+1], pairs[i]
	}
	return m
}

// AppendCommunityID appends the community id of a flow, version 1 with seed 0
// (github.com/corelight/community-id-spec). It appends nothing when an address
// is missing, or one is IPv4 and the other IPv6.
func AppendCommunityID(dst []byte, f Flow) []byte {
	from, to := f.Source.Unmap().WithZone(""), f.Destination.Unmap().WithZone("")
	if !from.IsValid() || !to.IsValid() || from.Is4() != to.Is4() {
		return dst
	}
	ports, oneWay := true, false
	a, b := f.SourcePort, f.DestPort
	switch f.Protocol {
	case tcp, udp, sctp:
	case icmp, icmp6:
		answer, ok := answers[f.Protocol][f.Type]
		a, b, oneWay = uint16(f.Type), uint16(answer), !ok
		if oneWay {
			b = uint16(f.Code)
		}
	default:
		ports, a, b = false, 0, 0
	}
	if order := from.Compare(to); !oneWay && (order > 0 || order == 0 && a > b) {
		from, to, a, b = to, from, b, a
	}
	var buf [2 + 16 + 16 + 2 + 4]byte
	text := append(buf[:0], 0, 0) // the seed
	text = append(text, from.AsSlice()...)
	text = append(text, to.AsSlice()...)
	text = append(text, f.Protocol, 0)
	if ports {
		text = binary.BigEndian.AppendUint16(text, a)
		text = binary.BigEndian.AppendUint16(text, b)
	}
	sum := sha1.Sum(text) //nolint:gosec // as above
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}
