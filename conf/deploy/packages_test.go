package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackages: make packages builds both, and they hold what they should. The
// binaries are stand-ins: that the real ones build is the build's own test.
func TestPackages(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"conf", "LICENSE", "README.md", "Makefile", "plugins", "test"} {
		abs, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(abs, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"fluent-siem", "libfluent_siem.so", "in_s3_sqs.so", "flb-filter_siem_ecs.so", "out_opensearch_bulk.so"} {
		write(t, filepath.Join(dir, "build", name), "a stand-in for "+name)
	}
	make := exec.Command(tool(t, "make"), "packages-only", "VERSION=1.2.3", "ARCH=amd64")
	make.Dir = dir
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	deb := filepath.Join(dir, "build/fluent-siem_1.2.3_amd64.deb")
	files := run(t, tool(t, "dpkg-deb"), "--contents", deb)
	for _, want := range []string{
		"-rwxr-xr-x root/root", "./usr/bin/fluent-siem\n", "./opt/fluent-siem/libfluent_siem.so\n", "./opt/fluent-siem/in_s3_sqs.so\n", "./opt/fluent-siem/flb-filter_siem_ecs.so\n",
		"./opt/fluent-siem/out_opensearch_bulk.so\n", "./etc/fluent-siem/fluent-bit.yaml\n", "./etc/fluent-siem/sidecar.yaml\n", "./usr/lib/systemd/system/fluent-siem-sidecar.service\n",
		"./usr/lib/sysusers.d/fluent-siem.conf\n", "-rw------- root/root",
	} {
		if !strings.Contains(files, want) {
			t.Errorf("the deb has no %q:\n%s", want, files)
		}
	}
	if info := run(t, tool(t, "dpkg-deb"), "--info", deb); !strings.Contains(info, "Version: 1.2.3") || !strings.Contains(info, "conffiles") {
		t.Errorf("the deb says %s", info)
	}
	if rpm := read(t, filepath.Join(dir, "build/fluent-siem-1.2.3-1.x86_64.rpm")); !strings.HasPrefix(rpm, "\xed\xab\xee\xdb") {
		t.Error("the rpm is none")
	}
}
