package extend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/fluent-siem/fluent-siem/extension"
)

// indicators is a feed source that behaves as its name says.
func indicators(how string) func(context.Context, string, func(*extension.Indicator) error) (string, error) {
	return func(_ context.Context, mark string, send func(*extension.Indicator) error) (string, error) {
		if mark == "2" && how == "feed" {
			return "", extension.ErrUnchanged
		}
		for i := range 3 {
			if err := send(&extension.Indicator{Type: "domain-name", Value: fmt.Sprintf("%d.evil.example", i)}); err != nil {
				return "", err
			}
		}
		switch how {
		case "feed-fails":
			return "", errors.New("the publisher says no")
		case "feed-hangs":
			time.Sleep(time.Hour)
		case "feed-dies":
			panic("a bug")
		}
		return mark + "2", nil
	}
}

func TestFetch(t *testing.T) {
	fetch := func(how, mark string) (values []string, next string, changed bool, err error) {
		cfg := self(t, how).Config
		if how == "feed-hangs" {
			cfg.Timeout = 3 * time.Second
		}
		next, changed, err = Fetch(t.Context(), cfg, slog.New(slog.DiscardHandler), mark, func(i *extension.Indicator) error {
			values = append(values, i.Value)
			return nil
		})
		return
	}
	values, next, changed, err := fetch("feed", "")
	if err != nil || !changed || next != "2" || !slices.Equal(values, []string{"0.evil.example", "1.evil.example", "2.evil.example"}) {
		t.Errorf("%q %q %v %v", values, next, changed, err)
	}
	if values, next, changed, err = fetch("feed", next); err != nil || changed || next != "2" || values != nil {
		t.Errorf("unchanged: %q %q %v %v", values, next, changed, err)
	}
	for how, want := range map[string]string{
		"feed-fails": "the publisher says no",
		"feed-hangs": "it took longer than timeout, 3s",
		"feed-dies":  "error reading from server",
		"broken":     "no module named owners",
		"version":    "another version of the protocol",
	} {
		if _, _, _, err := fetch(how, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", how, err, want)
		}
	}
}

// A stream that does not keep to the protocol is refused.
func TestFetchNeedsAnEnd(t *testing.T) {
	for how, want := range map[string]string{"open": "broke off after 1 indicators", "twice": "goes on after its end", "empty": "neither an indicator nor an end"} {
		cfg := self(t, "stream-"+how).Config
		_, _, err := Fetch(t.Context(), cfg, slog.New(slog.DiscardHandler), "", func(*extension.Indicator) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", how, err, want)
		}
	}
}

// stream is a feed that sends what its name says.
type stream struct {
	extension.UnimplementedFeedServer
	how string
}

func (s stream) Fetch(_ *extension.FetchRequest, out grpc.ServerStreamingServer[extension.FetchResponse]) error {
	indicator := &extension.FetchResponse{Item: &extension.FetchResponse_Indicator{Indicator: &extension.Indicator{}}}
	end := &extension.FetchResponse{Item: &extension.FetchResponse_End{End: &extension.End{}}}
	for _, message := range map[string][]*extension.FetchResponse{"open": {indicator}, "twice": {end, indicator}, "empty": {{}}}[s.how] {
		if err := out.Send(message); err != nil {
			return err
		}
	}
	return nil
}
