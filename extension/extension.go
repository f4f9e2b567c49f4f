// Package extension is for who writes an extension: a process of your own that
// changes documents of a log type, or that knows indicators of compromise.
//
//	document ──▶ filter ecs ──▶ Transformer ──▶ document      (in the log agent)
//	             sidecar    ◀── Feed        ◀── your source   (in the sidecar)
//
// An extension is started, watched and ended by fluent-siem, over
// hashicorp/go-plugin; fluentsiem_transformer.proto and fluentsiem_feed.proto are what is said. In Go,
// main is one call:
//
//	func main() { extension.Serve(extension.Extension{Transform: enrich}) }
//
// conf/extensions has this example and one in Python, conf/extensions.md how
// they are put into use.
//
// # Promises
//
//   - Within version 1 of the protocol fields are added, and none changes its
//     meaning; an extension of another version is refused, not tried.
//   - Whoever starts an extension by hand is told what it is.
//
// What the package does not do: it does not run extensions; internal/extend does.
//
//go:generate env UPDATE=1 go test -run TestGeneratedCodeIsFresh .
package extension

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Version is that of the protocol: the second number of the line that an
// extension writes when it is ready.
const Version = 1

// Handshake is what both sides must agree in.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  Version,
	MagicCookieKey:   "FLUENT_SIEM_EXTENSION",
	MagicCookieValue: "transformer or feed",
}

// Names of what an extension may serve, for go-plugin.
const (
	TransformerName = "transformer"
	FeedName        = "feed"
)

// ErrDrop is returned by [Extension].Transform for a document that is not wanted.
// Wrap it to say why.
var ErrDrop = errors.New("dropped")

// Extension is what an extension can do; at least one of its fields is set.
type Extension struct {
	// Transform returns the document that takes the place of one, or nil to leave
	// it as it is. document is a JSON object, which belongs to Transform. [ErrDrop]
	// drops the document; any other error is told, and on_failure says what becomes
	// of the document. Several calls may run at once.
	Transform func(ctx context.Context, logType string, document []byte) ([]byte, error)

	// Transformer is for who wants whole batches; Transform is not used then.
	Transformer TransformerServer

	// Feed is for who wants the stream itself; Fetch is not used then.
	Feed FeedServer

	// Fetch sends every indicator that counts now and returns the mark of the next
	// call. When nothing changed since mark it returns [ErrUnchanged].
	Fetch func(ctx context.Context, mark string, send func(*Indicator) error) (next string, err error)
}

// ErrUnchanged is returned by [Extension].Fetch when the indicators of the call
// before still count.
var ErrUnchanged = errors.New("unchanged")

// largestRequest is more than a batch ever is, in bytes.
const largestRequest = 32 << 20

// Serve serves e until the process is ended, and does not return before. Standard
// output and standard error go into the log of who started it.
func Serve(e Extension) {
	set := plugin.PluginSet{}
	switch {
	case e.Transformer != nil:
		set[TransformerName] = &transformerPlugin{server: e.Transformer}
	case e.Transform != nil:
		set[TransformerName] = &transformerPlugin{server: each{do: e.Transform}}
	}
	switch {
	case e.Feed != nil:
		set[FeedName] = &feedPlugin{server: e.Feed}
	case e.Fetch != nil:
		set[FeedName] = &feedPlugin{server: fetch{do: e.Fetch}}
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake,
		Plugins:         set,
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(largestRequest))...)
		},
	})
}

// each is a transformer of single documents.
type each struct {
	UnimplementedTransformerServer
	do func(ctx context.Context, logType string, document []byte) ([]byte, error)
}

// Transform implements TransformerServer.
func (e each) Transform(ctx context.Context, in *TransformRequest) (*TransformResponse, error) {
	out := &TransformResponse{Results: make([]*Result, len(in.Documents))}
	for i, document := range in.Documents {
		if ctx.Err() != nil { // nobody waits for the rest
			return nil, ctx.Err()
		}
		changed, err := e.do(ctx, in.LogType, document)
		r := &Result{}
		switch {
		case errors.Is(err, ErrDrop):
			r.Outcome = &Result_Drop{Drop: err.Error()}
		case err != nil:
			r.Outcome = &Result_Error{Error: err.Error()}
		case changed == nil:
			r.Outcome = &Result_Unchanged{Unchanged: true}
		default:
			r.Outcome = &Result_Document{Document: changed}
		}
		out.Results[i] = r
	}
	return out, nil
}

// fetch is a feed by a function.
type fetch struct {
	UnimplementedFeedServer
	do func(ctx context.Context, mark string, send func(*Indicator) error) (string, error)
}

// Fetch implements FeedServer.
func (f fetch) Fetch(in *FetchRequest, out grpc.ServerStreamingServer[FetchResponse]) error {
	next, err := f.do(out.Context(), in.Mark, func(i *Indicator) error {
		return out.Send(&FetchResponse{Item: &FetchResponse_Indicator{Indicator: i}})
	})
	end := &End{Mark: next}
	switch {
	case errors.Is(err, ErrUnchanged):
		end = &End{Mark: in.Mark, Unchanged: true}
	case err != nil:
		return err
	}
	return out.Send(&FetchResponse{Item: &FetchResponse_End{End: end}})
}

// transformerPlugin registers a transformer with go-plugin's server.
type transformerPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server TransformerServer
}

// GRPCServer implements plugin.GRPCPlugin.
func (p *transformerPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	RegisterTransformerServer(s, p.server)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (p *transformerPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewTransformerClient(c), nil
}

// feedPlugin registers a feed with go-plugin's server.
type feedPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server FeedServer
}

// GRPCServer implements plugin.GRPCPlugin.
func (p *feedPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	RegisterFeedServer(s, p.server)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (p *feedPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewFeedClient(c), nil
}

// Plugins is the side that calls, for go-plugin.
func Plugins() plugin.PluginSet {
	return plugin.PluginSet{TransformerName: &transformerPlugin{}, FeedName: &feedPlugin{}}
}
