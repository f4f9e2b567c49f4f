package announce

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// place is an emulator with a bucket whose objects nobody announces, and a queue.
type place struct {
	*awsemu.Server
	services *s3sqs.Services
	queue    string
}

func newPlace(t *testing.T) place {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	srv := services.AWS(t)
	if err := errors.Join(srv.CreateBucket("logs"), srv.CreateQueue("siem", nil)); err != nil {
		t.Fatal(err)
	}
	cfg := s3sqs.Defaults()
	cfg.QueueURL, cfg.Endpoint, cfg.Region = []string{srv.QueueURL("siem")}, srv.URL, "us-east-1"
	s, err := s3sqs.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return place{srv, s, cfg.QueueURL[0]}
}

func (p place) put(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if _, err := p.Put("logs", k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) list(prefix, after string) Source {
	return List(context.Background(), p.services.Bucket("logs"), "logs", prefix, after)
}

// keys collects what a source lists.
func keys(t *testing.T, s Source) (all []string) {
	t.Helper()
	for o, err := range s {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

// taken takes everything from the queue and returns the keys, sorted.
func (p place) taken(t *testing.T) (all []string) {
	t.Helper()
	q := p.Queue("siem")
	for {
		messages := q.Receive(t.Context(), 10, time.Minute, 0)
		if len(messages) == 0 {
			slices.Sort(all)
			return all
		}
		for _, m := range messages {
			var e struct {
				Records []struct {
					S3 struct{ Object struct{ Key string } }
				}
			}
			if err := json.Unmarshal([]byte(m.Body), &e); err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Records[0].S3.Object.Key)
			if err := q.Delete(m.Receipt); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("trail/%04d", i))
	}
	return all
}

func TestList(t *testing.T) {
	p := newPlace(t)
	p.put(t, append(numbered(1100), "other", "trail/folder/")...)
	if got := keys(t, p.list("trail/", "")); !slices.Equal(got, numbered(1100)) {
		t.Errorf("%d keys, from %q", len(got), got[0])
	}
	if got := keys(t, p.list("trail/", "trail/1097")); !slices.Equal(got, []string{"trail/1098", "trail/1099"}) {
		t.Errorf("behind a key: %v", got)
	}
	soon := time.Now().Add(time.Hour)
	if got := keys(t, Within(p.list("", ""), soon, time.Time{})); got != nil {
		t.Errorf("written later than they were: %v", got)
	}
	if got := keys(t, Within(p.list("other", ""), soon.Add(-2*time.Hour), soon)); !slices.Equal(got, []string{"other"}) {
		t.Errorf("in the range: %v", got)
	}
	for o, err := range List(t.Context(), p.services.Bucket("none"), "none", "", "") {
		if err == nil || !strings.Contains(err.Error(), "s3:ListBucket") {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

// Each object is announced once, although calls fail on the way, and it can be
// told how far it is.
func TestAnnouncedOnce(t *testing.T) {
	p := newPlace(t)
	p.put(t, numbered(95)...)
	end := p.Fault(awsemu.Fault{Operation: "AmazonSQS.SendMessageBatch", Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Times: 4})
	a := &Announcer{Client: p.services.Queue(p.queue), Queue: p.queue, Pace: Pace{Ahead: 1000}}
	var told []int64
	got, err := a.Run(t.Context(), p.list("", ""), func(now Progress) error { told = append(told, now.Objects); return nil })
	if err != nil || got.Objects != 95 || got.Bytes != 95*10 || got.Last.Key != "trail/0094" || end() != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	if len(told) != 10 || told[0] != 10 || told[9] != 95 {
		t.Errorf("told %v", told)
	}
	if taken := p.taken(t); !slices.Equal(taken, numbered(95)) {
		t.Errorf("%d messages: %v", len(taken), taken)
	}
}

// While nobody takes from the queue, no more than Ahead messages wait there.
func TestItWaitsForTheAgents(t *testing.T) {
	p := newPlace(t)
	p.put(t, numbered(60)...)
	a := &Announcer{Client: p.services.Queue(p.queue), Queue: p.queue, Pace: Pace{Ahead: 25}, Poll: 5 * time.Millisecond}
	waits := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := a.Run(t.Context(), p.list("", ""), func(now Progress) error {
			if now.Waiting {
				select {
				case waits <- struct{}{}:
				default:
				}
			}
			return nil
		}); err != nil || got.Objects != 60 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	var all []string
	for len(all) < 60 {
		if left := 60 - len(all); left > 25 {
			<-waits
		} else {
			wg.Wait() // the rest fits
		}
		if n := p.Queue("siem").Stats().Visible; n > 25 {
			t.Fatalf("%d messages wait", n)
		}
		all = append(all, p.taken(t)...)
	}
	wg.Wait()
	slices.Sort(all)
	if !slices.Equal(all, numbered(60)) {
		t.Errorf("%d messages", len(all))
	}
}

func TestRate(t *testing.T) {
	p := newPlace(t)
	p.put(t, numbered(40)...)
	a := &Announcer{Client: p.services.Queue(p.queue), Queue: p.queue, Pace: Pace{Ahead: 1000, Rate: 100}}
	began := time.Now()
	if _, err := a.Run(t.Context(), p.list("", ""), func(Progress) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 290*time.Millisecond { // the first ten are free
		t.Errorf("40 objects at 100 a second took %v", took)
	}
}

// An inventory gives current versions, whatever its format.
func TestInventory(t *testing.T) {
	written := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type row struct {
		Bucket       string    `parquet:"bucket"`
		Key          string    `parquet:"key"`
		Version      *string   `parquet:"version_id,optional"`
		Latest       *bool     `parquet:"is_latest,optional"`
		DeleteMarker *bool     `parquet:"is_delete_marker,optional"`
		Size         *int64    `parquet:"size,optional"`
		Modified     time.Time `parquet:"last_modified_date,timestamp(millisecond)"`
		ETag         *string   `parquet:"e_tag,optional"`
	}
	yes, no, seven, version, etag := true, false, int64(7), "v2", "abc"
	rows := []row{
		{"logs", "a b/é.gz", &version, &yes, &no, &seven, written, &etag},
		{"logs", "a b/é.gz", nil, &no, &no, &seven, written, &etag},
		{"logs", "gone", &version, &yes, &yes, nil, written, nil},
		{"logs", "folder/", &version, &yes, &no, nil, written, nil},
	}
	var table bytes.Buffer
	if err := parquet.Write(&table, rows); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	fmt.Fprint(z, `"logs","a+b/%C3%A9.gz","v2","true","false","7","2026-01-02T03:04:05.000Z","abc"`+"\n"+
		`"logs","a+b/%C3%A9.gz","","false","false","7","2026-01-02T03:04:05.000Z","abc"`+"\n"+
		`"logs","gone","v2","true","true","","2026-01-02T03:04:05.000Z",""`+"\n"+`"logs","folder/","v2","true","false","0","2026-01-02T03:04:05.000Z",""`+"\n")
	z.Close()
	files := map[string]string{
		"csv.json": `{"sourceBucket":"logs","destinationBucket":"arn:aws:s3:::inventory","fileFormat":"CSV",` +
			`"fileSchema":"Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag","files":[{"key":"data/1.csv.gz"}]}`,
		"parquet.json":  `{"sourceBucket":"logs","destinationBucket":"arn:aws:s3:::inventory","fileFormat":"Parquet","files":[{"key":"data/1.parquet"}]}`,
		"orc.json":      `{"sourceBucket":"logs","destinationBucket":"arn:aws:s3:::inventory","fileFormat":"ORC","files":[]}`,
		"other.json":    `{}`,
		"data/1.csv.gz": text.String(), "data/1.parquet": table.String(),
	}
	open := func(_ context.Context, bucket, key string) (io.ReadCloser, error) {
		if bucket != "inventory" && !strings.HasSuffix(key, ".json") {
			return nil, fmt.Errorf("bucket %s", bucket)
		}
		return io.NopCloser(strings.NewReader(files[key])), nil
	}
	for _, name := range []string{"csv.json", "parquet.json"} {
		var all []Object
		for o, err := range Inventory(t.Context(), open, "inventory", name) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all = append(all, o)
		}
		if want := (Object{"logs", "a b/é.gz", "v2", "abc", 7, written}); len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, want %+v", name, all, want)
		}
	}
	for name, want := range map[string]string{"orc.json": "CSV and Parquet are read", "other.json": "CSV and Parquet are read", "data/1.csv.gz": "cannot be read"} {
		for _, err := range Inventory(t.Context(), open, "inventory", name) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestLines(t *testing.T) {
	got := keys(t, Lines(strings.NewReader("s3://logs/a b\n\n{\"bucket\":\"logs\",\"key\":\"c\",\"size\":3,\"state\":\"done\"}\n")))
	if !slices.Equal(got, []string{"a b", "c"}) {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"logs/a", "s3://logs", "s3:///a", "{", `{"bucket":"logs"}`, "s3://logs/" + strings.Repeat("a", lineMost)} {
		for o, err := range Lines(strings.NewReader(bad)) {
			if err == nil {
				t.Errorf("%.40q is read as %+v", bad, o)
			}
		}
	}
}

// What a ledger has is not missing, and what was written anew is.
func TestKnown(t *testing.T) {
	now := time.Now()
	known := Known{}
	record := func(key, version, etag string, state ledger.State, last time.Time) ledger.Record {
		return ledger.Record{Key: ledger.Key{Bucket: "logs", Key: key, Version: version}, ETag: etag, State: state, Last: last}
	}
	for _, r := range []ledger.Record{
		record("done", "v1", "e1", ledger.Done, now), record("unreadable", "v1", "e1", ledger.Unreadable, now), record("skipped", "", "", ledger.Skipped, now),
		record("open", "v1", "", ledger.Open, now), record("left", "v1", "e1", ledger.Open, now.Add(-15*24*time.Hour)),
		{Key: ledger.Key{Bucket: "logs", Key: "part", First: 1001}, State: ledger.Done, Last: now},
	} {
		known.Add(r, []ledger.State{ledger.Unreadable}, now)
	}
	for _, c := range []struct {
		name string
		o    Object
		want bool
	}{
		{"same content", Object{Key: "done", ETag: "e1"}, true},
		{"same version", Object{Key: "done", ETag: "e1", Version: "v1"}, true},
		{"written anew", Object{Key: "done", ETag: "e2"}, false},
		{"nothing known but the key", Object{Key: "done"}, true},
		{"to be loaded again", Object{Key: "unreadable", ETag: "e1"}, false},
		{"never fetched", Object{Key: "skipped", ETag: "e1"}, true},
		{"under way", Object{Key: "open", ETag: "e1"}, true},
		{"under way long ago", Object{Key: "left", ETag: "e1"}, false},
		{"only a part", Object{Key: "part", ETag: "e1"}, false},
		{"unknown", Object{Key: "else", ETag: "e1"}, false},
	} {
		c.o.Bucket = "logs"
		if got := known.Has(c.o); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestStateGoesOn(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenState(dir, "s3://logs/", false)
	if err != nil || s.Resumed() {
		t.Fatalf("%+v, %v", s, err)
	}
	s.After, s.Announced.Objects = "k", 7
	if err := s.Save(true); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenState(dir, "s3://logs/", false); err != nil || !s.Resumed() || s.Announced.Objects != 7 {
		t.Errorf("%+v, %v", s, err)
	}
	if other, err := OpenState(dir, "s3://logs/other", false); err != nil || other.Resumed() {
		t.Errorf("another job: %+v, %v", other, err)
	}
	if s, err = OpenState(dir, "s3://logs/", true); err != nil || s.Resumed() {
		t.Errorf("begun anew: %+v, %v", s, err)
	}
	if err := s.Done(); err != nil {
		t.Error(err)
	}
}
