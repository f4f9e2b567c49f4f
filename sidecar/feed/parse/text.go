package parse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// text reads one value a line: addresses, networks (host bits are cleared),
// domains, URLs and hashes, also mixed. What follows a blank, comma or tab is
// taken as the description; lines that begin with #, ; or // are comments. A
// line of a hosts file ("0.0.0.0 evil.example") is its domain.
func text(r io.Reader, o Origin, s Sink) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if head, _ := in.Peek(512); looksLikeHTML(head) {
		return errors.New("it is a page of HTML, not a list")
	} else if h := bytes.TrimSpace(head); len(h) > 0 && h[0] == '{' {
		return errors.New("it is JSON, not a list")
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 16<<10), 64<<10)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//") {
			continue
		}
		value, rest := line, ""
		if at := strings.IndexAny(line, ", \t"); at >= 0 {
			value, rest = line[:at], strings.Trim(line[at:], ", \t")
		}
		value = strings.Trim(value, `"'`)
		if a, err := netip.ParseAddr(value); err == nil && (a.IsUnspecified() || a.IsLoopback()) && rest != "" {
			value, _, _ = strings.Cut(rest, " ")
			rest = ""
		}
		row, err := o.fill(value, &indicator.Row{Description: strings.TrimSpace(strings.TrimLeft(rest, "#; "))})
		if err != nil {
			s.left(n, err)
			continue
		}
		if err := s.add(n, row); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

// tor reads the list of exit nodes of the Tor project ("exit-addresses"):
//
//	ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E
//	Published 2023-01-17 04:50:15
//	LastStatus 2023-01-17 15:00:00
//	ExitAddress 162.247.74.201 2023-01-17 15:06:20
func tor(r io.Reader, o Origin, s Sink) error {
	o.Provider = first(o.Provider, "torproject.org")
	lines := bufio.NewScanner(r)
	node, published, status := "", "", ""
	n, known := 0, 0
	for lines.Scan() {
		n++
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch word {
		case "ExitNode":
			node, published, status = rest, "", ""
			known++
		case "Published":
			published = when(rest)
		case "LastStatus":
			status = when(rest)
		case "ExitAddress":
			value, at, _ := strings.Cut(rest, " ")
			row, err := o.fill(value, &indicator.Row{Name: "TOR", FirstSeen: published, LastSeen: status, Modified: when(at)})
			if err != nil {
				s.left(n, err)
				continue
			}
			row.FirstSeen = "" // when a relay published its keys last is not when it was seen first
			if node != "" {
				row.Reference = "https://metrics.torproject.org/rs.html#details/" + node
			}
			if err := s.add(n, row); err != nil {
				return err
			}
		case "":
		default:
			if known == 0 {
				return other("a list of exit nodes", fmt.Errorf("line %d is none of it", n)) // not quoted: who knows what it is
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if known == 0 {
		return other("a list of exit nodes", errors.New("it names none"))
	}
	return nil
}
