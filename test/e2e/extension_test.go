package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/extend/extendtest"
	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
)

// TestAnExtensionIsKilledUnderLoad: in each host the extension of a log type is
// killed again and again. Every record is stored once, with its owner or the
// tag that says that it has none; the host lives; and when it is killed itself,
// the extension ends with it.
func TestAnExtensionIsKilledUnderLoad(t *testing.T) {
	command := filepath.Join(t.TempDir(), "owners")
	out, err := exec.Command("go", "build", "-o", command, "../../conf/extensions/go").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum := extendtest.Allow(t, command)
	inEach(t, func(t *testing.T, h rig.Host) {
		a := arrange(t)
		file := filepath.Join(a.setup.Dir, "extensions.yaml")
		a.must(os.WriteFile(file, fmt.Appendf(nil, "extensions:\n  - name: owners\n    command: %s\n    sha256: %s\n    log_types: [cloudtrail]\n    batch: 50\n", command, sum), 0o600))
		a.setup.Filter["extensions_file"] = file
		const objects, size = 30, 400
		p := a.start(h)
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		kills := 0
		for i := range objects {
			a.put(a.types[0].Object(i*size, size))                         // of CloudTrail, with ids of this arena
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // a moment as good as any
			for _, pid := range running(command) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
					kills++
				}
			}
		}
		a.drained(p, time.Minute)
		owned, failed := 0, 0
		a.must(a.cluster.Each(a.Context(), a.bucket, func(d rig.Document) {
			var fields struct {
				Organization struct{ Name string }
				Tags         []string
			}
			a.must(json.Unmarshal(d.Source, &fields))
			switch {
			case fields.Organization.Name == "Payments":
				owned++
			case slices.Contains(fields.Tags, "extension_failed"):
				failed++
			default:
				t.Errorf("neither an owner nor the tag: %s", d.Source)
			}
		}, "organization.name", "tags"))
		if kills < 3 || owned < objects*size/4 || owned+failed != objects*size {
			t.Errorf("%d kills: of %d records %d have an owner, and %d the tag", kills, objects*size, owned, failed)
		}
		a.once(a.stored(), corpus.CloudTrail, 0, objects*size)
		t.Logf("%d kills, %d records with their owner, %d tagged", kills, owned, failed)
		await(t, "the extension runs", func() bool { return len(running(command)) == 1 })
		p.Kill()
		await(t, "the extension ends with its host", func() bool { return len(running(command)) == 0 })
	})
}

// running lists the processes of a program.
func running(command string) (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && to == command {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
