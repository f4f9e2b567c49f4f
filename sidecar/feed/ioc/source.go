package ioc

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// source is our copy of a feed.
type source interface {
	// refresh makes the copy newer.
	refresh(ctx context.Context, client *feed.Client) (changed bool, err error)
	// rows gives what the copy holds to s.
	rows(s parse.Sink) error
	// checked is when the copy was last known to be the newest.
	checked() time.Time
}

// open returns the copy of a feed, which is in dir.
func (f FeedConfig) open(dir string, log *slog.Logger) source {
	place := filepath.Join(dir, f.Name)
	switch {
	case f.Format == otxAPI:
		return &otx{f, store{place + ".documents"}}
	case f.Format == mispFeed:
		return &misp{f, store{place + ".documents"}}
	case f.Format == taxii:
		return &collection{f, store{place + ".documents"}}
	case f.Format == extensionFormat:
		return newExtensionFeed(f, place, log)
	case f.folder():
		return &folder{f, place}
	}
	return &file{f, feed.Copy{Path: place + ".feed"}}
}

// at is how to ask for a URL of the feed.
func (f FeedConfig) at(url string) (feed.Source, error) {
	s := feed.Source{URL: url, User: f.User, Password: f.Password}
	key, err := f.secret()
	if err != nil {
		return s, err
	}
	if key != "" {
		s.Header, s.Secrets = map[string]string{f.KeyHeader: key}, []string{key}
	}
	return s, nil
}

// file is a feed of one file.
type file struct {
	cfg  FeedConfig
	copy feed.Copy
}

func (f *file) checked() time.Time { return f.copy.Meta().Checked }

func (f *file) refresh(ctx context.Context, client *feed.Client) (bool, error) {
	src, err := f.cfg.at(f.cfg.URL)
	if err != nil {
		return false, err
	}
	return client.Refresh(ctx, src, f.copy, func(path string, a feed.Answer) (string, error) {
		return path, trial(path, f.cfg.URL, f.cfg.Format)
	})
}

func (f *file) rows(s parse.Sink) error {
	o := parse.Origin{Provider: f.cfg.Provider, Modified: f.copy.Meta().Time()}
	if o.Provider == "" && (f.cfg.Format == "text" || f.cfg.Format == "stix" || f.cfg.Format == "ndjson") {
		o.Provider, o.Name = "custom", f.cfg.Name
	}
	return read(f.copy.Path, f.cfg.URL, f.cfg.Format, o, s)
}

// trial reads a file to know that it is what its format says. A list without a
// single usable line is none.
func trial(path, name, format string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return err
	}
	taken, left := 0, 0
	err = read(path, name, format, parse.Origin{}, parse.Sink{
		Add:  func(*indicator.Row) error { taken++; return nil },
		Left: func(error) { left++ },
	})
	if err == nil && taken == 0 && left > 0 {
		err = fmt.Errorf("none of its %d entries can be used", left) // not quoted: who knows what they are
	}
	return err
}

// largest is the limit of a feed, unpacked, in bytes.
const largest = 4 << 30

// read reads a file in a format, "" for the one that it seems to have. What is
// packed as gzip, or alone in a zip, is unpacked.
func read(path, name, format string, o parse.Origin, s parse.Sink) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		if in, err = gzip.NewReader(f); err != nil {
			return err
		}
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		info, err := f.Stat()
		if err != nil {
			return err
		}
		archive, err := zip.NewReader(f, info.Size())
		if err != nil {
			return err
		}
		if len(archive.File) != 1 {
			return fmt.Errorf("the archive has %d files, want one", len(archive.File))
		}
		content, err := archive.File[0].Open()
		if err != nil {
			return err
		}
		defer content.Close()
		in = content
	}
	r := bufio.NewReaderSize(io.LimitReader(in, largest), 64<<10)
	if format == "" {
		format = parse.Guess(name, r)
	}
	return parse.Formats[format](r, o, s)
}

