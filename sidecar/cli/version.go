package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is set by the linker: -X …/sidecar/cli.Version=v1.2.3.
var Version = ""

type versionCommand struct{}

func (versionCommand) Help() string {
	return `Examples:

  $ fluent-siem version`
}

// Run prints one line: name, version, commit, compiler, platform.
func (versionCommand) Run(t Terminal) error {
	version, commit := Version, "unknown commit"
	if info, ok := debug.ReadBuildInfo(); ok {
		if version == "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += " with changes"
			}
		}
	}
	if version == "" {
		version = "(devel)"
	}
	_, err := fmt.Fprintf(t.Out, "fluent-siem %s (%s, %s, %s/%s)\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
