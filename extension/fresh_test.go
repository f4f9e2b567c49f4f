package extension

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// The compiler of the protocol files is a Go library, and the generators are the
// tools of go.mod: who changes a .proto needs nothing but Go.
var generators = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

// TestGeneratedCodeIsFresh holds the .pb.go files to the .proto files; with
// UPDATE=1 it writes them.
func TestGeneratedCodeIsFresh(t *testing.T) {
	names, err := filepath.Glob("*.proto")
	if err != nil || len(names) == 0 {
		t.Fatal("there is no protocol file", err)
	}
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{},
		SourceInfoMode: protocompile.SourceInfoStandard, // for the comments
	}
	files, err := compiler.Compile(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String("paths=source_relative")}
	for _, f := range files {
		request.ProtoFile = append(request.ProtoFile, protoutil.ProtoFromFileDescriptor(f))
	}
	in, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, generator := range generators {
		cmd := exec.Command("go", "tool", generator)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", generator, err)
		}
		var response pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(out, &response); err != nil || response.Error != nil {
			t.Fatalf("%s: %v %s", generator, err, response.GetError())
		}
		for _, f := range response.File {
			made++
			settingstest.CheckFile(t, f.GetName(), f.GetContent(), "the .proto says")
		}
	}
	if made != 2*len(names) {
		t.Errorf("%d files are made of %d protocol files", made, len(names))
	}
}