// folder is every file of a folder in S3 or on a disk, as the original keeps
// them: IOC/TXT/[provider/]file and IOC/STIX2/[provider/]file.
type folder struct {
	cfg FeedConfig
	dir string // of the copies
}

// mostFiles is how many files of a folder count.
const mostFiles = 5000

func (f *folder) checked() time.Time { return store{filepath.Join(f.dir, "list")}.checked() }

func (f *folder) refresh(ctx context.Context, client *feed.Client) (changed bool, err error) {
	names, err := f.list(ctx, client)
	if err != nil {
		return false, err
	}
	list := store{filepath.Join(f.dir, "list")}
	_, before, err := list.versions()
	if err != nil {
		before = nil // it is made anew
	}
	files := map[string]document{}
	var bad []error
	for _, name := range names {
		src, err := f.cfg.at(f.cfg.URL + name)
		if err != nil {
			return false, err
		}
		newer, err := client.Refresh(ctx, src, f.copy(name), func(path string, _ feed.Answer) (string, error) {
			return path, trial(path, name, f.cfg.Format)
		})
		changed = changed || newer
		if err != nil {
			bad = append(bad, err) // the copy before, if any, still counts
		}
		if _, err := os.Stat(f.copy(name).Path); err == nil {
			files[name] = document{ID: name}
		}
		delete(before, name)
	}
	for gone := range before {
		changed = true
		_ = os.Remove(f.copy(gone).Path)
		_ = os.Remove(f.copy(gone).Path + ".json")
	}
	err = list.update(mark{Checked: time.Now().UTC()}, files, func(string) bool { return false })
	return changed, errors.Join(append(bad, err)...)
}

func (f *folder) copy(name string) feed.Copy {
	return feed.Copy{Path: filepath.Join(f.dir, strings.ReplaceAll(name, "/", "%2F")+".feed")}
}

// list returns the names of files, below the folder, with / between.
func (f *folder) list(ctx context.Context, client *feed.Client) (names []string, err error) {
	bucket, prefix, ok := strings.Cut(strings.TrimPrefix(f.cfg.URL, "s3://"), "/")
	add := func(name string) error {
		if name == "" || strings.HasSuffix(name, "/") || len(name) > 200 || strings.Contains(name, "%2F") {
			return nil // a folder's own mark, or what can be no name of a copy
		}
		if names = append(names, name); len(names) > mostFiles {
			return fmt.Errorf("there are more than %d files in %s", mostFiles, f.cfg.URL)
		}
		return nil
	}
	if !strings.HasPrefix(f.cfg.URL, "s3://") {
		return names, filepath.WalkDir(f.cfg.URL, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			name, err := filepath.Rel(f.cfg.URL, path)
			if err != nil {
				return err
			}
			return add(filepath.ToSlash(name))
		})
	}
	if client.S3 == nil || !ok {
		return nil, fmt.Errorf("%s is no folder in S3 that can be listed", f.cfg.URL)
	}
	pages := s3.NewListObjectsV2Paginator(client.S3, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be listed: %w", f.cfg.URL, err)
		}
		for _, o := range page.Contents {
			if err := add(strings.TrimPrefix(aws.ToString(o.Key), prefix)); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func (f *folder) rows(s parse.Sink) error {
	var bad []error
	_, err := store{filepath.Join(f.dir, "list")}.each(func(d *document) error {
		provider, _, nested := strings.Cut(d.ID, "/")
		if !nested {
			provider = "custom"
		}
		if f.cfg.Provider != "" {
			provider = f.cfg.Provider
		}
		c := f.copy(d.ID)
		err := read(c.Path, d.ID, f.cfg.Format, parse.Origin{Provider: provider, Name: path.Base(d.ID), Modified: c.Meta().Time()}, s)
		var fatal *indicator.BuildError
		if errors.As(err, &fatal) {
			return err
		}
		bad = append(bad, err)
		return nil
	})
	return errors.Join(append(bad, err)...)
}
