// Package browser drives a headless Chromium for the tests of pages.
//
// # Promises
//
//   - What a page complains of is kept: exceptions, errors and warnings on the
//     console, requests that fail or are refused by its policy, and requests to
//     anywhere but its own host.
//   - Where there is no Chromium the test is listed as not run; a profile of its
//     own leaves nothing behind.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// limit is how long a page may take for what a test waits for.
const limit = 60 * time.Second

// Page is a tab. What it complains of is the test's to check, with [Page.Complaints].
type Page struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// Open opens url in a browser of its own, width by height pixels large, which ends
// with the test.
func Open(t testing.TB, address string, width, height int) *Page {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		services.NotRun(t, "no chromium is installed")
	}
	host := ""
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	p := &Page{t: t, ctx: ctx}
	p.do(chromedp.EmulateViewport(int64(width), int64(height)))
	console := chromedp.Console(ctx)
	requests := chromedp.Events(ctx, network.RequestWillBeSent)
	var listening sync.WaitGroup
	t.Cleanup(listening.Wait)
	t.Cleanup(end)
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
				p.complain("%s", m)
			}
		}
	})
	listening.Go(func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			if u, err := url.Parse(e.Request.URL); err == nil && u.Host != host && u.Scheme != "data" && u.Scheme != "blob" {
				p.complain("a request to elsewhere: %s", e.Request.URL)
			}
		}
	})
	p.Go(address)
	return p
}

func (p *Page) complain(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, fmt.Sprintf(format, args...))
}

func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, func(ctx context.Context) (struct{}, error) { return struct{}{}, chromedp.Do(ctx, steps...) })
}

// run calls f, which must come back in time.
func run[V any](p *Page, f func(context.Context) (V, error)) (value V) {
	p.t.Helper()
	// The first action starts the browser, which would end with the context of that
	// action: so none of them has one of its own.
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err = f(p.ctx)
	}()
	select {
	case <-done:
	case <-time.After(limit):
		p.t.Fatalf("browser: nothing in %s; the page complains of %q", limit, p.Complaints())
	}
	if err != nil {
		p.t.Fatalf("browser: %v; the page complains of %q", err, p.Complaints())
	}
	return value
}

// Go opens another page of the same host in the tab.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(address))
}

// Click clicks on the element that a CSS selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector))
}

// Eval returns the value of an expression of JavaScript.
func Eval[V any](p *Page, expression string) V {
	p.t.Helper()
	return run(p, func(ctx context.Context) (V, error) { return chromedp.Run(ctx, chromedp.Evaluate[V](expression)) })
}

// Until waits until an expression of JavaScript is true.
func (p *Page) Until(what, expression string) {
	p.t.Helper()
	for end := time.Now().Add(limit); !Eval[bool](p, "Boolean("+expression+")"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("no %s; the page complains of %q", what, p.Complaints())
		}
	}
}

// Complaints are those of the page so far.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// Picture is the whole page as PNG, not only what the window shows.
func (p *Page) Picture() (png []byte) {
	p.t.Helper()
	return run(p, func(ctx context.Context) ([]byte, error) { return chromedp.Run(ctx, chromedp.FullScreenshot(100)) })
}
