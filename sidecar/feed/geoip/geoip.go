// Package geoip keeps the GeoIP databases that the filter follows: MaxMind's,
// by account and licence key, and those of others.
//
//	MaxMind, a URL, S3, a file ──▶ checksum ──▶ unpack ──▶ trial look-ups ──▶ dir/NAME.mmdb
//
// # Promises
//
//   - A database is put in place when its SHA-256 is what the publisher says,
//     it is one, and some thousand look-ups in it work. The one before stays as
//     NAME.mmdb.previous.
//   - What has not changed is not downloaded again.
//   - The licence key is in no log, no error, no metric and no file of ours.
package geoip

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// largest is the limit of a database, unpacked, in bytes.
const largest = 1 << 30

// Run keeps the databases of cfg fresh until ctx is done, and then returns nil.
func Run(ctx context.Context, cfg Config, env feed.Env, tasks *feed.Metrics) error {
	built := &ages{cfg: cfg}
	env.Metrics.MustRegister(built)
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range cfg.sources() {
		to := feed.Copy{Path: filepath.Join(cfg.Dir, s.name+".mmdb"), Previous: true}
		published := "" // by this process
		g.Go(func() error {
			return feed.Task{
				Name: "geoip/" + s.name, Every: cfg.Interval, Jitter: cfg.Jitter, Last: to.Meta().Checked,
				Do: func(ctx context.Context) (changed bool, err error) {
					if changed, err = cfg.refresh(ctx, env.Client, s, to); err == nil {
						published, err = cfg.publish(ctx, env.Client, to, published)
					}
					return changed, err
				},
			}.Run(ctx, env, tasks)
		})
	}
	return g.Wait()
}

func (c Config) refresh(ctx context.Context, client *feed.Client, s source, to feed.Copy) (changed bool, err error) {
	if s, err = c.located(s); err != nil {
		return false, err
	}
	return client.Refresh(ctx, s.data, to, func(fetched string, a feed.Answer) (string, error) {
		if s.checksum != nil {
			if err := verify(ctx, client, *s.checksum, a.SHA256); err != nil {
				return "", err
			}
		}
		return unpack(fetched)
	})
}

// publish puts a database where the fleet finds it, unless that one has been; it
// returns the checksum of what is there.
func (c Config) publish(ctx context.Context, client *feed.Client, database feed.Copy, before string) (now string, err error) {
	if c.Publish == "" {
		return "", nil
	}
	f, err := os.Open(database.Path)
	if err != nil {
		return before, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return before, err
	}
	if now = hex.EncodeToString(sum.Sum(nil)); now == before {
		return now, nil
	}
	name := filepath.Base(database.Path)
	err = client.Publish(ctx, database.Path, c.Publish+name)
	if err == nil {
		err = client.PublishText(ctx, now+"  "+name+"\n", c.Publish+name+".sha256")
	}
	if err != nil {
		return before, fmt.Errorf("the database is in use here, but the fleet stays with the one before: %w", err)
	}
	return now, nil
}

// verify compares a checksum with what the publisher says it is.
func verify(ctx context.Context, client *feed.Client, at feed.Source, sum string) error {
	var text bytes.Buffer
	small := *client
	small.Largest = 4 << 10
	if _, err := small.Fetch(ctx, at, feed.Known{}, &text); err != nil {
		return fmt.Errorf("its checksum cannot be fetched: %w", err)
	}
	want, _, _ := strings.Cut(strings.TrimSpace(text.String()), " ")
	if len(want) != 64 {
		return errors.New("what should be its SHA-256 is none")
	}
	if !strings.EqualFold(want, sum) {
		return fmt.Errorf("its SHA-256 is %s, not %s", sum, strings.ToLower(want))
	}
	return nil
}

// unpack returns a file with the database that is in the file at path: path
// itself, or another in the same folder when it was packed. The database has
// been tried.
func unpack(path string) (file string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	r := bufio.NewReader(in)
	if magic, _ := r.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return path, try(path)
	}
	packed, err := gzip.NewReader(r)
	if err != nil {
		return "", err
	}
	content := bufio.NewReaderSize(packed, 1<<10)
	var database io.Reader = content
	if head, _ := content.Peek(512); len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")) {
		if database, err = find(tar.NewReader(content)); err != nil {
			return "", err
		}
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".unpack-*")
	if err != nil {
		return "", err
	}
	n, err := io.Copy(out, io.LimitReader(database, largest+1))
	if n > largest {
		err = fmt.Errorf("it has more than %d bytes", largest)
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = try(out.Name())
	}
	if err != nil {
		os.Remove(out.Name())
		return "", err
	}
	return out.Name(), nil
}

// find goes to the database in an archive. Names are looked at, never used.
func find(archive *tar.Reader) (io.Reader, error) {
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil, errors.New("there is no .mmdb in the archive")
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg && strings.HasSuffix(path.Base(h.Name), ".mmdb") {
			return archive, nil
		}
	}
}

// try opens a database and looks things up.
func try(path string) error {
	_, err := enrich.TryDatabase(path)
	return err
}

// ages says how old the databases are.
type ages struct{ cfg Config }

var (
	descBuilt = prometheus.NewDesc("siem_geoip_build_timestamp_seconds", "When the publisher made the GeoIP database that is in use.", []string{"database", "type"}, nil)
	descAge   = prometheus.NewDesc("siem_geoip_age_seconds", "How old the GeoIP database is that is in use.", []string{"database", "type"}, nil)
)

// Describe implements prometheus.Collector.
func (a *ages) Describe(ch chan<- *prometheus.Desc) {
	ch <- descBuilt
	ch <- descAge
}

// Collect implements prometheus.Collector.
func (a *ages) Collect(ch chan<- prometheus.Metric) {
	for _, s := range a.cfg.sources() {
		v, err := enrich.ReadVersion(filepath.Join(a.cfg.Dir, s.name+".mmdb"))
		if err != nil {
			continue // the health of its task says why
		}
		ch <- prometheus.MustNewConstMetric(descBuilt, prometheus.GaugeValue, float64(v.Built.Unix()), s.name, v.Type)
		ch <- prometheus.MustNewConstMetric(descAge, prometheus.GaugeValue, time.Since(v.Built).Seconds(), s.name, v.Type)
	}
}
