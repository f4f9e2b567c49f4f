package ledger

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ServeHTTP answers with the records of the ledger, a line of JSON each; query
// parameters bucket and prefix narrow them. A last line {"error": …} says that
// there should have been more.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.refresh(r.Context())
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for record, err := range l.Records(parseFilter(r.URL.Query())) {
		if err != nil {
			_ = encoder.Encode(map[string]string{"error": err.Error()}) // a connection that is gone: nobody listens
			return
		}
		if encoder.Encode(record) != nil || r.Context().Err() != nil {
			return
		}
	}
	_ = encoder.Encode(map[string]bool{"end": true})
}

// Path is where [Ledger.ServeHTTP] is found on the socket of a process.
const Path = "/ledger"

// lockWait is how long a reader waits for a file that its process holds, before
// it asks the process.
const lockWait = 100 * time.Millisecond

// ErrNone says that a folder has no ledger.
var ErrNone = errors.New("no ledger")

// Sources finds the ledgers of a folder: files that no process holds are read
// as they are, the others through the sockets of the processes. close ends what
// was opened.
func Sources(ctx context.Context, dir string, f Filter) (all []Records, close func(), err error) {
	files, err := filepath.Glob(filepath.Join(dir, "ledger-*.db"))
	if err != nil {
		return nil, nil, err
	}
	var dbs []*bolt.DB
	close = func() {
		for _, db := range dbs {
			_ = guard(db.Close) // only read
		}
	}
	held := 0
	for _, path := range files {
		db, err := openToRead(path)
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			held++
		case err != nil:
			close()
			return nil, nil, fmt.Errorf("%s cannot be read: %w", path, err)
		default:
			dbs = append(dbs, db)
			all = append(all, scan(db, f))
		}
	}
	if held > 0 {
		remote, err := ask(ctx, dir, f)
		if err != nil {
			close()
			return nil, nil, err
		}
		if len(remote) < held {
			close()
			return nil, nil, fmt.Errorf("%d of %d ledgers in %s are held by processes that do not answer on a socket there; ask again, or stop these processes", held-len(remote), len(files), dir)
		}
		all = append(all, remote...)
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s has %w: no input s3_sqs with this state_dir has read anything yet", dir, ErrNone)
	}
	return all, close, nil
}

func openToRead(path string) (db *bolt.DB, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true})
		return err
	})
	return db, err
}

// ask opens the ledgers of all processes that serve a socket in dir and hold one.
func ask(ctx context.Context, dir string, f Filter) (all []Records, err error) {
	sockets, err := filepath.Glob(filepath.Join(dir, "fluent-siem-*.sock"))
	if err != nil {
		return nil, err
	}
	for _, socket := range sockets {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://socket"+Path+"?"+f.values().Encode(), nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			continue // of a process that is gone, or is going
		}
		if response.StatusCode != http.StatusOK {
			response.Body.Close()
			continue // a process without a ledger
		}
		all = append(all, lines(response.Body))
	}
	return all, nil
}

// lines reads what ServeHTTP has written, and closes it.
func lines(body io.ReadCloser) Records {
	return func(yield func(Record, error) bool) {
		defer body.Close()
		decoder := json.NewDecoder(bufio.NewReaderSize(body, 64<<10))
		for {
			var line struct {
				End   bool   `json:"end"`
				Error string `json:"error"`
			}
			var raw json.RawMessage
			err := decoder.Decode(&raw)
			if err == nil {
				err = json.Unmarshal(raw, &line)
			}
			if err == nil && line.Error != "" {
				err = errors.New(line.Error)
			}
			if err == nil && line.End {
				return
			}
			var r Record
			if err == nil {
				err = json.Unmarshal(raw, &r)
			}
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
