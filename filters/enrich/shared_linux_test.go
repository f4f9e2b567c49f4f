package enrich

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/indicator/indicatortest"
)

// mapsTable names the table that a process of this test binary maps, in place of
// running tests.
const mapsTable = "SIEM_TEST_MAPS_TABLE"

func TestMain(m *testing.M) {
	if path := os.Getenv(mapsTable); path != "" {
		table, err := indicator.OpenFile(path) // reads all of it
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("mapped", table.Len())
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// mapped is what the mapping of a table takes of a process's memory, in bytes:
// rss all its pages, pss its share of them.
type mapped struct{ rss, pss int64 }

// mapTwice maps a table in two processes, and says what it takes of each while
// both have it.
func mapTwice(t testing.TB, path string) (each [2]mapped) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var processes [2]*exec.Cmd
	for i := range processes {
		c := exec.Command(self)
		c.Env = append(os.Environ(), mapsTable+"="+path)
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			in.Close()
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "mapped ") {
			t.Fatalf("process %d: %q, %v", i+1, line, err)
		}
		processes[i] = c
	}
	for i, c := range processes {
		each[i] = mappingOf(t, c.Process.Pid, path)
	}
	return each
}

// mappingOf reads what Linux says of a mapping.
func mappingOf(t testing.TB, pid int, path string) (m mapped) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	within := false
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if !strings.HasSuffix(fields[0], ":") {
			within = strings.HasSuffix(strings.TrimSpace(line), path)
			continue
		}
		for name, to := range map[string]*int64{"Rss:": &m.rss, "Pss:": &m.pss} {
			if within && fields[0] == name {
				n, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				*to += n << 10
			}
		}
	}
	return m
}

// TestProcessesShareATable: two processes that map a table have its pages in
// memory once.
func TestProcessesShareATable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "indicators.ioc")
	b := indicator.NewBuilder(path, time.Now())
	defer b.Close()
	if err := indicatortest.Feed(200_000, b.Add); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(path, indicator.Options{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mapTwice(t, path) {
		if m.rss < info.Size()*9/10 || m.pss > m.rss*6/10 {
			t.Errorf("process %d of two: %d bytes of a table of %d, its share %d", i+1, m.rss, info.Size(), m.pss)
		}
	}
}
