package geoip

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

const key = "tOpSeCrEtLiCeNcE_mmk"

func database(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../../filters/enrich/testdata/mmdb/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// archive packs files as MaxMind does.
func archive(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

// maxmind is a server of downloads as MaxMind documents them, both forms.
type maxmind struct {
	mu        sync.Mutex
	files     map[string][]byte // by edition: the archive
	sum       string            // in place of the true checksum
	downloads int
}

func (m *maxmind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := r.URL.Query()
	edition := q.Get("edition_id")
	ok := edition != "" && q.Get("license_key") == key
	if rest, found := strings.CutPrefix(r.URL.Path, "/geoip/databases/"); found {
		edition = strings.TrimSuffix(rest, "/download")
		user, password, _ := r.BasicAuth()
		ok = user == "123456" && password == key
	}
	if !ok {
		http.Error(w, "Invalid license key "+key, http.StatusUnauthorized)
		return
	}
	file, known := m.files[edition]
	if !known {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(file)
	etag := `"` + hex.EncodeToString(sum[:4]) + `"`
	switch {
	case q.Get("suffix") == "tar.gz.sha256":
		text := hex.EncodeToString(sum[:])
		if m.sum != "" {
			text = m.sum
		}
		fmt.Fprintf(w, "%s  %s_20260101.tar.gz\n", text, edition)
	case r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
	default:
		m.downloads++
		w.Header().Set("ETag", etag)
		w.Write(file)
	}
}

func TestDownloads(t *testing.T) {
	city, asn := database(t, "GeoLite2-City-Test.mmdb"), database(t, "GeoLite2-ASN-Test.mmdb")
	for form, account := range map[string]string{"header": "123456", "query": ""} {
		m := &maxmind{files: map[string][]byte{
			"GeoLite2-City": archive(t, map[string][]byte{"GeoLite2-City_20260101/LICENSE.txt": []byte("x"), "../../GeoLite2-City_20260101/GeoLite2-City.mmdb": city}),
			"GeoLite2-ASN":  archive(t, map[string][]byte{"GeoLite2-ASN_20260101/GeoLite2-ASN.mmdb": asn}),
		}}
		server := httptest.NewServer(m)
		defer server.Close()
		cfg := Defaults()
		cfg.Dir, cfg.Endpoint, cfg.Account, cfg.LicenceKey, cfg.Editions = t.TempDir(), server.URL, account, key, []string{"GeoLite2-City", "GeoLite2-ASN"}
		var said strings.Builder
		refresh := func(edition string) (bool, error) {
			changed, err := cfg.refresh(t.Context(), &feed.Client{}, source{name: edition}, feed.Copy{Path: filepath.Join(cfg.Dir, edition+".mmdb"), Previous: true})
			fmt.Fprintln(&said, err)
			return changed, err
		}
		for _, edition := range cfg.Editions {
			for i, want := range []bool{true, false} {
				if changed, err := refresh(edition); err != nil || changed != want {
					t.Errorf("%s: %s, time %d: changed %v, %v", form, edition, i, changed, err)
				}
			}
		}
		if m.downloads != 2 {
			t.Errorf("%s: %d downloads, want 2", form, m.downloads)
		}
		geo := enrich.OpenGeo(cfg.Dir, slog.New(slog.DiscardHandler))
		if len(geo.Versions()) != 2 {
			t.Errorf("%s: the filter reads %v: %s", form, geo.Versions(), geo.Problem())
		}
		geo.Close()

		// What is wrong leaves what is there.
		bad := func(what, want string, change func()) {
			t.Helper()
			m.mu.Lock()
			before := m.files["GeoLite2-City"]
			change()
			m.mu.Unlock()
			changed, err := refresh("GeoLite2-City")
			if err == nil || changed || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: changed %v, %v", form, what, changed, err)
			}
			if data, err := os.ReadFile(filepath.Join(cfg.Dir, "GeoLite2-City.mmdb")); err != nil || !bytes.Equal(data, city) {
				t.Errorf("%s: %s: the database is another: %v", form, what, err)
			}
			m.mu.Lock()
			m.files["GeoLite2-City"], m.sum = before, ""
			m.mu.Unlock()
		}
		other := archive(t, map[string][]byte{"x/GeoLite2-City.mmdb": city, "x/COPYRIGHT.txt": []byte("other")})
		bad("a wrong checksum", "SHA-256 is ", func() { m.files["GeoLite2-City"], m.sum = other, strings.Repeat("ab", 32) })
		bad("no checksum", "is none", func() { m.files["GeoLite2-City"], m.sum = other, "<html>" })
		bad("half an archive", "unexpected EOF", func() { m.files["GeoLite2-City"] = other[:len(other)/2] })
		bad("no database in it", "no .mmdb", func() { m.files["GeoLite2-City"] = archive(t, map[string][]byte{"x.txt": city}) })
		bad("HTML", "", func() { m.files["GeoLite2-City"] = []byte("<html>sign in</html>") })
		corrupt, err := filepath.Glob("../../../filters/enrich/testdata/mmdb/bad-data/*.mmdb")
		if err != nil || len(corrupt) < 20 {
			t.Fatal(corrupt, err)
		}
		for _, f := range corrupt {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			bad(filepath.Base(f), "refused", func() { m.files["GeoLite2-City"] = archive(t, map[string][]byte{"x/x.mmdb": data}) })
		}
		m.mu.Lock()
		m.files["GeoLite2-City"] = other
		m.mu.Unlock()
		if changed, err := refresh("GeoLite2-City"); err != nil || !changed {
			t.Errorf("%s: afterwards: changed %v, %v", form, changed, err)
		}
		if _, err := os.Stat(filepath.Join(cfg.Dir, "GeoLite2-City.mmdb.previous")); err != nil {
			t.Error(err)
		}
		cfg.LicenceKey = key + "-wrong"
		if _, err := refresh("GeoLite2-City"); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := refresh("GeoLite2-None"); err == nil {
			t.Errorf("%s: an edition that is not there", form)
		}
		// The key is nowhere: not in what was said, and in no file.
		text := said.String()
		files, _ := os.ReadDir(cfg.Dir)
		for _, f := range files {
			if strings.HasPrefix(f.Name(), ".") {
				t.Errorf("%s is left behind", f.Name())
			}
			data, err := os.ReadFile(filepath.Join(cfg.Dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			text += string(data)
		}
		if strings.Contains(text, "tOpSeCrEt") {
			t.Errorf("%s: the key is in what was said or written:\n%s", form, said.String())
		}
	}
}

func TestOtherPlaces(t *testing.T) {
	dir := t.TempDir()
	city := database(t, "GeoLite2-City-Test.mmdb")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(city)
	z.Close()
	sum := sha256.Sum256(packed.Bytes())
	for name, data := range map[string][]byte{"plain": city, "packed": packed.Bytes(), "sum": []byte(strings.ToUpper(hex.EncodeToString(sum[:])))} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []SourceConfig{{Name: "a", URL: filepath.Join(dir, "plain")}, {Name: "b", URL: filepath.Join(dir, "packed"), SHA256URL: filepath.Join(dir, "sum")}} {
		cfg := Config{Dir: t.TempDir(), Sources: []SourceConfig{c}}
		to := feed.Copy{Path: filepath.Join(cfg.Dir, c.Name+".mmdb")}
		if changed, err := cfg.refresh(t.Context(), &feed.Client{}, cfg.sources()[0], to); err != nil || !changed {
			t.Errorf("%s: changed %v, %v", c.Name, changed, err)
		}
		if v, err := enrich.TryDatabase(to.Path); err != nil || v.Type != "GeoLite2-City" {
			t.Errorf("%s: %+v, %v", c.Name, v, err)
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(&ages{cfg})
		families, err := registry.Gather()
		if err != nil || len(families) != 2 || families[1].GetName() != "siem_geoip_build_timestamp_seconds" || families[1].Metric[0].Gauge.GetValue() < 1e9 {
			t.Errorf("%v, %v", families, err)
		}
	}
}

// TestFleet: what one host publishes another takes, and half of it not.
func TestFleet(t *testing.T) {
	services, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer services.Close()
	if err := services.CreateBucket("geo"); err != nil {
		t.Fatal(err)
	}
	client := &feed.Client{S3: s3.New(s3.Options{
		BaseEndpoint: &services.URL, UsePathStyle: true, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})}
	ours := Config{Dir: t.TempDir(), Publish: "s3://geo/GeoLite2/"}
	to := feed.Copy{Path: filepath.Join(ours.Dir, "GeoLite2-City.mmdb")}
	if err := os.WriteFile(to.Path, database(t, "GeoLite2-City-Test.mmdb"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := ours.publish(t.Context(), client, to, "")
	if err != nil || len(sum) != 64 {
		t.Fatal(sum, err)
	}
	theirs := Config{Dir: t.TempDir(), Sources: []SourceConfig{{Name: "GeoLite2-City", URL: "s3://geo/GeoLite2/GeoLite2-City.mmdb", SHA256URL: "s3://geo/GeoLite2/GeoLite2-City.mmdb.sha256"}}}
	taken := feed.Copy{Path: filepath.Join(theirs.Dir, "GeoLite2-City.mmdb")}
	for i, want := range []bool{true, false} {
		if changed, err := theirs.refresh(t.Context(), client, theirs.sources()[0], taken); err != nil || changed != want {
			t.Errorf("time %d: changed %v, %v", i, changed, err)
		}
	}
	if v, err := enrich.TryDatabase(taken.Path); err != nil || v.Type != "GeoLite2-City" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := services.Put("geo", "GeoLite2/GeoLite2-City.mmdb", database(t, "GeoLite2-ASN-Test.mmdb")); err != nil { // its checksum comes later
		t.Fatal(err)
	}
	if changed, err := theirs.refresh(t.Context(), client, theirs.sources()[0], taken); err == nil || changed || !strings.Contains(err.Error(), "its SHA-256 is") {
		t.Errorf("changed %v, %v", changed, err)
	}
	if again, err := ours.publish(t.Context(), &feed.Client{}, to, sum); err != nil || again != sum {
		t.Errorf("what is there is published again: %v", err)
	}
	if _, err := ours.publish(t.Context(), &feed.Client{}, to, ""); err == nil || !strings.Contains(err.Error(), "the fleet stays with the one before") {
		t.Error(err)
	}
}

func TestSection(t *testing.T) {
	load := func(text string) (Config, error) {
		s, err := config.Read(strings.NewReader(text), func(name string) (string, bool) { return key, name == "KEY" })
		if err != nil {
			t.Fatal(err)
		}
		return Load(s, "state")
	}
	cfg, err := load("editions: [GeoLite2-City]\nlicence_key: ${KEY}\nsources:\n  - name: dbip-city-lite\n    url: https://x.example/dbip.mmdb.gz\n")
	if err != nil || cfg.LicenceKey != key || cfg.Dir != filepath.Join("state", "geoip") || len(cfg.sources()) != 2 {
		t.Errorf("%+v, %v", cfg, err)
	}
	_, err = load("editions: [../x]\nlicence_key: ${KEY}\nlicence_key_file: y\ninterval: 1s\njitter: 2\nendpoint: x\npublish: s3://b/k\nsources:\n  - name: a/b\n  - nme: x\n")
	for _, want := range []string{`editions: "../x" is no edition`, "licence_key: editions need a key", "interval: 1s is too short", "jitter: 2;", "endpoint: ", "publish: ", `sources[1].name: "a/b"`, "sources[1].url: it is missing", "sources[2].nme: is no setting; did you mean name?"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), key) {
		t.Error("the key is in", err)
	}
}
